"""Reading JSON as Go's ``encoding/json`` reads it into an interface, with its error texts."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang import strconv
from bank_vaults.templating.golang.values import Value, octets
from bank_vaults.templating.sprig.cases import REPLACEMENT, WITHOUT_STRAYS

_BLANKS: Final = " \t\r\n"
_DIGITS: Final = "0123456789"
_HEXADECIMAL: Final = "0123456789abcdefABCDEF"
_ESCAPED: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: Final[dict[str, tuple[str, Value]]] = {
    "t": ("true", True),
    "f": ("false", False),
    "n": ("null", None),
}
_VALUE: Final = "looking for beginning of value"
_KEY: Final = "looking for beginning of object key string"


class JsonError(FunctionError):
    """A text is no JSON, or a value has none; the message is Go's."""


def parse(string: str) -> Value:
    """What the JSON says, all numbers as floats.

    Raises JsonError where it is none, and FunctionError where it is nested too deeply or has too many values.
    """
    return _Reader(string).document()


class _Reader:
    def __init__(self, string: str) -> None:
        self._string = string
        self._at = 0
        self._values = 0
        # Go looks at the numbers when the whole text is known to be JSON.
        self._too_large: str | None = None

    def document(self) -> Value:
        self._skip_blanks()
        value = self._value(0)
        self._skip_blanks()
        if self._at < len(self._string):
            raise self._unexpected("after top-level value")
        if self._too_large is not None:
            raise JsonError(f"json: cannot unmarshal number {self._too_large} into Go value of type float64")
        return value

    def _skip_blanks(self) -> None:
        while self._at < len(self._string) and self._string[self._at] in _BLANKS:
            self._at += 1

    def _next(self) -> str:
        """The character at hand, empty at the end."""
        return self._string[self._at : self._at + 1]

    def _unexpected(self, where: str, *, at_end: str = "") -> JsonError:
        """The character at hand is wrong; inside of words and numbers the end counts as a blank."""
        character = self._next() or at_end
        if not character:
            return JsonError("unexpected end of JSON input")
        shown = "\\'" if character == "'" else '"' if character == '"' else ""
        first = chr(octets(character)[0])
        return JsonError(f"invalid character '{shown or strconv.quote(first)[1:-1]}' {where}")

    def _value(self, depth: int) -> Value:
        if depth > limits.MAX_DEPTH:
            raise FunctionError(f"the JSON is nested more than {limits.MAX_DEPTH} deep")
        self._values += 1
        limits.items_of(self._values)
        character = self._next()
        if character == '"':
            return self._text()
        if character == "{":
            return self._object(depth)
        if character == "[":
            return self._array(depth)
        if character in _WORDS:
            return self._word(*_WORDS[character])
        if character and character in "-0123456789":
            return self._number()
        raise self._unexpected(_VALUE)

    def _word(self, word: str, value: Value) -> Value:
        for expected in word:
            if self._next() != expected:
                raise self._unexpected(f"in literal {word} (expecting '{expected}')", at_end=" ")
            self._at += 1
        return value

    def _number(self) -> float:
        start = self._at
        if self._next() == "-":
            self._at += 1
        if self._next() == "0":
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._next() == ".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._next() in ("e", "E"):
            self._at += 1
            if self._next() in ("+", "-"):
                self._at += 1
            self._digits("in exponent of numeric literal")
        written = self._string[start : self._at]
        number = float(written)
        if number in (float("inf"), float("-inf")) and self._too_large is None:
            self._too_large = written
        return number

    def _digits(self, where: str) -> None:
        start = self._at
        while self._next() and self._next() in _DIGITS:
            self._at += 1
        if self._at == start:
            raise self._unexpected(where, at_end=" ")

    def _text(self) -> str:
        self._at += 1
        parts = []
        quote = -1
        while True:
            if quote < self._at:
                quote = self._string.find('"', self._at)
                quote = len(self._string) if quote < 0 else quote
            backslash = self._string.find("\\", self._at, quote)
            plain = self._string[self._at : quote if backslash < 0 else backslash]
            self._refuse_controls(plain)
            parts.append(plain)
            self._at += len(plain)
            if backslash < 0:
                break
            parts.append(self._escape())
        if not self._next():
            raise self._unexpected("in string literal")
        self._at += 1
        string = "".join(parts)
        return string if string.isascii() else string.translate(WITHOUT_STRAYS)

    def _refuse_controls(self, plain: str) -> None:
        if plain.isprintable():
            return
        for distance, character in enumerate(plain):
            if character < " ":
                self._at += distance
                raise self._unexpected("in string literal")

    def _escape(self) -> str:
        self._at += 1
        kind = self._next()
        if kind == "u":
            return self._character()
        if kind not in _ESCAPED:
            raise self._unexpected("in string escape code", at_end=" ")
        self._at += 1
        return _ESCAPED[kind]

    def _character(self) -> str:
        code = self._code_unit()
        if 0xD800 <= code < 0xDC00 and self._string.startswith("\\u", self._at):
            before = self._at
            self._at += 1
            low = self._code_unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00)
            self._at = before
        return chr(code) if strconv.is_character(code) else REPLACEMENT

    def _code_unit(self) -> int:
        self._at += 1
        start = self._at
        while self._at < start + 4:
            if not self._next() or self._next() not in _HEXADECIMAL:
                raise self._unexpected("in \\u hexadecimal character escape", at_end=" ")
            self._at += 1
        return int(self._string[start : self._at], 16)

    def _array(self, depth: int) -> list[Value]:
        self._at += 1
        elements: list[Value] = []
        self._skip_blanks()
        if self._next() == "]":
            self._at += 1
            return elements
        while True:
            elements.append(self._value(depth + 1))
            if self._ends("]", "after array element"):
                return elements

    def _object(self, depth: int) -> dict[str, Value]:
        self._at += 1
        members: dict[str, Value] = {}
        self._skip_blanks()
        if self._next() == "}":
            self._at += 1
            return members
        while True:
            if self._next() != '"':
                raise self._unexpected(_KEY)
            key = self._text()
            self._skip_blanks()
            if self._next() != ":":
                raise self._unexpected("after object key")
            self._at += 1
            self._skip_blanks()
            members[key] = self._value(depth + 1)
            if self._ends("}", "after object key:value pair"):
                return members

    def _ends(self, bracket: str, where: str) -> bool:
        """Pass over what follows an element: the bracket, or a comma and blanks."""
        self._skip_blanks()
        character = self._next()
        if character not in (",", bracket):
            raise self._unexpected(where)
        self._at += 1
        if character == bracket:
            return True
        self._skip_blanks()
        return False
