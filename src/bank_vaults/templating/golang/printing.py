"""What Go prints for a value without a format: ``%v``, ``Print`` and ``Println`` of its package ``fmt``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.strconv import format_float
from bank_vaults.templating.golang.values import NO_VALUE, Object, Value, octets

MAX_ELEMENTS: Final = 2 * limits.MAX_ITEMS
"""Values within one value, those of lists and maps within it included."""
MAX_NESTING: Final = 100
"""Lists and maps within one another; Go has no limit and dies of a map that contains itself."""


def text_of(value: Value) -> str:
    """What ``%v`` prints. Raises FunctionError where that would be too long or nested too deeply."""
    kind = type(value)
    if kind is str or kind is int:
        return str(value)
    if value is None or value is NO_VALUE:
        return "<nil>"
    parts: list[str] = []
    _Writer(parts).write(value, 0)
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


class Bounds:
    """What the text of one value may take; a list that is in a list many times over makes it long."""

    __slots__ = ("characters", "elements")

    def __init__(self) -> None:
        self.characters = 0
        self.elements = 0

    def add(self, characters: int) -> None:
        """So many characters more, of one value. Raises FunctionError where that is too much."""
        self.characters += characters
        self.elements += 1
        limits.text_of(self.characters)
        if self.elements > MAX_ELEMENTS:
            raise FunctionError(f"the result would have the texts of more than {MAX_ELEMENTS} values")

    def enter(self, nesting: int) -> int:
        """Into a list or map that deep; how deep its elements are. Raises FunctionError where too deep."""
        if nesting >= MAX_NESTING:
            raise FunctionError(f"more than {MAX_NESTING} lists or maps within one another")
        return nesting + 1


class _Writer:
    __slots__ = ("bounds", "parts")

    def __init__(self, parts: list[str]) -> None:
        self.parts = parts
        self.bounds = Bounds()

    def write(self, value: Value, nesting: int) -> None:
        """Adds the text of the value to the parts."""
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
            self._write_all(value, self.bounds.enter(nesting))
            return
        else:
            written = complex_text(value)
        self.bounds.add(len(written))
        self.parts.append(written)

    def _write_all(self, value: list[Value] | dict[str, Value], nesting: int) -> None:
        parts = self.parts
        self.bounds.add(2)
        if isinstance(value, list):
            parts.append("[")
            for index, element in enumerate(value):
                if index:
                    parts.append(" ")
                self.write(element, nesting)
        else:
            parts.append("map[")
            for index, (key, element) in enumerate(sorted_items(value)):
                parts.append(f" {key}:" if index else f"{key}:")
                self.bounds.add(len(key) + 2)
                self.write(element, nesting)
        parts.append("]")
