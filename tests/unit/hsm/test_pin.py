"""A wrong PIN costs one try for each token, and the last try is never ours without being asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.ck import TokenFlag
from bank_vaults.hsm.pin import (
    Attempt,
    PinMemory,
    PinMemoryError,
    PinRefusedError,
    PinState,
    Refusal,
    SaltedHash,
    begin,
    may_try,
    may_try_unremembered,
    remember_accepted,
    remember_refused,
    settle,
)

_PIN = Secret("banzai")
_OTHER = Secret("banana")
_OK = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED | TokenFlag.LOGIN_REQUIRED
_LOW = _OK | TokenFlag.USER_PIN_COUNT_LOW
_FINAL = _OK | TokenFlag.USER_PIN_FINAL_TRY
_LOCKED = _OK | TokenFlag.USER_PIN_LOCKED


def _state(flags: TokenFlag) -> PinState:
    return PinState(flags, 6, 15)


def _refused(flags: TokenFlag, memory: PinMemory, **more: bool) -> Refusal | None:
    """The reason why no try is made; None if one may be made."""
    try:
        may_try(_state(flags), memory, _PIN, token="t", **({"allow_final_try": False} | more))
    except PinRefusedError as error:
        assert "banzai" not in str(error)
        return error.reason
    return None


_REMEMBERED = remember_refused(PinMemory(), SaltedHash.of(_PIN))
_ACCEPTED = remember_accepted(PinMemory(), _PIN)
_OTHER_ACCEPTED = remember_accepted(PinMemory(), _OTHER)
_OTHER_REFUSED = remember_refused(_ACCEPTED, SaltedHash.of(_OTHER))


@pytest.mark.parametrize(
    ("flags", "memory", "more", "reason"),
    [
        (_OK, PinMemory(), {}, None),
        (_LOW, PinMemory(), {}, Refusal.TRIED_ELSEWHERE),
        (_LOW, PinMemory(), {"again": True}, None),
        (_LOW, PinMemory(), {"allow_final_try": True}, None),
        (_LOW, _ACCEPTED, {}, None),
        (_LOW, _OTHER_ACCEPTED, {}, Refusal.TRIED_ELSEWHERE),
        (_LOW, _OTHER_REFUSED, {}, None),
        (_LOW, remember_accepted(_OTHER_REFUSED, _OTHER), {}, Refusal.TRIED_ELSEWHERE),
        (_OK, _OTHER_ACCEPTED, {}, None),
        (_FINAL, PinMemory(), {}, Refusal.FINAL_TRY),
        (_FINAL, PinMemory(), {"allow_final_try": True}, None),
        (_LOCKED, PinMemory(), {"allow_final_try": True}, Refusal.LOCKED),
        (TokenFlag.TOKEN_INITIALIZED, PinMemory(), {}, Refusal.NOT_INITIALISED),
        (_OK | TokenFlag.PROTECTED_AUTHENTICATION_PATH, PinMemory(), {}, Refusal.PIN_PAD),
        (_OK, _REMEMBERED, {}, Refusal.REFUSED_BEFORE),
        (_FINAL, _REMEMBERED, {"allow_final_try": True}, Refusal.REFUSED_BEFORE),
        (_OK, _REMEMBERED, {"again": True}, None),
        (_LOW, _REMEMBERED, {"again": True}, Refusal.REFUSED_BEFORE),
        (_FINAL, _REMEMBERED, {"again": True}, Refusal.FINAL_TRY),
    ],
)
def test_a_try_is_made_only_where_it_can_do_no_harm(
    flags: TokenFlag, memory: PinMemory, more: dict[str, bool], reason: Refusal | None
) -> None:
    assert _refused(flags, memory, **more) is reason


@pytest.mark.parametrize("pin", ["", "12345", "1234567890123456"])
def test_a_pin_of_an_impossible_length_is_not_even_tried(pin: str) -> None:
    with pytest.raises(PinRefusedError, match="6 to 15") as caught:
        may_try(_state(_OK), PinMemory(), Secret(pin), token="t", allow_final_try=False)
    assert caught.value.reason is Refusal.WRONG_LENGTH


def test_limits_that_contradict_each_other_say_nothing_of_a_pin() -> None:
    unlimited = _state(_OK)._replace(shortest=8, longest=0)
    may_try(unlimited, PinMemory(), Secret("banzai"), token="t", allow_final_try=False)
    with pytest.raises(PinRefusedError):
        may_try(unlimited, PinMemory(), Secret(""), token="t", allow_final_try=False)


@pytest.mark.parametrize("flags", [_LOW, _FINAL])
def test_without_a_memory_a_token_that_counts_a_wrong_pin_is_left_alone(flags: TokenFlag) -> None:
    may_try_unremembered(_state(_OK), token="t", error="read-only")
    with pytest.raises(PinRefusedError, match="read-only") as caught:
        may_try_unremembered(_state(flags), token="t", error="read-only")
    assert caught.value.reason is Refusal.NO_MEMORY


def test_another_pin_may_be_tried_after_a_refused_one() -> None:
    may_try(_state(_OK), _REMEMBERED, _OTHER, token="t", allow_final_try=False)


def test_a_pin_that_is_accepted_in_the_end_is_forgotten_as_refused() -> None:
    both = remember_refused(_REMEMBERED, SaltedHash.of(_OTHER))
    left = remember_accepted(both, _PIN)
    assert [entry.matches(_OTHER) for entry in left.refused] == [True]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (_OK, _OK, False),
        (_OK, _LOW, True),
        (_LOW, _FINAL, True),
        (_FINAL, _LOCKED, True),
        (_LOW, _OK, False),
        (_LOW, _LOW, False),
    ],
)
def test_a_login_that_a_kill_cut_short_is_judged_by_the_tries_left(
    before: TokenFlag, after: TokenFlag, refused: bool
) -> None:
    begun = begin(PinMemory(), _state(before), _PIN)
    settled = settle(PinMemory.decode(begun.encode()), _state(after))
    assert settled.attempt is None
    known = settle(begin(_ACCEPTED, _state(before), _OTHER), _state(after)).accepted
    assert (known is None) is refused
    assert any(entry.matches(_PIN) for entry in settled.refused) is refused


def test_without_an_attempt_nothing_is_to_be_settled() -> None:
    assert settle(_REMEMBERED, _state(_LOCKED)) is _REMEMBERED


def test_the_memory_is_kept_small_and_the_newest_pins_stay() -> None:
    memory = PinMemory()
    for _ in range(20):
        memory = remember_refused(memory, SaltedHash(b"s", b"d"))
    memory = remember_refused(memory, SaltedHash.of(_PIN))
    assert len(memory.refused) == 16
    assert memory.refused[-1].matches(_PIN)


_HASHES = st.builds(SaltedHash, st.binary(max_size=16), st.binary(max_size=32))
_MEMORIES = st.builds(
    PinMemory,
    st.lists(_HASHES, max_size=4).map(tuple),
    st.none() | st.builds(Attempt, _HASHES, st.integers(0, 1 << 24)),
    st.none() | _HASHES,
)


@given(_MEMORIES)
def test_what_was_remembered_is_read(memory: PinMemory) -> None:
    assert PinMemory.decode(memory.encode()) == memory


@given(st.binary(max_size=80))
def test_any_bytes_are_a_memory_or_told_to_be_damaged(record: bytes) -> None:
    with pytest.raises(PinMemoryError):
        PinMemory.decode(record)


@pytest.mark.parametrize(
    "record",
    [
        b'{"version": 2, "refused": [], "attempt": null}',
        b'{"version": 1, "refused": [["00"]], "attempt": null, "accepted": null}',
        b'{"version": 1, "refused": [["00", 1]], "attempt": null, "accepted": null}',
        b'{"version": 1, "refused": [["00", "00", "00"]], "attempt": null, "accepted": null}',
        b'{"version": 1, "refused": [], "attempt": [1, 2], "accepted": null}',
        b'{"version": 1, "refused": [], "attempt": null, "accepted": []}',
        b'{"version": 1, "refused": [], "attempt": null}',
        b'{"version": 1}',
    ],
)
def test_a_record_of_another_shape_is_not_taken_for_an_empty_one(record: bytes) -> None:
    with pytest.raises(PinMemoryError):
        PinMemory.decode(record)


def test_no_pin_stands_in_a_record() -> None:
    assert b"banzai" not in begin(_REMEMBERED, _state(_OK), _PIN).encode()
