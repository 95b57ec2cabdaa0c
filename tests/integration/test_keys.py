"""Damaged, missing and foreign shares: the vault is unsealed as long as enough of them are good."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_unseal_once import write_keys
from tests.support.binaries import ServerKind
from tests.support.faultproxy import FaultProxy
from tests.support.program import Program, run, seal_status, stored
from tests.support.servers import Server, initialise


def flipped(share: bytes) -> bytes:
    return share[:10] + (b"0" if share[10:11] != b"0" else b"1") + share[11:]


def shifted(share: bytes) -> bytes:
    """Wrong for certain in any set: the same difference in all shares is one in the key.

    Differences of several kinds cancel each other out in one set of twenty or so.
    """
    return b"%02x" % (int(share[:2], 16) ^ 1) + share[2:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped digit": flipped,
    "truncated": lambda share: share[:40],
    "half a byte missing": lambda share: share[:-1],
    "not hexadecimal": lambda share: b"z" * len(share),
    "empty": lambda share: b"",
    "binary": lambda share: bytes(range(200, 233)),
}
HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "base64, as operator init prints it": lambda share: base64.b64encode(bytes.fromhex(share.decode())),
    "a newline at its end": lambda share: share + b"\n",
    "upper case": bytes.upper,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_one_damaged_share_is_named_and_the_vault_unsealed(
    any_server: Server, tmp_path: Path, how: str
) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    file = tmp_path / "vault-unseal-1"
    file.write_bytes(DAMAGE[how](file.read_bytes()))
    damaged = file.read_bytes()
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert seal_status(any_server)["sealed"] is False
    assert "vault-unseal-1" in done.log
    assert "vault-unseal-0" not in done.log
    assert "vault-unseal-2" not in done.log
    assert file.read_bytes() == damaged
    if len(damaged) > 8:
        assert damaged.decode("latin-1") not in done.log


def test_a_missing_share_is_named_and_the_vault_unsealed(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    (tmp_path / "vault-unseal-0").unlink()
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "unable to get key 'vault-unseal-0'" in done.log


def test_a_share_that_is_there_twice_is_named_and_the_vault_unsealed(
    any_server: Server, tmp_path: Path
) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    (tmp_path / "vault-unseal-1").write_bytes((tmp_path / "vault-unseal-0").read_bytes())
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "vault-unseal-1 is the same as vault-unseal-0" in done.log
    assert seal_status(any_server)["sealed"] is False


@pytest.mark.parametrize("how", HARMLESS)
def test_other_forms_of_a_good_share_are_taken(any_server: Server, tmp_path: Path, how: str) -> None:
    write_keys(tmp_path, initialise(any_server, 3, 3))
    for number in range(3):
        file = tmp_path / f"vault-unseal-{number}"
        file.write_bytes(HARMLESS[how](file.read_bytes()))
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "damaged" not in done.log


def test_two_damaged_shares_of_seven_are_named_and_the_vault_unsealed(
    any_server: Server, tmp_path: Path
) -> None:
    write_keys(tmp_path, initialise(any_server, 7, 4))
    for number in (0, 3):
        file = tmp_path / f"vault-unseal-{number}"
        file.write_bytes(flipped(file.read_bytes()))
    done = run("unseal", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "damaged=vault-unseal-0,vault-unseal-3" in done.log


def test_exactly_threshold_shares_are_sent(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    with FaultProxy(any_server) as proxy:
        assert run("unseal", "--once", address=proxy.address, store=tmp_path).code == 0
        assert proxy.count("PUT", "sys/unseal") == 3


def test_wrong_keys_back_off_and_unseal_once_the_store_is_repaired(
    any_server: Server, tmp_path: Path
) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    good = stored(tmp_path)
    for number in range(5):
        (tmp_path / f"vault-unseal-{number}").write_bytes(shifted(good[f"vault-unseal-{number}"]))
    with FaultProxy(any_server) as proxy, Program("unseal", address=proxy.address, store=tmp_path) as program:
        program.wait_for("are you using the right unseal keys", times=2)
        assert program.log().count("again_in_s=") == 2
        assert seal_status(any_server)["progress"] == 0
        for name, value in good.items():
            (tmp_path / name).write_bytes(value)
        program.wait_for("successfully unsealed vault")
        assert program.stop() == 0


def test_the_keys_of_another_cluster_and_a_fresh_server_change_nothing(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(server_kind) as other:
        write_keys(tmp_path, initialise(other, 5, 3))
    before = stored(tmp_path)
    with Server(server_kind) as fresh:
        for flags in (["unseal", "--init", "--once"], ["init"]):
            done = run(*flags, server=fresh, store=tmp_path)
            assert done.code == 65, done.log
            assert "error before init: value for key 'vault-root' already exists" in done.log
            assert "remove the old keys only if that cluster is gone for ever" in done.log
        with Program("unseal", "--init", server=fresh, store=tmp_path) as program:
            program.wait_for("error before init")
            assert program.stop() == 0
        assert seal_status(fresh)["initialized"] is False
    assert stored(tmp_path) == before


def test_a_server_that_lost_its_data_can_be_given_back_its_data_without_a_restart_of_ours(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with (
        Server(server_kind, storage="raft") as server,
        Program("unseal", "--init", server=server, store=tmp_path) as program,
    ):
        program.wait_for("successfully unsealed vault")
        server.stop()
        data = server.directory / "raft"
        data.rename(server.directory / "away")
        data.mkdir()
        server.start()
        program.wait_for("error before init: value for key 'vault-root' already exists")
        server.stop()
        data.rename(server.directory / "empty")
        (server.directory / "away").rename(data)
        server.start()
        program.wait_for("successfully unsealed vault", times=2)
        assert program.stop() == 0
