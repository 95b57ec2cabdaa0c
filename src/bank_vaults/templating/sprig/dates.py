"""sprig's functions for dates and durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang import strconv
from bank_vaults.templating.golang.durations import (
    HOUR,
    LONGEST,
    MINUTE,
    SECOND,
    Duration,
    duration_of_seconds,
    parse_duration,
)
from bank_vaults.templating.golang.times import ZERO, Time, now, of_unix, parsed
from bank_vaults.templating.golang.values import Int32, Int64, Value
from bank_vaults.templating.golang.zones import UTC, location

_DATE: Final = "2006-01-02"
_DAY: Final = 24 * HOUR
_PARTS: Final = (
    (365 * _DAY, "y"),
    (30 * _DAY, "mo"),
    (_DAY, "d"),
    (HOUR, "h"),
    (MINUTE, "m"),
    (SECOND, "s"),
)


def _moment(value: Value) -> Time:
    """The time of a value, which is now for what is none and no number of seconds."""
    if isinstance(value, Time):
        return value
    if type(value) in (int, Int64, Int32):
        return of_unix(value)
    return now()


def date(layout: str, value: Value) -> str:
    """The time by a layout, in the zone of the process."""
    return date_in_zone(layout, value, "Local")


def date_in_zone(layout: str, value: Value, zone: str) -> str:
    """The time by a layout, in that zone; in UTC where there is no such zone."""
    return _moment(value).shown_in(location(zone) or UTC).shown(layout)


def html_date(value: Value) -> str:
    """Year, month and day, in the zone of the process."""
    return date(_DATE, value)


def html_date_in_zone(value: Value, zone: str) -> str:
    """Year, month and day, in that zone."""
    return date_in_zone(_DATE, value, zone)


def must_date_modify(duration: str, moment: Time) -> Time:
    """The moment so much later. Raises FunctionError for what is no duration."""
    return moment.plus(parse_duration(duration))


def date_modify(duration: str, moment: Time) -> Time:
    """The moment so much later; the same where that is no duration."""
    try:
        return must_date_modify(duration, moment)
    except FunctionError:
        return moment


def ago(value: Value) -> str:
    """What has passed since then, in whole seconds."""
    # A number of type int32 counts as none here, unlike in dates.
    moment = now() if type(value) is Int32 else _moment(value)
    return now().minus(moment).rounded(SECOND).go_string()


def duration(value: Value) -> str:
    """So many seconds as a duration; 0s for what is neither a text with a number nor an int64."""
    seconds = 0
    if isinstance(value, str):
        try:
            seconds = strconv.parse_int(value)
        except strconv.NumError as error:
            if error.reason == strconv.RANGE:
                seconds = strconv.MIN_INT64 if value.startswith("-") else LONGEST
    elif type(value) is Int64:
        seconds = value
    return duration_of_seconds(seconds).go_string()


def duration_round(value: Value) -> str:
    """The greatest unit of a duration (a text, nanoseconds as int64, or since a time): ``2h``, ``3mo``."""
    size = 0
    if isinstance(value, str):
        try:
            size = parse_duration(value)
        except FunctionError:
            size = Duration(0)
    elif type(value) is Int64:
        size = value
    elif isinstance(value, Time):
        size = now().minus(value)
    size = abs(int(size))
    for unit, name in _PARTS:
        if size > unit:
            return f"{size // unit}{name}"
    return "0s"


def must_to_date(layout: str, text: str) -> Time:
    """Read by a layout. Raises FunctionError."""
    return parsed(layout, text)


def to_date(layout: str, text: str) -> Time:
    """Read by a layout; the beginning of the year 1 where that does not go."""
    try:
        return parsed(layout, text)
    except FunctionError:
        return ZERO


def unix_epoch(moment: Time) -> str:
    """Seconds since 1970, as a text."""
    return str(moment.unix)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "now": now,
    "date": date,
    "dateInZone": date_in_zone,
    "date_in_zone": date_in_zone,
    "dateModify": date_modify,
    "date_modify": date_modify,
    "mustDateModify": must_date_modify,
    "must_date_modify": must_date_modify,
    "ago": ago,
    "duration": duration,
    "durationRound": duration_round,
    "htmlDate": html_date,
    "htmlDateInZone": html_date_in_zone,
    "toDate": to_date,
    "mustToDate": must_to_date,
    "unixEpoch": unix_epoch,
}
