"""Whether a value that the server shows is the one that was wanted, allowing for what servers change.

Servers show durations as seconds, texts with commas as lists, numbers for texts, and defaults for what is
empty: that is always the same. They also sort lists, drop doubles and write names in small letters: that is
the same unless the comparison is ``strict``, as for something that a document is known to have changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bank_vaults.configure.model import Difference, Fields
from bank_vaults.domain.durations import parse_duration

if TYPE_CHECKING:
    from decimal import Decimal

_DAYS: Final = re.compile(r"(?:(\d{1,9})d)?(.*)", re.DOTALL)
_DAY: Final = 86400
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_TRUE: Final = frozenset({"true", "1", "t", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "f", "no", "off"})


def differences(wanted: Fields, shown: Fields, *, strict: bool = False) -> tuple[Difference, ...]:
    """The fields that are wanted and shown with another value, in the order in which they are wanted."""
    return tuple(
        Difference(name, shown[name], value)
        for name, value in wanted.items()
        if name in shown and not same(value, shown[name], strict=strict)
    )


def hidden(wanted: Fields, shown: Fields) -> tuple[str, ...]:
    """The fields that are wanted and not shown at all, but for those that ask for nothing."""
    return tuple(name for name, value in wanted.items() if name not in shown and not _is_nothing(value))


def lifted(shown: Fields) -> dict[str, Any]:
    """With the members of inner maps beside the fields: some servers group what was sent flat, as
    ``connection_details`` of a database.
    """
    inner = {
        name: value for each in shown.values() if isinstance(each, Mapping) for name, value in each.items()
    }
    return {**inner, **shown}


def same(wanted: Any, shown: Any, *, strict: bool = False) -> bool:
    """Whether the two mean the same."""
    if wanted == shown and type(wanted) is type(shown):
        return True
    if isinstance(wanted, str) and isinstance(shown, Mapping):
        wanted = _parsed(wanted)
    if _is_nothing(wanted) or _is_nothing(shown):
        return _is_nothing(wanted) and _is_nothing(shown)
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        names = wanted.keys() | shown.keys()
        return all(same(wanted.get(name), shown.get(name), strict=strict) for name in names)
    if isinstance(wanted, (list, tuple)) or isinstance(shown, (list, tuple)):
        return _same_items(wanted, shown, strict=strict)
    if isinstance(wanted, Mapping) or isinstance(shown, Mapping):
        return False
    return _same_scalars(wanted, shown, strict=strict)


def _parsed(text: str) -> Any:
    """Of a JSON object in a text, which servers take for one."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text
    except ValueError:
        return text


def _is_nothing(value: Any) -> bool:
    """None, and what is empty: servers show one for the other."""
    return value is None or value == "" or value in ([], (), {})


def _same_items(wanted: Any, shown: Any, *, strict: bool) -> bool:
    ours, theirs = _items(wanted), _items(shown)
    if ours is None or theirs is None:
        return False
    if len(ours) == len(theirs) and all(
        same(one, other, strict=strict) for one, other in zip(ours, theirs, strict=True)
    ):
        return True
    if strict or any(isinstance(item, (Mapping, list)) for item in (*ours, *theirs)):
        return False
    shown_ones = {_plain(item) for item in theirs}
    wanted_ones = {_plain(item) for item in ours}
    return shown_ones in (wanted_ones, {item.lower() for item in wanted_ones})


def _items(value: Any) -> list[Any] | None:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")]
    return None if isinstance(value, Mapping) else [value]


def _same_scalars(wanted: Any, shown: Any, *, strict: bool) -> bool:
    ours, theirs = _plain(wanted), _plain(shown)
    if theirs == ours or (not strict and theirs == ours.lower()):
        return True
    if isinstance(wanted, bool) or isinstance(shown, bool):
        truth = _truth(wanted)
        return truth is not None and truth == _truth(shown)
    if _is_digits(wanted) and _is_digits(shown):
        return False  # names and numbers of accounts: 007 is not 7
    seconds = _seconds(wanted)
    return seconds is not None and seconds == _seconds(shown)


def _is_digits(value: Any) -> bool:
    return isinstance(value, str) and bool(_NUMBER.fullmatch(value.strip()))


def _plain(value: Any) -> str:
    """As a text, without blanks around it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _truth(value: Any) -> bool | None:
    if isinstance(value, (bool, int)):
        return bool(value)
    word = str(value).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _seconds(value: Any) -> int | float | Decimal | None:
    """Of a number, of digits, or of a duration such as ``1h30m``, with days as servers know them; exact, so
    that large numbers that differ stay different.
    """
    if isinstance(value, (int, float)):
        return value
    text = str(value).strip()
    if _NUMBER.fullmatch(text):
        from decimal import Decimal  # for few values: kept out of the start

        return Decimal(text)
    match = _DAYS.fullmatch(text)
    if not text or match is None:
        return None
    try:
        return int(match[1] or 0) * _DAY + (parse_duration(match[2]) if match[2] else 0)
    except ValueError:
        return None
