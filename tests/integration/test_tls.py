"""TLS and Unix sockets, from the environment of either server to an unsealed vault."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.integration.test_unseal_once import write_keys
from tests.support.binaries import ServerKind
from tests.support.program import Program, run, seal_status, stored
from tests.support.servers import Server, initialise


@pytest.mark.parametrize("prefix", ["VAULT", "BAO"])
def test_a_server_that_demands_client_certificates_is_initialised_and_unsealed(
    server_kind: ServerKind, tmp_path: Path, prefix: str
) -> None:
    with Server(server_kind, tls="mutual") as server:
        environment = {
            f"{prefix}_ADDR": server.address,
            f"{prefix}_CACERT": str(server.ca_file),
            f"{prefix}_CLIENT_CERT": str(server.client_cert_file),
            f"{prefix}_CLIENT_KEY": str(server.client_key_file),
        }
        done = run("unseal", "--init", "--once", store=tmp_path, environment=environment)
        assert done.code == 0, done.log
        assert seal_status(server)["sealed"] is False


def test_a_server_of_an_unknown_authority_gets_no_keys(server_kind: ServerKind, tmp_path: Path) -> None:
    with Server(server_kind, tls="server") as server:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        store = tmp_path / "store"
        store.mkdir(mode=0o700)
        environment = {"VAULT_CACERT": str(other)}
        done = run("unseal", "--init", "--once", server=server, store=store, environment=environment)
        assert done.code == 1, done.log
        assert "is not trusted" in done.log
        assert "Check the CA in VAULT_CACERT" in done.log
        assert seal_status(server)["initialized"] is False
        assert stored(store) == {}


def test_without_its_client_certificate_the_cause_is_told(server_kind: ServerKind, tmp_path: Path) -> None:
    with Server(server_kind, tls="mutual") as server:
        environment = {"VAULT_CLIENT_CERT": "", "VAULT_CLIENT_KEY": ""}
        done = run("unseal", "--once", server=server, store=tmp_path, environment=environment)
        assert done.code == 1, done.log
        assert "set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY" in done.log


def test_a_new_authority_and_certificate_are_taken_up_without_a_restart(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(server_kind, storage="raft", tls="mutual") as server:
        with Program("unseal", "--init", server=server, store=tmp_path) as program:
            program.wait_for("successfully unsealed vault")
            server.stop()
            before = server.ca_file.read_bytes() if server.ca_file else b""
            server._issue_certificates(trustme.CA())
            assert server.ca_file is not None
            assert server.ca_file.read_bytes() != before
            server.start()
            program.wait_for("successfully unsealed vault", times=2)
            assert program.stop() == 0
        assert seal_status(server)["sealed"] is False


def test_a_server_on_a_unix_socket_is_initialised_and_unsealed_again_after_its_restart(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(server_kind, storage="raft", unix=True) as server:
        with Program("unseal", "--init", address=f"unix://{server.unix_socket}", store=tmp_path) as program:
            program.wait_for("successfully unsealed vault")
            server.restart()
            program.wait_for("successfully unsealed vault", times=2)
            assert program.stop() == 0
        assert seal_status(server)["sealed"] is False


def test_a_plain_http_server_behind_an_https_address_is_told(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server))
    address = any_server.address.replace("http://", "https://")
    done = run("unseal", "--once", address=address, store=tmp_path)
    assert done.code == 1
    assert "must the address begin with http://?" in done.log
