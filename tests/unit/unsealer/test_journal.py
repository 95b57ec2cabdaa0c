"""Promises of the row of intents: a turn is taken by one, the last is in force, a crash leaves no gap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import Holder, Intent, MalformedRecordError
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer import journal
from tests.unit.unsealer.fakes import racing


def _intent(node: str) -> Intent:
    return Intent("http://vault:8200", Holder(node, "boot", "pid:[1]", 17, 4711), 1.0, 300.0, 5, 3)


FIRST, SECOND = _intent("vault-0"), _intent("vault-1")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def test_a_store_without_intents_has_turn_0_free(store: FileStore) -> None:
    assert journal.read(store) == (None, 0)
    journal.close(store)


def test_a_turn_is_taken_once_and_the_last_one_is_in_force(store: FileStore) -> None:
    assert journal.take_turn(store, 0, FIRST)
    assert not journal.take_turn(store, 0, SECOND)
    assert journal.read(store) == (FIRST, 1)
    assert journal.take_turn(store, 1, SECOND)
    assert not journal.take_turn(store, 1, FIRST)
    assert journal.read(store) == (SECOND, 2)


@pytest.mark.parametrize("turn", range(3))
def test_of_many_threads_one_takes_a_turn(store: FileStore, turn: int) -> None:
    for earlier in range(turn):
        assert journal.take_turn(store, earlier, FIRST)
    nodes = [_intent(f"node-{number}") for number in range(8)]
    results = racing(len(nodes), lambda number: journal.take_turn(store, turn, nodes[number]))
    (winner,) = (number for number, took in results if took)
    assert journal.read(store) == (nodes[winner], turn + 1)


TAKER = """
import sys
from bank_vaults.domain.journal import Holder, Intent
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer import journal

directory, node = sys.argv[1:]
intent = Intent("http://vault:8200", Holder(node, "boot", "pid:[1]", 17, 4711), 1.0, 300.0, 5, 3)
print("ready", flush=True)
sys.stdin.read()
for turn in range(30):
    if journal.take_turn(FileStore(directory), turn, intent):
        print(turn)
"""


def test_of_many_processes_one_takes_a_turn(tmp_path: Path) -> None:
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(tmp_path), f"vault-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.close()  # now, all at once
    won: dict[int, int] = {}
    for number, taker in enumerate(takers):
        assert taker.stdout is not None
        with taker.stdout:
            for turn in map(int, taker.stdout):
                assert won.setdefault(turn, number) == number
        assert taker.wait(10) == 0
    assert sorted(won) == list(range(30))
    row = journal.read(FileStore(tmp_path))
    assert row.turn == 30
    assert row.intent == _intent(f"vault-{won[29]}")


def test_closing_removes_all_and_nothing_else(store: FileStore) -> None:
    store.create(names.ROOT, b"token")
    for turn, intent in enumerate((FIRST, SECOND, FIRST)):
        assert journal.take_turn(store, turn, intent)
    journal.close(store)
    assert store.list() == {names.ROOT}


@pytest.mark.parametrize("succeed", range(3))
def test_closing_that_breaks_off_leaves_a_row_that_the_next_one_closes(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, succeed: int
) -> None:
    for turn in range(3):
        assert journal.take_turn(store, turn, FIRST)
    real, calls = FileStore.delete, 0

    def failing(self: FileStore, name: str) -> None:
        nonlocal calls
        calls += 1
        if calls > succeed:
            raise StoreError("full")
        real(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "delete", failing)
        with pytest.raises(StoreError):
            journal.close(store)
    assert journal.read(store) == (FIRST, 3 - succeed)
    journal.close(store)
    assert store.list() == frozenset()


def test_a_damaged_intent_anywhere_in_the_row_is_not_overlooked(store: FileStore) -> None:
    assert journal.take_turn(store, 0, FIRST)
    store.create(names.journal(1), b"damaged")
    with pytest.raises(MalformedRecordError):
        journal.read(store)


def test_a_store_that_cannot_tell_has_no_free_turn(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FileStore, name: str) -> bytes:
        raise StoreError("down")

    monkeypatch.setattr(FileStore, "get", refuse)
    with pytest.raises(StoreError):
        journal.read(store)
