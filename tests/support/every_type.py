"""A document of everything that the servers carry: what is applied once has to be as wanted afterwards."""

from __future__ import annotations

import base64
import hashlib
import struct
from pathlib import Path
from typing import Any, Final

import trustme
import yaml

from tests.support.configured import Place
from tests.support.discovery import Provider

_PLUGIN: Final = b"#!/bin/sh\nexit 0\n"


def methods(provider: Provider) -> list[dict[str, Any]]:
    """Auth methods, one of each type and more than a server has. Of ``kubernetes`` the host is left out."""
    authority = trustme.CA().cert_pem.bytes().decode()
    return [
        {
            "type": "approle",
            "roles": [
                {
                    "name": "Default",
                    "policies": "b,A",
                    "secret_id_ttl": "10m",
                    "token_ttl": "20m",
                    "bind_secret_id": "true",
                }
            ],
            "options": {"default_lease_ttl": "1h", "listing_visibility": "unauth"},
        },
        {
            "type": "userpass",
            "path": "people",
            "users": [{"username": "Admin", "password": "p", "token_policies": ["a"]}],
        },
        {
            "type": "jwt",
            "config": {"oidc_discovery_url": provider.url, "default_role": "default"},
            "roles": [
                {
                    "name": "default",
                    "role_type": "jwt",
                    "bound_audiences": "bank",
                    "user_claim": "sub",
                    "groups_claim": "groups",
                    "bound_claims": '{"team": ["a", "b"]}',
                    "policies": "a",
                    "ttl": "1h",
                }
            ],
        },
        {
            "type": "oidc",
            "path": "sso",
            "config": {
                "oidc_discovery_url": provider.url,
                "oidc_client_id": "id",
                "oidc_client_secret": "client-secret",
                "default_role": "d",
            },
            "roles": [
                {
                    "name": "d",
                    "user_claim": "sub",
                    "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"],
                    "claim_mappings": {"email": "email"},
                    "oidc_scopes": "groups",
                }
            ],
        },
        {
            "type": "kubernetes",
            "config": {"kubernetes_ca_cert": authority, "token_reviewer_jwt": "a.b.c"},
            "roles": [
                {
                    "name": "default",
                    "bound_service_account_names": ["default", "bank"],
                    "bound_service_account_namespaces": "default",
                    "policies": ["a"],
                    "ttl": "1h",
                }
            ],
        },
        {
            "type": "cert",
            "config": {"disable_binding": True},
            "roles": [
                {
                    "name": "web",
                    "display_name": "web",
                    "policies": "web",
                    "certificate": authority,
                    "ttl": "3600",
                }
            ],
        },
        {
            "type": "token",
            "roles": [
                {"name": "metrics", "allowed_policies": ["metrics"], "orphan": True, "token_period": "1h"}
            ],
        },
        {
            "type": "ldap",
            "config": {
                "url": "ldap://localhost",
                "binddn": "cn=admin",
                "bindpass": "secret",
                "userattr": "uid",
                "groupdn": "ou=g",
            },
            "groups": {"Developers": {"policies": "a"}},
            "users": {"Someone": {"groups": "developers", "policies": "a"}},
        },
        {
            "type": "radius",
            "config": {"host": "localhost", "secret": "s"},
            "users": {"Someone": {"policies": "a"}},
        },
        {
            "type": "kerberos",
            "config": {"keytab": keytab(), "service_account": "bank", "ldap": {"url": "ldap://localhost"}},
            "groups": {"developers": {"policies": "a"}},
        },
        {
            "type": "github",
            "config": {"organization": "example", "organization_id": 1},
            "map": {"teams": {"dev": "a,b"}, "users": {"someone": "c"}},
        },
        {
            "type": "okta",
            "config": {"org_name": "example", "base_url": "okta.com"},
            "groups": {"g": {"policies": "a"}},
        },
        {
            "type": "aws",
            "config": {
                "access_key": "A",
                "secret_key": "S",
                "aws-identity-integration": {"iam_alias": "role_id"},
            },
            "crossaccountrole": [
                {"sts_account": "012345678901", "sts_role": "arn:aws:iam::012345678901:role/x"}
            ],
            "roles": [
                {
                    "name": "dev",
                    "auth_type": "iam",
                    "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/dev",
                    "resolve_aws_unique_ids": False,
                    "policies": "a",
                    "period": "1h",
                }
            ],
        },
    ]


def wallet(directory: Path) -> dict[str, str]:
    """A plugin in the plugin directory of a server: its command and digest."""
    program = directory / "wallet"
    program.write_bytes(_PLUGIN)
    program.chmod(0o755)
    return {"command": program.name, "sha256": hashlib.sha256(_PLUGIN).hexdigest()}


def keytab() -> str:
    """With one key, in the format of MIT Kerberos."""

    def counted(text: bytes) -> bytes:
        return struct.pack(">H", len(text)) + text

    entry = struct.pack(">H", 1) + counted(b"REALM") + counted(b"bank")
    entry += struct.pack(">IIB", 1, 0, 1) + struct.pack(">H", 18) + counted(bytes(32))
    return base64.b64encode(b"\x05\x02" + struct.pack(">i", len(entry)) + entry).decode()


