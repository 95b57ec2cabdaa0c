"""Number literals: one may stand for an integer, a float or a complex number, as Go's constants do."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from bank_vaults.templating.golang.strconv import (
    MAX_INT64,
    MAX_UINT64,
    MIN_INT64,
    NumError,
    parse_float,
    parse_int,
    parse_uint,
    quote,
    unquote_character,
)
from bank_vaults.templating.golang.values import Value


class Number(NamedTuple):
    """What a literal can be taken for; None where it cannot.

    ``ideal`` is the value where no type is asked for, None where it does not fit into Go's ``int``.
    """

    signed: int | None
    unsigned: int | None
    floating: float | None
    complex: complex | None
    ideal: Value


def read(literal: str) -> Number:
    """The number. Raises ValueError with the text of Go's parser."""
    if literal[0] == "'":
        code, tail = unquote_character(literal[1:], "'")
        if tail != "'":
            raise ValueError(f"malformed character constant: {literal}")
        return Number(code, code, float(code), None, code)
    if literal.isascii() and literal.isdigit() and literal[0] != "0" and len(literal) < 19:
        value = int(literal)
        return Number(value, value, float(value), None, value)
    if literal[-1] == "i":
        with suppress(NumError):
            return _imaginary(0.0, parse_float(literal[:-1]))
    return _real(literal)


def read_complex(literal: str) -> Number:
    """The complex number that is written as a sum. Raises ValueError with the text of Go's parser."""
    cut = max(literal.rfind("+"), literal.rfind("-"))
    if literal[cut - 1] in "eEpP":
        cut = max(literal.rfind("+", 0, cut), literal.rfind("-", 0, cut))
    if cut + 2 == len(literal) or any(mark in literal for mark in "bBoO"):
        raise ValueError("syntax error scanning complex number")
    return _imaginary(parse_float(literal[:cut]), parse_float(literal[cut:-1]))


def _imaginary(real: float, imaginary: float) -> Number:
    value = complex(real, imaginary)
    floating = real if imaginary == 0 else None
    signed = unsigned = None
    if floating is not None and floating.is_integer():
        signed = int(floating) if MIN_INT64 <= floating < MAX_INT64 else None
        unsigned = int(floating) if 0 <= floating < MAX_UINT64 else None
    return Number(signed, unsigned, floating, value, value)


def _real(literal: str) -> Number:
    signed = unsigned = None
    with suppress(NumError):
        unsigned = parse_uint(literal, 0)
    with suppress(NumError):
        signed = parse_int(literal, 0)
    if signed == 0:
        unsigned = 0  # "-0"
    if signed is not None:
        return Number(signed, unsigned, float(signed), None, signed)
    if unsigned is not None:
        return Number(None, unsigned, float(unsigned), None, None)
    try:
        floating = parse_float(literal)
    except NumError:
        raise ValueError(f"illegal number syntax: {quote(literal)}") from None
    if not any(mark in literal for mark in ".eEpP"):
        raise ValueError(f"integer overflow: {quote(literal)}")
    if floating.is_integer():
        signed = int(floating) if MIN_INT64 <= floating < MAX_INT64 else None
        unsigned = int(floating) if 0 <= floating < MAX_UINT64 else None
    return Number(signed, unsigned, floating, None, floating)
