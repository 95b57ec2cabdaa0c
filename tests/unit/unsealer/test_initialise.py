"""Promises of the initialisation: one call, no key overwritten, no key deleted that is nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import MalformedRecordError, encode_answer
from bank_vaults.domain.secrets import Secret
from bank_vaults.keystores.base import StoreError
from bank_vaults.unsealer import journal
from bank_vaults.unsealer.init_call import HelperGoneError, InitFailedError, StoreTrouble
from bank_vaults.unsealer.initialise import KeysConflictError
from bank_vaults.vault.errors import TransientError
from tests.support.states import FRESH, SEALED
from tests.unit.unsealer.fakes import (
    ADDRESS,
    ANSWER,
    KEYS,
    OPTIONS,
    OURS,
    SHARES,
    TOKEN,
    CountingStop,
    House,
    intent_of,
)

STORED = {*SHARES, names.ROOT}
WANTED = Secret("wanted-by-the-operator")


@pytest.fixture
def stop() -> Iterator[CountingStop]:
    stop = CountingStop()
    yield stop
    stop.close()


@pytest.fixture
def house(tmp_path: Path, stop: CountingStop) -> House:
    return House(tmp_path, stop)


def begin(house: House, turn: int = 0, may_go: Callable[[], bool] = lambda: True) -> None:
    """It says whether it made the call and has its answer."""
    made = house.initialiser.begin(FRESH, turn=turn, may_go=may_go)
    assert made is ("init" in house.sys.calls)


def with_answer(house: House, answer: dict[str, object] = ANSWER) -> None:
    journal.take_turn(house.store, 0, intent_of(OURS))
    house.store.create(names.ANSWER, encode_answer(answer))


def after_create(
    house: House, monkeypatch: pytest.MonkeyPatch, wanted: str, then: Callable[[], None]
) -> None:
    """Something happens right after a value was created."""
    real = house.store.create

    def create(name: str, value: bytes) -> None:
        real(name, value)
        if name == wanted:
            then()

    monkeypatch.setattr(house.store, "create", create)


# begin


def test_the_answer_is_all_that_a_beginning_leaves_beside_the_intent(house: House) -> None:
    begin(house)
    assert house.names() == {names.ANSWER, names.journal(0)}
    row = journal.read(house.store)
    assert row.intent is not None
    assert (row.intent.holder, row.intent.shares, row.intent.threshold) == (OURS, 5, 3)
    assert house.metrics.snapshot().inits == {"success": 1}


OCCUPIED = [names.ROOT, names.unseal(6), names.recovery(3), names.ANSWER, names.spare_answer(9)]


@pytest.mark.parametrize("name", OCCUPIED)
def test_any_key_of_whatever_split_keeps_the_call_from_being_made(house: House, name: str) -> None:
    house.store.create(name, b"precious")
    begin(house)
    assert house.sys.calls == []
    assert house.names() == {name}


@pytest.mark.parametrize("name", OCCUPIED)
@pytest.mark.parametrize("turn", [0, 2])
def test_a_key_that_comes_before_our_turn_is_seen_after_it(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, turn: int
) -> None:
    after_create(house, monkeypatch, names.journal(turn), lambda: house.store.put(name, b"of a faster node"))
    begin(house, turn)
    assert house.sys.calls == []
    assert house.names() == {name}


def test_a_turn_of_another_is_neither_used_nor_given_back(house: House) -> None:
    journal.take_turn(house.store, 0, intent_of())
    begin(house)
    assert house.sys.calls == []
    assert journal.read(house.store).intent == intent_of()


def test_who_may_not_go_gives_the_turn_back_and_leaves_those_of_others(house: House) -> None:
    journal.take_turn(house.store, 0, intent_of())
    begin(house, turn=1, may_go=lambda: False)
    assert house.sys.calls == []
    assert journal.read(house.store) == (intent_of(), 1)


def test_without_the_process_for_the_call_nothing_is_begun(house: House) -> None:
    house.initialiser.dismiss_call()
    house.initialiser.dismiss_call()
    with pytest.raises(HelperGoneError):
        begin(house)
    assert house.names() == set()


@pytest.mark.parametrize("preflight_checks", [True, False])
def test_a_store_that_keeps_nothing_is_found_out_before_the_call(
    tmp_path: Path, stop: CountingStop, monkeypatch: pytest.MonkeyPatch, preflight_checks: bool
) -> None:
    house = House(tmp_path, stop, options=OPTIONS._replace(preflight_checks=preflight_checks))
    if not preflight_checks:
        begin(house)
        assert house.sys.calls == ["init"]
        return
    monkeypatch.setattr(house.store, "create", lambda _name, _value: None)
    with pytest.raises(StoreError, match="error testing keystore before init"):
        begin(house)
    assert house.sys.calls == []


@pytest.mark.parametrize("method", ["list", "create"])
def test_a_store_that_cannot_tell_is_never_free(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(house.store, method, refuse)
    with pytest.raises(StoreError):
        begin(house)
    assert house.sys.calls == []


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("initialised", [True, False, None])
def test_a_failed_call_is_forgotten_only_when_the_server_certainly_refused_it(
    house: House, unknown: bool, initialised: bool | None
) -> None:
    house.call.error = InitFailedError("refused", outcome_unknown=unknown)

    def during() -> None:
        if initialised is None:
            house.sys.error = TransientError("GET", "sys/seal-status", 503)
        elif initialised:
            house.sys.state = SEALED

    house.call.during = during
    with pytest.raises(InitFailedError):
        begin(house)
    forgotten = not unknown and initialised is False
    assert house.names() == (set() if forgotten else {names.journal(0)})
    assert house.metrics.snapshot().inits == {"error": 1}


def test_a_refused_call_closes_the_whole_row(house: House) -> None:
    journal.take_turn(house.store, 0, intent_of())
    house.call.error = InitFailedError("refused", outcome_unknown=False)
    with pytest.raises(InitFailedError):
        begin(house, turn=1)
    assert house.names() == set()


def test_waiting_for_the_call_counts_as_cycles_and_trouble_of_the_store_as_errors(house: House) -> None:
    house.initialiser._notice("file", 2.0, None)
    first = house.metrics.snapshot().servers[ADDRESS].last_cycle_monotonic
    assert first is not None
    house.initialiser._notice("file", 4.0, StoreTrouble("full"))
    seen = house.metrics.snapshot()
    assert (seen.servers[ADDRESS].last_cycle_monotonic or 0.0) >= first
    assert seen.store_errors == {("file", "create"): 1}


# finish_keys


def test_every_key_has_its_name_before_the_answer_goes(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with_answer(house)
    caplog.set_level("INFO")
    assert house.initialiser.finish_keys()
    assert house.names() == STORED
    assert [house.store.get(name).decode() for name in SHARES] == list(KEYS)
    assert house.store.get(names.ROOT) == TOKEN.encode()
    assert "root token stored in key store" in caplog.text


def test_an_answer_that_another_process_has_finished_is_no_trouble(house: House) -> None:
    assert house.initialiser.finish_keys() is False
    house.initialiser.finish_token()
    assert house.names() == set()


def test_a_part_that_is_stored_already_is_completed(house: House) -> None:
    with_answer(house)
    house.put_keys(KEYS[:3])
    assert house.initialiser.finish_keys()
    assert house.names() == STORED


def test_the_journal_is_left_to_who_began_it(house: House) -> None:
    with_answer(house)
    assert house.initialiser.finish_keys(close=False)
    assert house.names() == {*STORED, names.ANSWER, names.journal(0)}


@pytest.mark.parametrize("number", [0, 4])
def test_another_key_under_the_name_stays_and_so_does_the_answer(house: House, number: int) -> None:
    with_answer(house)
    house.store.create(SHARES[number], b"another")
    with pytest.raises(KeysConflictError, match=f"'{SHARES[number]}'.*Nothing was overwritten"):
        house.initialiser.finish_keys()
    assert house.store.get(SHARES[number]) == b"another"
    assert {names.ANSWER, names.journal(0)} <= house.names()


def test_another_root_token_stays_and_is_not_said_to_be_ours(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with_answer(house)
    house.store.create(names.ROOT, b"another")
    caplog.set_level("INFO")
    assert house.initialiser.finish_keys()
    assert house.store.get(names.ROOT) == b"another"
    assert "another root token is stored: it stays" in caplog.text
    assert "root token stored in key store" not in caplog.text


@pytest.mark.parametrize("instead", [None, b"another"])
def test_a_key_that_cannot_be_read_back_keeps_the_answer(
    house: House, monkeypatch: pytest.MonkeyPatch, instead: bytes | None
) -> None:
    with_answer(house)

    def lying(name: str, value: bytes) -> None:
        if instead is not None:
            house.store.put(name, instead)

    monkeypatch.setattr(house.store, "create", lying)
    with pytest.raises(StoreError, match=r"another value for|lost 'vault-unseal-0' right after"):
        house.initialiser.finish_keys()
    assert {names.ANSWER, names.journal(0)} <= house.names()


def test_a_damaged_answer_is_malformed_and_stays(house: House) -> None:
    house.store.create(names.ANSWER, b"damaged")
    for finish in (house.initialiser.finish_keys, house.initialiser.finish_token):
        with pytest.raises(MalformedRecordError):
            finish()
    assert house.names() == {names.ANSWER}


def test_a_root_token_that_is_not_wanted_is_not_stored(tmp_path: Path, stop: CountingStop) -> None:
    house = House(tmp_path, stop, options=OPTIONS._replace(store_root_token=False))
    with_answer(house)
    assert house.initialiser.finish_keys()
    assert house.names() == set(SHARES)


def test_closing_the_journal_deletes_intents_and_nothing_else(house: House) -> None:
    with_answer(house)
    journal.take_turn(house.store, 1, intent_of())
    house.initialiser.close_journal()
    assert house.names() == {names.ANSWER}


# finish_token


@pytest.fixture
def wanting(tmp_path: Path, stop: CountingStop) -> House:
    house = House(tmp_path, stop, options=OPTIONS._replace(root_token=WANTED, replace_token=True))
    with_answer(house)
    assert house.initialiser.finish_keys()
    assert names.ANSWER in house.names()
    return house


def test_the_wanted_token_is_stored_before_the_first_one_is_revoked(wanting: House) -> None:
    wanting.initialiser.finish_token()
    assert wanting.store.get(names.ROOT) == WANTED.reveal_bytes()
    assert wanting.sys.tokens == {WANTED.reveal()}
    assert wanting.names() == STORED


def test_a_wanted_token_that_works_already_is_not_made_again(wanting: House) -> None:
    wanting.sys.tokens.add(WANTED.reveal())
    wanting.initialiser.finish_token()
    assert wanting.sys.calls == ["revoke"]


def test_a_wanted_token_that_is_the_first_one_is_not_revoked(tmp_path: Path, stop: CountingStop) -> None:
    options = OPTIONS._replace(root_token=Secret(TOKEN), replace_token=True)
    house = House(tmp_path, stop, options=options)
    with_answer(house)
    house.initialiser.finish_keys()
    house.initialiser.finish_token()
    assert house.sys.calls == []
    assert house.names() == STORED


@pytest.mark.parametrize("instead", [None, b"another"])
def test_a_wanted_token_that_the_store_does_not_keep_leaves_the_first_one_working(
    wanting: House, monkeypatch: pytest.MonkeyPatch, instead: bytes | None
) -> None:
    real = wanting.store.put

    def lying(name: str, value: bytes) -> None:
        wanting.store.delete(name)
        if instead is not None:
            real(name, instead)

    monkeypatch.setattr(wanting.store, "put", lying)
    with pytest.raises(StoreError, match=r"another value for|lost 'vault-root' right after"):
        wanting.initialiser.finish_token()
    assert TOKEN in wanting.sys.tokens
    assert names.ANSWER in wanting.names()


def test_an_unwanted_token_is_revoked_unseen_and_told_where_it_was_the_last(
    tmp_path: Path, stop: CountingStop, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path, stop, options=OPTIONS._replace(store_root_token=False, replace_token=True))
    with_answer(house)
    assert house.initialiser.finish_keys()
    assert names.ANSWER in house.names()
    house.initialiser.finish_token()
    assert house.sys.tokens == set()
    assert house.names() == set(SHARES)
    assert "nobody has a root token" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("method", ["create_root_token", "revoke_self"])
def test_a_server_that_fails_in_the_token_work_leaves_the_answer(
    wanting: House, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TransientError("POST", "auth/token", 503)

    with monkeypatch.context() as patch:
        patch.setattr(wanting.sys, method, refuse)
        with pytest.raises(TransientError):
            wanting.initialiser.finish_token()
    assert {names.ANSWER, names.journal(0)} <= wanting.names()
    wanting.initialiser.finish_token()
    assert wanting.sys.tokens == {WANTED.reveal()}
    assert wanting.names() == STORED
