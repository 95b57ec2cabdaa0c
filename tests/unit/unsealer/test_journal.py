"""Promises of the row of intents: a turn is taken by one, the last is in force, a crash leaves no gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import Holder, Intent, MalformedRecordError
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer import journal


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
