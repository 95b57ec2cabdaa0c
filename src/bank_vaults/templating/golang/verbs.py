"""One value under one verb of ``fmt.Sprintf``, with its flags, width and precision."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.golang.printing import Bounds, sorted_items
from bank_vaults.templating.golang.strconv import format_float, format_int, is_character, quote, quote_rune
from bank_vaults.templating.golang.values import (
    NO_VALUE,
    NilSlice,
    Object,
    Sized,
    Uint8,
    Value,
    octets,
    type_of,
)

_BASES: Final = {"b": 2, "o": 8, "O": 8, "d": 10, "v": 10, "x": 16, "X": 16}
_PREFIXES: Final = {"b": "0b", "x": "0x", "X": "0X"}
_TEXT_VERBS: Final = frozenset("vsxXq")
_FLOAT_VERBS: Final = frozenset("vbgGxXfFeE")


class Flags:
    """Flags, width and precision of a directive; -1 where there is none."""

    __slots__ = ("minus", "plus", "plus_v", "precision", "sharp", "sharp_v", "space", "width", "zero")

    def __init__(self) -> None:
        self.minus = self.plus = self.sharp = self.space = self.zero = False
        self.plus_v = self.sharp_v = False
        self.width = self.precision = -1

    def take(self, character: str) -> bool:
        """Is that a flag? Then it is set."""
        if character == "-":
            self.minus = True
        elif character == "+":
            self.plus = True
        elif character == "#":
            self.sharp = True
        elif character == " ":
            self.space = True
        elif character == "0":
            self.zero = True
        else:
            return False
        return True

    def for_values(self) -> None:
        """``%+v`` and ``%#v`` have meanings of their own."""
        self.plus_v, self.plus = self.plus, False
        self.sharp_v, self.sharp = self.sharp, False


