"""The key store fails at any moment of an initialisation: no key is lost, the work ends when it heals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.harness import (
    KEYS,
    FaultyProgram,
    assert_every_key_is_safe,
    init_process,
    wait_finished,
    wait_gone,
    wait_unsealed,
)
from tests.support.faultproxy import FaultProxy
from tests.support.program import Program, eventually, run, seal_status, stored
from tests.support.servers import Server, api, initialise, unseal, wait_active

INIT = ("--init", "--unseal-period=1s")
KEPT = "the key store does not take its keys yet"
TROUBLE = "error|the key store cannot be read|" + KEPT

# What an initialisation writes, one by one. Canary: 1, journal: 2, answer: 3, shares: 4 to 8, root token: 9.
# With deletions: canary created and deleted 1, 2; journal 3; answer 4; shares 5 to 9; root token 10;
# answer and journal deleted 11, 12.
WRITES = range(1, 10)


def heals(fault: str, server: Server, store: Path, wait_for: str = TROUBLE) -> None:
    """The same process meets the fault, goes on, and finishes once the store is healed."""
    with FaultProxy(server) as proxy:
        with FaultyProgram(fault, *INIT, server=server, store=store, address=proxy.address) as program:
            program.wait_for(wait_for)
            program.heal()
            wait_unsealed(server)
            wait_finished(store)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, store)


@pytest.mark.parametrize("write", WRITES)
def test_store_full_from_any_write_on_the_same_process_finishes_when_there_is_room(
    write: int, server: Server, tmp_path: Path
) -> None:
    heals(f"fail create+put {write}", server, tmp_path)


@pytest.mark.parametrize("change", [3, 4, 11, 12])
def test_store_read_only_after_any_change_the_same_process_finishes_when_it_is_writable(
    change: int, server: Server, tmp_path: Path
) -> None:
    heals(f"fail create+put+delete {change}", server, tmp_path)


def test_test_value_that_cannot_be_deleted_is_all_that_may_stay(server: Server, tmp_path: Path) -> None:
    with FaultyProgram("fail delete 1 2", *INIT, server=server, store=tmp_path) as program:
        wait_unsealed(server)
        eventually(
            lambda: sorted(name for name in stored(tmp_path) if not name.startswith("vault-test-")) == KEYS,
            "every key is stored",
        )
        assert program.stop() == 0


@pytest.mark.parametrize("write", [1, 2, 3, 4, 9])
def test_store_that_writes_and_reports_an_error_is_not_written_twice(
    write: int, server: Server, tmp_path: Path
) -> None:
    heals(f"act-and-fail create+put {write}", server, tmp_path)


@pytest.mark.parametrize("write", [1, 3, 4, 8, 9])
def test_store_that_loses_a_write_without_an_error_loses_no_key(
    write: int, server: Server, tmp_path: Path
) -> None:
    with FaultyProgram(f"lie create+put {write} {write}", *INIT, server=server, store=tmp_path) as program:
        wait_unsealed(server)
        wait_finished(tmp_path)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


def test_store_that_loses_every_write_of_the_answer_is_tried_again(server: Server, tmp_path: Path) -> None:
    heals("lie create+put 3", server, tmp_path, wait_for=KEPT)


def test_store_that_keeps_a_part_of_the_answer_gets_a_whole_one_beside_it(
    server: Server, tmp_path: Path
) -> None:
    with FaultyProgram("truncate create+put 3 3", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("the keys of this server are in")
        assert program.stop() == 0
    found = stored(tmp_path)
    (spare,) = (name for name in found if name.startswith("vault-init-answer-"))
    # The way back, by hand: the whole answer under the name that is looked for.
    (tmp_path / spare).rename(tmp_path / "vault-init-answer")
    done = run("unseal", "--once", *INIT, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("read", [1, 3, 6, 9, 12])
def test_store_that_cannot_be_read_from_any_moment_on_is_never_taken_for_empty(
    read: int, server: Server, tmp_path: Path
) -> None:
    heals(f"fail get {read}", server, tmp_path)


@pytest.mark.parametrize("write", [2, 3, 9])
def test_store_that_hangs_is_given_up_and_tried_again(write: int, server: Server, tmp_path: Path) -> None:
    heals(f"hang create+put {write}", server, tmp_path)


@pytest.mark.parametrize("write", [2, 4, 9])
def test_killed_while_the_store_is_full_the_next_start_finishes(
    write: int, server: Server, tmp_path: Path
) -> None:
    with FaultyProgram(f"fail create+put {write}", *INIT, server=server, store=tmp_path) as program:
        program.wait_for(TROUBLE)
        program.kill()
    done = run("unseal", "--once", *INIT, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, tmp_path)


def test_parent_killed_while_the_answer_cannot_be_stored_its_init_process_keeps_it(
    server: Server, tmp_path: Path
) -> None:
    with FaultyProgram("fail create+put 3", *INIT, server=server, store=tmp_path) as program:
        child = init_process(program)
        program.wait_for(KEPT)
        program.kill()
        with Program("unseal", "--once", *INIT, server=server, store=tmp_path) as second:
            second.wait_for("to store its answer")
            assert "vault-init-answer" not in stored(tmp_path)
            program.heal()
            assert second.wait().code == 0, second.log()
        wait_gone(child)
    assert_every_key_is_safe(server, tmp_path)


def test_asked_to_end_while_the_answer_cannot_be_stored_it_stays_until_it_is(
    server: Server, tmp_path: Path
) -> None:
    with FaultyProgram("fail create+put 3", *INIT, server=server, store=tmp_path) as program:
        program.wait_for(KEPT)
        program.signal(signal.SIGTERM)
        program.wait_for("asked to end while an initialisation runs")
        program.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not program.ended
        program.heal()
        assert program.wait().code == 0
    assert "vault-unseal-4" in stored(tmp_path) or "vault-init-answer" in stored(tmp_path)
    done = run("unseal", "--once", *INIT, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, tmp_path)


def fill(place: Path, spare_pages: int) -> Path:
    """Fill a file system up to so many pages of 4 KiB; the file to remove to have room again."""
    ballast = place / ".ballast"
    free = os.statvfs(place)
    ballast.write_bytes(b"x" * (free.f_bavail - spare_pages) * free.f_bsize)
    return ballast


@pytest.mark.parametrize("pages", [0, 1, 2, 4, 7])
def test_disk_really_full_at_any_moment_of_the_initialisation(
    pages: int, small_disk: Path, server: Server
) -> None:
    ballast = fill(small_disk, pages)
    with Program("unseal", *INIT, server=server, store=small_disk) as program:
        program.wait_for("No space left on device")
        empty = [name for name, value in stored(small_disk).items() if value == b""]
        assert not [name for name in empty if not name.startswith(".bank-vaults-")]  # being written just now
        ballast.unlink()
        wait_unsealed(server)
        wait_finished(small_disk)
        assert program.stop() == 0
    assert_every_key_is_safe(server, small_disk)


def test_store_that_could_not_open_its_server_is_told_before_it_has_to(
    server: Server, tmp_path: Path
) -> None:
    unseal(server, initialise(server, 5, 3))
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("the vault is open, but after its next restart it would stay sealed")
        assert "the store has 0 usable unseal keys, the server needs 3" in program.log()
        assert program.stop() == 0


def test_store_that_is_down_does_not_disturb_an_unsealed_server_and_unseals_when_it_is_back(
    server: Server, tmp_path: Path
) -> None:
    assert run("unseal", "--once", *INIT, server=server, store=tmp_path).code == 0
    with FaultyProgram("fail get 1", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        wait_active(server)
        root = stored(tmp_path)["vault-root"].decode()
        assert api(server, "PUT", "sys/seal", token=root).status == 204
        program.wait_for("error unsealing vault|the key store cannot be read")
        assert seal_status(server)["sealed"] is True
        program.heal()
        wait_unsealed(server)
        assert program.stop() == 0
