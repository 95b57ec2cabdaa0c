"""The client against the real servers: TLS in all its forms, sockets, restarts, redirects of standbys."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig, from_environment
from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotFoundError,
    NotInitialisedError,
    SealedError,
    TransientError,
    UnsupportedError,
)
from tests.support.binaries import ServerKind
from tests.support.servers import RaftCluster, Server, api, initialise, unseal, wait_active

LONG = 30.0


def client_of(server: Server, **settings: Any) -> VaultClient:
    return VaultClient(ClientConfig(address=server.address, **settings))


@pytest.fixture
def tls_server(server_kind: ServerKind) -> Iterator[Server]:
    with Server(server_kind, tls="server") as server:
        yield server


def test_the_life_of_a_server_in_answers(any_server: Server) -> None:
    with client_of(any_server) as client:
        assert client.request("GET", "sys/seal-status").data["initialized"] is False
        with pytest.raises((SealedError, NotInitialisedError)):
            client.request("GET", "secret/data/x")
        with pytest.raises((NotInitialisedError, FatalError)):
            client.request("PUT", "sys/unseal", {"key": "ab" * 32})
        keys = client.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, retries=0).data
        root = Secret(str(keys["root_token"]))
        with pytest.raises(FatalError, match="already initialized") as caught:
            client.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, retries=0)
        assert not caught.value.outcome_unknown
        with pytest.raises(SealedError):
            client.request("GET", "sys/mounts", token=root)
        shares = keys["keys"]
        assert isinstance(shares, list)
        assert client.request("PUT", "sys/unseal", {"key": shares[0]}).data["sealed"] is False
        wait_active(any_server)
        with pytest.raises(DeniedError):
            client.request("GET", "sys/mounts")
        with pytest.raises(DeniedError):
            client.request("GET", "sys/mounts", token=Secret("wrong"))
        assert "sys/" in client.request("GET", "sys/mounts", token=root).data
        assert client.request("POST", "sys/mounts/kv", {"type": "kv"}, token=root).status == 204
        client.request("PUT", "kv/a name with blanks", {"value": "v"}, token=root)
        assert client.request("LIST", "kv", token=root).data["data"] == {"keys": ["a name with blanks"]}
        with pytest.raises(NotFoundError):
            client.request("GET", "kv/absent", token=root)
        with pytest.raises(UnsupportedError):
            client.request("POST", "sys/mounts", {}, token=root)


def test_a_server_that_goes_away_is_seen_at_once_and_found_again(any_server: Server) -> None:
    with client_of(any_server) as client:
        client.request("GET", "sys/seal-status")
        idle = client.idle_socket()
        assert idle is not None
        any_server.kill()
        assert select.select([idle], [], [], LONG)[0] == [idle]
        assert client.idle_socket() is None
        with pytest.raises(TransientError) as caught:
            client.connect(LONG)
        assert not caught.value.outcome_unknown
        any_server.start(wait=False)
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            try:
                client.connect(LONG)
                break
            except TransientError:
                time.sleep(0.02)
        assert client.request("GET", "sys/seal-status").data["sealed"] is True


def test_a_server_that_hangs_holds_a_call_no_longer_than_its_limit(any_server: Server) -> None:
    with client_of(any_server) as client:
        client.request("GET", "sys/seal-status")
        any_server.pause()
        with pytest.raises(TransientError, match="time limit") as caught:
            client.request("PUT", "sys/unseal", {"reset": True}, timeout=0.2)
        assert caught.value.outcome_unknown
        any_server.resume()
        assert client.request("GET", "sys/seal-status").status == 200


def test_tls_with_the_right_authority(tls_server: Server) -> None:
    for settings in (
        {"ca_cert": str(tls_server.ca_file)},
        {"ca_cert_bytes": tls_server.ca_file.read_text() if tls_server.ca_file else ""},
        {"ca_cert": str(tls_server.ca_file), "tls_server_name": "localhost"},
        {"skip_verify": True},
    ):
        with client_of(tls_server, **settings) as client:
            client.connect(LONG)
            idle = client.idle_socket()
            assert idle is not None
            for _ in range(3):
                assert client.request("GET", "sys/seal-status").status == 200
            assert client.idle_socket() is idle
            assert select.select([idle], [], [], 0)[0] == []


def test_tls_with_the_wrong_authority_or_name_is_fatal_with_a_next_step(tls_server: Server) -> None:
    with client_of(tls_server) as client, pytest.raises(FatalError, match="VAULT_CACERT"):
        client.connect(LONG)
    other = trustme.CA().cert_pem.bytes().decode()
    with (
        client_of(tls_server, ca_cert_bytes=other) as client,
        pytest.raises(FatalError, match="VAULT_CACERT"),
    ):
        client.request("GET", "sys/seal-status")
    settings = {"ca_cert": str(tls_server.ca_file), "tls_server_name": "other.test"}
    with (
        client_of(tls_server, **settings) as client,
        pytest.raises(FatalError, match="VAULT_TLS_SERVER_NAME"),
    ):
        client.request("GET", "sys/seal-status")


def test_plain_http_to_a_tls_port_is_fatal_in_the_servers_words(tls_server: Server) -> None:
    config = ClientConfig(address=tls_server.address.replace("https", "http"))
    with VaultClient(config) as client, pytest.raises(FatalError, match="HTTP request to an HTTPS server"):
        client.request("GET", "sys/seal-status")


def test_tls_to_a_plain_port_is_fatal_with_a_next_step(any_server: Server) -> None:
    config = ClientConfig(address=any_server.address.replace("http", "https"), skip_verify=True)
    with VaultClient(config) as client, pytest.raises(FatalError, match="http://"):
        client.request("GET", "sys/seal-status")


def test_a_server_that_demands_a_client_certificate(server_kind: ServerKind, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pem"
    trustme.CA().issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(foreign)
    with Server(server_kind, tls="mutual") as server:
        for wrong in ({}, {"client_cert": str(foreign), "client_key": str(foreign)}):
            with (
                client_of(server, ca_cert=str(server.ca_file), **wrong) as client,
                pytest.raises(FatalError, match="VAULT_CLIENT_CERT"),
            ):
                client.request("GET", "sys/seal-status", retries=0)
        environ = {
            "VAULT_ADDR": server.address,
            "VAULT_CACERT": str(server.ca_file),
            "VAULT_CLIENT_CERT": str(server.client_cert_file),
            "VAULT_CLIENT_KEY": str(server.client_key_file),
        }
        with VaultClient(from_environment(environ)[0]) as client:
            assert client.request("GET", "sys/seal-status").status == 200


def test_a_unix_socket(server_kind: ServerKind) -> None:
    with (
        Server(server_kind, unix=True) as server,
        VaultClient(ClientConfig(address=f"unix://{server.unix_socket}")) as client,
    ):
        assert client.request("GET", "sys/seal-status").status == 200


def test_a_standby_leads_to_its_leader_and_the_token_goes_along(server_kind: ServerKind) -> None:
    with RaftCluster(server_kind, 2, tls="server") as (leader, standby):
        keys = initialise(leader)
        unseal(leader, keys)
        wait_active(leader)
        join = {
            "leader_api_addr": leader.address,
            "leader_ca_cert": leader.ca_file.read_text() if leader.ca_file else "",
        }
        assert api(standby, "POST", "sys/storage/raft/join", join).status == 200
        _join(standby, keys.shares)
        root = Secret(keys.root_token)
        with client_of(standby, ca_cert=str(standby.ca_file), token=root) as client:
            assert client.request("GET", "sys/leader").data.get("is_self") is not True
            assert client.request("GET", "auth/token/lookup-self").status == 200


def _join(standby: Server, shares: tuple[str, ...]) -> None:
    """Unseal a joining node, and wait until it knows its leader."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if api(standby, "GET", "sys/seal-status").body["sealed"]:
            api(standby, "PUT", "sys/unseal", {"key": shares[0]})
        elif api(standby, "GET", "sys/leader").body.get("leader_address"):
            return
        time.sleep(0.05)
    raise AssertionError("the standby did not join")
