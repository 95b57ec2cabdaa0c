"""What Go prints for a value without a format: ``%v``, ``Print`` and ``Println`` of its package ``fmt``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.strconv import format_float
from bank_vaults.templating.golang.values import NO_VALUE, Object, Value, octets

MAX_NESTING: Final = 100
"""Lists and maps within one another; Go has no limit and dies of a map that contains itself."""


def text_of(value: Value) -> str:
    """What ``%v`` prints. Raises FunctionError where that would be too long or nested too deeply."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        return str(value)
    if value is None or value is NO_VALUE:
        return "<nil>"
    parts: list[str] = []
    _write(value, parts, limits.MAX_TEXT, 0)
    return "".join(parts)


def sprint(*values: Value) -> str:
    """``fmt.Sprint``: a blank between two values that are no strings. Raises FunctionError as ``text_of``."""
    if len(values) == 1:
        return text_of(values[0])
    parts: list[str] = []
    size = 0
    before_is_text = True
    for value in values:
        is_text = isinstance(value, str)
        if not is_text and not before_is_text:
            parts.append(" ")
        parts.append(text_of(value))
        size += len(parts[-1]) + 1
        limits.text_of(size)
        before_is_text = is_text
    return "".join(parts)


def sprintln(*values: Value) -> str:
    """``fmt.Sprintln``: a blank between all values, a newline behind. Raises FunctionError as ``text_of``."""
    parts = []
    size = 0
    for value in values:
        parts.append(text_of(value))
        size += len(parts[-1]) + 1
        limits.text_of(size)
    return " ".join(parts) + "\n"


def sorted_items(mapping: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """Keys and values in Go's order of the keys, which is that of their bytes."""
    return sorted(mapping.items(), key=_key)


def _key(item: tuple[str, Any]) -> bytes:
    return octets(item[0])


def complex_text(value: complex) -> str:
    """A complex number as ``%v`` prints it."""
    imaginary = format_float(value.imag, "g")
    sign = "" if imaginary[0] in "+-" else "+"
    return f"({format_float(value.real, 'g')}{sign}{imaginary}i)"


def _write(value: Value, parts: list[str], room: int, nesting: int) -> int:
    """Adds the text of the value to the parts; the answer is what is left of the room for characters."""
    if isinstance(value, str):
        written: str = value
    elif isinstance(value, Object):
        written = value.go_string()
    elif isinstance(value, bool):
        written = "true" if value else "false"
    elif isinstance(value, int):
        written = int.__repr__(value)
    elif isinstance(value, float):
        written = format_float(value, "g")
    elif value is None or value is NO_VALUE:
        written = "<nil>"
    elif isinstance(value, bytes):
        written = f"[{' '.join(map(str, value))}]"
    elif isinstance(value, (list, dict)):
        if nesting >= MAX_NESTING:
            raise FunctionError(f"more than {MAX_NESTING} lists or maps within one another")
        return _write_all(value, parts, room, nesting + 1)
    else:
        written = complex_text(value)
    room -= len(written)
    if room < 0:
        raise FunctionError(f"the result would have more than {limits.MAX_TEXT} characters")
    parts.append(written)
    return room


def _write_all(value: list[Value] | dict[str, Value], parts: list[str], room: int, nesting: int) -> int:
    if isinstance(value, list):
        parts.append("[")
        for index, element in enumerate(value):
            if index:
                parts.append(" ")
            room = _write(element, parts, room - 1, nesting)
        parts.append("]")
        return room - 2
    parts.append("map[")
    for index, (key, element) in enumerate(sorted_items(value)):
        if index:
            parts.append(" ")
        parts.append(f"{key}:")
        room = _write(element, parts, room - len(key) - 2, nesting)
    parts.append("]")
    return room - 5
