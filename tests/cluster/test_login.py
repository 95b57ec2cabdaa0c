"""``configure`` that logs in with the token of its service account, on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.kubernetes import Cluster
from tests.support.program import run
from tests.support.servers import Server

ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {{name: configure, namespace: {0}}}
"""
DOCUMENT = """
purgeUnmanagedConfig: {{enabled: true, within: true, exclude: {{audit: true}}}}
auth:
  - type: kubernetes
    config: {{kubernetes_host: "{0}", disable_local_ca_jwt: true}}
    roles:
      - name: app
        bound_service_account_names: [app]
        bound_service_account_namespaces: [app]
"""


def test_k3_a_purge_spares_role_and_policy_of_the_login_with_a_service_account(
    server_kind: ServerKind, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster.apply(ACCOUNT.format(namespace))
    (tmp_path / "jwt").write_text(cluster.token_of(namespace, "configure"))
    cluster.service_account(tmp_path, namespace)
    authority, reviewer = (tmp_path / "ca.crt").read_text(), (tmp_path / "token").read_text()
    with Server(server_kind) as server:
        place = Place(server, tmp_path)
        if place.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"}).status >= 300:
            pytest.skip("this server has no such auth method")
        config = {
            "kubernetes_host": cluster.address,
            "kubernetes_ca_cert": authority,
            "token_reviewer_jwt": reviewer,
            "disable_local_ca_jwt": True,
        }
        assert place.call("PUT", "auth/kubernetes/config", config).status < 300
        place.write(DOCUMENT.format(cluster.address))
        printed = run("configure", "policy", *place.flags(), store=place.store)
        for name, rules in (("limited", printed.output), ("old", 'path "old" { capabilities = ["read"] }')):
            assert place.call("PUT", f"sys/policies/acl/{name}", {"policy": rules}).status < 300
        for name in ("configurer", "old"):
            role = {
                "bound_service_account_names": "configure",
                "bound_service_account_namespaces": namespace,
                "token_policies": "limited",
            }
            assert place.call("PUT", f"auth/kubernetes/role/{name}", role).status < 300
        (place.store / "vault-root").unlink()
        for _ in range(2):
            done = place.once(
                "--auth=kubernetes",
                "--auth-role=configurer",
                f"--auth-jwt-file={tmp_path / 'jwt'}",
                f"--state={tmp_path / 'state'}",
            )
            assert done.code == 0, done.log + done.output
        roles = (place.shown("auth/kubernetes/role?list=true") or {})["keys"]
        assert set(roles) == {"app", "configurer"}
        assert place.shown("sys/policies/acl/limited") is not None
        assert place.shown("sys/policies/acl/old") is None
