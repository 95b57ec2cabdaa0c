"""Numbers and quoted strings to text and back, as Go's ``strconv`` does it, with its error texts."""

from __future__ import annotations

from typing import Final, NoReturn

from bank_vaults.templating.golang.values import EachCharacter, octets, text

MAX_UINT64: Final = (1 << 64) - 1
MIN_INT64: Final = -(1 << 63)
MAX_INT64: Final = (1 << 63) - 1

SYNTAX: Final = "invalid syntax"
RANGE: Final = "value out of range"

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_ESCAPED: Final = {escape[1]: ord(plain) for plain, escape in _ESCAPES.items()}
_DIGITS_AFTER: Final = {"x": 2, "u": 4, "U": 8}
_BASES: Final = {"b": 2, "o": 8, "x": 16}
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class NumError(ValueError):
    """A text is no number of the wanted kind; the message is Go's: ``strconv.ParseInt: parsing "x": …``."""

    def __init__(self, function: str, number: str, reason: str) -> None:
        super().__init__(f"strconv.{function}: parsing {quote(number)}: {reason}")
        self.reason = reason


# Quoting.


def quote(string: str, *, ascii_only: bool = False) -> str:
    """The string as a Go literal in double quotes; with ``ascii_only`` in ASCII (``QuoteToASCII``)."""
    if (
        '"' not in string
        and "\\" not in string
        and string.isprintable()
        and (not ascii_only or string.isascii())
    ):
        return f'"{string}"'
    return f'"{string.translate(_ESCAPED_ASCII if ascii_only else _ESCAPED_ANY)}"'


def quote_rune(code: int, *, ascii_only: bool = False) -> str:
    """The character as a Go literal in single quotes; what is no character as U+FFFD."""
    if not is_character(code):
        code = 0xFFFD
    return f"'{_escaped(chr(code), chr(39), ascii_only)}'"


def is_character(code: int) -> bool:
    """Is that the code point of a character: in range, and no surrogate?"""
    return 0 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF


def _escaped(character: str, quotation: str, ascii_only: bool) -> str:
    code = ord(character)
    if character == quotation:
        return f"\\{character}"
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() and (code < 0x7F or not ascii_only):
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ESCAPED_ANY: Final = EachCharacter(lambda each: _escaped(each, '"', False))
_ESCAPED_ASCII: Final = EachCharacter(lambda each: _escaped(each, '"', True))


def unquote(literal: str) -> str:
    """What a Go literal in double quotes or back-ticks says. Raises ValueError, ``invalid syntax``."""
    if len(literal) < 2 or literal[0] != literal[-1] or literal[0] not in '"`':
        raise ValueError(SYNTAX)
    inside = literal[1:-1]
    if literal[0] == "`":
        if "`" in inside:
            raise ValueError(SYNTAX)
        return inside.replace("\r", "")
    if "\\" not in inside:
        if '"' in inside or "\n" in inside:
            raise ValueError(SYNTAX)
        return inside
    done = bytearray()
    position = 0
    while position < len(inside):
        found = inside.find("\\", position)
        plain = inside[position:] if found < 0 else inside[position:found]
        if '"' in plain or "\n" in plain:
            raise ValueError(SYNTAX)
        done += octets(plain)
        if found < 0:
            break
        code, is_octet, position = _unescape(inside, found, '"')
        done += bytes((code,)) if is_octet else chr(code).encode()
    return text(bytes(done))


def unquote_character(string: str, quotation: str) -> tuple[int, str]:
    """The code point of the first character or escape sequence within quotation marks, and what follows it.

    Raises ValueError, ``invalid syntax``.
    """
    if not string or string[0] == quotation:
        raise ValueError(SYNTAX)
    if string[0] == "\\":
        code, _, position = _unescape(string, 0, quotation)
        return code, string[position:]
    code = ord(string[0])
    return (code if is_character(code) else 0xFFFD), string[1:]


def _unescape(string: str, position: int, quotation: str) -> tuple[int, bool, int]:
    """The escape sequence there: its number, whether that is a byte and no character, and where it ends."""
    kind = string[position + 1 : position + 2]
    position += 2
    if kind == quotation:
        return ord(kind), False, position
    if kind in _ESCAPED:
        return _ESCAPED[kind], False, position
    if kind in _DIGITS_AFTER:
        end = position + _DIGITS_AFTER[kind]
        code = _plain_digits(string[position:end], end - position, 16)
        if kind == "x":
            return code, True, end
        if not is_character(code):
            raise ValueError(SYNTAX)
        return code, False, end
    if kind and kind in "01234567":
        code = _plain_digits(string[position - 1 : position + 2], 3, 8)
        if code > 0xFF:
            raise ValueError(SYNTAX)
        return code, True, position + 2
    raise ValueError(SYNTAX)