class Verbs:
    """Writes a value in the way of one directive."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._bounds = Bounds()
        self._erring = False

    def text(self, value: Value, verb: str) -> str:
        """The value. Raises FunctionError where that would be too long or nested too deeply."""
        flags = self._flags
        limits.text_of(max(flags.width, flags.precision))
        if value is None or value is NO_VALUE:
            return self._padded("<nil>") if verb in "vT" else f"%!{verb}(<nil>)"
        if verb == "T":
            return self._string(type_of(value), "s", value)
        return self._any(value, verb, 0)

    def _any(self, value: Value, verb: str, nesting: int) -> str:
        if isinstance(value, (list, dict)):
            written = self._elements(value, verb, nesting)
        elif isinstance(value, Object):
            return self._object(value, verb, nesting)
        elif isinstance(value, str):
            written = self._string(value, verb, value)
        elif isinstance(value, bool):
            written = self._padded(str(value).lower()) if verb in "tv" else self._bad(value, verb)
        elif isinstance(value, int):
            written = self._integer(value, verb, value)
        elif isinstance(value, float):
            written = self._float(value, verb) if verb in _FLOAT_VERBS else self._bad(value, verb)
        elif isinstance(value, bytes):
            return self._bytes(value, verb, nesting)
        elif value is None:
            return f"{'interface {}(nil)' if self._flags.sharp_v else '<nil>'}"
        else:
            written = self._complex(value, verb) if verb in _FLOAT_VERBS else self._bad(value, verb)
        self._bounds.add(len(written))
        return written

    def _bad(self, value: Value, verb: str) -> str:
        self._erring = True
        written = f"%!{verb}({type_of(value)}={self._any(value, 'v', 0)})"
        self._erring = False
        return written

    def _padded(self, string: str) -> str:
        flags = self._flags
        if flags.width <= len(string):
            return string
        if flags.minus:
            return string.ljust(flags.width)
        return string.rjust(flags.width, "0" if flags.zero else " ")

    # What consists of others.

    def _elements(self, value: list[Value] | dict[str, Value], verb: str, nesting: int) -> str:
        if verb in "pw":
            return self._bad(value, verb)
        nesting = self._bounds.enter(nesting)
        if isinstance(value, list):
            inside = [self._any(each, verb, nesting) for each in value]
        else:
            inside = [
                f"{self._any(key, verb, nesting)}:{self._any(each, verb, nesting)}"
                for key, each in sorted_items(value)
            ]
        if self._flags.sharp_v:
            return (
                f"{type_of(value)}{'(nil)' if isinstance(value, NilSlice) else '{' + ', '.join(inside) + '}'}"
            )
        return f"{'map' if isinstance(value, dict) else ''}[{' '.join(inside)}]"

    def _bytes(self, value: bytes, verb: str, nesting: int) -> str:
        flags = self._flags
        if verb in "sqxX":
            return self._string(value.decode("utf-8", "surrogateescape"), verb, value)
        limits.text_of(len(value) * max(4, flags.width, flags.precision))
        if verb == "v" and flags.sharp_v:
            name = "[]uint8" if nesting else "[]byte"
            return f"{name}{{{', '.join(f'0x{each:x}' for each in value)}}}"
        return f"[{' '.join(self._any(Uint8(each), verb, nesting) for each in value)}]"

    def _object(self, value: Object, verb: str, nesting: int) -> str:
        flags = self._flags
        methods = value.methods()
        if ("String" in methods or "Error" in methods) and not self._erring:
            if verb in _TEXT_VERBS and not flags.sharp_v:
                return self._string(value.go_string(), verb, value)
            if not isinstance(value, Sized):
                return self._bad(value, verb)
        if isinstance(value, Sized):
            return self._integer(int(value), verb, value)
        if "String" in methods or "Error" in methods:
            return value.go_string()
        named = flags.plus_v or flags.sharp_v
        inside = [
            (f"{name}:" if named else "") + self._any(field, verb, nesting + 1)
            for name, field in value.fields().items()
        ]
        if flags.sharp_v:
            return f"{value.go_type}{{{', '.join(inside)}}}"
        return f"{'&' if value.kind == 'ptr' else ''}{{{' '.join(inside)}}}"

    # Strings.

    def _string(self, string: str, verb: str, value: Value) -> str:
        flags = self._flags
        if verb in "xX":
            return self._hexadecimal(octets(string), verb)
        if verb not in _TEXT_VERBS:
            return self._bad(value, verb)
        if flags.precision >= 0:
            string = string[: flags.precision]
        if verb == "q" or flags.sharp_v:
            if flags.sharp and _fits_back_quotes(string):
                return self._padded(f"`{string}`")
            limits.text_of(10 * len(string))
            string = quote(string, ascii_only=flags.plus)
        return self._padded(string)

    def _hexadecimal(self, string: bytes, verb: str) -> str:
        flags = self._flags
        if flags.precision >= 0:
            string = string[: flags.precision]
        prefix = _PREFIXES[verb] if flags.sharp else ""
        digits = string.hex().upper() if verb == "X" else string.hex()
        if flags.space:
            written = " ".join(prefix + digits[at : at + 2] for at in range(0, len(digits), 2))
        else:
            written = prefix + digits if digits else ""
        return self._padded(written)

    # Numbers.

    def _integer(self, number: int, verb: str, value: Value) -> str:
        flags = self._flags
        if verb == "v" and flags.sharp_v and _unsigned(value):
            return self._digits(number, 16, "x", sharp=True)
        if verb in _BASES:
            return self._digits(number, _BASES[verb], verb, sharp=flags.sharp)
        if verb == "c":
            return self._padded(chr(number) if is_character(number) else "\ufffd")
        if verb == "q":
            return self._padded(quote_rune(number, ascii_only=flags.plus))
        if verb == "U":
            return self._unicode(number)
        return self._bad(value, verb)

    def _digits(self, number: int, base: int, verb: str, *, sharp: bool) -> str:
        flags = self._flags
        if flags.precision == 0 and number == 0:
            return " " * flags.width
        sign = "-" if number < 0 else "+" if flags.plus else " " if flags.space else ""
        digits = format_int(abs(number), base)
        if verb == "X":
            digits = digits.upper()
        if flags.precision >= 0:
            digits = digits.zfill(flags.precision)
        elif flags.zero and not flags.minus and flags.width >= 0:
            digits = digits.zfill(flags.width - len(sign))
        if sharp:
            if base == 8:
                digits = digits if digits[0] == "0" else f"0{digits}"
            else:
                digits = _PREFIXES.get(verb, "") + digits
        if verb == "O":
            digits = f"0o{digits}"
        return self._spaced(sign + digits)

    def _spaced(self, string: str) -> str:
        """Padded with blanks even where the flag for zeros is set."""
        flags = self._flags
        return string.ljust(flags.width) if flags.minus else string.rjust(flags.width)

    def _unicode(self, number: int) -> str:
        flags = self._flags
        digits = format_int(number % (1 << 64), 16).upper()
        written = f"U+{digits.zfill(max(4, flags.precision))}"
        if flags.sharp and is_character(number) and chr(number).isprintable():
            written += f" '{chr(number)}'"
        return self._spaced(written)

    def _float(self, number: float, verb: str) -> str:
        flags = self._flags
        precision = flags.precision
        if precision < 0 and verb in "eEfF":
            precision = 6
        written = format_float(number, {"v": "g", "F": "f"}.get(verb, verb), precision)
        if written[0] not in "+-":
            written = f"+{written}"
        if flags.space and written[0] == "+" and not flags.plus:
            written = f" {written[1:]}"
        if written[1] in "IN":
            # Infinity always has a sign, and neither is padded with zeros.
            if written[1] == "N" and not flags.space and not flags.plus:
                written = written[1:]
            return self._spaced(written)
        if flags.sharp and verb != "b":
            written = _with_zeros(written, verb, flags.precision)
        if flags.plus or written[0] != "+":
            if flags.zero and not flags.minus and flags.width > len(written):
                return written[0] + written[1:].rjust(flags.width - 1, "0")
            return self._padded(written)
        return self._padded(written[1:])

    def _complex(self, number: complex, verb: str) -> str:
        flags = self._flags
        real = self._float(number.real, verb)
        plus, flags.plus = flags.plus, True
        imaginary = self._float(number.imag, verb)
        flags.plus = plus
        return f"({real}{imaginary}i)"


def _unsigned(value: Value) -> bool:
    return isinstance(value, Sized) and value.go_type.startswith("uint")


def _fits_back_quotes(string: str) -> bool:
    return not any(
        each in "`\x7f\ufeff" or (each < " " and each != "\t") or "\ud800" <= each <= "\udfff"
        for each in string
    )


def _with_zeros(written: str, verb: str, precision: int) -> str:
    """The flag ``#``: there is always a point, and under ``%g`` zeros that say how precise the number is."""
    cut = len(written)
    for mark in "pP" if verb in "xX" else "eEpP":
        found = written.find(mark)
        if found >= 0:
            cut = found
    digits, tail = written[:cut], written[cut:]
    missing = 0
    if verb in "vgGx":
        missing = precision if precision >= 0 else 6
    significant = digits[1:].replace(".", "")
    missing -= len(significant.lstrip("0"))
    if "." not in digits:
        if digits[1:] == "0":
            missing -= 1
        digits += "."
    return digits + "0" * missing + tail
