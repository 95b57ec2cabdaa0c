"""Go's ``time.Duration``: how it is read, printed and rounded."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Int64, Methods, Object, Sized, bound, octets, wrap64

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
MAX_DURATION: Final = 1024
"""Characters of a duration that is read."""
LONGEST: Final = (1 << 63) - 1

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek letter
    "ms": 1_000_000,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_DIGITS: Final = frozenset("0123456789")


class Duration(Sized, Object):
    """A span of time in nanoseconds: an int64 to whoever calculates, ``1h30m0s`` to whoever prints."""

    go_type = "time.Duration"
    kind = "int64"

    def methods(self) -> Methods:
        return bound(self, _METHODS)

    def go_string(self) -> str:
        size = abs(int(self))
        sign = "-" if self < 0 else ""
        if size == 0:
            return "0s"
        if size < 1_000:
            return f"{sign}{size}ns"
        if size < 1_000_000:
            return f"{sign}{_decimal(size, 3)}µs"
        if size < SECOND:
            return f"{sign}{_decimal(size, 6)}ms"
        minutes, rest = divmod(size, MINUTE)
        seconds = f"{_decimal(rest, 9)}s"
        if not minutes:
            return f"{sign}{seconds}"
        hours, minutes = divmod(minutes, 60)
        return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"

    def in_units(self, unit: int) -> float:
        """How many units of so many nanoseconds, rounded as Go rounds it: whole units first."""
        whole = _cut(self, unit)
        return float(whole) + float(self - whole * unit) / unit

    def truncated(self, multiple: int) -> Duration:
        """Rounded towards zero to a multiple; as it is where the multiple is not positive."""
        return self if multiple <= 0 else Duration(_cut(self, multiple) * multiple)

    def rounded(self, multiple: int) -> Duration:
        """Rounded to the nearest multiple, halves away from zero; as it is where that is not positive."""
        if multiple <= 0:
            return self
        size = abs(int(self))
        near = (size // multiple + (2 * (size % multiple) >= multiple)) * multiple
        return saturated(-near if self < 0 else near)


def _cut(number: int, unit: int) -> int:
    """Division towards zero."""
    return int(number) // unit if number >= 0 else -(-int(number) // unit)


def _decimal(number: int, places: int) -> str:
    """The number with so many of its digits behind the point, without needless zeros."""
    whole, rest = divmod(number, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".") if rest else str(whole)


def saturated(nanoseconds: int) -> Duration:
    """The duration, or the longest there is where it is longer."""
    return Duration(max(min(nanoseconds, LONGEST), -LONGEST - 1))


_METHODS: Final[Methods] = {
    "Abs": ("func() time.Duration", lambda d: saturated(abs(int(d)))),
    "Hours": ("func() float64", lambda d: d.in_units(HOUR)),
    "Minutes": ("func() float64", lambda d: d.in_units(MINUTE)),
    "Seconds": ("func() float64", lambda d: d.in_units(SECOND)),
    "Milliseconds": ("func() int64", lambda d: Int64(_cut(d, 1_000_000))),
    "Microseconds": ("func() int64", lambda d: Int64(_cut(d, 1_000))),
    "Nanoseconds": ("func() int64", lambda d: Int64(d)),
    "Round": ("func(time.Duration) time.Duration", Duration.rounded),
    "Truncate": ("func(time.Duration) time.Duration", Duration.truncated),
    "String": ("func() string", Duration.go_string),
}


def quoted(string: str) -> str:
    r"""As errors of Go's package time quote: whatever is no plain ASCII as ``\xNN``."""
    parts = []
    for octet in octets(string):
        if octet in b'"\\':
            parts.append("\\" + chr(octet))
        elif 0x20 <= octet < 0x80:
            parts.append(chr(octet))
        else:
            parts.append(f"\\x{octet:02x}")
    return '"' + "".join(parts) + '"'


def parse_duration(string: str) -> Duration:
    """Read ``1h30m``, ``-1.5s``, ``0``. Raises FunctionError with Go's text."""
    limits.input_of("the duration", len(string), MAX_DURATION)
    invalid = FunctionError(f"time: invalid duration {quoted(string)}")
    rest = string[1:] if string[:1] in ("-", "+") else string
    if rest == "0":
        return Duration(0)
    if not rest:
        raise invalid
    total = 0
    while rest:
        whole, rest = _digits(rest)
        fraction = ""
        if rest.startswith("."):
            fraction, rest = _digits(rest[1:])
        if not whole and not fraction:
            raise invalid
        whole = whole.lstrip("0")
        if len(whole) > 19 or int(whole or "0") > LONGEST + 1:
            raise invalid
        name, rest = _unit_name(rest)
        if not name:
            raise FunctionError(f"time: missing unit in duration {quoted(string)}")
        unit = _UNITS.get(name)
        if unit is None:
            raise FunctionError(f"time: unknown unit {quoted(name)} in duration {quoted(string)}")
        total += int(whole or "0") * unit + _part(fraction, unit)
        if total > LONGEST + 1:
            raise invalid
    if string.startswith("-"):
        return Duration(-total)
    if total > LONGEST:
        raise invalid
    return Duration(total)


def _digits(string: str) -> tuple[str, str]:
    """The digits in front, and what is behind them."""
    end = 0
    while end < len(string) and string[end] in _DIGITS:
        end += 1
    return string[:end], string[end:]


def _unit_name(string: str) -> tuple[str, str]:
    """What is in front of the next digit or point, and the rest."""
    end = 0
    while end < len(string) and string[end] != "." and string[end] not in _DIGITS:
        end += 1
    return string[:end], string[end:]


def _part(fraction: str, unit: int) -> int:
    """Nanoseconds of a fraction of a unit; calculated in floating point, as the last nanosecond is Go's."""
    used = fraction[:18]
    if len(fraction) > 18 and int(fraction[:19]) <= LONGEST:
        used = fraction[:19]
    return int(float(int(used)) * (unit / 10.0 ** len(used))) if used else 0


def duration_of_seconds(seconds: int) -> Duration:
    """So many seconds; what int64 cannot hold goes round, as in Go."""
    return Duration(wrap64(seconds * SECOND))
