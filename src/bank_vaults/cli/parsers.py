"""Text to value, the same for flags and for the environment.

Each parser raises ValueError with a sentence that shows the text and the accepted forms. The forms are
those of Go's strconv, encoding/csv and of the pflag library, so that old command lines go on working.
"""

from __future__ import annotations

import re

from bank_vaults.domain.booleans import boolean
from bank_vaults.domain.durations import parse_duration

# Texts, compiled when first used: most runs use few of them, and each costs a part of the start.
_INTEGER = (
    r"(?P<sign>[+-]?)(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<bin>(?:_?[01])+)"
    r"|0[oO]?(?P<oct>(?:_?[0-7])+)|(?P<dec>0|[1-9](?:_?[0-9])*))"
)
_LONGEST_QUOTED = 80
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FILE_MODE = r"(?:0o)?([0-7]{1,5})"
_QUOTED = r'"(?P<quoted>(?:[^"]|"")*)"'
_FIELD = _QUOTED + r'|(?P<bare>[^",\r\n]*)'
_FIELD_NO_SPACE = _QUOTED + r'|(?P<bare>[^",\s]*)'
_COMMA = r","
_COMMA_OR_SPACE = r"\s*,\s*|\s+"


def parse_boolean(text: str) -> bool:
    """The words of Go's strconv.ParseBool."""
    meaning = boolean(text)
    if meaning is not None:
        return meaning
    raise ValueError(f"{_quoted(text)} is not a boolean: accepted are true, false, t, f, 1, 0")


def parse_integer(text: str) -> int:
    """An integer as Go's strconv.ParseInt reads it with base 0 and 64 bits."""
    match = re.fullmatch(_INTEGER, text)
    if match is None:
        raise ValueError(
            f"{_quoted(text)} is not an integer: accepted are decimal, 0x…, 0o…, 0… and 0b… numbers"
        )
    base = str(match.lastgroup)
    # Longer texts cannot be in range, and Python refuses to convert very long decimal ones.
    digits = match[base].replace("_", "").lstrip("0")
    value = int(match["sign"] + (digits or "0"), _BASES[base]) if len(digits) <= 64 else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{_quoted(text)} is too big: accepted are integers of 64 bits")
    return value


def parse_pause(text: str) -> float:
    """A duration longer than zero, in seconds."""
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(
            f"{_quoted(text)} is not longer than zero: accepted are durations like 5s, 1m30s or 500ms"
        )
    return seconds


def parse_file_mode(text: str) -> int:
    """A file mode, always octal: 640, 0640 and 0o640 are the same."""
    match = re.fullmatch(_FILE_MODE, text)
    if match is None or int(match[1], 8) > 0o7777:
        raise ValueError(f"{_quoted(text)} is not a file mode: accepted are octal numbers like 0640")
    return int(match[1], 8)


def parse_list(text: str, *, split_at_space: bool = False) -> tuple[str, ...]:
    """One line of CSV (RFC 4180); the empty text is the empty list.

    With ``split_at_space`` white space outside quotes separates elements too (the environment form).
    """
    patterns = (_FIELD_NO_SPACE, _COMMA_OR_SPACE) if split_at_space else (_FIELD, _COMMA)
    field, separator = map(re.compile, patterns)
    text = text.strip() if split_at_space else text.removesuffix("\n")
    if not text:
        return ()
    items: list[str] = []
    position = 0
    while match := field.match(text, position):  # pragma: no branch  a field may be empty: it always matches
        items.append(match["bare"] if match["quoted"] is None else match["quoted"].replace('""', '"'))
        if match.end() == len(text):
            return tuple(items)
        gap = separator.match(text, match.end())
        if gap is None:
            break
        position = gap.end()
    raise ValueError(
        f'{_quoted(text)} is not a list: accepted are values like a,b and "a ""quoted"" value",b'
    )


def parse_map(text: str) -> dict[str, str]:
    """``key=value`` pairs in CSV, or a JSON object of strings.

    As with the pflag library, a text with a single ``=`` and without quotes is one pair, whose value may
    hold commas.
    """
    if text.lstrip().startswith("{"):
        return _parse_object(text)
    try:
        items = (text,) if text.count("=") == 1 and '"' not in text else parse_list(text)
    except ValueError:
        items = ()
    pairs = [item.partition("=") for item in items]
    if not pairs or not all(key and equals for key, equals, _ in pairs):
        accepted = "key=value,key2=value2 and JSON objects of strings"
        raise ValueError(f"{_quoted(text)} is not a map: accepted are {accepted}")
    return {key: value for key, _, value in pairs}


def _parse_object(text: str) -> dict[str, str]:
    import json  # seldom used: kept out of the start

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError(f"{_quoted(text)} is not a JSON object of strings")
    return value


def _quoted(text: str) -> str:
    """The text for an error of one line, not too long."""
    return repr(text if len(text) <= _LONGEST_QUOTED else text[:_LONGEST_QUOTED] + "…")
