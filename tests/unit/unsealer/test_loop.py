"""Promises of the loop that need no server: what it remembers, what it waits for, what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.decisions import PATIENCE_FOREIGN_PROGRESS, Decision, Reason, decide
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Liveness, encode_answer
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.snapshot import Action, Policy, Snapshot
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.unsealer import initialise, journal, loop, observe
from bank_vaults.unsealer.init_call import HelperGoneError, InitFailedError
from bank_vaults.vault.errors import FatalError, TransientError, VaultError
from tests.support.states import FRESH, SEALED, UNSEALED
from tests.unit.unsealer.fakes import (
    ADDRESS,
    ANSWER,
    KEYS,
    OPTIONS,
    OURS,
    SHARES,
    TOKEN,
    CountingStop,
    FakeClock,
    House,
    intent_of,
)

WANTED = Secret("wanted-by-the-operator")
STORED = {*SHARES, names.ROOT}
TOKEN_WORK = Policy(init=True, node="here", token_work=True)
TOKEN_OPTIONS = OPTIONS._replace(root_token=WANTED, replace_token=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    for module in (loop, observe, initialise):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stop() -> Iterator[CountingStop]:
    stop = CountingStop()
    yield stop
    stop.close()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, stop: CountingStop) -> House:
    return House(tmp_path, stop)


def look(house: House) -> tuple[Snapshot, Decision]:
    """What the loop sees and decides."""
    snapshot = house.loop._observe()
    return snapshot, decide(snapshot)


def step(house: House) -> Decision:
    """One round without its wait."""
    snapshot, decision = look(house)
    if decision.action is not None:
        house.loop._act(decision.action, snapshot)
    return decision


def steps(house: House, limit: int = 10) -> Decision:
    """Rounds until one waits for something."""
    for _ in range(limit):
        decision = step(house)
        if decision.action is None:
            return decision
    raise AssertionError(f"after {limit} rounds still {decision}")


def no_shares(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """The store cannot read a share."""
    real = house.store.get

    def refuse(name: str) -> bytes:
        if name in SHARES:
            raise StoreError("the store is down")
        return real(name)

    monkeypatch.setattr(house.store, "get", refuse)


# the way through


def test_from_a_fresh_server_to_an_unsealed_one(house: House) -> None:
    assert steps(house).reason is Reason.UNSEALED
    assert house.names() == STORED
    assert house.sys.calls == ["init", "share", "share", "share"]
    assert not house.loop.critical


def test_keys_that_come_after_the_look_at_the_server_make_it_look_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = house.store.list

    def late() -> frozenset[str]:  # another process initialises this very server meanwhile
        house.sys.state = SEALED
        house.put_keys()
        return real()

    monkeypatch.setattr(house.store, "list", late)
    assert look(house)[1].reason is Reason.UNSEAL


def test_the_answer_of_a_faster_process_is_left_to_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def faster(store: KeyStore, turn: int, _intent: object) -> bool:
        store.create(names.journal(turn), intent_of().encode())
        store.create(names.ANSWER, encode_answer(ANSWER))
        house.sys.state = SEALED
        return False

    monkeypatch.setattr(journal, "take_turn", faster)
    assert step(house).action is Action.INIT
    assert house.names() == {names.journal(0), names.ANSWER}
    assert house.sys.calls == []


# expiry by our own clock


@pytest.mark.parametrize("begun", [0.0, 1.7e9 - 1e6, 1.7e9, 1.7e9 + 1e6])
def test_an_intent_runs_out_when_it_was_seen_for_its_limit_whatever_it_says(
    house: House, clock: FakeClock, begun: float
) -> None:
    journal.take_turn(house.store, 0, intent_of(begun=begun, limit=300.0))
    assert look(house)[1].reason is Reason.INIT_ELSEWHERE
    clock.now += 300.0
    clock.wall -= 1e7  # the wall clock is set meanwhile
    assert look(house)[1].reason is Reason.INIT_ELSEWHERE
    clock.now += 0.1
    assert look(house)[1].action is Action.INIT


def test_each_turn_has_its_own_time(house: House, clock: FakeClock) -> None:
    journal.take_turn(house.store, 0, intent_of())
    look(house)
    clock.now += 301.0
    assert look(house)[1].action is Action.INIT
    journal.take_turn(house.store, 1, intent_of(begun=5.0))
    assert look(house)[1].reason is Reason.INIT_ELSEWHERE
    clock.now += 301.0
    assert look(house)[1].action is Action.INIT


def test_an_intent_that_went_and_came_again_has_its_time_anew(house: House, clock: FakeClock) -> None:
    journal.take_turn(house.store, 0, intent_of())
    look(house)
    journal.close(house.store)
    look(house)
    clock.now += 301.0
    journal.take_turn(house.store, 0, intent_of())
    assert look(house)[1].reason is Reason.INIT_ELSEWHERE


def test_an_intent_that_ran_out_is_taken_over_by_a_turn_of_its_own(house: House, clock: FakeClock) -> None:
    journal.take_turn(house.store, 0, intent_of())
    look(house)
    clock.now += 301.0
    assert steps(house).reason is Reason.UNSEALED
    assert house.names() == STORED


def test_our_own_process_whose_call_has_failed_is_no_reason_to_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "liveness", lambda _holder: Liveness.ALIVE)
    journal.take_turn(house.store, 0, intent_of(OURS))
    assert look(house)[1].action is Action.INIT
    house.call.running = True
    assert look(house)[1].reason is Reason.INIT_ELSEWHERE


# a journal that needs a human

DAMAGE = {
    names.journal(0): b'{"version": 2}',
    names.journal(1): b"damaged",
    names.ANSWER: b"damaged",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_does_not_keep_a_vault_sealed(
    house: House, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.put_keys()
    journal.take_turn(house.store, 0, intent_of())
    house.store.put(name, DAMAGE[name])
    before = house.names()
    house.sys.state = SEALED
    decision = steps(house)
    assert (decision.reason, decision.once) == (Reason.UNSEALED, ExitCode.KEYS)
    for _ in range(3):
        step(house)
    told = [record for record in caplog.records if record.message.startswith("the record")]
    assert [record.levelname for record in told] == ["ERROR"]  # once, not in every round
    assert house.names() == before


def test_a_key_that_is_another_than_the_answer_says_does_not_keep_a_vault_sealed(house: House) -> None:
    house.put_keys()
    stale = {**ANSWER, "keys": [KEYS[0], "ff" * 33, *KEYS[2:]]}
    house.store.put(names.ANSWER, encode_answer(stale))
    house.sys.state = SEALED
    decision = steps(house)
    assert (decision.reason, decision.once) == (Reason.UNSEALED, ExitCode.KEYS)
    assert house.store.get(SHARES[1]) == KEYS[1].encode()
    assert names.ANSWER in house.names()


def test_a_damaged_answer_names_the_spare_that_may_hold_the_keys(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.put(names.ANSWER, b"damaged")
    house.store.put(names.spare_answer(7), encode_answer(ANSWER))
    journal.take_turn(house.store, 0, intent_of(OURS))
    house.sys.state = SEALED
    step(house)
    assert names.spare_answer(7) in caplog.text


def test_nothing_is_initialised_over_a_damaged_record(house: House) -> None:
    house.store.put(names.journal(0), b"damaged")
    assert steps(house).reason is Reason.DAMAGED_RECORD
    assert house.sys.calls == []


def test_a_new_cluster_in_the_same_process_knows_nothing_of_the_dispute_over_the_old_one(
    tmp_path: Path, clock: FakeClock, stop: CountingStop
) -> None:
    house = House(tmp_path, stop, policy=TOKEN_WORK, options=TOKEN_OPTIONS)
    house.store.put(names.ANSWER, b"damaged")
    house.sys.state = UNSEALED
    assert steps(house).once is ExitCode.KEYS
    house.sys.state = FRESH
    assert steps(house).reason is Reason.FOREIGN_KEYS
    house.store.delete(names.ANSWER)
    decision = steps(house)
    assert (decision.reason, decision.once) == (Reason.UNSEALED, ExitCode.OK)
    assert house.sys.tokens == {WANTED.reveal()}
    assert house.names() == STORED


# asked to end


@pytest.mark.parametrize("state", [FRESH, SEALED])
def test_no_action_is_begun_after_the_end_was_asked_for(house: House, state: object) -> None:
    house.put_keys() if state is SEALED else None
    house.sys.state = state  # type: ignore[assignment]
    house.stop.request()
    assert house.loop.run(once=False) is ExitCode.OK
    assert house.sys.calls == []


def test_an_end_that_is_asked_for_while_the_store_is_checked_comes_before_the_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = house.store.create

    def create(name: str, value: bytes) -> None:
        real(name, value)
        house.stop.request()

    monkeypatch.setattr(house.store, "create", create)
    assert house.loop.run(once=False) is ExitCode.OK
    assert house.sys.calls == []
    assert house.names() == set()
    assert not house.loop.critical


@pytest.mark.parametrize(
    "error", [None, InitFailedError("no", outcome_unknown=True), HelperGoneError("gone")]
)
def test_only_the_call_itself_must_not_be_cut(house: House, error: Exception | None) -> None:
    seen: list[bool] = []
    house.call.error = error
    house.call.during = lambda: seen.append(house.loop.critical)
    assert not house.loop.critical
    step(house)
    assert seen == [True]
    assert not house.loop.critical


# a human's attempt to unseal

FOREIGN = SEALED._replace(progress=2, nonce="theirs")


def stand_still(house: House, clock: FakeClock) -> None:
    house.sys.state = FOREIGN
    house.store.delete(names.journal(0))
    look(house)
    clock.now += PATIENCE_FOREIGN_PROGRESS


def test_an_attempt_is_replaced_by_one_with_enough_shares(house: House, clock: FakeClock) -> None:
    house.put_keys(KEYS[:3])
    stand_still(house, clock)
    assert steps(house).reason is Reason.UNSEALED
    assert house.sys.calls == ["reset", "share", "share", "share"]


@pytest.mark.parametrize("count", [0, 2])
def test_an_attempt_is_left_alone_by_who_has_too_few_shares(
    house: House, clock: FakeClock, count: int
) -> None:
    house.put_keys(KEYS[:count])
    stand_still(house, clock)
    assert step(house).action is Action.RESET
    for _ in range(20):
        assert step(house).action is None
        clock.now += 10.0
    assert house.sys.calls == []
    assert house.sys.state == FOREIGN


def test_an_attempt_is_left_alone_while_the_store_is_down(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put_keys()
    house.sys.state = FOREIGN
    look(house)
    clock.now += PATIENCE_FOREIGN_PROGRESS
    with monkeypatch.context() as down:
        no_shares(down, house)
        assert step(house).action is Action.RESET
        failed = look(house)[1]
        assert (failed.reason, failed.once) == (Reason.BACK_OFF, ExitCode.STORE)
        assert failed.sentence.startswith("error unsealing vault: ")
    assert house.sys.calls == []
    clock.now += 10.0
    assert steps(house).reason is Reason.UNSEALED


def test_refused_keys_get_a_new_chance_only_when_the_store_holds_others(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tuple(f"{number:02x}" * 33 for number in range(11, 16))
    house.put_keys(wrong)
    house.sys.state = SEALED
    assert steps(house).once is ExitCode.KEYS
    entered = len(house.sys.calls)
    house.sys.state = FOREIGN
    for _ in range(5):  # the same keys: a human's attempt is left alone for ever
        clock.now += 61.0
        assert step(house).reason is Reason.FOREIGN_PROGRESS
    with monkeypatch.context() as down:  # a store that cannot tell holds no others
        no_shares(down, house)
        clock.now += 61.0
        assert step(house).reason is Reason.FOREIGN_PROGRESS
    house.put_keys()
    house.sys.state = SEALED
    clock.now += 5.0
    assert steps(house).reason is Reason.UNSEALED
    assert len(house.sys.calls) == entered + 3


def test_the_store_is_not_asked_for_other_keys_in_every_round(
    house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.sys.state = SEALED
    steps(house)
    step(house)
    reads: list[str] = []
    real = house.store.get
    monkeypatch.setattr(house.store, "get", lambda name: reads.append(name) or real(name))  # type: ignore[func-returns-value]
    for _ in range(5):
        clock.now += 0.01
        step(house)
    assert reads == []


def test_an_attempt_of_our_own_that_a_failing_call_cut_short_is_begun_again_after_a_pause(
    house: House, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    house.put_keys()
    house.sys.state = SEALED
    real = house.sys.submit_share

    def cut(share: Secret) -> object:
        if real(share).progress == 2:
            raise TransientError("PUT", "sys/unseal", 503)
        return house.sys.state

    with monkeypatch.context() as patch:
        patch.setattr(house.sys, "submit_share", cut)
        for tries in range(1, 4):  # a server that fails again and again is not asked without a pause
            assert steps(house).reason is Reason.BACK_OFF
            assert house.sys.calls == ["share", "share", "reset"] * tries
            clock.now += 10.0
    house.sys.calls.clear()
    assert steps(house).reason is Reason.UNSEALED
    assert house.sys.calls == ["share"] * 3


# failures


class Lossy:
    """A store that takes a root token and forgets it at once."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, name: str, value: bytes) -> None:
        self._store.delete(name)


