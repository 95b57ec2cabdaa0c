"""An envelope is read as it was written, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.envelope import (
    MAGIC,
    DataKey,
    Envelope,
    EnvelopeError,
    Wrapping,
    associated_data,
    decode,
    encode,
    is_envelope,
    nonce,
    replaced,
)

_KEYS = st.builds(
    DataKey,
    st.sampled_from(Wrapping),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.binary(max_size=600),
)
_ENVELOPES = st.builds(
    Envelope, _KEYS, st.binary(min_size=12, max_size=12), st.binary(min_size=16, max_size=300)
)
_ONE = Envelope(DataKey(Wrapping.RSA_OAEP_SHA1, b"f" * 32, b"s" * 16, b"w" * 256), b"n" * 12, b"c" * 40)


@given(_ENVELOPES)
def test_what_was_written_is_read(envelope: Envelope) -> None:
    assert decode(encode(envelope)) == envelope


def test_the_stored_bytes_are_those_of_version_1_for_ever() -> None:
    expected = b"BVEV\x01\x01\x01" + b"f" * 32 + b"s" * 16 + b"\x01\x00" + b"w" * 256 + b"n" * 12 + b"c" * 40
    assert encode(_ONE) == expected


@given(st.binary(max_size=400) | st.binary(max_size=400).map(MAGIC.__add__))
def test_any_bytes_are_an_envelope_or_an_envelope_error(stored: bytes) -> None:
    try:
        assert encode(decode(stored)) == stored
    except EnvelopeError:
        return


@pytest.mark.parametrize("length", [0, 3, 4, 6, 56, 57, 312, 313, 340])
def test_a_cut_envelope_is_refused(length: int) -> None:
    with pytest.raises(EnvelopeError):
        decode(encode(_ONE)[:length])


@pytest.mark.parametrize(
    ("place", "words"), [(4, "version 9"), (5, "algorithms 9 and 1"), (6, "algorithms 1 and 9")]
)
def test_what_a_newer_program_wrote_is_refused_by_number(place: int, words: str) -> None:
    stored = bytearray(encode(_ONE))
    stored[place] = 9
    assert is_envelope(bytes(stored))
    with pytest.raises(EnvelopeError, match=words):
        decode(bytes(stored))


@given(_KEYS, st.text(max_size=20), st.text(max_size=20))
def test_the_seal_covers_header_and_name(key: DataKey, one: str, other: str) -> None:
    assert (associated_data(key, one) == associated_data(key, other)) is (one == other)


def test_of_the_values_under_one_name_the_one_that_replaces_most_is_the_newest() -> None:
    counts = [0, 1, 255, 256, 1 << 31]
    stored = [encode(_ONE._replace(nonce=nonce(count, bytes(8)))) for count in counts]
    assert [replaced(value) for value in stored] == counts
    assert replaced(b"a block of an older version") == replaced(stored[0][:80]) == -1
