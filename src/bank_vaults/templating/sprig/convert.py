"""sprig's own conversions: what its functions make of a value of any type before they use it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang import printing, strconv
from bank_vaults.templating.golang.values import (
    NilSlice,
    Object,
    Sized,
    Slice,
    Uint8,
    Value,
    octets,
    text,
    type_of,
    wrap64,
)

_MAX_VISITS: Final = 2 * limits.MAX_ITEMS


def strval(value: Value) -> str:
    """The text of any value: bytes as they are, all else as ``%v`` prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return text(value)
    return printing.sprint(value)


def strslice(value: Value) -> Slice:
    """The texts of the elements of a list, without nil; of anything else its own text."""
    if isinstance(value, Slice) and value.element == "string":
        return value
    if isinstance(value, bytes):
        value = [Uint8(each) for each in value]
    if isinstance(value, list):
        return Slice(bounded(strval(each) for each in value if each is not None), "string")
    return Slice([] if value is None else [strval(value)], "string")


def whole(string: str) -> str:
    """A text that was put together: bytes that are one character together become it."""
    return string if string.isascii() else text(octets(string))


def bounded(texts: Iterable[str]) -> list[str]:
    """The texts, made one after the other. Raises FunctionError where they are too long in all."""
    made = []
    length = 0
    for each in texts:
        length += len(each)
        limits.text_of(length)
        made.append(each)
    return made


def joined(separator: str, texts: Iterable[str]) -> str:
    """The texts in one, with the separator between. Raises FunctionError where that is too long."""
    parts = bounded(texts)
    limits.text_of(sum(map(len, parts)) + len(separator) * (len(parts) - 1))
    return whole(separator.join(parts))


def to_int64(value: Value) -> int:
    """The integer that a value stands for, 0 where it stands for none; texts may be octal."""
    if isinstance(value, str):
        whole_number, point, zeros = value.partition(".")
        if point and zeros and not zeros.strip("0"):
            value = whole_number
        try:
            return strconv.parse_int(value, 0)
        except strconv.NumError:
            return 0
    if isinstance(value, float):
        # What the processor gives for a float that has no int64; the comparison is false for NaN.
        return int(value) if -(2.0**63) <= value < 2.0**63 else strconv.MIN_INT64
    return wrap64(value) if _is_number(value) else 0


def to_float64(value: Value) -> float:
    """The float that a value stands for, 0 where it stands for none."""
    if isinstance(value, str):
        try:
            return strconv.parse_float(value)
        except strconv.NumError:
            return 0.0
    return float(value) if _is_number(value) else 0.0


def _is_number(value: Value) -> bool:
    """Whether sprig calculates with it: with a month it does, with a duration it does not."""
    return isinstance(value, (int, float)) and not (isinstance(value, Object) and value.kind == "int64")


def is_empty(value: Value) -> bool:
    """Whether that is nil, false, zero, or has no elements; whatever has fields or methods is not empty."""
    if isinstance(value, Object) and not isinstance(value, Sized):
        return False
    return not value


class Budget:
    """How many values one function may still visit: they can contain one another many times."""

    def __init__(self) -> None:
        self._left = _MAX_VISITS

    def enter(self, depth: int) -> None:
        """Visit one value that stands so deep. Raises FunctionError for one too deep or too many."""
        self._left -= 1
        if self._left < 0:
            raise FunctionError(f"the values have more than {_MAX_VISITS} elements")
        if depth > limits.MAX_DEPTH:
            raise FunctionError(f"the value is nested more than {limits.MAX_DEPTH} deep, or contains itself")


def identity(value: Value, budget: Budget, depth: int = 0) -> Hashable:
    """What two values have in common where ``reflect.DeepEqual`` takes them for equal.

    Raises FunctionError for a value that is too large or contains itself.
    """
    budget.enter(depth)
    if isinstance(value, list):
        inside: Hashable = None
        if not isinstance(value, NilSlice):
            inside = tuple(identity(each, budget, depth + 1) for each in value)
    elif isinstance(value, dict):
        inside = frozenset((key, identity(each, budget, depth + 1)) for key, each in value.items())
    elif isinstance(value, Object):
        inside = value.go_string()
    elif isinstance(value, float) and math.isnan(value):
        inside = object()
    else:
        inside = value
    return type_of(value), inside
