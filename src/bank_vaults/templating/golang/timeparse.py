"""Times read by Go's reference layouts."""

from __future__ import annotations

from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.calendar import day_of_year, is_leap, length_of_month, seconds_of
from bank_vaults.templating.golang.durations import quoted
from bank_vaults.templating.golang.layouts import DAYS, MAX_LAYOUT, MONTHS, pieces
from bank_vaults.templating.golang.zones import UTC, Location

_DIGITS: Final = frozenset("0123456789")
_MONTHS_SHORT: Final = tuple(month[:3] for month in MONTHS)
_DAYS_SHORT: Final = tuple(day[:3] for day in DAYS)


class Parsed(NamedTuple):
    """A time that was read."""

    unix: int
    """Seconds since 1970 in UTC."""
    nanosecond: int
    location: Location


class _MismatchError(Exception):
    """The value is not what the element asks for."""


class _OutOfRangeError(Exception):
    """A number in the value is not one that a calendar or a clock has; the text says which."""


def parse(layout: str, value: str, local: Location) -> Parsed:
    """Read the value; where it names no zone, in the given one. Raises FunctionError with Go's text."""
    limits.input_of("the time", len(value), MAX_LAYOUT)
    reader = _Reader(value)
    parts = pieces(layout)
    for number, (literal, element) in enumerate(parts):
        try:
            wanted = literal
            reader.literal(literal)
            if not element:
                break
            wanted = element
            before = reader.rest
            reader.element(element, followed_by=parts[number + 1].element)
        except _MismatchError:
            left = reader.rest if wanted is literal else before
            attempt = f"parsing time {quoted(value)} as {quoted(layout)}"
            raise FunctionError(f"{attempt}: cannot parse {quoted(left)} as {quoted(wanted)}") from None
        except _OutOfRangeError as error:
            raise FunctionError(f"parsing time {quoted(value)}: {error}") from None
    if reader.rest:
        raise FunctionError(f"parsing time {quoted(value)}: extra text: {quoted(reader.rest)}")
    try:
        return reader.result(local)
    except _OutOfRangeError as error:
        raise FunctionError(f"parsing time {quoted(value)}: {error}") from None


def _integer(string: str) -> int:
    """A number with or without sign. Raises _MismatchError."""
    digits = string[1:] if string[:1] in ("-", "+") else string
    if not digits or not _DIGITS.issuperset(digits):
        raise _MismatchError
    return int(string)


