"""From what stands in a document to what was meant: conversions of single values, forgiving and exact.

Forgiving as the original's are: numbers and booleans where texts are wanted and the other way round, one
value where a list is wanted, a list of maps where a map is wanted. Each function tells the reporter what it
cannot take, and gives None then. A value that is null is not given: the callers see to that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from bank_vaults.configure.problems import Path, Reporter
from bank_vaults.templating.yaml12 import Located

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"", "0", "f", "F", "FALSE", "false", "False"})
_DECIMAL: Final = re.compile("-?[0-9]+")
_INTEGER: Final = re.compile(
    "(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>[0-9]+))"
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
DURATION: Final = "system|[-+]?([0-9]+|([0-9]+d|([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)"
"""What servers take: Go's notation, with days; digits alone are seconds, ``system`` is their default."""
_LEADING_ZERO: Final = re.compile("[-+]?0[0-9_]+(?:[.eE].*)?")
_UNUSABLE: Final = re.compile("[\x00-\x1f\x7f]")
_QUOTES: Final = "put it in quotes"
_LONGEST_NUMBER: Final = 64


def describe(value: Any) -> str:
    """What a value is, for people; not the value itself, which may be a secret."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "a map" if isinstance(value, dict) else "nothing"


def unexpected(found: Located, wanted: str, path: Path, reporter: Reporter, suggestion: str = "") -> None:
    """Tell that a value is not what is wanted there."""
    sentence = f"{wanted} is expected, not {describe(found.value)}"
    reporter.problem(found.line, found.column, path, sentence, suggestion)


def text(found: Located, path: Path, reporter: Reporter) -> str | None:
    """A text; a number in its shortest decimal form, where it does not stand there with all its digits."""
    value = found.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return _decimal(found)
    unexpected(found, "a text", path, reporter)
    return None


def written(found: Located, path: Path, reporter: Reporter) -> str | None:
    """A text, or the text of a number or a boolean as it is written."""
    if isinstance(found.value, (str, bool, int, float)):
        return found.value if isinstance(found.value, str) else found.written
    unexpected(found, "a text", path, reporter)
    return None


def name(found: Located, path: Path, reporter: Reporter) -> str | None:
    """What can stand in a path of the server, or an empty text."""
    taken = written(found, path, reporter)
    if taken is None:
        return None
    if fault := name_fault(taken):
        reporter.problem(found.line, found.column, path, fault)
        return None
    if not isinstance(found.value, str) and _LEADING_ZERO.fullmatch(taken):
        sentence = f"{taken} is taken as the text that it is, with its leading zero"
        reporter.warning(found.line, found.column, path, sentence, _QUOTES)
    return taken


def name_fault(taken: str) -> str:
    """Why a text cannot be a name in a path of the server; empty where it can, or is empty."""
    if taken != taken.strip():
        return "a name with white space at its ends is no usable one"
    if _UNUSABLE.search(taken):
        return "a name with control characters is no usable one"
    if taken and any(part in ("", ".", "..") for part in taken.split("/")):
        return "a name with '.', '..' or nothing between its slashes is no usable one"
    return ""


def mount_path(found: Located, path: Path, reporter: Reporter) -> str | None:
    """A name without the slashes at its ends."""
    taken = written(found, path, reporter)
    if not taken:
        return taken
    trimmed = taken.strip("/")
    if not trimmed:
        reporter.problem(found.line, found.column, path, "a path of nothing but slashes is no usable one")
        return None
    # A number with slashes is a text: what is left of one is the number itself.
    return name(
        found._replace(value=trimmed if isinstance(found.value, str) else found.value), path, reporter
    )


def boolean(found: Located, path: Path, reporter: Reporter) -> bool | None:
    """A boolean, a number, or one of the usual texts."""
    value = found.value
    if isinstance(value, (bool, int, float)):
        return bool(value)
    if isinstance(value, str):
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        reporter.problem(found.line, found.column, path, "the text is no boolean", "write true or false")
        return None
    unexpected(found, "a boolean", path, reporter)
    return None


def integer(found: Located, path: Path, reporter: Reporter) -> int | None:
    """A whole number, or the text of one, also with 0x, 0o and 0b."""
    value = found.value
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        if not value:
            return 0
        match = _INTEGER.fullmatch(value) if len(value) <= _LONGEST_NUMBER else None
        if match:
            base = str(match.lastgroup)
            return int(match["sign"] + match[base], _BASES[base])
    unexpected(found, "a whole number", path, reporter)
    return None


def duration(found: Located, path: Path, reporter: Reporter) -> str | None:
    """A text such as 1h; digits are seconds, and an empty text is 0, which is the server's own default."""
    suggestion = "write for example 1h or 3600"
    if isinstance(found.value, bool):
        unexpected(found, "a duration", path, reporter, suggestion)
        return None
    taken = text(found, path, reporter)
    if taken and not re.fullmatch(DURATION, taken):
        reporter.problem(found.line, found.column, path, "the text is no duration", suggestion)
        return None
    return taken or ("0" if taken is not None else None)


