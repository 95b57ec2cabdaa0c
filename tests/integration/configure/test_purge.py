"""A purge leaves what documents refer to, and what the program itself stands on, however it logs in."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.program import run
from tests.support.servers import Server

READER = 'path "secret/*" {\n  capabilities = ["read"]\n}\n'
PURGE: dict[str, Any] = {"purgeUnmanagedConfig": {"enabled": True, "within": True}}


@pytest.fixture
def guarded(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    """A server that asks for client certificates."""
    with Server(server_kind, tls="mutual") as server:
        yield Place(server, tmp_path)


def document(kind: str, path: str, items: str) -> dict[str, Any]:
    """With one auth method that has one item, which is none of this program."""
    name = "username" if items == "users" else "name"
    managed = {name: "dev", "token_policies": "reader"}
    if items == "users":
        managed["password"] = "of-somebody"
    return {
        **PURGE,
        "policies": [{"name": "reader", "rules": READER}],
        "auth": [{"type": kind, "path": path, items: [managed]}],
        "groups": [{"name": "mine", "type": "internal"}],
    }


def limited(place: Place) -> None:
    """The policy that the files need, under the name ``limited``; and what others have left."""
    printed = run("configure", "policy", *place.flags(), store=place.store)
    assert printed.code == 0, printed.log
    for name, rules in (("limited", printed.output), ("old", READER)):
        assert place.call("PUT", f"sys/policies/acl/{name}", {"policy": rules}).status < 300
    (place.store / "vault-root").unlink()


def policies(place: Place) -> set[str]:
    return set((place.shown("sys/policies/acl?list=true") or {})["keys"]) - {"default", "root"}


def purged(place: Place, *flags: str, **more: Any) -> str:
    """Two runs, the second of which finds everything that it needs; and what the plan said before."""
    planned = place.plan(*flags, **more)
    assert planned.code == 2, planned.log + planned.output
    for _ in range(2):
        done = place.once(*flags, **more)
        assert done.code == 0, done.log + done.output
    return planned.output


def with_token(directory: Path, token: str) -> tuple[str, ...]:
    """Flags of a run that has this token from a file."""
    (directory / "token").write_text(token)
    return "--auth=token-file", f"--auth-token-file={directory / 'token'}", f"--state={directory / 'state'}"


def test_k3_an_auth_method_that_only_an_alias_or_a_placeholder_names_stays(place: Place) -> None:
    for path in ("aliased", "templated", "neither"):
        place.call("POST", f"sys/auth/{path}", {"type": "userpass"})
        place.call("PUT", f"auth/{path}/users/u", {"password": "of-somebody"})
    rules = 'path "secret/{{identity.entity.aliases.__accessor__templated.name}}" { capabilities = ["read"] }'
    place.write(
        {
            **PURGE,
            "policies": [{"name": "own", "rules": rules}],
            "groups": [{"name": "g", "type": "external"}],
            "group-aliases": [{"name": "a", "mountpath": "aliased", "group": "g"}],
        }
    )
    said = purged(place)
    for path in ("aliased", "templated"):
        assert f"  auth mount {path} (1 object inside): no document has it" in said, said
    assert said.count("it stays, for a document refers to it") == 2
    for path in ("aliased", "templated"):
        assert place.shown(f"auth/{path}/users/u") is not None
    assert set(place.mounts("auth")) == {"token/", "aliased/", "templated/"}


def test_k3_role_policy_and_group_of_the_login_by_approle_stay(place: Place, tmp_path: Path) -> None:
    place.call("POST", "sys/auth/machines", {"type": "approle"})
    place.write(document("approle", "machines", "roles"))
    limited(place)
    place.call("PUT", "sys/policies/acl/by-group", {"policy": READER})
    for name in ("Configurer", "old"):
        place.call("PUT", f"auth/machines/role/{name}", {"token_policies": "limited", "token_ttl": "5m"})
    role_id = (place.shown("auth/machines/role/Configurer/role-id") or {})["role_id"]
    secret_id = place.call("PUT", "auth/machines/role/Configurer/secret-id", {}).body["data"]["secret_id"]
    login = place.call("PUT", "auth/machines/login", {"role_id": role_id, "secret_id": secret_id})
    entity = login.body["auth"]["entity_id"]
    inner = {"name": "inner", "policies": ["by-group"], "member_entity_ids": [entity]}
    number = place.call("PUT", "identity/group", inner).body["data"]["id"]
    place.call("PUT", "identity/group", {"name": "outer", "member_group_ids": [number]})
    place.call("PUT", "identity/group", {"name": "others"})
    said = purged(
        place,
        "--auth=approle",
        "--auth-path=machines",
        f"--auth-role-id={role_id}",
        f"--state={tmp_path / 'state'}",
        environment={"BANK_VAULTS_AUTH_SECRET_ID": secret_id},
    )
    assert "  policies policy limited: no document has it; it stays, for the token" in said
    assert policies(place) == {"reader", "limited", "by-group"}
    roles = (place.shown("auth/machines/role?list=true") or {})["keys"]
    assert {name.lower() for name in roles} == {"dev", "configurer"}
    assert set((place.shown("identity/group/name?list=true") or {})["keys"]) == {"mine", "inner", "outer"}


def test_k3_role_and_policy_of_the_login_by_certificate_stay(guarded: Place, tmp_path: Path) -> None:
    place = guarded
    authority = place.server.ca_file
    assert authority is not None
    place.call("POST", "sys/auth/mtls", {"type": "cert"})
    made = document("cert", "mtls", "roles")
    made["auth"][0]["roles"][0]["certificate"] = authority.read_text()
    place.write(made)
    limited(place)
    for name in ("configurer", "old"):
        body = {"token_policies": "limited", "certificate": authority.read_text()}
        assert place.call("PUT", f"auth/mtls/certs/{name}", body).status < 300
    flags = ("--auth=cert", "--auth-path=mtls", "--auth-role=configurer", f"--state={tmp_path / 'state'}")
    purged(place, *flags)
    assert policies(place) == {"reader", "limited"}
    assert set((place.shown("auth/mtls/certs?list=true") or {})["keys"]) == {"dev", "configurer"}


def test_k3_user_method_and_policy_of_the_token_of_a_file_stay(place: Place, tmp_path: Path) -> None:
    place.call("POST", "sys/auth/people", {"type": "userpass"})
    place.write(document("approle", "machines", "roles"))
    limited(place)
    place.call("PUT", "auth/people/users/ops", {"password": "of-ops", "token_policies": "limited"})
    token = place.call("PUT", "auth/people/login/ops", {"password": "of-ops"}).body["auth"]["client_token"]
    purged(place, *with_token(tmp_path, token))
    assert policies(place) == {"reader", "limited"}
    assert place.shown("auth/people/users/ops") is not None


def signed(key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> str:
    """A JWT."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return b".".join((text, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def test_k3_the_alias_by_which_a_token_gets_its_policies_stays(place: Place, tmp_path: Path) -> None:
    place.call("POST", "sys/auth/sso", {"type": "jwt"})
    place.write(document("approle", "machines", "roles"))
    limited(place)
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    place.call("PUT", "auth/sso/config", {"jwt_validation_pubkeys": [public.decode()]})
    role = {"role_type": "jwt", "user_claim": "sub", "groups_claim": "groups", "bound_audiences": ["bank"]}
    assert place.call("PUT", "auth/sso/role/ci", role).status < 300
    accessor = (place.shown("sys/auth") or {})["sso/"]["accessor"]
    for name in ("operators", "unused"):
        group = {"name": name, "type": "external", "policies": ["limited"]}
        number = place.call("PUT", "identity/group", group).body["data"]["id"]
        alias = {"name": f"of-{name}", "mount_accessor": accessor, "canonical_id": number}
        assert place.call("PUT", "identity/group-alias", alias).status < 300
    now = int(time.time())
    claims = {"sub": "me", "aud": "bank", "groups": ["of-operators"], "iat": now, "exp": now + 600}
    login = place.call("PUT", "auth/sso/login", {"role": "ci", "jwt": signed(key, claims)})
    assert login.status == 200, login
    purged(place, *with_token(tmp_path, login.body["auth"]["client_token"]))
    assert policies(place) == {"reader", "limited"}
    assert set((place.shown("identity/group/name?list=true") or {})["keys"]) == {"mine", "operators"}
    aliases = (place.shown("identity/group-alias/id?list=true") or {})["key_info"]
    assert [alias["name"] for alias in aliases.values()] == ["of-operators"]
    assert place.shown("auth/sso/role/ci") is not None


def test_k3_nothing_is_deleted_of_what_may_be_its_own_where_the_token_cannot_be_seen(
    place: Place, tmp_path: Path
) -> None:
    place.write(document("approle", "machines", "roles"))
    limited(place)
    blind = READER + 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }\n'
    blind += 'path "auth/token/lookup-self" { capabilities = ["deny"] }\n'
    place.call("PUT", "sys/policies/acl/blind", {"policy": blind})
    place.call("POST", "sys/mounts/forgotten", {"type": "kv"})
    body = {"policies": ["blind"], "no_default_policy": True}
    token = place.call("POST", "auth/token/create-orphan", body).body["auth"]["client_token"]
    done = place.once(*with_token(tmp_path, token))
    assert done.code == 1
    assert "whether the token of this program depends on it cannot be seen" in done.output, done.output
    assert policies(place) == {"reader", "limited", "old", "blind"}
    assert "forgotten/" not in place.mounts()