ENGINES: Final = """
secrets:
  - {path: secret, type: kv, description: General secrets., options: {version: 2},
     configuration: {config: [{max_versions: 100, cas_required: "false"}]}}
  - {path: team/passwords, type: kv, options: {version: 1}}
  - type: pki
    config: {default_lease_ttl: 168h, max_lease_ttl: 720h}
    configuration:
      root/generate:
        - {name: exported, common_name: vault.example, create_only: true, save_to: secret/data/pki/ca}
      roles:
        - {name: default, allowed_domains: "localhost,pod,svc,default", allow_subdomains: true, ttl: 30m}
        - {name: empty}
      config:
        - {name: urls, issuing_certificates: "https://vault:8200/v1/pki/ca",
           crl_distribution_points: "https://vault:8200/v1/pki/crl"}
        - {name: crl, expiry: 72h}
  - type: pki
    path: intermediate
    configuration: {intermediate/generate: [{name: internal, common_name: middle.example}]}
  - type: ssh
    path: ssh-client-signer
    configuration:
      config: [{name: ca, generate_signing_key: "true"}]
      roles:
        - {name: my-role, key_type: ca, allow_user_certificates: "true", allowed_users: "*",
           default_user: ubuntu, ttl: 24h, default_extensions: {permit-pty: ""}}
  - type: ssh
    path: ssh-otp
    configuration: {roles: [{name: otp, key_type: otp, default_user: ubuntu, cidr_list: 10.0.0.0/8}]}
  - type: rabbitmq
    configuration:
      config:
        - {name: connection, connection_uri: "http://localhost:15672", username: guest, password: guest,
           verify_connection: false}
        - {name: lease, ttl: 1m, max_ttl: 2m}
      roles: [{name: prod, vhosts: '{"/web":{"write":"p.*","read":"p.*"}}'}]
  - type: transit
    path: tenant/transit
    configuration:
      keys:
        - {name: autounseal, type: aes256-gcm96, exportable: false, auto_rotate_period: 720h}
        - {name: limited, type: ed25519, min_decryption_version: 1, deletion_allowed: true}
      keys/autounseal: [{name: config, min_decryption_version: 1}]
      cache-config: [{size: 500}]
  - type: totp
    configuration:
      keys:
        - {name: made, generate: true, issuer: Example, account_name: someone@example.com}
        - {name: given, key: JBSWY3DPEHPK3PXP, issuer: Example, account_name: other@example.com}
  - type: database
    configuration:
      roles: [{name: app, db_name: main, creation_statements: "CREATE ROLE x", default_ttl: 10m, max_ttl: 1d}]
      config:
        - {name: main, plugin_name: postgresql-database-plugin, username: u, password: p, allowed_roles: app,
           connection_url: "postgresql://{{username}}:{{password}}@127.0.0.1:1/x", verify_connection: false}
  - type: kubernetes
    configuration:
      config: [{kubernetes_host: "https://127.0.0.1:1", service_account_jwt: abc, disable_local_ca_jwt: true}]
      roles: [{name: r, allowed_kubernetes_namespaces: ["*"], service_account_name: default}]
"""
"""Secrets engines, one of each type at least."""

KV_ENGINES: Final = """
secrets:
  - {path: secret, type: kv, options: {version: 2}}
  - {path: old, type: kv, options: {version: 1}}
  - {path: limited, type: kv, options: {version: 2}, max_versions: 7}
  - {type: pki}
"""
"""What the start-up secrets need."""

KV_SECRETS: Final = """
startupSecrets:
  - {type: kv, path: secret/data/accounts/aws, max_versions: 10,
     data: {data: {ID: id, n: {a: [1, 2.5, true, null]}}}}
  - {type: kv, path: secret/data/once, data: {data: {a: b}, options: {cas: 0}}}
  - {type: kv, path: old/x, data: {data: {a: b}}}
  - {type: kv, path: limited/data/x, data: {data: {a: b}}}
  - {type: kv, path: limited/data/y, max_versions: 3, data: {data: {a: b}}}
  - type: kv
    path: secret/data/cluster
    data: {secretKeyRef: [{name: account, key: ID}, {name: account, key: KEY}]}
  - {type: kv, path: old/cluster, data: {secretKeyRef: [{name: account, key: ID}]}}
"""
"""Every kind of a kv secret."""

_READER: Final = """
path "secret/{{identity.entity.aliases.__accessor__people.name}}" { capabilities = ["read"] }
"""


def carried(place: Place, kind: str) -> set[str]:
    """The plugins of a kind that the server has."""
    plugins = (place.shown("sys/plugins/catalog") or {})["detailed"]
    return {plugin["name"] for plugin in plugins if plugin["type"] == kind}


def everything(place: Place, provider: Provider, wallet: dict[str, str]) -> dict[str, Any]:
    """What the server cannot have is left out. Start-up secrets of Kubernetes have tests of their own."""
    auth = carried(place, "auth") | {"token"}
    engines = carried(place, "secret")
    paths = {"secret", "pki"}  # of both lists
    given = [*yaml.safe_load(ENGINES)["secrets"]]
    given += [
        each for each in yaml.safe_load(KV_ENGINES)["secrets"] if each.get("path", each["type"]) not in paths
    ]
    secrets = yaml.safe_load(KV_SECRETS)["startupSecrets"]
    return {
        "purgeUnmanagedConfig": {"enabled": True, "within": True},
        "audit": [{"type": "file", "description": "All.", "options": {"file_path": "/dev/null"}}],
        "plugins": [
            {"plugin_name": "wallet", "type": kind, **wallet} for kind in ("auth", "database", "secret")
        ],
        "auth": [each for each in methods(provider) if each["type"] in auth],
        "groups": [
            {"name": "Outer", "type": "external", "policies": ["Reader"], "metadata": {"a": "b"}},
            {"name": "inner", "type": "internal", "policies": ["reader"]},
        ],
        "group-aliases": [{"name": "people", "mountpath": "people", "group": "Outer"}],
        "policies": [{"name": "Reader", "rules": _READER}, {"name": "empty", "rules": ""}],
        "secrets": [each for each in given if each["type"] in engines],
        "startupSecrets": [each for each in secrets if "secretKeyRef" not in each["data"]],
    }
