"""``configure`` that logs in with the client certificate with which it speaks to the server."""

from __future__ import annotations

from pathlib import Path

from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.program import run
from tests.support.servers import Server

DOCUMENT = """
purgeUnmanagedConfig: {enabled: true, within: true, exclude: {audit: true}}
policies: [{name: app, rules: 'path "a" { capabilities = ["read"] }'}]
auth: [{type: cert, path: machines, config: {disable_binding: false}}]
"""


def test_k25_a_client_certificate_is_all_that_is_needed(server_kind: ServerKind, tmp_path: Path) -> None:
    with Server(server_kind, tls="mutual") as server:
        place = Place(server, tmp_path)
        (place.store / "vault-root").unlink()
        place.write(DOCUMENT)
        printed = run("configure", "policy", *place.flags(), store=place.store)
        place.call("PUT", "sys/policies/acl/limited", {"policy": printed.output})
        place.call("POST", "sys/auth/machines", {"type": "cert"})
        assert server.ca_file is not None
        role = {"certificate": server.ca_file.read_text(), "token_policies": "limited", "token_ttl": "10m"}
        place.call("PUT", "auth/machines/certs/configure", role)
        login = ("--auth=cert", "--auth-path=machines", f"--state={tmp_path / 'state'}")
        for flags in (login, (*login, "--auth-role=configure")):
            done = place.once(*flags)
            assert done.code == 0, done.log + done.output
        assert place.shown("sys/policies/acl/app") is not None
        assert place.shown("sys/policies/acl/limited") is not None
        assert place.shown("auth/machines/certs/configure") is not None
        refused = place.once(*login, "--auth-role=another")
        assert refused.code == 1
        assert "PUT auth/machines/login: 400" in refused.log
        assert len(place.call("GET", "auth/token/accessors?list=true").body["data"]["keys"]) == 1