def test_a_store_that_loses_the_wanted_token_is_a_failure_and_not_the_end_of_the_loop(
    tmp_path: Path, clock: FakeClock, stop: CountingStop
) -> None:
    house = House(tmp_path, stop, policy=TOKEN_WORK, options=TOKEN_OPTIONS)
    good = house.store
    house.store = Lossy(good)  # type: ignore[assignment]
    failed = steps(house)
    assert (failed.reason, failed.once) == (Reason.BACK_OFF, ExitCode.STORE)
    assert "the store lost 'vault-root'" in failed.sentence
    assert TOKEN in house.sys.tokens  # not revoked while the other one is not stored
    house.store = good
    clock.now += 60.0
    assert steps(house).reason is Reason.UNSEALED
    assert good.get(names.ROOT) == WANTED.reveal_bytes()
    assert house.sys.tokens == {WANTED.reveal()}


def test_a_failed_store_is_opened_anew_and_counted(
    house: House, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    house.sys.state = SEALED
    house.put_keys()
    with monkeypatch.context() as down:
        no_shares(down, house)
        steps(house)
    opened = house.opened
    clock.now += 10.0
    assert steps(house).reason is Reason.UNSEALED
    assert house.opened > opened
    assert sum(house.metrics.snapshot().store_errors.values()) == 1


@pytest.mark.parametrize("once", [False, True])
def test_without_its_init_process_a_daemon_starts_anew_and_one_round_fails(
    house: House, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    monkeypatch.setattr(observe, "liveness", lambda _holder: Liveness.GONE)
    house.call.error = HelperGoneError("the process that called sys/init is gone")
    code = house.loop.run(once=once)
    assert house.call.dismissed
    assert house.stop.restart is not once
    assert code is (ExitCode.FAILURE if once else ExitCode.OK)


def test_a_round_that_unseals_ends_with_0(house: House) -> None:
    assert house.loop.run(once=True) is ExitCode.OK
    assert house.sys.state == UNSEALED


@pytest.mark.parametrize(
    ("state", "code"),
    [(FRESH, ExitCode.NOT_INITIALISED), (SEALED, ExitCode.SEALED), (UNSEALED, ExitCode.OK)],
)
def test_a_round_that_takes_too_long_ends_with_what_the_server_is(state: object, code: ExitCode) -> None:
    assert loop._code_of(state) is code  # type: ignore[arg-type]


def test_an_initialised_server_lets_the_init_process_go(house: House) -> None:
    house.put_keys()
    house.sys.state = SEALED
    steps(house)
    assert house.call.dismissed


# how often a server is asked

AWAY = TransientError("GET", "sys/seal-status", None, ("connection refused",))
BROKEN: list[VaultError] = [
    TransientError("GET", "sys/seal-status", 503),
    TransientError("GET", "sys/seal-status", None, ("cut",), outcome_unknown=True),
    FatalError("GET", "sys/seal-status", None, ("a wrong certificate",)),
    FatalError("GET", "sys/seal-status", 404),
]


@pytest.mark.parametrize("error", [AWAY, *BROKEN], ids=str)
def test_a_server_that_answers_wrongly_is_asked_ever_less_one_that_is_away_is_not_forgotten(
    tmp_path: Path, clock: FakeClock, error: VaultError
) -> None:
    stop = CountingStop(rounds=3)
    try:
        house = House(tmp_path, stop)
        house.sys.error = error
        look(house)
        clock.now += 30.0
        house.loop.run(once=False)
    finally:
        stop.close()
    assert stop.waits == [0.05 if error is AWAY else 3.0] * 3


def test_waiting_with_the_answer_in_hand_counts_as_a_sign_of_life(house: House) -> None:
    seen: list[object] = []
    house.call.during = lambda: seen.append(house.metrics.snapshot().servers[ADDRESS].last_cycle)
    step(house)
    assert seen == [None]
    assert house.metrics.snapshot().servers[ADDRESS].last_cycle is not None
