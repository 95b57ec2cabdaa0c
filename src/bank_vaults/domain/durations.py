"""Spans of time as people write them: the notation of Go's ``time.ParseDuration``.

``1m30s``, ``500ms``, ``1.5h``; digits alone are seconds. A sign is refused: no setting of this program
is a negative time.
"""

from __future__ import annotations

import re

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5 MICRO SIGN
    "μs": 10**3,  # U+03BC GREEK SMALL LETTER MU, which Go accepts as well
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h)"
_DURATION = f"(?:{_PART})+"  # compiled when used: many a start reads no duration
_NUMBER_AND_UNIT = r"([0-9]*)\.?([0-9]*)([^0-9.]+)"
_LONGEST_TEXT = 64
_LONGEST = 2**63 - 1  # nanoseconds; Go's limit, about 292 years


def parse_duration(text: str) -> float:
    """The seconds that a text such as ``1m30s``, ``500ms`` or ``90`` means, cut to whole nanoseconds.

    Raises ValueError.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError("a duration of more than 64 characters")
    if re.fullmatch("[0-9]+", text):
        text += "s"
    elif not re.fullmatch(_DURATION, text):
        raise ValueError(f"{text!r} is not a duration: write for example 5s, 1m30s or 500ms")
    nanoseconds = 0
    for whole, fraction, unit in re.findall(_NUMBER_AND_UNIT, text):
        nanoseconds += int(whole + fraction) * _NANOSECONDS[unit] // 10 ** len(fraction)
    if nanoseconds > _LONGEST:
        raise ValueError(f"{text!r} is too long a duration: more than 292 years")
    return nanoseconds / _NANOSECONDS["s"]


def format_duration(seconds: float) -> str:
    """The shortest usual form, to the nanosecond: ``1h30m``, ``1.5s``, ``20ms``, ``0s``.

    Raises ValueError for a negative or infinite time.
    """
    if not 0 <= seconds * 10**9 <= _LONGEST:
        raise ValueError("not a duration: negative or too long")
    nanoseconds = round(seconds * 10**9)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < _NANOSECONDS["s"]:
        unit = next(unit for unit in ("ms", "µs", "ns") if nanoseconds >= _NANOSECONDS[unit])
        return _decimal(nanoseconds, _NANOSECONDS[unit]) + unit
    hours, rest = divmod(nanoseconds, _NANOSECONDS["h"])
    minutes, rest = divmod(rest, _NANOSECONDS["m"])
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")
    return text + (_decimal(rest, _NANOSECONDS["s"]) + "s" if rest else "")


def _decimal(nanoseconds: int, unit: int) -> str:
    """A count of nanoseconds in a larger unit, exactly, without trailing zeros."""
    whole, rest = divmod(nanoseconds, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{rest:0{len(str(unit)) - 1}}".rstrip("0")