def items(found: Located) -> list[Located]:
    """The items of a list but for null; a single value is a list of one, an empty map of none."""
    value = found.value
    if isinstance(value, list):
        return [item for item in value if item.value is not None]
    return [] if value == {} else [found]


def texts(found: Located, path: Path, reporter: Reporter) -> list[str] | None:
    """A list of texts as written."""
    taken = [written(item, (*path, number), reporter) for number, item in enumerate(items(found))]
    return None if None in taken else [item for item in taken if item is not None]


def words(found: Located, path: Path, reporter: Reporter) -> list[str] | None:
    """A list of texts, or one text with commas between them."""
    if isinstance(found.value, str):
        return [word for word in map(str.strip, found.value.split(",")) if word]
    return texts(found, path, reporter)


def members(found: Located, path: Path, reporter: Reporter) -> dict[str, Located] | None:
    """The members of a map; of a list of maps those of all of them, later ones first."""
    value = found.value
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item.value, dict) for item in value):
        return {name: member for item in value for name, member in item.value.items()}
    unexpected(found, "a map", path, reporter)
    return None


def text_map(found: Located, path: Path, reporter: Reporter) -> dict[str, str] | None:
    """A map of texts as written, without what is null."""
    taken = members(found, path, reporter)
    if taken is None:
        return None
    converted = {
        name: written(member, (*path, name), reporter)
        for name, member in taken.items()
        if member.value is not None
    }
    return {name: value for name, value in converted.items() if value is not None}


def free_map(found: Located, path: Path, reporter: Reporter) -> dict[str, Any] | None:
    """A map of anything, as it is sent: order and types of the document, null included."""
    taken = members(found, path, reporter)
    if taken is None:
        return None
    return {name: free(member, (*path, name), reporter) for name, member in taken.items()}


def free(found: Located, path: Path, reporter: Reporter) -> Any:
    """Anything, as JSON has it: floats without a fraction are whole numbers."""
    value = found.value
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, dict):
        return {name: free(member, (*path, name), reporter) for name, member in value.items()}
    if isinstance(value, list):
        return [free(item, (*path, number), reporter) for number, item in enumerate(value)]
    if _LEADING_ZERO.fullmatch(found.written) and value != 0:
        sentence = "a number with a leading zero loses it, and may be read as an octal one"
        reporter.warning(found.line, found.column, path, sentence, _QUOTES)
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        reporter.problem(found.line, found.column, path, "JSON has no such number", _QUOTES)
        return None
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def numbered(found: Located) -> Iterator[tuple[int, Located]]:
    """The items of a list with their numbers in it; a single value as number 0, an empty map as nothing."""
    value = found.value
    if isinstance(value, list):
        yield from enumerate(value)
    elif value != {}:
        yield 0, found


def _decimal(found: Located) -> str:
    """A number in its shortest decimal form, without an exponent."""
    value = found.value
    if _DECIMAL.fullmatch(found.written) or isinstance(value, int):
        return found.written if _DECIMAL.fullmatch(found.written) else str(int(value))
    if not math.isfinite(value):
        return found.written
    if value.is_integer():
        return str(int(value))
    from decimal import Decimal  # for fractions only

    return format(Decimal(repr(value)), "f")
