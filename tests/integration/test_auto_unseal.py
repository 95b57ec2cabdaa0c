"""Servers that unseal themselves: recovery keys are stored, and no key is ever sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind
from tests.support.faultproxy import FaultProxy
from tests.support.program import Program, run, seal_status, stored, wait_unsealed
from tests.support.servers import Server, api, initialise, unseal, wait_active

NAMES = [*(f"vault-recovery-{number}" for number in range(5)), "vault-root"]


@contextmanager
def static_seal(kind: ServerKind) -> Iterator[Server]:
    if not kind.has_static_seal:
        pytest.skip("this server has no static seal")
    key = base64.b64encode(bytes(range(32))).decode()
    config = f'seal "static" {{\n current_key_id = "1"\n current_key = "{key}"\n}}\n'
    with Server(kind, storage="raft", config=config) as server:
        yield server


@contextmanager
def transit_seal(kind: ServerKind) -> Iterator[Server]:
    with Server(kind, name="key-server") as key_server:
        keys = initialise(key_server)
        unseal(key_server, keys)
        wait_active(key_server)
        for path, body in (("sys/mounts/transit", {"type": "transit"}), ("transit/keys/seal", {})):
            assert api(key_server, "POST", path, body, token=keys.root_token).status in (200, 204)
        config = (
            f'seal "transit" {{\n address = "{key_server.address}"\n token = "{keys.root_token}"\n'
            ' key_name = "seal"\n mount_path = "transit/"\n disable_renewal = "true"\n}\n'
        )
        with Server(kind, storage="raft", config=config) as server:
            yield server


@pytest.fixture(params=[static_seal, transit_seal], ids=lambda seal: seal.__name__)
def server(request: pytest.FixtureRequest, server_kind: ServerKind) -> Iterator[Server]:
    with request.param(server_kind) as server:
        yield server


@pytest.mark.parametrize("auto", [["--auto"], []], ids=["auto", "found out"])
def test_recovery_keys_are_stored_and_the_server_opens_by_itself_again_and_again(
    server: Server, tmp_path: Path, auto: list[str]
) -> None:
    with FaultProxy(server) as proxy:
        with Program("unseal", "--init", *auto, address=proxy.address, store=tmp_path) as program:
            program.wait_for("vault is unsealed")
            found = stored(tmp_path)
            assert sorted(found) == NAMES
            assert all(re.fullmatch(rb"[0-9a-f]{66}", found[name]) for name in NAMES[:5])
            status = seal_status(server)
            assert (status["recovery_seal"], status["t"], status["n"]) == (True, 3, 5)
            server.restart()
            wait_unsealed(server)
            program.wait_for("vault is unsealed", times=2)
            assert program.stop() == 0
            assert "recovery key stored in key store key=vault-recovery-4" in program.log()
        done = run("unseal", "--init", "--once", *auto, address=proxy.address, store=tmp_path)
        assert done.code == 0, done.log
        assert "vault is already initialized" in done.log
        assert proxy.count("PUT", "sys/unseal") == 0
    assert stored(tmp_path) == found
    wait_active(server)
    token = found["vault-root"].decode()
    assert api(server, "GET", "auth/token/lookup-self", token=token).status == 200


def test_init_alone_stores_recovery_keys(server_kind: ServerKind, tmp_path: Path) -> None:
    with static_seal(server_kind) as server:
        done = run("init", "--secret-shares=3", "--secret-threshold=2", server=server, store=tmp_path)
        assert done.code == 0, done.log
        assert sorted(stored(tmp_path)) == [*NAMES[:3], "vault-root"]


def test_surviving_recovery_keys_keep_a_fresh_server_from_being_initialised(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    """The original looked at root and unseal keys only."""
    with static_seal(server_kind) as server:
        assert run("unseal", "--init", "--once", server=server, store=tmp_path).code == 0
    (tmp_path / "vault-root").unlink()
    before = stored(tmp_path)
    with static_seal(server_kind) as fresh:
        done = run("unseal", "--init", "--once", server=fresh, store=tmp_path)
        assert done.code == 65, done.log
        assert "value for key 'vault-recovery-0' already exists" in done.log
        assert seal_status(fresh)["initialized"] is False
    assert stored(tmp_path) == before


def test_a_root_token_that_is_not_stored_is_revoked(server_kind: ServerKind, tmp_path: Path) -> None:
    with static_seal(server_kind) as server:
        with Program(
            "unseal", "--init", "--auto", "--store-root-token=false", server=server, store=tmp_path
        ) as program:
            program.wait_for("won't store root token in key store, it is revoked unseen")
            assert program.stop() == 0
        assert sorted(stored(tmp_path)) == NAMES[:5]