class _Reader:
    """What was read so far, and what of the value is left."""

    def __init__(self, value: str) -> None:
        self.rest = value
        self._year = 0
        self._month: int | None = None
        self._day: int | None = None
        self._day_of_year: int | None = None
        self._hour = 0
        self._minute = 0
        self._second = 0
        self._nanosecond = 0
        self._halves: set[str] = set()
        self._utc = False
        self._offset: int | None = None
        self._zone = ""

    def literal(self, text: str) -> None:
        """Text of the layout has to stand in the value; spaces stand for one or more, or for the end."""
        at = 0
        while at < len(text):
            if text[at] == " ":
                if self.rest and self.rest[0] != " ":
                    raise _MismatchError
                self.rest = self.rest.lstrip(" ")
                while at < len(text) and text[at] == " ":
                    at += 1
            elif self.rest.startswith(text[at]):
                self.rest = self.rest[1:]
                at += 1
            else:
                raise _MismatchError

    def element(self, element: str, followed_by: str) -> None:
        """Read one element. Raises _MismatchError, _OutOfRangeError."""
        if element[0] in ".,":
            self._read_fraction(element)
        elif element[0] in "-Z":
            self._read_offset(element)
        elif element == "MST":
            self._read_abbreviation()
        elif element in ("PM", "pm"):
            self._read_half(element)
        elif element in ("15", "3", "03", "4", "04", "5", "05"):
            self._read_clock(element, followed_by)
        else:
            self._read_date(element)

    def _take(self, length: int) -> str:
        if len(self.rest) < length:
            raise _MismatchError
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def _number(self, *, fixed: bool) -> int:
        """One or two digits; exactly two where fixed."""
        count = self._digits(2)
        if count == 0 or (fixed and count == 1):
            raise _MismatchError
        return int(self._take(count))

    def _digits(self, most: int, start: int = 0) -> int:
        count = 0
        while count < most and self.rest[start + count : start + count + 1] in _DIGITS:
            count += 1
        return count

    def _name(self, names: tuple[str, ...]) -> int:
        for number, name in enumerate(names):
            if self.rest[: len(name)].lower() == name.lower():
                self.rest = self.rest[len(name) :]
                return number
        raise _MismatchError

    def _read_date(self, element: str) -> None:
        match element:
            case "2006":
                if self._digits(1) == 0:
                    raise _MismatchError
                self._year = _integer(self._take(4))
            case "06":
                short = _integer(self._take(2))
                self._year = short + (1900 if short >= 69 else 2000)
            case "January":
                self._month = self._name(MONTHS) + 1
            case "Jan":
                self._month = self._name(_MONTHS_SHORT) + 1
            case "1" | "01":
                self._month = self._number(fixed=element == "01")
                if not 1 <= self._month <= 12:
                    raise _OutOfRangeError("month out of range")
            case "Monday":
                self._name(DAYS)
            case "Mon":
                self._name(_DAYS_SHORT)
            case "2" | "_2" | "02":
                if element == "_2":
                    self.rest = self.rest.removeprefix(" ")
                self._day = self._number(fixed=element == "02")
            case "__2" | "002":
                self._read_day_of_year(element)

    def _read_day_of_year(self, element: str) -> None:
        if element == "__2":
            self.rest = self.rest.removeprefix(" ").removeprefix(" ")
        count = self._digits(3)
        if count == 0 or (element == "002" and count != 3):
            raise _MismatchError
        self._day_of_year = int(self._take(count))

    def _read_clock(self, element: str, followed_by: str) -> None:
        number = self._number(fixed=element[0] == "0")
        match element[-1]:
            case "4":
                self._minute = number
                if number > 59:
                    raise _OutOfRangeError("minute out of range")
            case "3":
                self._hour = number
                if number > 12:
                    raise _OutOfRangeError("hour out of range")
            case _ if element == "15":
                self._hour = number
                if number > 23:
                    raise _OutOfRangeError("hour out of range")
            case _:
                self._second = number
                if number > 59:
                    raise _OutOfRangeError("second out of range")
                # A fraction may stand behind the seconds even where the layout has none.
                if self.rest[:1] in (".", ",") and followed_by[:1] not in (".", ","):
                    count = self._digits(len(self.rest), start=1)
                    if count:
                        self._set_fraction(self._take(1 + count))

    def _read_half(self, element: str) -> None:
        taken = self._take(2)
        if taken not in (element, element.replace("P", "A").replace("p", "a")):
            raise _MismatchError
        self._halves.add(taken.upper())

    def _read_fraction(self, element: str) -> None:
        if element[1] == "0":
            self._set_fraction(self._take(len(element)))
        elif self.rest[:1] in (".", ","):
            count = self._digits(len(self.rest), start=1)
            if count:
                self._set_fraction(self._take(1 + count))

    def _set_fraction(self, text: str) -> None:
        if text[0] not in ".,":
            raise _MismatchError
        digits = text[1:10]
        number = _integer(digits)
        if number < 0:
            raise _OutOfRangeError("fractional second out of range")
        self._nanosecond = number * 10 ** (9 - len(digits))

    def _read_offset(self, element: str) -> None:
        if element[0] == "Z" and self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            self._utc = True
            return
        text = self._take(len(element))
        numbers = []
        for place in range(1, len(element)):
            if element[place] == ":" and text[place] != ":":
                raise _MismatchError
        digits = text[1:].replace(":", "") if ":" in element else text[1:]
        for place in range(0, len(digits), 2):
            pair = digits[place : place + 2]
            if not _DIGITS.issuperset(pair):
                raise _MismatchError
            numbers.append(int(pair))
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        if text[0] not in "+-":
            raise _MismatchError
        for number, most, name in ((hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")):
            if number > most:
                raise _OutOfRangeError(f"time zone offset {name} out of range")
        offset = (hours * 60 + minutes) * 60 + seconds
        self._offset = -offset if text[0] == "-" else offset

    def _read_abbreviation(self) -> None:
        if self.rest.startswith("UTC"):
            self.rest = self.rest[3:]
            self._utc = True
            return
        length = _length_of_abbreviation(self.rest)
        if not length:
            raise _MismatchError
        self._zone = self._take(length)

    def result(self, local: Location) -> Parsed:
        """The time. Raises _OutOfRangeError."""
        month, day = self._month_and_day()
        hour = self._hour
        if "PM" in self._halves and hour < 12:
            hour += 12
        elif "AM" in self._halves and hour == 12:
            hour = 0
        unix = seconds_of(self._year, month, day, hour, self._minute, self._second)
        return self._in_zone(unix, local)

    def _month_and_day(self) -> tuple[int, int]:
        month, day = self._month, self._day
        if self._day_of_year is not None:
            if not 1 <= self._day_of_year <= 365 + is_leap(self._year):
                raise _OutOfRangeError("day-of-year out of range")
            wanted = next(m for m in range(12, 0, -1) if self._day_of_year >= day_of_year(self._year, m, 1))
            if month is not None and month != wanted:
                raise _OutOfRangeError("day-of-year does not match month")
            month, wanted_day = wanted, self._day_of_year - day_of_year(self._year, wanted, 1) + 1
            if day is not None and day != wanted_day:
                raise _OutOfRangeError("day-of-year does not match day")
            day = wanted_day
        month = 1 if month is None else month
        day = 1 if day is None else day
        if not 1 <= day <= length_of_month(self._year, month):
            raise _OutOfRangeError("day out of range")
        return month, day

    def _in_zone(self, unix: int, local: Location) -> Parsed:
        if self._utc:
            return Parsed(unix, self._nanosecond, UTC)
        # An offset of one second to the west is Go's mark for none.
        if self._offset is not None and self._offset != -1:
            unix -= self._offset
            here = local.at(unix)
            if here.seconds == self._offset and self._zone in ("", here.abbreviation):
                return Parsed(unix, self._nanosecond, local)
            return Parsed(unix, self._nanosecond, Location(self._zone, self._offset))
        if self._zone:
            known = local.knows(self._zone, unix)
            if known is not None:
                return Parsed(unix - known, self._nanosecond, local)
            seconds = (
                int(self._zone[3:]) * 3600 if len(self._zone) > 3 and self._zone.startswith("GMT") else 0
            )
            return Parsed(unix, self._nanosecond, Location(self._zone, seconds))
        return Parsed(local.utc_of(unix), self._nanosecond, local)


def _length_of_abbreviation(text: str) -> int:
    """Characters of an abbreviation that Go takes for one of a zone; 0 where there is none."""
    if len(text) < 3:
        return 0
    if text[:4] in ("ChST", "MeST"):
        return 4
    if text.startswith("GMT"):
        return 3 + _length_of_hours(text[3:])
    if text[0] in "+-":
        return _length_of_hours(text)
    length = 0
    while length < 6 and "A" <= text[length : length + 1] <= "Z":
        length += 1
    if length == 3 or (length in (4, 5) and (text[length - 1] == "T" or text[:length] == "WITA")):
        return length
    return 0


def _length_of_hours(text: str) -> int:
    """Characters of ``+3`` or ``-12``; 0 where there is nothing like it."""
    if text[:1] not in ("+", "-"):
        return 0
    end = 1
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return end if 1 < end < 20 and int(text[1:end]) < 24 else 0
