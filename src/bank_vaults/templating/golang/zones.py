"""Go's ``time.Location``: UTC, a fixed offset, a zone of the system's database, the zone of the process."""

from __future__ import annotations

import os
from datetime import UTC as DATETIME_UTC
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bank_vaults.templating.golang.calendar import YEARS_400, seconds_of
from bank_vaults.templating.golang.values import Methods, Object, bound

_FIRST: Final = seconds_of(2, 1, 1)
_LAST: Final = seconds_of(9998, 1, 1)


class Offset(NamedTuple):
    """What holds in a zone at one moment."""

    seconds: int
    """East of UTC."""
    abbreviation: str
    """``CET``; empty where there is none."""
    summer: bool


class Location(Object):
    """A zone that is always the same many seconds east of UTC."""

    go_type = "*time.Location"
    kind = "ptr"
    hidden = frozenset({"name", "zone", "tx", "extend", "cacheStart", "cacheEnd", "cacheZone"})

    def __init__(self, name: str, seconds: int) -> None:
        self.name = name
        self._always = Offset(seconds, name, summer=False)

    def at(self, unix: int) -> Offset:
        """What holds at that second since 1970 in UTC."""
        del unix
        return self._always

    def utc_of(self, unix: int) -> int:
        """The second since 1970 at which clocks in the zone show what those in UTC show at the given one.

        Of two such moments, and where clocks jump over it, the one that Go takes.
        """
        guess = unix - self.at(unix).seconds
        return unix - self.at(guess).seconds

    def knows(self, abbreviation: str, unix: int) -> int | None:
        """Seconds east of UTC under that abbreviation; None where the zone has no such one."""
        for moment in (unix, unix - 182 * 86400, unix + 182 * 86400):
            offset = self.at(moment)
            if offset.abbreviation == abbreviation:
                return offset.seconds
        return None

    def methods(self) -> Methods:
        return bound(self, _METHODS)

    def go_string(self) -> str:
        return self.name


class _OfDatabase(Location):
    """A zone of the system's database."""

    def __init__(self, name: str, zone: ZoneInfo) -> None:
        super().__init__(name, 0)
        self._zone = zone

    def at(self, unix: int) -> Offset:
        # Python's years end with 9999, the rules come again every 400 years; before all rules is before all.
        if unix < _FIRST:
            unix = _FIRST
        elif unix >= _LAST:
            unix = _LAST - YEARS_400 + (unix - _LAST) % YEARS_400
        moment = datetime.fromtimestamp(unix, DATETIME_UTC).astimezone(self._zone)
        seconds = int((moment.utcoffset() or timedelta()).total_seconds())
        return Offset(seconds, moment.tzname() or "", bool(moment.dst()))


_METHODS: Final[Methods] = {"String": ("func() string", Location.go_string)}

UTC: Final = Location("UTC", 0)


def location(name: str) -> Location | None:
    """The zone of that name as Go finds it, None where there is none."""
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        return local()
    if ".." in name or "\\" in name or name.startswith("/"):
        return None
    return _of_database(name)


@lru_cache(maxsize=64)
def _of_database(name: str) -> Location | None:
    try:
        return _OfDatabase(name, ZoneInfo(name))
    except (ValueError, OSError, LookupError):
        return None


def local() -> Location:
    """The zone of the process: that of ``TZ``, and without it the system's; UTC where that cannot be read."""
    return _local(os.environ.get("TZ"))


@lru_cache(maxsize=4)
def _local(written: str | None) -> Location:
    name = "/etc/localtime" if written is None else written.removeprefix(":")
    if name in ("", "UTC"):
        return UTC
    try:
        if not name.startswith("/"):
            return _OfDatabase("Local", ZoneInfo(name))
        with open(name, "rb") as file:
            return _OfDatabase("Local", ZoneInfo.from_file(file))
    except (ValueError, OSError, LookupError):
        return UTC
