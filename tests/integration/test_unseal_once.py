"""``unseal --once`` ends in every state of server and store, with the exit code of docs/exit-codes.md."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind
from tests.support.faultproxy import HANG, FaultProxy
from tests.support.program import Program, run, seal_status, stored
from tests.support.servers import Keys, Server, api, initialise, unseal, wait_active


def write_keys(store: Path, keys: Keys) -> None:
    """As Go Bank-Vaults wrote them."""
    for number, share in enumerate(keys.shares):
        (store / f"vault-unseal-{number}").write_text(share)
    for number, share in enumerate(keys.recovery_shares):
        (store / f"vault-recovery-{number}").write_text(share)
    (store / "vault-root").write_text(keys.root_token)


def test_an_uninitialised_server_without_init_ends_with_3(any_server: Server, tmp_path: Path) -> None:
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 3
    assert "the server is not initialised, and --init is not given" in done.log
    assert stored(tmp_path) == {}


def test_a_sealed_server_is_unsealed_and_an_unsealed_one_left_alone(
    any_server: Server, tmp_path: Path
) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "INFO vault is sealed, unsealing" in done.log
    assert "INFO successfully unsealed vault" in done.log
    assert seal_status(any_server)["sealed"] is False
    with FaultProxy(any_server) as proxy:
        done = run("unseal", "--once", address=proxy.address, store=tmp_path)
        assert done.code == 0, done.log
        assert {method for method, _ in proxy.requests} == {"GET"}
    assert "unsealing" not in done.log


@pytest.mark.parametrize("sealed", [True, False])
def test_with_auto_no_key_is_sent_and_the_end_comes(any_server: Server, tmp_path: Path, sealed: bool) -> None:
    keys = initialise(any_server)
    write_keys(tmp_path, keys)
    if not sealed:
        unseal(any_server, keys)
        wait_active(any_server)
    done = run("unseal", "--auto", "--once", server=any_server, store=tmp_path)
    assert done.code == (2 if sealed else 0), done.log
    assert seal_status(any_server)["sealed"] is sealed


def test_keys_of_another_cluster_end_with_65(any_server: Server, tmp_path: Path) -> None:
    keys = initialise(any_server, 5, 3)
    foreign = tuple(f"{int(share[:2], 16) ^ 1:02x}{share[2:]}" for share in keys.shares)
    write_keys(tmp_path, Keys("s.none", foreign, (), 3))
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 65, done.log
    assert "error unsealing vault: failed to unseal vault, are you using the right unseal keys?" in done.log
    assert not any(share in done.log for share in foreign)
    assert seal_status(any_server)["progress"] == 0


def test_too_few_keys_end_with_65_and_the_missing_ones_are_named(any_server: Server, tmp_path: Path) -> None:
    keys = initialise(any_server, 5, 3)
    write_keys(tmp_path, keys)
    for number in (0, 2, 4):
        (tmp_path / f"vault-unseal-{number}").unlink()
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 65, done.log
    assert "the store has 2 usable unseal keys, the server needs 3" in done.log
    assert all(f"unable to get key 'vault-unseal-{number}'" in done.log for number in (0, 2, 4))
    assert seal_status(any_server)["progress"] == 0


def test_a_server_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    done = run("unseal", "--once", address=address, store=tmp_path)
    assert done.code == 1
    assert "error checking if vault is sealed: " in done.log


def test_a_store_that_cannot_be_read_ends_with_74(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server))
    (tmp_path / "vault-unseal-0").unlink()
    (tmp_path / "vault-unseal-0").mkdir()
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 74, done.log
    assert "error unsealing vault: " in done.log


def test_raft_ha_storage_without_a_server_that_has_it_ends(any_server: Server, tmp_path: Path) -> None:
    """The original ended before it joined; here the join is tried, and its failure is the result."""
    write_keys(tmp_path, initialise(any_server))
    done = run("unseal", "--raft-ha-storage", "--once", server=any_server, store=tmp_path)
    assert done.code == 1, done.log
    assert "error joining leader vault: " in done.log
    assert seal_status(any_server)["sealed"] is False


def test_a_signal_ends_a_waiting_one_shot_command_with_128_and_its_number(
    any_server: Server, tmp_path: Path
) -> None:
    write_keys(tmp_path, initialise(any_server, 2, 2))
    share = (tmp_path / "vault-unseal-0").read_text()
    assert api(any_server, "PUT", "sys/unseal", {"key": share}).body["progress"] == 1
    with Program("unseal", "--once", server=any_server, store=tmp_path) as program:
        program.wait_for("somebody else has entered 1 of 2 shares")
        assert program.stop() == 128 + signal.SIGTERM


def test_the_daemon_ends_with_0_at_sigterm_also_while_the_server_hangs(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(server_kind) as server, FaultProxy(server) as proxy:
        proxy.on("GET", "sys/seal-status", HANG, times=None)
        with Program("unseal", address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("GET", "sys/seal-status")
            assert program.stop(limit=20) == 0