def _plain_digits(digits: str, count: int, base: int) -> int:
    if len(digits) != count or not digits.isascii() or not digits.isalnum():
        raise ValueError(SYNTAX)
    try:
        return int(digits, base)
    except ValueError:
        raise ValueError(SYNTAX) from None


# Reading numbers.


def _magnitude(function: str, number: str, digits: str, base: int) -> int:
    """The number that the digits without a sign name; base 0 goes by the prefix and allows underscores."""
    lower = digits.lower()
    if base == 0:
        base = 10
        body = lower
        if lower[:1] == "0":
            base = _BASES.get(lower[1:2], 0)
            body = lower[2:] if base else lower[1:]
            base = base or 8
            if body == "" and base == 8 and len(lower) == 1:
                return 0
        if "_" in body:
            if not _underscores_separate(lower):
                raise NumError(function, number, SYNTAX)
            body = body.replace("_", "")
    else:
        body = lower
    allowed = _DIGITS[:base]
    if not body or body.strip(allowed):
        raise NumError(function, number, SYNTAX)
    if len(body) > 64 and len(body.lstrip("0")) > 64:
        raise NumError(function, number, RANGE)
    return int(body, base)


def _underscores_separate(unsigned: str) -> bool:
    """Do underscores stand between digits only, or between the prefix of the base and a digit?"""
    digits = "0123456789"
    after_digit = False
    if unsigned[:2] in ("0x", "0o", "0b"):
        digits = "0123456789abcdef" if unsigned[1] == "x" else digits
        unsigned = unsigned[2:]
        after_digit = True
    after_underscore = False
    for each in unsigned:
        is_digit = each in digits
        if each == "_":
            if not after_digit:
                return False
        elif after_underscore and not is_digit:
            return False
        after_underscore, after_digit = each == "_", is_digit
    return not after_underscore


def parse_uint(number: str, base: int = 10, bits: int = 64, *, function: str = "ParseUint") -> int:
    """As ``strconv.ParseUint``. Raises NumError; ``function`` is what its message names."""
    value = _magnitude(function, number, number, base)
    if value >> bits:
        raise NumError(function, number, RANGE)
    return value


def parse_int(number: str, base: int = 10, bits: int = 64, *, function: str = "ParseInt") -> int:
    """As ``strconv.ParseInt``. Raises NumError; ``function`` is what its message names."""
    negative = number[:1] == "-"
    value = _magnitude(function, number, number[1:] if number[:1] in ("-", "+") else number, base)
    if value > (1 << bits - 1) - (0 if negative else 1):
        raise NumError(function, number, RANGE)
    return -value if negative else value


def atoi(number: str) -> int:
    """As ``strconv.Atoi``. Raises NumError."""
    return parse_int(number, function="Atoi")


def parse_bool(word: str) -> bool:
    """As ``strconv.ParseBool``. Raises NumError."""
    if word in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if word in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise NumError("ParseBool", word, SYNTAX)


def parse_float(number: str) -> float:
    """As ``strconv.ParseFloat`` with 64 bits. Raises NumError."""
    lower = number.lower()
    unsigned = lower[1:] if lower[:1] in ("-", "+") else lower
    if unsigned in ("inf", "infinity", "nan"):
        if unsigned == "nan" and lower != "nan":
            _no_float(number)
        return float(lower)
    if "_" in unsigned:
        if not _underscores_separate(unsigned):
            _no_float(number)
        unsigned = unsigned.replace("_", "")
    if unsigned[:2] == "0x":
        value = _hexadecimal_float(number, unsigned)
    else:
        if not unsigned or not unsigned.isascii() or unsigned.strip("0123456789.e+-"):
            _no_float(number)
        try:
            value = float(unsigned)
        except ValueError:
            _no_float(number)
        if unsigned[0] in "+-":
            _no_float(number)
    if value == float("inf"):
        raise NumError("ParseFloat", number, RANGE)
    return -value if lower[0] == "-" else value


