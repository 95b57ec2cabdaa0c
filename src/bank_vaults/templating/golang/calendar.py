"""The Gregorian calendar over all years, before 1 and after 9999 as well."""

from __future__ import annotations

from typing import Final

DAYS_400: Final = 146_097
"""Days of 400 years, after which the calendar comes again."""
YEARS_400: Final = DAYS_400 * 86400
"""Seconds of 400 years."""
_BEFORE: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_TO_1970: Final = 719_162
"""Days from the first of January of the year 1 to that of 1970."""


def is_leap(year: int) -> bool:
    """Whether the year has a 29th of February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def length_of_month(year: int, month: int) -> int:
    """Days of the month, which is 1 to 12."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def day_of_year(year: int, month: int, day: int) -> int:
    """1 for the first of January."""
    return _BEFORE[month - 1] + (month > 2 and is_leap(year)) + day


def days_since_1970(year: int, month: int, day: int) -> int:
    """Days from the first of January of 1970; months and days may be beyond their ranges and are carried."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    before = year - 1
    return (
        before * 365
        + before // 4
        - before // 100
        + before // 400
        - _TO_1970
        + day_of_year(year, month, day)
        - 1
    )


def seconds_of(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """Seconds since 1970, in UTC; what is beyond its range is carried."""
    return days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970."""
    cycle, rest = divmod(days + _TO_1970, DAYS_400)
    century = min(rest // 36_524, 3)
    rest -= century * 36_524
    quad = rest // 1_461
    rest -= quad * 1_461
    single = min(rest // 365, 3)
    rest -= single * 365
    year = cycle * 400 + century * 100 + quad * 4 + single + 1
    month = next(m for m in range(12, 0, -1) if rest >= day_of_year(year, m, 1) - 1)
    return year, month, rest - (day_of_year(year, month, 1) - 1) + 1


def broken_down(unix: int) -> tuple[int, int, int, int, int, int]:
    """Year, month, day, hour, minute, second of a second since 1970."""
    days, second = divmod(unix, 86400)
    minute, second = divmod(second, 60)
    return (*civil(days), minute // 60, minute % 60, second)
