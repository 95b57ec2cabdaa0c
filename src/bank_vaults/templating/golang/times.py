"""Go's ``time.Time``, ``time.Month`` and ``time.Weekday``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bank_vaults.templating.errors import CannotCallError, FunctionError
from bank_vaults.templating.golang.calendar import broken_down, day_of_year, seconds_of
from bank_vaults.templating.golang.durations import SECOND, Duration, saturated
from bank_vaults.templating.golang.layouts import DAYS, MONTHS, Clock, formatted
from bank_vaults.templating.golang.timeparse import parse
from bank_vaults.templating.golang.values import Int64, Methods, Object, Sized, Value, bound, octets, wrap64
from bank_vaults.templating.golang.zones import UTC, Location, local

RFC3339_NANO: Final = "2006-01-02T15:04:05.999999999Z07:00"
_SHOWN: Final = "2006-01-02 15:04:05.999999999 -0700 MST"
_YEAR_ONE: Final = seconds_of(1, 1, 1)
_STARTED: Final = time.monotonic_ns()


class Month(Sized, Object):
    """A month, 1 is January."""

    go_type = "time.Month"
    kind = "int"

    def methods(self) -> Methods:
        return bound(self, {"String": ("func() string", Month.go_string)})

    def go_string(self) -> str:
        return MONTHS[self - 1]


class Weekday(Sized, Object):
    """A day of the week, 0 is Sunday."""

    go_type = "time.Weekday"
    kind = "int"

    def methods(self) -> Methods:
        return bound(self, {"String": ("func() string", Weekday.go_string)})

    def go_string(self) -> str:
        return DAYS[self]


class Time(Object):
    """A moment, to the nanosecond, and the zone in which it is shown."""

    go_type = "time.Time"
    kind = "struct"
    hidden = frozenset({"wall", "ext", "loc"})
    __slots__ = ("_monotonic", "location", "nanosecond", "unix")

    def __init__(self, unix: int, nanosecond: int, location: Location, monotonic: int | None = None) -> None:
        self.unix = wrap64(unix - _YEAR_ONE) + _YEAR_ONE
        """Seconds since 1970 in UTC."""
        self.nanosecond = nanosecond
        self.location = location
        self._monotonic = monotonic

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        return self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def _all(self) -> tuple[object, ...]:
        return self.unix, self.nanosecond, self.location, self._monotonic

    @property
    def since_1970(self) -> int:
        """Nanoseconds since 1970 in UTC."""
        return self.unix * SECOND + self.nanosecond

    def clock(self) -> Clock:
        """What clock and calendar show in its zone."""
        offset = self.location.at(self.unix)
        shown = broken_down(self.unix + offset.seconds)
        year, month, day, *_ = shown
        weekday = ((self.unix + offset.seconds) // 86400 + 4) % 7
        return Clock(
            *shown,
            self.nanosecond,
            weekday,
            day_of_year(year, month, day),
            offset.seconds,
            offset.abbreviation,
        )

    def shown(self, layout: str) -> str:
        """As the reference layout has it."""
        return formatted(layout, self.clock())

    def shown_in(self, location: Location) -> Time:
        """The same moment in another zone."""
        return Time(self.unix, self.nanosecond, location)

    def plus(self, nanoseconds: int) -> Time:
        """So much later."""
        monotonic = None if self._monotonic is None else self._monotonic + nanoseconds
        seconds, rest = divmod(self.since_1970 + nanoseconds, SECOND)
        return Time(seconds, rest, self.location, monotonic)

    def minus(self, other: Time) -> Duration:
        """What lies between; the longest duration where it is longer."""
        if self._monotonic is not None and other._monotonic is not None:
            return saturated(self._monotonic - other._monotonic)
        return saturated(self.since_1970 - other.since_1970)

    def plus_date(self, years: int, months: int, days: int) -> Time:
        """So many years, months and days later; what the month does not have is carried into the next."""
        clock = self.clock()
        unix = seconds_of(
            clock.year + years, clock.month + months, clock.day + days, clock.hour, clock.minute, clock.second
        )
        return Time(self.location.utc_of(unix), self.nanosecond, self.location)

    def truncated(self, multiple: int) -> Time:
        """Rounded down to a multiple of nanoseconds since the year 1."""
        return self._still() if multiple <= 0 else self._still().plus(-self._beyond(multiple))

    def rounded(self, multiple: int) -> Time:
        """Rounded to the nearest multiple of nanoseconds since the year 1, halves up."""
        if multiple <= 0:
            return self._still()
        beyond = self._beyond(multiple)
        return self._still().plus(-beyond if beyond + beyond < multiple else multiple - beyond)

    def _still(self) -> Time:
        """Without the reading of the monotonic clock."""
        return Time(self.unix, self.nanosecond, self.location)

    def _beyond(self, multiple: int) -> int:
        return (self.since_1970 - _YEAR_ONE * SECOND) % multiple

    def compared(self, other: Time) -> int:
        """-1 where it is before the other, 1 where it is after."""
        if self._monotonic is not None and other._monotonic is not None:
            return (self._monotonic > other._monotonic) - (self._monotonic < other._monotonic)
        return (self.since_1970 > other.since_1970) - (self.since_1970 < other.since_1970)

    def marshalled(self, name: str) -> str:
        """As JSON has it. Raises FunctionError for years that it cannot have; the name is in its text."""
        clock = self.clock()
        if not 0 <= clock.year <= 9999:
            raise FunctionError(f"Time.{name}: year outside of range [0,9999]")
        if abs(clock.offset) >= 24 * 3600:
            raise FunctionError(f"Time.{name}: timezone hour outside of range [0,23]")
        return formatted(RFC3339_NANO, clock)

    def go_string(self) -> str:
        text = self.shown(_SHOWN)
        if self._monotonic is None:
            return text
        sign = "-" if self._monotonic < 0 else "+"
        seconds, rest = divmod(abs(self._monotonic), SECOND)
        return f"{text} m={sign}{seconds}.{rest:09d}"

    def methods(self) -> Methods:
        return bound(self, _METHODS)


ZERO: Final = Time(_YEAR_ONE, 0, UTC)
"""The zero value: the beginning of the year 1."""


def now() -> Time:
    """The present moment in the zone of the process, with a reading of the monotonic clock."""
    seconds, rest = divmod(time.time_ns(), SECOND)
    return Time(seconds, rest, local(), time.monotonic_ns() - _STARTED)


def of_unix(seconds: int) -> Time:
    """So many seconds since 1970, in the zone of the process."""
    return Time(seconds, 0, local())


def parsed(layout: str, value: str) -> Time:
    """Read by a reference layout, in the zone of the process where none is named. Raises FunctionError."""
    return Time(*parse(layout, value, local()))


def _is_zero(moment: Time) -> bool:
    return moment.unix == _YEAR_ONE and moment.nanosecond == 0


def _refused(reason: str) -> Callable[[Time], Value]:
    """A method whose several results a template cannot take."""

    def refuse(_: Time) -> Value:
        raise CannotCallError(reason)

    return refuse


def _second(name: str, go_type: str) -> Callable[[Time], Value]:
    """A method whose second result, of that type, is no error."""
    return _refused(
        f"invalid function signature for {name}: second return value should be error; is {go_type}"
    )


def _unix_in(parts: int) -> Callable[[Time], Int64]:
    """The method that counts since 1970 in so many parts of a second."""
    return lambda moment: Int64(wrap64(moment.since_1970 * parts // SECOND))


_METHODS: Final[Methods] = {
    "Add": ("func(time.Duration) time.Time", Time.plus),
    "AddDate": ("func(int, int, int) time.Time", Time.plus_date),
    "After": ("func(time.Time) bool", lambda t, u: t.compared(u) > 0),
    "AppendFormat": ("func([]uint8, string) []uint8", lambda t, b, layout: b + octets(t.shown(layout))),
    "Before": ("func(time.Time) bool", lambda t, u: t.compared(u) < 0),
    "Clock": ("func() (int, int, int)", _refused("function Clock has 3 return values; should be 1 or 2")),
    "Compare": ("func(time.Time) int", Time.compared),
    "Date": (
        "func() (int, time.Month, int)",
        _refused("function Date has 3 return values; should be 1 or 2"),
    ),
    "Day": ("func() int", lambda t: t.clock().day),
    "Equal": ("func(time.Time) bool", lambda t, u: t.compared(u) == 0),
    "Format": ("func(string) string", Time.shown),
    "Hour": ("func() int", lambda t: t.clock().hour),
    "ISOWeek": ("func() (int, int)", _second("ISOWeek", "int")),
    "In": ("func(*time.Location) time.Time", Time.shown_in),
    "IsDST": ("func() bool", lambda t: t.location.at(t.unix).summer),
    "IsZero": ("func() bool", _is_zero),
    "Local": ("func() time.Time", lambda t: t.shown_in(local())),
    "Location": ("func() *time.Location", lambda t: t.location),
    "MarshalJSON": ("func() ([]uint8, error)", lambda t: octets(f'"{t.marshalled("MarshalJSON")}"')),
    "MarshalText": ("func() ([]uint8, error)", lambda t: octets(t.marshalled("MarshalText"))),
    "Minute": ("func() int", lambda t: t.clock().minute),
    "Month": ("func() time.Month", lambda t: Month(t.clock().month)),
    "Nanosecond": ("func() int", lambda t: t.nanosecond),
    "Round": ("func(time.Duration) time.Time", Time.rounded),
    "Second": ("func() int", lambda t: t.clock().second),
    "String": ("func() string", Time.go_string),
    "Sub": ("func(time.Time) time.Duration", Time.minus),
    "Truncate": ("func(time.Duration) time.Time", Time.truncated),
    "UTC": ("func() time.Time", lambda t: t.shown_in(UTC)),
    "Unix": ("func() int64", lambda t: Int64(t.unix)),
    "UnixMicro": ("func() int64", _unix_in(1_000_000)),
    "UnixMilli": ("func() int64", _unix_in(1_000)),
    "UnixNano": ("func() int64", _unix_in(SECOND)),
    "Weekday": ("func() time.Weekday", lambda t: Weekday(t.clock().weekday)),
    "Year": ("func() int", lambda t: t.clock().year),
    "YearDay": ("func() int", lambda t: t.clock().day_of_year),
    "Zone": ("func() (string, int)", _second("Zone", "int")),
    "ZoneBounds": ("func() (time.Time, time.Time)", _second("ZoneBounds", "time.Time")),
}
