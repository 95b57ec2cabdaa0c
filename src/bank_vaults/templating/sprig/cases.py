"""sprig's functions that change capitals and small letters, character by character as Go does it.

Go maps every character to one character, Python's ``upper`` and ``lower`` some to several (``ß``), so texts
that are not plain ASCII are mapped here. Bytes that are no UTF-8 become U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.golang.values import EachCharacter, Value

BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go takes for white space; Python takes four control characters more."""
REPLACEMENT: Final = "\ufffd"
"""What Go's functions over characters make of a byte that is no UTF-8."""
WITHOUT_STRAYS: Final = dict.fromkeys(range(0xDC80, 0xDD00), REPLACEMENT)
"""The same as a table for ``str.translate``."""


def capital(character: str) -> str:
    """The one capital of a character, as ``unicode.ToUpper``."""
    if is_stray(character):
        return REPLACEMENT
    several = character.upper()
    return several if len(several) == 1 else titled(character)


def small(character: str) -> str:
    """The one small letter of a character, as ``unicode.ToLower``."""
    return REPLACEMENT if is_stray(character) else character.lower()[0]


def titled(character: str) -> str:
    """The one letter that begins a title, as ``unicode.ToTitle``."""
    if is_stray(character):
        return REPLACEMENT
    several = character.title()
    return several if len(several) == 1 else character


def is_stray(character: str) -> bool:
    """Whether that is a byte that is no UTF-8."""
    return "\udc80" <= character <= "\udcff"


_CAPITALS: Final = EachCharacter(capital)
_SMALL_LETTERS: Final = EachCharacter(small)
_BEGINS_WORD: Final = re.compile(rf"(?<![^\x00-/:-@\[-^`{{-\x7f{BLANKS}])[\s\S]")
_FOLLOWS_BLANK: Final = re.compile(rf"(?<![^{BLANKS}])[\s\S]")


def upper(string: str) -> str:
    """All letters as capitals."""
    return string.upper() if string.isascii() else string.translate(_CAPITALS)


def lower(string: str) -> str:
    """All letters small."""
    return string.lower() if string.isascii() else string.translate(_SMALL_LETTERS)


def title(string: str) -> str:
    """A capital after everything that is no part of a word; the rest as it was.

    Raises FunctionError for a text too long.
    """
    limits.items_of(len(string))
    return _BEGINS_WORD.sub(lambda found: titled(found[0]), string.translate(WITHOUT_STRAYS))


def untitle(string: str) -> str:
    """A small letter after every blank; the rest as it was. Raises FunctionError for a text too long."""
    limits.items_of(len(string))
    return _FOLLOWS_BLANK.sub(lambda found: small(found[0]), string.translate(WITHOUT_STRAYS))


def swapcase(string: str) -> str:
    """Capitals small, small letters as capitals, and those after a blank as in a title.

    Raises FunctionError for a text too long.
    """
    limits.items_of(len(string))
    result = []
    begins = True
    for character in string:
        category = unicodedata.category(character)
        if category in ("Lu", "Lt"):
            changed = small(character)
        elif category == "Ll":
            changed = titled(character) if begins else capital(character)
        else:
            changed = REPLACEMENT if is_stray(character) else character
        result.append(changed)
        begins = character in BLANKS
    return "".join(result)


_CONNECTOR, _CAPITAL, _SMALL, _NUMBER, _PUNCTUATION, _OTHER = range(6)


def _class(character: str) -> int:
    """What a character is to the words of a name."""
    if character in "_-" or character in BLANKS:
        return _CONNECTOR
    category = unicodedata.category(character)
    if category == "Lu":
        return _CAPITAL
    if category in ("Ll", "Lt", "Lm"):
        return _SMALL
    if category[0] == "N":
        return _NUMBER
    return _PUNCTUATION if category[0] == "P" else _OTHER


def _run(classes: list[int], start: int, wanted: tuple[int, ...]) -> int:
    end = start
    while end < len(classes) and classes[end] in wanted:
        end += 1
    return end


def _word(classes: list[int], start: int) -> int:
    """Where the word that begins at ``start`` ends: ``HTTP``, ``Server``, ``20x``, ``bld4``."""
    kind = classes[start]
    end = _run(classes, start, (kind,))
    small_follows = classes[end : end + 1] == [_SMALL]
    if kind == _NUMBER:
        return _run(classes, end, (_SMALL, _NUMBER)) if small_follows else end
    if kind == _CAPITAL and small_follows:
        if end - start > 1:
            return end - 1
        end = _run(classes, end, (_SMALL,))
    after = _run(classes, end, (_NUMBER,))
    return end if classes[after : after + 1] == [_SMALL] else after


def _connected(string: str, connector: str) -> str:
    limits.items_of(len(string))
    classes = list(map(_class, string))
    result = []
    start = 0
    inside = False
    while start < len(string):
        kind = classes[start]
        if kind == _CONNECTOR:
            end = _run(classes, start, (_CONNECTOR,))
            result.append(connector * (end - start))
        elif kind == _PUNCTUATION:
            end = start + 1
            while end < len(string) and unicodedata.category(string[end])[0] == "P":
                end += 1
            result.append(string[start:end])
        else:
            end = _word(classes, start)
            if inside:
                result.append(connector)
            pairs = zip(string[start:end], classes[start:end], strict=True)
            result.append("".join(small(each) if of == _CAPITAL else each for each, of in pairs))
        inside = kind not in (_CONNECTOR, _PUNCTUATION)
        start = end
    return "".join(result)


def snakecase(string: str) -> str:
    """``FirstName`` to ``first_name``. Raises FunctionError for a text too long."""
    return _connected(string, "_")


def kebabcase(string: str) -> str:
    """``FirstName`` to ``first-name``. Raises FunctionError for a text too long."""
    return _connected(string, "-")


def camelcase(string: str) -> str:
    """``first_name`` to ``FirstName``; connectors at both ends stay, of several between words all but one.

    Raises FunctionError for a text too long.
    """
    limits.items_of(len(string))
    string = string.translate(WITHOUT_STRAYS)
    classes = list(map(_class, string))
    start = _run(classes, 0, (_CONNECTOR,))
    if start == len(string):
        return string + string[-1:]
    result = [string[:start]]
    while start < len(string):
        end = start
        while end < len(string) and classes[end] != _CONNECTOR:
            end += 1
        shouted = max(start + 1, _run(classes, start, (_CAPITAL,)))
        result += (capital(string[start]), lower(string[start + 1 : shouted]), string[shouted:end])
        start = _run(classes, end, (_CONNECTOR,))
        result.append(string[end : start if start == len(string) else start - 1])
    return "".join(result)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "upper": upper,
    "lower": lower,
    "title": title,
    "untitle": untitle,
    "swapcase": swapcase,
    "snakecase": snakecase,
    "camelcase": camelcase,
    "kebabcase": kebabcase,
}
