"""Promises of the look at everything: what the journal means is said as it is, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Liveness, encode_answer
from bank_vaults.domain.server import ServerState
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer import journal, status
from bank_vaults.vault.errors import TransientError
from tests.support.states import FRESH, SEALED, UNSEALED
from tests.unit.unsealer.fakes import ANSWER, SHARES, FakeSys, intent_of


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def look(store: FileStore, state: ServerState = SEALED) -> status.Status:
    before = store.list()
    seen = status.look([FakeSys(state)], lambda: store)  # type: ignore[list-item]
    assert store.list() == before
    return seen


def sentence(store: FileStore, state: ServerState = SEALED) -> str:
    return look(store, state).journal.sentence


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "liveness", lambda _holder: Liveness.GONE)


def test_without_records_nothing_is_unfinished(store: FileStore) -> None:
    assert sentence(store) == "no initialisation is unfinished"


@pytest.mark.parametrize(
    "found", [(names.ANSWER,), (names.spare_answer(7),), (names.ANSWER, names.spare_answer(7))]
)
@pytest.mark.parametrize("begun", [True, False])
def test_every_answer_is_named_and_nothing_is_said_to_be_lost(
    store: FileStore, gone: None, found: tuple[str, ...], begun: bool
) -> None:
    for name in found:
        store.create(name, encode_answer(ANSWER))
    if begun:
        journal.take_turn(store, 0, intent_of())
    seen = look(store)
    assert seen.journal.answer
    assert all(name in seen.journal.sentence for name in found)
    assert "lost" not in seen.journal.sentence


@pytest.mark.parametrize(
    ("holder", "words"),
    [(Liveness.ALIVE, "is initialising"), (Liveness.UNKNOWN, "cannot be seen from here whether it runs")],
)
def test_a_holder_that_may_still_come_is_not_called_gone(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, holder: Liveness, words: str
) -> None:
    monkeypatch.setattr(status, "liveness", lambda _holder: holder)
    journal.take_turn(store, 0, intent_of())
    for state in (FRESH, SEALED, UNSEALED):
        assert words in sentence(store, state)
        assert "lost" not in sentence(store, state)


def test_an_abandoned_beginning_may_go_on(store: FileStore, gone: None) -> None:
    journal.take_turn(store, 0, intent_of())
    assert "run unseal --init to go on" in sentence(store, FRESH)


@pytest.mark.parametrize("count", [3, 5])
def test_a_journal_is_called_a_left_over_when_the_server_can_be_opened(
    store: FileStore, gone: None, count: int
) -> None:
    journal.take_turn(store, 0, intent_of())
    for name in SHARES[:count]:
        store.create(name, b"share")
    assert "only the journal is left" in sentence(store)


@pytest.mark.parametrize("kept", [(), (names.ROOT,), SHARES[:1], SHARES[:2]])
def test_too_few_shares_are_not_called_all_of_them(
    store: FileStore, gone: None, kept: tuple[str, ...]
) -> None:
    journal.take_turn(store, 0, intent_of())
    for name in kept:
        store.create(name, b"value")
    said = sentence(store)
    assert "was lost" in said
    assert all(name in said for name in kept)


def test_a_record_that_cannot_be_read_is_said_to_be_one(store: FileStore) -> None:
    store.create(names.journal(0), b"damaged")
    assert "is not JSON" in sentence(store)


@pytest.mark.parametrize("method", ["list", "get"])
def test_a_store_that_cannot_tell_is_not_called_empty(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(store, method, refuse)
    seen = status.look([FakeSys(SEALED)], lambda: store)  # type: ignore[list-item]
    assert seen.store.error == "down"
    assert seen.journal.sentence == "unknown: the store cannot be read"


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([UNSEALED], ExitCode.OK),
        ([UNSEALED, SEALED], ExitCode.SEALED),
        ([FRESH, SEALED], ExitCode.NOT_INITIALISED),
        ([None, FRESH], ExitCode.FAILURE),
    ],
)
def test_the_worst_server_decides(store: FileStore, states: list[ServerState | None], code: ExitCode) -> None:
    servers = [FakeSys(state or FRESH) for state in states]
    for server, state in zip(servers, states, strict=True):
        server.error = None if state else TransientError("GET", "sys/seal-status", 503)
    assert status.look(servers, lambda: store).code is code  # type: ignore[arg-type]
