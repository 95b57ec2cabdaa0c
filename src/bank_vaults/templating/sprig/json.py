"""sprig's JSON, written and read as Go's ``encoding/json`` does it, with its error texts.

The functions without ``must`` give an empty text, or nil, where those with it fail, but for ``toRawJson``.
"""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.golang import strconv
from bank_vaults.templating.golang.values import NilSlice, Object, Sized, Value, octets, text, type_of
from bank_vaults.templating.sprig.convert import Budget
from bank_vaults.templating.sprig.jsonread import JsonError, parse

_ESCAPES: Final = {
    **{chr(code): f"\\u{code:04x}" for code in range(0x20)},
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_MARKUP: Final = {each: f"\\u{ord(each):04x}" for each in "<>&"}


class _Writer:
    """Writes one value."""

    def __init__(self, *, escape_markup: bool, step: str) -> None:
        escapes = _ESCAPES | _MARKUP if escape_markup else _ESCAPES
        strays = dict.fromkeys(range(0xDC80, 0xDD00), "\\ufffd")
        self._table = str.maketrans(escapes) | strays
        self._step = step
        self._written: list[str] = []
        self._length = 0
        self._budget = Budget()

    def written(self, value: Value) -> str:
        """The JSON of the value. Raises FunctionError where it has none."""
        self._value(value, 0)
        return "".join(self._written)

    def _put(self, part: str) -> None:
        self._length += len(part)
        limits.text_of(self._length)
        self._written.append(part)

    def _string(self, string: str) -> str:
        return f'"{string.translate(self._table)}"'

    def _value(self, value: Value, depth: int) -> None:
        self._budget.enter(depth)
        if value is None or isinstance(value, NilSlice):
            self._put("null")
        elif isinstance(value, bool):
            self._put("true" if value else "false")
        elif isinstance(value, str):
            self._put(self._string(value))
        elif isinstance(value, Object) and not isinstance(value, Sized):
            self._object(value, depth)
        elif isinstance(value, int):
            self._put(str(int(value)))
        elif isinstance(value, float):
            self._put(_number(value))
        elif isinstance(value, bytes):
            self._put(f'"{b2a_base64(value, newline=False).decode()}"')
        elif isinstance(value, list):
            self._several("[]", (("", each) for each in value), depth)
        elif isinstance(value, dict):
            self._members(((key, value[key]) for key in sorted(value, key=octets)), depth)
        else:
            raise JsonError(f"json: unsupported type: {type_of(value)}")

    def _object(self, value: Object, depth: int) -> None:
        own = value.methods().get("MarshalJSON")
        if own is not None:
            self._put(text(own[1]()))
        else:
            self._members(value.fields().items(), depth)

    def _members(self, members: Iterable[tuple[str, Value]], depth: int) -> None:
        colon = ": " if self._step else ":"
        self._several("{}", ((self._string(key) + colon, value) for key, value in members), depth)

    def _several(self, brackets: str, parts: Iterable[tuple[str, Value]], depth: int) -> None:
        line = f"\n{self._step * depth}" if self._step else ""
        separator = line + self._step
        self._put(brackets[0])
        empty = True
        for name, value in parts:
            self._put(separator + name if empty else f",{separator}{name}")
            empty = False
            self._value(value, depth + 1)
        self._put(brackets[1] if empty else line + brackets[1])


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise JsonError(f"json: unsupported value: {strconv.format_float(value, 'g')}")
    if value and not 1e-6 <= abs(value) < 1e21:
        return strconv.format_float(value, "e").replace("e-0", "e-")
    return strconv.format_float(value, "f")


def must_to_json(value: Value) -> str:
    """The value in one line, with ``<``, ``>`` and ``&`` escaped. Raises FunctionError."""
    return _Writer(escape_markup=True, step="").written(value)


def must_to_pretty_json(value: Value) -> str:
    """The value in lines, indented by two blanks. Raises FunctionError."""
    return _Writer(escape_markup=True, step="  ").written(value)


def to_raw_json(value: Value) -> str:
    """The value in one line, with ``<``, ``>`` and ``&`` as they are. Raises FunctionError."""
    return _Writer(escape_markup=False, step="").written(value)


def to_json(value: Value) -> str:
    """The value in one line, an empty text where that cannot be."""
    return _or_empty(must_to_json, value)


def to_pretty_json(value: Value) -> str:
    """The value in lines, an empty text where that cannot be."""
    return _or_empty(must_to_pretty_json, value)


def _or_empty(write: Callable[[Value], str], value: Value) -> str:
    try:
        return write(value)
    except JsonError:
        return ""


def from_json(string: str) -> Value:
    """What the JSON says, nil where it is none."""
    try:
        return parse(string)
    except JsonError:
        return None


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "toJson": to_json,
    "toPrettyJson": to_pretty_json,
    "toRawJson": to_raw_json,
    "fromJson": from_json,
    "mustToJson": must_to_json,
    "mustToPrettyJson": must_to_pretty_json,
    "mustToRawJson": to_raw_json,
    "mustFromJson": parse,
}
