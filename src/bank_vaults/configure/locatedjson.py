"""JSON with the places of its values, read as strictly as JSON is: what ``yaml12.locate`` is for YAML.

It is not read as YAML, of which it is nearly a part: pairs of surrogates, long names and tabs are different.
"""

from __future__ import annotations

import json.decoder
import re
from bisect import bisect_left
from collections.abc import Callable
from json.decoder import JSONDecodeError
from typing import Any, Final

from bank_vaults.templating.limits import MAX_DEPTH
from bank_vaults.templating.yaml12 import Located, YamlError

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None}
_WORD: Final = re.compile("true|false|null")
_MOST_DIGITS: Final = 64
_scan: Final[Callable[[str, int], tuple[str, int]]] = json.decoder.scanstring  # type: ignore[attr-defined]


def locate(source: str) -> tuple[Located, list[YamlError]]:
    """The value with the places of all values, and all that is wrong with single values.

    Raises JSONDecodeError where the text is no JSON.
    """
    reader = _Reader(source)
    return reader.document(), reader.faults


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._ends = [match.start() for match in re.finditer("\n", source)]
        self.faults: list[YamlError] = []

    def document(self) -> Located:
        found, end = self._value(self._blank(0), 0)
        if (end := self._blank(end)) != len(self._source):
            raise JSONDecodeError("something stands behind the end", self._source, end)
        return found

    def _value(self, start: int, depth: int) -> tuple[Located, int]:
        if depth > MAX_DEPTH:
            raise JSONDecodeError(
                f"values stand in one another more than {MAX_DEPTH} deep", self._source, start
            )
        line, column = self._place(start)
        first = self._source[start : start + 1]
        if first == '"':
            text, end = self._text(start)
            return Located(text, line, column, text), end
        if first == "{":
            members, end = self._members(start + 1, depth + 1)
            return Located(members, line, column), end
        if first == "[":
            items, end = self._items(start + 1, depth + 1)
            return Located(items, line, column), end
        if word := _WORD.match(self._source, start):
            return Located(_WORDS[word[0]], line, column, word[0]), word.end()
        if number := _NUMBER.match(self._source, start):
            return Located(_number(number), line, column, number[0]), number.end()
        raise JSONDecodeError("a value is expected", self._source, start)

    def _members(self, start: int, depth: int) -> tuple[dict[str, Located], int]:
        members: dict[str, Located] = {}
        position = self._blank(start)
        if self._source.startswith("}", position):
            return members, position + 1
        while True:
            if not self._source.startswith('"', position):
                raise JSONDecodeError("the name of a member is expected", self._source, position)
            line, column = self._place(position)
            name, behind = self._text(position)
            colon = self._blank(behind)
            if not self._source.startswith(":", colon):
                raise JSONDecodeError("':' is expected", self._source, colon)
            found, end = self._value(self._blank(colon + 1), depth)
            if name in members:
                self.faults.append(YamlError(f"{name!r} is there twice", line, column))
            else:
                members[name] = Located(found.value, line, column, found.written)
            position, ended = self._next(end, "}")
            if ended:
                return members, position

    def _items(self, start: int, depth: int) -> tuple[list[Located], int]:
        items: list[Located] = []
        position = self._blank(start)
        if self._source.startswith("]", position):
            return items, position + 1
        while True:
            found, end = self._value(position, depth)
            items.append(found)
            position, ended = self._next(end, "]")
            if ended:
                return items, position

    def _next(self, end: int, closing: str) -> tuple[int, bool]:
        """Where to go on behind a value, and whether that was the last one."""
        position = self._blank(end)
        match self._source[position : position + 1]:
            case ",":
                return self._blank(position + 1), False
            case found if found == closing:
                return position + 1, True
        raise JSONDecodeError(f"',' or '{closing}' is expected", self._source, position)

    def _text(self, start: int) -> tuple[str, int]:
        text, end = _scan(self._source, start + 1)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.faults.append(YamlError("half of a pair of surrogates is no character", *self._place(start)))
        return text, end

    def _blank(self, start: int) -> int:
        match = _SPACE.match(self._source, start)
        return match.end() if match else start

    def _place(self, position: int) -> tuple[int, int]:
        line = bisect_left(self._ends, position)
        return line + 1, position - (self._ends[line - 1] if line else -1)


def _number(match: re.Match[str]) -> Any:
    """Numbers that a float cannot hold are texts, as in YAML."""
    whole, fraction, exponent = match.groups()
    if fraction is None and exponent is None and len(whole) <= _MOST_DIGITS:
        return int(whole)
    number = float(match[0])
    return match[0] if number in (float("inf"), float("-inf")) else number
