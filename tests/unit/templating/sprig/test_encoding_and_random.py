"""Promises about encodings and random values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import text
from bank_vaults.templating.sprig import encoding, random


@given(st.binary())
def test_what_is_encoded_is_decoded(content: bytes) -> None:
    string = text(content)
    assert encoding.b64dec(encoding.b64enc(string)) == string
    assert encoding.b32dec(encoding.b32enc(string)) == string


@given(st.text(alphabet="ME=A\n1"))
def test_any_text_is_decoded_or_an_error(string: str) -> None:
    encoding.b64dec(string)
    encoding.b32dec(string)


@pytest.mark.parametrize(
    ("string", "position"),
    [("ME", 0), ("M=======", 1), ("MFR=====", 3), ("ME=====", 7), ("ME=A====", 2), ("ME======ME======", 2)],
)
def test_an_error_of_base32_is_the_result(string: str, position: int) -> None:
    assert encoding.b32dec(string) == f"illegal base32 data at input byte {position}"


def test_an_error_of_base64_is_the_result() -> None:
    assert encoding.b64dec("YQ=x") == "illegal base64 data at input byte 2"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("randAlphaNum", "[0-9A-Za-z]"),
        ("randAlpha", "[A-Za-z]"),
        ("randNumeric", "[0-9]"),
        ("randAscii", "[ -~]"),
    ],
)
def test_characters_come_from_their_alphabet(name: str, shape: str) -> None:
    characters = random.FUNCTIONS[name]
    assert re.fullmatch(f"{shape}{{200}}", characters(200))
    assert characters(40) != characters(40)
    assert characters(-1) == characters(0) == ""
    with pytest.raises(FunctionError, match=f"more than {limits.MAX_TEXT}"):
        characters(1 << 40)


def test_bytes_and_numbers_are_within_their_bounds() -> None:
    assert len(random.random_bytes(30)) == 40
    assert {random.random_int(-1, 2) for _ in range(200)} == {-1, 0, 1}
    for least, beyond in ((1, 1), (2, 1), (-(1 << 63), 1)):
        with pytest.raises(FunctionError, match="invalid argument to Intn"):
            random.random_int(least, beyond)
    with pytest.raises(FunctionError, match="makeslice"):
        random.random_bytes(-1)
    with pytest.raises(FunctionError, match="more than"):
        random.random_bytes(1 << 40)


def test_a_uuid_is_random_and_says_so() -> None:
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", random.uuid())
    assert random.uuid() != random.uuid()


def test_shuffled_characters_are_the_same_ones() -> None:
    assert sorted(random.shuffle("aé日b")) == sorted("aé日b")
    assert random.shuffle(text(b"\xff")) == "\ufffd"