def _hexadecimal_float(number: str, unsigned: str) -> float:
    mantissa, with_exponent, exponent = unsigned[2:].partition("p")
    digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    plain = mantissa.replace(".", "", 1)
    if (
        not with_exponent
        or not digits
        or digits.strip("0123456789")
        or not plain
        or plain.strip(_DIGITS[:16])
    ):
        _no_float(number)
    try:
        return float.fromhex(unsigned)
    except OverflowError:
        raise NumError("ParseFloat", number, RANGE) from None


def _no_float(number: str) -> NoReturn:
    raise NumError("ParseFloat", number, SYNTAX)


# Writing numbers.


def format_int(value: int, base: int) -> str:
    """The integer in any base from 2 to 36, lower case."""
    if base == 10:
        return str(value)
    sign, value = ("-", -value) if value < 0 else ("", value)
    if base in (2, 8, 16):
        return sign + format(value, {2: "b", 8: "o", 16: "x"}[base])
    digits = ""
    while value >= base:
        value, digit = divmod(value, base)
        digits = _DIGITS[digit] + digits
    return sign + _DIGITS[value] + digits


def format_float(value: float, verb: str, precision: int = -1) -> str:
    """As ``strconv.FormatFloat``: ``verb`` is one of ``efgEGxXb``, precision -1 as many as it takes."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if verb in "eEfgG":
        return _decimal(value, verb, precision)
    if verb == "b":
        return _binary(value)
    return _hexadecimal(value, verb, precision)


def _decimal(value: float, verb: str, precision: int) -> str:
    sign, digits, point = shortest_digits(value)
    shortest = precision < 0
    if verb == "f":
        if not shortest:
            return f"{value:.{precision}f}"
        return sign + _fixed(digits, point)
    if verb in "eE":
        if not shortest:
            return f"{value:.{precision}{verb}}"
        return sign + _scientific(digits, point, verb)
    if not shortest:
        precision = precision or 1
        # Python rounds exactly, as Go does; what it rounded to decides about the exponent.
        sign, digits, point = _digits_of(f"{value:.{precision - 1}e}")
        threshold = precision
        if threshold > len(digits) >= point:
            threshold = len(digits)
    else:
        threshold = 6
    exponent = point - 1 if digits != "0" else 0
    if exponent < -4 or exponent >= threshold:
        return sign + _scientific(digits, point, "e" if verb == "g" else "E")
    return sign + _fixed(digits, point)


def shortest_digits(value: float) -> tuple[str, str, int]:
    """Sign, fewest decimal digits that name the float, and where the point stands: 12.5 is "", "125", 2."""
    return _digits_of(repr(value))


def _digits_of(written: str) -> tuple[str, str, int]:
    sign = "-" if written[0] == "-" else ""
    mantissa, _, exponent = written.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    return (sign, stripped, point) if stripped else (sign, "0", 1)


def _fixed(digits: str, point: int) -> str:
    if point <= 0:
        return "0" if digits == "0" else "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def _scientific(digits: str, point: int, verb: str) -> str:
    exponent = point - 1 if digits != "0" else 0
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}{verb}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _binary(value: float) -> str:
    import math

    mantissa, exponent = math.frexp(abs(value))
    power = max(exponent - 53, -1074)
    whole = int(math.ldexp(mantissa, exponent - power)) if value else 0
    sign = "-" if math.copysign(1, value) < 0 else ""
    return f"{sign}{whole}p{power if value else -1074:+d}"


def _hexadecimal(value: float, verb: str, precision: int) -> str:
    import math

    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, exponent = math.frexp(abs(value))
    # One bit before the point, and 52 after it.
    whole = int(math.ldexp(mantissa, 53))
    exponent = exponent - 1 if value else 0
    if precision >= 0 and precision < 13:
        shift = 52 - 4 * precision
        whole, rest = whole >> shift, whole & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        if rest > half or (rest == half and whole & 1):
            whole += 1
        whole <<= shift
        if whole >> 53:
            whole >>= 1
            exponent += 1
    fraction = f"{whole & ((1 << 52) - 1):013x}"
    fraction = fraction.rstrip("0") if precision < 0 else fraction[:precision].ljust(precision, "0")
    point = "." if fraction else ""
    written = f"{sign}0x{whole >> 52}{point}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return written.upper() if verb == "X" else written
