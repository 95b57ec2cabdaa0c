"""Go's reference layouts: ``2006-01-02 15:04:05`` taken to pieces, and times printed by them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from bank_vaults.templating import limits

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

MAX_LAYOUT: Final = 1024
"""Characters of a layout, and of a text that is read by one."""

_ELEMENTS: Final = {
    "J": ("January", "Jan"),
    "M": ("Monday", "Mon", "MST"),
    "0": ("01", "02", "03", "04", "05", "06", "002"),
    "1": ("15", "1"),
    "2": ("2006", "2"),
    "_": ("_2", "__2"),
    "3": ("3",),
    "4": ("4",),
    "5": ("5",),
    "P": ("PM",),
    "p": ("pm",),
    "-": ("-070000", "-07:00:00", "-0700", "-07:00", "-07"),
    "Z": ("Z070000", "Z07:00:00", "Z0700", "Z07:00", "Z07"),
}
"""By their first characters; of two that fit, the first in the list is meant."""


class Piece(NamedTuple):
    """A part of a layout."""

    literal: str
    """What stands in front of the element."""
    element: str
    """As the reference time writes it, ``.000`` and ``,999`` included; empty at the end of the layout."""


class Clock(NamedTuple):
    """What clock and calendar show."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    weekday: int
    """0 is Sunday."""
    day_of_year: int
    offset: int
    """Seconds east of UTC."""
    zone: str
    """Abbreviation, empty where there is none."""


@lru_cache(maxsize=32)
def pieces(layout: str) -> tuple[Piece, ...]:
    """The layout in its parts; the last has no element. Raises FunctionError for one that is too long."""
    limits.input_of("the layout", len(layout), MAX_LAYOUT)
    found = []
    start = at = 0
    while at < len(layout):
        element = _element(layout, at)
        if element:
            found.append(Piece(layout[start:at], element))
            at += len(element)
            start = at
        else:
            at += 1
    found.append(Piece(layout[start:], ""))
    return tuple(found)


def _element(layout: str, at: int) -> str:
    """The element that begins there, empty where none does."""
    first = layout[at]
    if first in ".,":
        return _fraction(layout, at)
    for element in _ELEMENTS.get(first, ()):
        if not layout.startswith(element, at):
            continue
        if element in ("Jan", "Mon") and "a" <= layout[at + 3 : at + 4] <= "z":
            continue
        if element == "_2" and layout.startswith("_2006", at):
            continue
        return element
    return ""


def _fraction(layout: str, at: int) -> str:
    digit = layout[at + 1 : at + 2]
    if digit not in ("0", "9"):
        return ""
    end = at + 1
    while layout.startswith(digit, end):
        end += 1
    return "" if "0" <= layout[end : end + 1] <= "9" else layout[at:end]


def formatted(layout: str, clock: Clock) -> str:
    """The time as the layout has it. Raises FunctionError for one that is too long."""
    return "".join(piece.literal + _printed(piece.element, clock) for piece in pieces(layout))


def _printed(element: str, clock: Clock) -> str:
    if element[:1] in (".", ","):
        return _printed_fraction(element, clock.nanosecond)
    if element[:1] in ("-", "Z"):
        return _printed_offset(element, clock.offset)
    if element == "MST":
        return clock.zone or _printed_offset("-0700", clock.offset)
    return _simple(element, clock)


def _simple(element: str, clock: Clock) -> str:
    match element:
        case "2006":
            return padded(clock.year, 4)
        case "06":
            return padded(abs(clock.year) % 100, 2)
        case "January":
            return MONTHS[clock.month - 1]
        case "Jan":
            return MONTHS[clock.month - 1][:3]
        case "01":
            return padded(clock.month, 2)
        case "1":
            return str(clock.month)
        case "Monday":
            return DAYS[clock.weekday]
        case "Mon":
            return DAYS[clock.weekday][:3]
        case "2":
            return str(clock.day)
        case "_2":
            return f"{clock.day:2d}"
        case "02":
            return padded(clock.day, 2)
        case "__2":
            return f"{clock.day_of_year:3d}"
        case "002":
            return padded(clock.day_of_year, 3)
        case "15":
            return padded(clock.hour, 2)
        case "3":
            return str(clock.hour % 12 or 12)
        case "03":
            return padded(clock.hour % 12 or 12, 2)
        case "4":
            return str(clock.minute)
        case "04":
            return padded(clock.minute, 2)
        case "5":
            return str(clock.second)
        case "05":
            return padded(clock.second, 2)
        case "PM":
            return "PM" if clock.hour >= 12 else "AM"
        case "pm":
            return "pm" if clock.hour >= 12 else "am"
    return ""


def padded(number: int, width: int) -> str:
    """The number with zeros in front; the sign of a negative one is not counted."""
    return ("-" if number < 0 else "") + f"{abs(number):0{width}d}"


def _printed_fraction(element: str, nanosecond: int) -> str:
    digits = f"{nanosecond:09d}"[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
        if not digits:
            return ""
    return element[0] + digits


def _printed_offset(element: str, offset: int) -> str:
    if element[0] == "Z" and offset == 0:
        return "Z"
    # Without seconds in the layout the sign is that of the whole minutes, as in Go.
    minutes = int(offset / 60)
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    text = f"{sign}{hours:02d}"
    colon = ":" if ":" in element else ""
    if len(element) > 3:
        text += f"{colon}{minutes:02d}"
    if len(element) in (7, 9):
        text += f"{colon}{abs(offset) % 60:02d}"
    return text
