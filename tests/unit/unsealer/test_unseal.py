"""Promises of one round of unsealing: which shares are read, and what their absence means."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.server import ServerState
from bank_vaults.keystores.base import DamagedValueError, StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer.unseal import Outcome, fingerprint, missing_shares, unseal_round
from bank_vaults.vault.errors import FatalError, TransientError
from tests.support.states import SEALED
from tests.unit.unsealer.fakes import KEYS, SHARES, FakeSys

WRONG = "ff" * 33


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def put(store: FileStore, keys: dict[int, str]) -> None:
    for number, key in keys.items():
        store.put(SHARES[number], key.encode())


def down(
    store: FileStore,
    monkeypatch: pytest.MonkeyPatch,
    *numbers: int,
    error: type[StoreError] = StoreError,
) -> None:
    """The store cannot tell whether it has these shares, or raises another error for them."""
    real = store.get

    def get(name: str) -> bytes:
        if name in [SHARES[number] for number in numbers]:
            raise error(f"cannot read {name}")
        return real(name)

    monkeypatch.setattr(store, "get", get)


def round_of(store: FileStore, sys: FakeSys | None = None, state: ServerState = SEALED) -> Outcome:
    return unseal_round(sys or FakeSys(state), store, state).outcome  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [(0, 1, 2), (2, 3, 4), (0, 2, 4), range(5)])
def test_enough_shares_are_enough_whichever_they_are(store: FileStore, numbers: tuple[int, ...]) -> None:
    put(store, {number: KEYS[number] for number in numbers})
    sys = FakeSys(SEALED)
    assert missing_shares(store, SEALED) == ""
    assert round_of(store, sys) is Outcome.UNSEALED
    assert sys.calls == ["share"] * 3


@pytest.mark.parametrize("keys", [{}, {0: KEYS[0], 4: KEYS[4]}, {0: KEYS[0], 1: KEYS[0], 2: "damaged"}])
def test_too_few_usable_shares_are_told_by_name_and_none_is_entered(
    store: FileStore, keys: dict[int, str]
) -> None:
    put(store, keys)
    sys = FakeSys(SEALED)
    done = unseal_round(sys, store, SEALED)  # type: ignore[arg-type]
    assert done.outcome is Outcome.INCOMPLETE
    assert done.sentence == missing_shares(store, SEALED)
    assert "the server needs 3" in done.sentence
    assert sys.calls == []
    assert not any(key in done.sentence for key in (KEYS[0], KEYS[4]))


def test_a_share_that_the_store_cannot_tell_is_not_called_missing(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, {0: KEYS[0], 1: KEYS[1], 2: KEYS[2]})
    down(store, monkeypatch, 1)
    for ask in (missing_shares, lambda store, state: round_of(store, None, state)):
        with pytest.raises(StoreError, match="cannot read vault-unseal-1"):
            ask(store, SEALED)


def test_a_share_that_cannot_be_read_is_made_up_for_by_others(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, dict(enumerate(KEYS)))
    down(store, monkeypatch, 0)
    assert missing_shares(store, SEALED) == ""
    assert round_of(store) is Outcome.UNSEALED


def test_values_that_cannot_be_opened_are_made_up_for_by_others_however_many_come_first(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, dict(enumerate(KEYS)))
    down(store, monkeypatch, 0, 1, error=DamagedValueError)
    assert missing_shares(store, SEALED) == ""
    assert round_of(store) is Outcome.UNSEALED
    down(store, monkeypatch, 2, error=DamagedValueError)
    assert round_of(store) is Outcome.INCOMPLETE
    assert "vault-unseal-2 is damaged: cannot read" in missing_shares(store, SEALED)


def test_a_store_that_is_down_is_not_asked_for_every_share(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def get(name: str) -> bytes:
        asked.append(name)
        raise StoreError("down")

    monkeypatch.setattr(store, "get", get)
    with pytest.raises(StoreError):
        missing_shares(store, SEALED)
    assert len(asked) == 2


def test_the_fingerprint_changes_with_every_usable_share_and_with_nothing_else(store: FileStore) -> None:
    seen = {fingerprint(store, SEALED)}
    for change in ({0: KEYS[0]}, {1: KEYS[1]}, {1: WRONG}, {4: KEYS[4]}):
        put(store, change)
        seen.add(fingerprint(store, SEALED))
        assert fingerprint(store, SEALED) in seen
    assert len(seen) == 5
    put(store, {2: "damaged"})
    store.put("vault-root", b"token")
    assert fingerprint(store, SEALED) in seen


def test_shares_of_another_cluster_are_wrong_keys(store: FileStore) -> None:
    put(store, dict.fromkeys(range(5), WRONG) | {1: "ee" * 33, 2: "dd" * 33})
    assert round_of(store) is Outcome.WRONG_KEYS


def test_somebody_else_who_enters_shares_meanwhile_ends_the_round(store: FileStore) -> None:
    put(store, dict(enumerate(KEYS)))
    sys = FakeSys(SEALED)
    sys.entered.append(KEYS[4])
    assert round_of(store, sys) is Outcome.DISTURBED
    assert sys.calls == ["share"]


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("invalid answer given", Outcome.FORGOTTEN),
        ("Code: 400. Errors: * no expected answer for the server id provided", Outcome.FORGOTTEN),
        ("cipher: message authentication failed", Outcome.WRONG_KEYS),
    ],
)
def test_the_words_of_the_server_tell_what_is_wrong(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, message: str, outcome: Outcome
) -> None:
    put(store, {0: KEYS[0], 1: KEYS[1], 2: KEYS[2]})
    sys = FakeSys(SEALED)
    real = sys.submit_share

    def refuse(share: object) -> ServerState:
        if len(sys.entered) == 2:
            sys.entered.clear()
            raise TransientError("PUT", "sys/unseal", 500, (message,))
        return real(share)  # type: ignore[arg-type]

    monkeypatch.setattr(sys, "submit_share", refuse)
    assert round_of(store, sys) is outcome


def test_a_server_that_fails_is_no_verdict_on_the_keys(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, dict(enumerate(KEYS)))
    sys = FakeSys(SEALED)

    def refuse(_share: object) -> ServerState:
        raise FatalError("PUT", "sys/unseal", 400, ("no such thing",))

    monkeypatch.setattr(sys, "submit_share", refuse)
    with pytest.raises(FatalError):
        round_of(store, sys)


def of_another_initialisation(store: FileStore, monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    foreign = [SHARES[number] for number in numbers]
    monkeypatch.setattr(store, "origin", lambda name: ("b" if name in foreign else "a") * 40)


def test_a_value_of_another_initialisation_is_told_by_name_and_never_entered(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, dict(enumerate(KEYS)) | {1: WRONG})
    of_another_initialisation(store, monkeypatch, 1)
    sys = FakeSys(SEALED)
    assert round_of(store, sys) is Outcome.UNSEALED
    assert sys.calls == ["share"] * 3
    (warning,) = [record for record in caplog.records if "a share was skipped" in record.message]
    told = vars(warning)["fields"]["skipped"]
    assert told.startswith("vault-unseal-1 is of initialisation bbbbbbbb, the others are of aaaaaaaa:")
    assert WRONG not in told


def test_too_few_values_of_one_initialisation_open_nothing_and_none_is_entered(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, dict(enumerate(KEYS[:4])) | {0: WRONG, 1: "ee" * 33})
    of_another_initialisation(store, monkeypatch, 0, 1)
    sys = FakeSys(SEALED)
    done = unseal_round(sys, store, SEALED)  # type: ignore[arg-type]
    assert done.outcome is Outcome.INCOMPLETE
    assert done.sentence == missing_shares(store, SEALED)
    assert "2 usable unseal keys, the server needs 3" in done.sentence
    assert "vault-unseal-2 is of initialisation aaaaaaaa, the others are of bbbbbbbb" in done.sentence
    assert sys.calls == []


def test_the_shares_that_belong_together_open_the_server_also_when_they_are_the_fewer(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = SEALED._replace(shares=7)
    monkeypatch.setattr("tests.unit.unsealer.test_unseal.SHARES", tuple(map(names.unseal, range(7))))
    put(store, dict(enumerate([f"{number:x}" * 66 for number in range(10, 14)])))
    put(store, {4: KEYS[0], 5: KEYS[1], 6: KEYS[2]})
    of_another_initialisation(store, monkeypatch, 0, 1, 2, 3)
    assert round_of(store, FakeSys(state), state) is Outcome.UNSEALED
    (error,) = [record for record in caplog.records if "damaged or foreign" in record.message]
    assert vars(error)["fields"]["damaged"] == "vault-unseal-0,vault-unseal-1,vault-unseal-2,vault-unseal-3"
