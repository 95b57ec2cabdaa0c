"""Promises about key domains: complete with the last share, and keys travel within one domain only."""

from __future__ import annotations

import functools
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.curves import Curve
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW, CardError

KEY = EcKey(Curve.by_name("secp256r1"), 0xC0FFEE)
SHARES = [bytes((number,)) * 32 for number in (0x11, 0x22, 0x44)]


def _domain(*shares: bytes) -> KeyDomain:
    return functools.reduce(KeyDomain.with_share, shares, KeyDomain.new(len(shares)))


@functools.cache
def _blob() -> bytes:
    return _domain(*SHARES).wrap(KEY)


def _refused(domain: KeyDomain, blob: bytes) -> int:
    with pytest.raises(CardError) as caught:
        domain.unwrap(blob)
    return caught.value.sw


def test_the_check_value_appears_with_the_last_share() -> None:
    domain = KeyDomain.new(3)
    for missing, share in zip((3, 2, 1), SHARES, strict=True):
        assert (domain.missing, domain.check_value) == (missing, bytes(8))
        domain = domain.with_share(share)
    assert domain.missing == 0
    assert domain.check_value == hashlib.sha256(b"\x77" * 32).digest()[:8]


def test_the_order_of_the_shares_does_not_matter() -> None:
    assert _domain(*SHARES).check_value == _domain(*reversed(SHARES)).check_value


def test_a_domain_without_shares_has_a_dkek_of_its_own() -> None:
    one, other = KeyDomain.new(0), KeyDomain.new(0)
    assert (one.total, one.missing) == (0, 0)
    assert one.unwrap(one.wrap(KEY)) == KEY
    assert _refused(other, one.wrap(KEY)) == SW.WRONG_DATA


def test_a_domain_is_the_same_when_its_shares_are_given_at_once() -> None:
    domain = _domain(*SHARES)
    assert KeyDomain(3, domain.shares) == domain


@pytest.mark.parametrize("share", [b"", bytes(31), bytes(33)])
def test_a_share_of_another_length_is_refused(share: bytes) -> None:
    with pytest.raises(CardError) as caught:
        KeyDomain.new(1).with_share(share)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize("domain", [_domain(*SHARES), KeyDomain.new(0)], ids=["three shares", "none"])
def test_a_share_too_many_is_refused(domain: KeyDomain) -> None:
    with pytest.raises(CardError) as caught:
        domain.with_share(SHARES[0])
    assert caught.value.sw == SW.NOT_ALLOWED


def test_a_wrapped_key_comes_back_in_the_same_domain() -> None:
    assert _blob().startswith(_domain(*SHARES).check_value)
    assert _domain(*reversed(SHARES)).unwrap(_blob()) == KEY


def test_a_wrapped_rsa_key_fits_the_buffer_of_opensc() -> None:
    key, domain = RsaKey.generate(3072, 65537), _domain(*SHARES)
    blob = domain.wrap(key)
    assert domain.unwrap(blob) == key
    assert len(blob) + (4096 - 3072) // 8 <= 1400  # p and q of the largest key are that much longer


def test_a_key_of_another_domain_is_refused() -> None:
    assert _refused(_domain(SHARES[0]), _blob()) == SW.WRONG_DATA


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    blob = bytearray(_blob())
    blob[place % len(blob)] ^= change
    assert _refused(_domain(*SHARES), bytes(blob)) == SW.WRONG_DATA


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: _blob()[:8] + rest))
def test_any_other_bytes_are_wrong_data(blob: bytes) -> None:
    assert _refused(_domain(*SHARES), blob) == SW.WRONG_DATA


def test_a_domain_that_waits_for_shares_wraps_nothing() -> None:
    waiting = KeyDomain.new(1)
    assert _refused(waiting, _blob()) == SW.CONDITIONS
    with pytest.raises(CardError) as caught:
        waiting.wrap(KEY)
    assert caught.value.sw == SW.CONDITIONS


def test_a_printed_domain_shows_no_share() -> None:
    assert repr(_domain(*SHARES)) == "KeyDomain(total=3)"
