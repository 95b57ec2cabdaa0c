"""Promises about a PIN and its counter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.pins import Pin, Reference, most_tries


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_only_the_pin_itself_matches(value: bytes, candidate: bytes) -> None:
    assert Pin.new(value, 3).matches(candidate) == (value == candidate)


def test_a_try_that_is_spent_comes_back_only_with_all_others() -> None:
    pin = Pin.new(b"648219", 3)
    assert (pin.tries, pin.spent().spent().tries) == (3, 1)
    assert pin.spent().spent().refilled() == pin


def test_a_printed_pin_does_not_show_its_value() -> None:
    assert "648219" not in repr(Pin.new(b"648219", 3))


@pytest.mark.parametrize(
    ("reference", "lengths"), [(Reference.USER, range(6, 17)), (Reference.SO, range(8, 9))]
)
def test_the_lengths_of_a_pin(reference: Reference, lengths: range) -> None:
    assert [length for length in range(30) if reference.takes(length)] == list(lengths)


def test_the_shorter_a_pin_the_fewer_its_tries() -> None:
    assert [most_tries(length) for length in (6, 7, 8, 16)] == [3, 5, 10, 10]
