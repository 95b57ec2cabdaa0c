"""sprig's functions for texts. Lengths and cuts count bytes, as everywhere in Go."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang import strconv
from bank_vaults.templating.golang.printing import sprint
from bank_vaults.templating.golang.values import Map, Slice, Value, octets, text
from bank_vaults.templating.sprig.cases import BLANKS, REPLACEMENT, is_stray
from bank_vaults.templating.sprig.convert import joined, strslice, strval, whole

_BLANK_BYTES: Final = b"\t\n\v\f\r \x85\xa0"
"""Blanks among the bytes, for the functions that take every byte for a character."""
_LONGEST_CUT: Final = 1024
"""Characters that are trimmed; each is compared with each of the text."""
_INITIAL: Final = re.compile(rb"(?<![^%b])[^%b]" % (_BLANK_BYTES, _BLANK_BYTES))


def trim(string: str) -> str:
    """Without blanks at both ends."""
    return string.strip(BLANKS)


def trim_all(cut: str, string: str) -> str:
    """Without the characters of ``cut`` at both ends. Raises FunctionError for too many of them."""
    limits.input_of("what is to be trimmed", len(cut), _LONGEST_CUT)
    strays = "".join(map(chr, range(0xDC80, 0xDD00))) + REPLACEMENT
    return string.strip(cut + strays if any(is_stray(each) or each == REPLACEMENT for each in cut) else cut)


def trim_suffix(suffix: str, string: str) -> str:
    """Without that ending, once."""
    return text(octets(string).removesuffix(octets(suffix)))


def trim_prefix(prefix: str, string: str) -> str:
    """Without that beginning, once."""
    return text(octets(string).removeprefix(octets(prefix)))


def repeat(count: int, string: str) -> str:
    """The text so many times. Raises FunctionError for a negative count."""
    if count < 0:
        raise FunctionError("strings: negative Repeat count")
    if len(octets(string)) * count > strconv.MAX_INT64:
        raise FunctionError("strings: Repeat output length overflow")
    limits.text_of(len(string) * count)
    return whole(string * count)


def substr(start: int, end: int, string: str) -> str:
    """The bytes from ``start`` to before ``end``; negative means from the beginning, or to the end.

    Raises FunctionError for bounds that are not in the text.
    """
    content = octets(string)
    if start < 0:
        return text(_sliced(content, 0, end))
    if end < 0 or end > len(content):
        return text(_sliced(content, start, len(content)))
    return text(_sliced(content, start, end))


def _sliced(content: bytes, start: int, end: int) -> bytes:
    if end < 0:
        raise FunctionError(f"runtime error: slice bounds out of range [:{end}]")
    if end > len(content):
        raise FunctionError(f"runtime error: slice bounds out of range [:{end}] with length {len(content)}")
    if start > end:
        raise FunctionError(f"runtime error: slice bounds out of range [{start}:{end}]")
    return content[start:end]


def trunc(length: int, string: str) -> str:
    """The first bytes; with a negative length the last."""
    content = octets(string)
    if length < 0:
        return text(content[length:])
    return text(content[:length])


def nospace(string: str) -> str:
    """Without blanks; with one, every byte is taken for a character, and all beyond ASCII comes out wrong."""
    content = octets(string)
    kept = content.translate(None, _BLANK_BYTES)
    return string if len(kept) == len(content) else kept.decode("latin-1")


def initials(string: str) -> str:
    """The first byte of each word, taken for a character."""
    return b"".join(found[0] for found in _INITIAL.finditer(octets(string))).decode("latin-1")


def abbrev(width: int, string: str) -> str:
    """At most so many bytes, three of which are dots that stand for the rest."""
    return string if width < 4 else text(_abbreviated(octets(string), 0, width))


def abbrev_both(offset: int, width: int, string: str) -> str:
    """At most so many bytes from that place on, with dots at both ends."""
    if width < 4 or (offset > 0 and width < 7):
        return string
    return text(_abbreviated(octets(string), offset, width))


def _abbreviated(content: bytes, offset: int, width: int) -> bytes:
    if len(content) <= width:
        return content
    shown = width - 3
    offset = min(offset, len(content) - shown)
    if offset <= 4:
        return content[:shown] + b"..."
    if offset + shown < len(content):
        return b"..." + _abbreviated(content[offset:], 0, shown)
    return b"..." + content[len(content) - shown :]


def wrap(width: int, string: str) -> str:
    """Lines of so many bytes; words that are longer stay in one piece. Raises FunctionError for too many."""
    return _wrapped(string, width, "\n", cut_words=False)


def wrap_with(width: int, separator: str, string: str) -> str:
    """Lines of so many bytes, put together with the separator; words that are longer are cut."""
    return _wrapped(string, width, separator or "\n", cut_words=True)


def _wrapped(string: str, width: int, separator: str, *, cut_words: bool) -> str:
    content = octets(string)
    width = max(width, 1)
    lines: list[bytes] = []
    start = 0
    while len(content) - start > width:
        limits.items_of(len(lines))
        if content[start] == ord(" "):
            start += 1
            continue
        blank = content.rfind(b" ", start, start + width + 1)
        if blank < 0 and cut_words:
            lines.append(content[start : start + width])
            start += width
            continue
        if blank < 0:
            blank = content.find(b" ", start + width)
        if blank < 0:
            break
        lines.append(content[start:blank])
        start = blank + 1
    lines.append(content[start:])
    limits.text_of(len(content) + len(separator) * len(lines))
    return text(octets(separator).join(lines))


def contains(part: str, string: str) -> bool:
    """Whether the text has that part."""
    return octets(part) in octets(string)


def has_prefix(prefix: str, string: str) -> bool:
    """Whether the text begins so."""
    return octets(string).startswith(octets(prefix))


def has_suffix(suffix: str, string: str) -> bool:
    """Whether the text ends so."""
    return octets(string).endswith(octets(suffix))


def quote(*values: Value) -> str:
    """Each in double quotes, escaped as in Go, without nil."""
    return joined(" ", (strconv.quote(strval(each)) for each in values if each is not None))


def squote(*values: Value) -> str:
    """Each in single quotes, nothing escaped, without nil."""
    return joined(" ", (f"'{sprint(each)}'" for each in values if each is not None))


def cat(*values: Value) -> str:
    """All with blanks between, without nil."""
    return joined(" ", (sprint(each) for each in values if each is not None))


def indent(spaces: int, string: str) -> str:
    """So many blanks before every line. Raises FunctionError for a negative number."""
    pad = repeat(spaces, " ")
    limits.text_of(len(string) + len(pad) * (string.count("\n") + 1))
    return pad + string.replace("\n", "\n" + pad)


def nindent(spaces: int, string: str) -> str:
    """As ``indent``, on a line of its own."""
    return "\n" + indent(spaces, string)


def replace(old: str, new: str, string: str) -> str:
    """Every ``old`` by ``new``; an empty one is found before each character and at the end."""
    if not old:
        limits.text_of(len(string) + len(new) * (len(string) + 1))
        return whole(string.replace("", new))
    content, wanted = octets(string), octets(old)
    limits.text_of(len(content) + len(new) * content.count(wanted))
    return text(content.replace(wanted, octets(new)))


def plural(one: str, many: str, count: int) -> str:
    """The one word for one, the other for all other counts."""
    return one if count == 1 else many


def to_string(value: Value) -> str:
    """The text of a value."""
    return strval(value)


def to_strings(values: Value) -> Slice:
    """The texts of the elements, without nil."""
    return strslice(values)


def hello() -> str:
    """The greeting that sprig begins with."""
    return "Hello!"


def join(separator: str, values: Value) -> str:
    """The texts of the elements in one."""
    return joined(separator, strslice(values))


def split_list(separator: str, string: str) -> Slice:
    """The parts between the separators; with an empty separator the characters."""
    return Slice(_parts(separator, string, -1), "string")


def split(separator: str, string: str) -> Map:
    """The parts between the separators as ``_0``, ``_1`` and so on."""
    return _numbered(_parts(separator, string, -1))


def splitn(separator: str, count: int, string: str) -> Map:
    """At most so many parts, the last with the rest; none for zero, all for a negative count."""
    return _numbered(_parts(separator, string, count))


def _parts(separator: str, string: str, count: int) -> list[str]:
    if count == 0:
        return []
    if separator:
        content, between = octets(string), octets(separator)
        limits.items_of(content.count(between))
        return [text(each) for each in content.split(between, count - 1 if count > 0 else -1)]
    limits.items_of(len(string))
    if 0 < count < len(string):
        return [*string[: count - 1], string[count - 1 :]]
    return list(string)


def _numbered(parts: list[str]) -> Map:
    return Map({f"_{number}": part for number, part in enumerate(parts)}, "string")


def sort_alpha(values: Value) -> Slice:
    """The texts of the elements in the order of their bytes."""
    if isinstance(values, (list, bytes)):
        return Slice(sorted(strslice(values), key=octets), "string")
    return Slice([strval(values)], "string")


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "trim": trim,
    "trimAll": trim_all,
    "trimall": trim_all,
    "trimSuffix": trim_suffix,
    "trimPrefix": trim_prefix,
    "repeat": repeat,
    "substr": substr,
    "trunc": trunc,
    "nospace": nospace,
    "initials": initials,
    "abbrev": abbrev,
    "abbrevboth": abbrev_both,
    "wrap": wrap,
    "wrapWith": wrap_with,
    "contains": contains,
    "hasPrefix": has_prefix,
    "hasSuffix": has_suffix,
    "quote": quote,
    "squote": squote,
    "cat": cat,
    "indent": indent,
    "nindent": nindent,
    "replace": replace,
    "plural": plural,
    "toString": to_string,
    "toStrings": to_strings,
    "hello": hello,
    "join": join,
    "splitList": split_list,
    "split": split,
    "splitn": splitn,
    "sortAlpha": sort_alpha,
}
