"""What the modes of a token promise above the token: formats, order, and the words of their errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from bank_vaults.domain import envelope, names
from bank_vaults.domain.envelope import DataKey, Envelope, Wrapping
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import KeyType, SlotFlag, TokenFlag
from bank_vaults.hsm.client import (
    BoundToken,
    Key,
    TokenClient,
    TokenError,
    TokenMissingError,
    TokenUnusableError,
    ValueDamagedError,
)
from bank_vaults.hsm.pin import PinRefusedError as RefusedByGuardError
from bank_vaults.hsm.pin import Refusal
from bank_vaults.hsm.selection import Candidate, Choice
from bank_vaults.keystores.base import (
    AlreadyExistsError,
    DamagedValueError,
    NotFoundError,
    PinRefusedError,
    StoreAwayError,
    StoreError,
)
from bank_vaults.keystores.file import FileStore
from bank_vaults.keystores.hsm import BlobFormat, OnToken, Sealed, _announce


class FakeClient:
    """A token as its client shows it. A sealed value is the value itself, in an envelope or as RAW."""

    place = "token 't'"

    def __init__(self) -> None:
        self.objects: list[tuple[str, bytes]] = []
        self.stale = False
        self.fresh = 0
        self.prepared: list[bytes | None] = []
        self.likes: list[bytes | None] = []
        self.error: Exception | None = None
        self._sets = 0

    def _called(self) -> None:
        if self.error is not None:
            raise self.error

    def bind(self, *, fresh: bool = False) -> None:
        self._called()
        if fresh:
            self.fresh += 1
            self.stale = False

    def labels(self) -> tuple[str, ...]:
        self._called()
        return tuple(label for label, _ in self.objects)

    def values(self, label: str) -> tuple[bytes, ...]:
        self._called()
        return tuple(value for name, value in self.objects if name == label)

    def create(self, label: str, value: bytes) -> bool:
        self._called()
        self.stale = True
        if label in self.labels():
            return False
        self.objects.append((label, value))
        return True

    def replace(self, label: str, value: bytes) -> None:
        self._called()
        self.stale = True
        self.delete(label)
        self.objects.append((label, value))

    def delete(self, label: str) -> None:
        self._called()
        self.objects = [found for found in self.objects if found[0] != label]

    def prepare(self, like: bytes | None) -> None:
        self._called()
        self.prepared.append(like)

    def seal(self, name: str, value: bytes, like: bytes | None, replaced: int = 0) -> bytes:
        self._called()
        self.likes.append(like)
        if like is None:
            self._sets += 1
            key = DataKey(Wrapping.RSA_OAEP_SHA1, bytes(32), self._sets.to_bytes(16), b"wrapped")
        else:
            key = envelope.decode(like).key
        return envelope.encode(
            Envelope(key, envelope.nonce(replaced, bytes(8)), name.encode() + b"=" + value + bytes(16))
        )

    def seal_raw(self, value: bytes) -> bytes:
        self._called()
        return b"RAW" + value

    def open(self, name: str, stored: bytes) -> bytes:
        self._called()
        if stored.startswith(b"RAW"):
            return stored[3:]
        try:
            return envelope.decode(stored).sealed.removeprefix(name.encode() + b"=")[:-16]
        except envelope.EnvelopeError as error:
            raise ValueDamagedError(str(error)) from None


@pytest.fixture
def token() -> FakeClient:
    return FakeClient()


def _sealed(token: FakeClient, blobs: BlobFormat = BlobFormat.AUTO) -> Sealed:
    client = cast(TokenClient, token)
    return Sealed(client, OnToken(client), blobs)


def _formats(token: FakeClient) -> dict[str, str]:
    return {label: "envelope" if envelope.is_envelope(value) else "raw" for label, value in token.objects}


# formats


def test_a_fresh_store_gets_envelopes_with_one_data_key(token: FakeClient) -> None:
    store = _sealed(token)
    for name in (names.unseal(0), names.unseal(1), names.ROOT):
        store.create(name, name.encode())
    assert set(_formats(token).values()) == {"envelope"}
    assert len({envelope.decode(value).key for _, value in token.objects}) == 1
    assert store.get(names.unseal(1)) == b"vault-unseal-1"


@pytest.mark.parametrize("old", [names.ROOT, names.unseal(4), names.recovery(0)])
def test_a_store_with_older_keys_keeps_getting_older_keys(old: str, token: FakeClient) -> None:
    token.objects.append((old, b"RAW" + b"old"))
    store = _sealed(token)
    store.create(names.unseal(0), b"share")
    store.put(old, b"new")
    assert set(_formats(token).values()) == {"raw"}
    assert store.get(old) == b"new"


def test_records_of_an_initialisation_are_envelopes_in_every_store(token: FakeClient) -> None:
    store = _sealed(token, BlobFormat.RAW)
    store.create(names.journal(0), b"intent")
    store.create(names.ANSWER, b"answer" * 200)
    store.create(names.canary("x"), b"random" * 200)
    store.create(names.unseal(0), b"share")
    assert _formats(token) == {
        names.journal(0): "envelope",
        names.ANSWER: "envelope",
        names.canary("x"): "envelope",
        names.unseal(0): "raw",
    }
    assert len([like for like in token.likes if like is None]) == 1
    assert store.get(names.ANSWER) == b"answer" * 200


def test_a_left_over_of_an_older_check_does_not_decide_for_the_keys(token: FakeClient) -> None:
    token.objects.append(("vault-test", b"RAW" + b"vault-test"))
    _sealed(token).create(names.unseal(0), b"share")
    assert _formats(token)[names.unseal(0)] == "envelope"


def test_envelopes_are_written_beside_older_keys_only_on_demand(token: FakeClient) -> None:
    token.objects.append((names.ROOT, b"RAW" + b"old"))
    store = _sealed(token, BlobFormat.ENVELOPE)
    store.put(names.ROOT, b"new")
    assert _formats(token) == {names.ROOT: "envelope"}
    assert store.get(names.ROOT) == b"new"


def test_the_data_key_of_the_keys_is_preferred_to_that_of_another_record(token: FakeClient) -> None:
    store = _sealed(token)
    token.objects.append((names.ANSWER, token.seal(names.ANSWER, b"a", None)))
    token.objects.append((names.unseal(0), token.seal(names.unseal(0), b"s", None)))
    store.create(names.unseal(1), b"t")
    written = dict(token.objects)
    assert envelope.decode(written[names.unseal(1)]).key == envelope.decode(written[names.unseal(0)]).key


def test_a_write_is_prepared_with_the_data_key_that_it_will_use(token: FakeClient) -> None:
    store = _sealed(token)
    store.prepare()
    store.create(names.unseal(0), b"s")
    store.prepare()
    assert token.prepared == [None, dict(token.objects)[names.unseal(0)]]


# several values under one name


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_values_the_newer_one_counts_in_whatever_order_the_token_shows_them(
    turned: bool, token: FakeClient
) -> None:
    older, newer = (
        token.seal(names.ROOT, value, None, count) for count, value in enumerate((b"old", b"new"))
    )
    token.objects = [(names.ROOT, value) for value in ((newer, older) if turned else (older, newer))]
    assert _sealed(token).get(names.ROOT) == b"new"


def test_each_replacement_is_newer_than_all_before_also_after_one_that_was_cut_short(
    token: FakeClient,
) -> None:
    store = _sealed(token)
    left = []
    for count in range(4):
        store.put(names.ROOT, b"value %d" % count)
        ((_, stored),) = token.objects
        left.append(stored)
        token.objects = [(names.ROOT, value) for value in left[-2:]]  # the older one was not destroyed
        assert store.get(names.ROOT) == b"value %d" % count
    assert [envelope.replaced(stored) for stored in left] == [0, 1, 2, 3]


@pytest.mark.parametrize("blobs", BlobFormat)
def test_what_the_token_does_not_open_replaces_nothing(
    blobs: BlobFormat, token: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _sealed(token, blobs)
    store.put(names.ROOT, b"old")
    monkeypatch.setattr(token, "open", lambda name, stored: b"another")
    with pytest.raises(StoreError, match="does not open what was sealed to it as 'vault-root'"):
        store.put(names.ROOT, b"new")
    monkeypatch.undo()
    assert store.get(names.ROOT) == b"old"
    assert len(token.objects) == 1


def test_a_newest_value_that_is_damaged_gives_way_to_the_one_before(
    token: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    token.objects = [
        (names.ROOT, token.seal(names.ROOT, b"old", None, 1)),
        (names.ROOT, envelope.MAGIC + b"\2damaged"),
    ]
    assert _sealed(token).get(names.ROOT) == b"old"
    token.objects.reverse()
    assert _sealed(token).get(names.ROOT) == b"old"


def test_a_name_whose_values_are_all_damaged_is_told_with_the_last_reason(
    token: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    token.objects = [(names.ROOT, envelope.MAGIC + b"\2damaged"), (names.ROOT, envelope.MAGIC)]
    with pytest.raises(StoreError, match="the hsm store cannot open 'vault-root': the envelope is cut"):
        _sealed(token).get(names.ROOT)
    (warning,) = [record for record in caplog.records if "an older one is used" in record.message]
    assert vars(warning)["fields"]["key"] == names.ROOT


def test_trouble_of_the_token_is_no_reason_to_believe_an_older_value(token: FakeClient) -> None:
    token.objects = [(names.ROOT, token.seal(names.ROOT, b"v", None, count)) for count in range(2)]

    def failing(name: str, stored: bytes) -> bytes:
        raise TokenError("C_Decrypt: CKR_DEVICE_REMOVED")

    token.open = failing  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="CKR_DEVICE_REMOVED"):
        _sealed(token).get(names.ROOT)


# fresh reads


def test_what_was_written_is_read_back_from_the_token_once_for_each_client(token: FakeClient) -> None:
    writer = _sealed(token)
    writer.create(names.ROOT, b"v")
    assert writer.get(names.ROOT) == b"v"
    assert token.fresh == 0
    reader = _sealed(token)
    assert (reader.get(names.ROOT), reader.list()) == (b"v", frozenset({names.ROOT}))
    assert token.fresh == 1
    assert _sealed(token).get(names.ROOT) == b"v"
    assert token.fresh == 1


# the words of errors

_CALLS: list[Callable[[Sealed], object]] = [
    lambda store: store.get(names.ROOT),
    lambda store: store.put(names.ROOT, b"v"),
    lambda store: store.create(names.ROOT, b"v"),
    lambda store: store.delete(names.ROOT),
    lambda store: store.list(),
    lambda store: store.prepare(),
]


@pytest.mark.parametrize("call", _CALLS, ids=["get", "put", "create", "delete", "list", "prepare"])
@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (TokenError("why"), StoreError, ExitCode.STORE),
        (TokenUnusableError("why"), StoreError, ExitCode.STORE),
        (TokenMissingError("why"), StoreAwayError, ExitCode.STORE),
        (RefusedByGuardError("why", Refusal.LOCKED), PinRefusedError, ExitCode.PIN_REFUSED),
    ],
)
def test_every_call_tells_its_error_as_a_store_does(
    error: Exception,
    expected: type[StoreError],
    code: ExitCode,
    call: Callable[[Sealed], object],
    token: FakeClient,
) -> None:
    token.error = error
    with pytest.raises(StoreError, match="why") as raised:
        call(_sealed(token))
    assert type(raised.value) is expected
    assert raised.value.exit_code is code
    assert raised.value.of_the_whole_store is (expected is not StoreError)


def test_what_is_not_there_and_what_is_there_are_no_errors_of_the_store(token: FakeClient) -> None:
    store = _sealed(token)
    with pytest.raises(NotFoundError, match="the hsm store has no value 'vault-root'"):
        store.get(names.ROOT)
    with pytest.raises(NotFoundError):
        OnToken(cast(TokenClient, token)).get(names.ROOT)
    store.create(names.ROOT, b"v")
    with pytest.raises(AlreadyExistsError, match="vault-root"):
        store.create(names.ROOT, b"v")
    assert envelope.is_envelope(OnToken(cast(TokenClient, token)).get(names.ROOT))


def test_objects_of_others_are_none_of_our_business(token: FakeClient) -> None:
    token.objects.append(("mail", b"of somebody else"))
    assert _sealed(token).list() == frozenset()


# on top of another store


def test_an_answer_that_was_overlooked_is_not_told_as_lost(
    token: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _sealed(token)
    token.objects = [(names.journal(0), b"journal")]
    monkeypatch.setattr(
        token, "bind", lambda *, fresh: token.objects.append((names.ANSWER, b"answer")) if fresh else None
    )
    assert store.list() == {names.journal(0), names.ANSWER}


def test_an_answer_that_is_missing_is_looked_for_twice_and_not_for_ever(token: FakeClient) -> None:
    store = _sealed(token)
    token.objects = [(names.journal(0), b"journal")]
    for _ in range(3):
        assert store.list() == {names.journal(0)}
    assert token.fresh == 1


def test_values_in_files_are_sealed_and_say_so(token: FakeClient, tmp_path: Path) -> None:
    store = Sealed(cast(TokenClient, token), FileStore(tmp_path), BlobFormat.AUTO)
    store.create(names.ROOT, b"first")
    store.put(names.ROOT, b"second")
    assert (store.get(names.ROOT), store.list()) == (b"second", frozenset({names.ROOT}))
    assert envelope.is_envelope((tmp_path / names.ROOT).read_bytes())
    assert token.objects == []
    described = store.describe()
    assert described.mode == "hsm-file"
    assert described.location == f"{tmp_path}, sealed by token 't'"
    assert described.atomic_create
    with pytest.raises(NotFoundError, match="the hsm-file store has no value"):
        store.get(names.unseal(0))


def test_a_token_says_that_it_keeps_no_creators_apart(token: FakeClient) -> None:
    described = _sealed(token).describe()
    assert (described.mode, described.location, described.atomic_create) == ("hsm", "token 't'", False)


# values of another initialisation under the same key pair


def test_values_of_one_initialisation_have_one_origin_and_others_another(token: FakeClient) -> None:
    store = _sealed(token)
    for name in map(names.unseal, range(3)):
        store.create(name, b"s")
    token.replace(names.unseal(1), token.seal(names.unseal(1), b"of another", None))
    assert store.origin(names.unseal(0)) == ""  # nothing was read yet
    values = [store.get(names.unseal(number)) for number in range(3)]
    first, second, third = (store.origin(names.unseal(number)) for number in range(3))
    assert values == [b"s", b"of another", b"s"]
    assert first == third != second


def test_a_data_key_of_somebody_else_with_the_same_identity_is_of_another_origin(token: FakeClient) -> None:
    store = _sealed(token)
    store.create(names.unseal(0), b"s")
    found = envelope.decode(token.objects[0][1])
    forged = found._replace(key=found.key._replace(wrapped=b"another"))
    token.objects.append((names.unseal(1), envelope.encode(forged)))
    for name in (names.unseal(0), names.unseal(1)):
        store.get(name)
    first, second = store.origin(names.unseal(0)), store.origin(names.unseal(1))
    assert first != second
    assert envelope.shown(first) == envelope.shown(second)


def test_older_values_tell_no_origin(token: FakeClient) -> None:
    store = _sealed(token, BlobFormat.RAW)
    store.create(names.unseal(0), b"s")
    assert (store.get(names.unseal(0)), store.origin(names.unseal(0))) == (b"s", "")


def test_a_root_token_of_another_initialisation_than_the_shares_is_not_given_out(token: FakeClient) -> None:
    store = _sealed(token)
    for name in (names.unseal(0), names.unseal(1), names.unseal(2), names.ROOT):
        store.create(name, b"v")
    assert store.get(names.ROOT) == b"v"
    foreign = token.seal(names.unseal(0), b"of another", None)
    token.replace(names.unseal(0), foreign)
    assert store.get(names.ROOT) == b"v"  # as most shares are
    token.replace(names.ROOT, token.seal(names.ROOT, b"secret", foreign))
    with pytest.raises(
        DamagedValueError, match=r"'vault-root': it is of initialisation 0+, the shares"
    ) as told:
        store.get(names.ROOT)
    assert "secret" not in str(told.value)


def test_a_root_token_without_shares_beside_it_is_given_out(token: FakeClient) -> None:
    store = _sealed(token)
    store.create(names.ROOT, b"v")
    token.objects.append((names.unseal(0), b"RAW" + b"older"))
    assert store.get(names.ROOT) == b"v"


# the first lines


@pytest.mark.parametrize("manufacturer", ["OpenSC Project", "SoftHSM"])
@pytest.mark.parametrize("generated", [True, False])
def test_the_start_says_which_token_and_key_it_is_and_what_to_be_warned_of(
    manufacturer: str, generated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    info = TokenInfo("t   ", "maker", "model", "DENK01", TokenFlag(0), 6, 15, "3.5")
    bound = BoundToken(
        ModuleInfo("2.40", manufacturer, "module", "0.23"),
        Choice(Candidate(4, SlotInfo("reader", "maker", SlotFlag(0)), info), (0, 4), "chosen by slot alone"),
        Key("bank-vaults", b"\1", KeyType.RSA, 2048, bytes(32)),
        generated,
    )
    caplog.set_level(logging.INFO)
    _announce(bound, "slot id")
    found = "generated a key pair" if generated else "found objects"
    in_software = "extracting public key and doing encryption on the computer"
    told = [record.message for record in caplog.records]
    assert told[:3] == ["HSM Information", "HSM slots with a token", "HSM slot found by slot id"]
    assert told[3:5] == ["HSM token", "chosen by slot alone"]
    assert told[5] == f"{found} with label 'bank-vaults' in HSM"
    assert told[-1] == "no storage backend specified for HSM, using on device storage"
    assert any(in_software in line for line in told) is (manufacturer == "OpenSC Project")
    assert vars(caplog.records[1])["fields"] == {"slots": "0, 4"}
    assert vars(caplog.records[3])["fields"]["serial"] == "DENK01"
    assert caplog.records[4].levelno == logging.WARNING
