"""What has changed in a document that may be large, found without reading all of it.

Once a document has been read as a whole its outline is kept: where the elements of its lists begin, and keyed
digests of the text between them. When it has changed, what is the same at its beginning and at its end need
not be read again::

    same as before │ what has changed │ same as before
                   └ here an element of a list begins, or the list ends; so it does ┘ here

A parser comes to the first of these places as it did before. That it comes to the second one as it did before
is proved by a sentinel that is put there. So it would read the rest as it did before, and what is between is
read alone, in the place where it stands. Whatever is not as simple as that has no excerpt.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from itertools import pairwise
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

from bank_vaults.configure import locatedjson
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.merge import IDENTITIES, Key, section_name
from bank_vaults.templating import yaml12
from bank_vaults.templating.yaml12 import Located, YamlError

_SECTIONS: Final = ("audit", "plugins", "auth", "policies", "secrets")
"""Those of which an element is what it is whatever the rest of the document says."""

_PIECE: Final = 8192
"""Characters after which the next element begins a new piece."""

_MOST_VALUES: Final = yaml12.MAX_VALUES // 2
"""Of a document in YAML, and of a part of it: so both together are no more than what may be read."""

_SENTINEL: Final = "__end_of_what_has_changed__"
_LEAD: Final = re.compile(r"( *)- +")
_OTHER_LINE_ENDS: Final = ("\r", "\x85", "\u2028", "\u2029")
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)
_FAR_REACHING: Final = re.compile(r"^(?:---|\.\.\.|<<|!)|(?<![^\s\[{,:-])\*[\w-]", re.MULTILINE)
"""A second document, merged maps, aliases: with them a part may mean something else than within the whole."""


class Opening(NamedTuple):
    """What begins at a place: an element of a section, or what comes behind its last one."""

    section: str
    indent: int
    """Of the dash before each element, in YAML."""
    end: bool


class Piece(NamedTuple):
    """A part of a text. ``opening`` None: it begins with something else. The last one is empty."""

    length: int
    """Characters."""
    digest: bytes
    opening: Opening | None
    names: frozenset[Key]
    """Of the elements in it."""


class Outline(NamedTuple):
    """A document without its contents."""

    key: bytes
    is_json: bool
    pieces: tuple[Piece, ...]

    def __repr__(self) -> str:
        return f"Outline({len(self.pieces)} pieces)"


class Excerpt(NamedTuple):
    """The elements of one section that stand where something has changed."""

    section: str
    tree: Located
    """A document with nothing else, the places being those of the whole text."""
    elsewhere: frozenset[Key]
    """What elements in the rest of the document are known by."""


def outline(text: str, tree: Located, configuration: Configuration, *, is_json: bool) -> Outline | None:
    """The outline of a document without problems; None where it cannot be cut."""
    key = secrets.token_bytes(16)
    if not isinstance(tree.value, dict):
        return None
    cuts = list(_cuts(text, tree.value, configuration, is_json=is_json))
    if not cuts:
        return None
    if not (is_json or (_is_plain_yaml(text, cuts[0][0]) and _values(tree) <= _MOST_VALUES)):
        return None
    bounds: list[_Cut] = [(0, None, frozenset()), *cuts]
    if bounds[-1][0] != len(text):
        bounds.append((len(text), None, frozenset()))
    pieces = [
        Piece(end - start, _digest(key, text[start:end]), opening, names)
        for (start, opening, names), (end, _, _) in pairwise(bounds)
    ]
    return Outline(key, is_json, (*pieces, Piece(0, _digest(key, ""), bounds[-1][1], frozenset())))


def _is_plain_yaml(text: str, begin: int) -> bool:
    """Whether what a part of the text means, from ``begin`` on, does not depend on what is in other parts."""
    return not (
        _DIRECTIVE.search(text, 0, begin)
        or _FAR_REACHING.search(text, begin)
        or any(end in text for end in _OTHER_LINE_ENDS)
    )


def _values(tree: Located) -> int:
    """How many values are in a tree."""
    count, waiting = 0, [tree]
    while waiting:
        value = waiting.pop().value
        count += 1
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
    return count


_Cut = tuple[int, Opening | None, frozenset[Key]]
"""Where a piece begins, with what, and the elements in it."""


def _cuts(
    text: str, members: Mapping[str, Located], configuration: Configuration, *, is_json: bool
) -> Iterator[_Cut]:
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    tops = [*members.values(), None]
    for (name, member), following in zip(members.items(), tops[1:], strict=True):
        section = next((each for each in _SECTIONS if section_name(each) == name), None)
        if section is None or not isinstance(member.value, list) or not member.value:
            continue
        bound = len(text) if following is None else lines[following.line - 1]
        if is_json:
            bound = bound if following is None else bound + following.column - 1
            starts, indent, end = _starts_in_json(text, member.value, lines, bound)
        elif member.column == 1 and (following is None or following.column == 1):
            starts, indent, end = *_starts_in_yaml(text, member.value, lines), bound
        else:
            continue
        if starts:
            names = {
                (element.place.line, element.place.column): IDENTITIES[section](element)
                for element in getattr(configuration, section)
            }
            known = [names.get((item.line, item.column)) for item in member.value]
            yield from _grouped(starts, known, Opening(section, indent, end=False))
            yield end, Opening(section, indent, end=True), frozenset()


def _starts_in_json(
    text: str, items: list[Located], lines: list[int], bound: int
) -> tuple[list[int], int, int]:
    """Where the elements begin, 0, and where the list ends: before ``bound`` with only blanks between."""
    return [lines[item.line - 1] + item.column - 1 for item in items], 0, text.rindex("]", 0, bound)


def _starts_in_yaml(text: str, items: list[Located], lines: list[int]) -> tuple[list[int], int]:
    """Where the lines of the elements begin, and how far they are indented; none where one has none."""
    starts, indent = [], 0
    for item in items:
        start = lines[item.line - 1]
        lead = _LEAD.fullmatch(text, start, start + item.column - 1)
        if lead is None:
            return [], 0
        indent = len(lead[1])
        starts.append(start)
    return starts, indent


def _grouped(starts: list[int], names: list[Key | None], opening: Opening) -> Iterator[_Cut]:
    begun, members = starts[0], set[Key]()
    for start, name in zip(starts, names, strict=True):
        if start - begun >= _PIECE:
            yield begun, opening, frozenset(members)
            begun, members = start, set()
        if name is not None:
            members.add(name)
    yield begun, opening, frozenset(members)


def _digest(key: bytes, text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()


def excerpt(known: Outline, text: str) -> Excerpt | None:
    """What stands in ``text`` where it is not as it was; None where that cannot be told from a part."""
    pieces, last = known.pieces, len(known.pieces) - 1

    def is_same(piece: Piece, start: int) -> bool:
        return _digest(known.key, text[start : start + piece.length]) == piece.digest

    first, start = 0, 0
    while first < last and is_same(pieces[first], start):
        start += pieces[first].length
        first += 1
    if first == last and start == len(text):
        return Excerpt(_SECTIONS[0], Located({}, 1, 1), frozenset())  # nothing has changed
    behind, end = last, len(text)
    while behind > first and end - (length := pieces[behind - 1].length) >= start:
        if not is_same(pieces[behind - 1], end - length):
            break
        end -= length
        behind -= 1
    if first and not known.is_json and not _begins_element(text, start, end, pieces[first].opening):
        first -= 1  # what was its end goes on now
        start -= pieces[first].length
    begins, ends = pieces[first].opening, pieces[behind].opening
    if begins is None or ends is None or begins.section != ends.section:
        return None
    read = _read_in_json if known.is_json else _read_in_yaml
    items = read(text, start, end, begins, ends)
    if items is None:
        return None
    others = (piece.names for piece in (*pieces[:first], *pieces[behind:]))
    elsewhere = frozenset[Key]().union(*others)
    name = section_name(begins.section)
    return Excerpt(begins.section, Located({name: Located(items, 1, 1)}, 1, 1), elsewhere)


def _begins_element(text: str, start: int, end: int, opening: Opening | None) -> bool:
    """Whether what has changed in YAML, if there is anything, begins with a dash in a line of its own."""
    dash = _dash(opening) if opening else "-"
    begins = text[start - 1] == "\n" and text.startswith((f"{dash} ", f"{dash}\n"), start)
    return start == end or begins


def _dash(opening: Opening) -> str:
    return " " * opening.indent + "-"


def _read_in_json(text: str, start: int, end: int, begins: Opening, ends: Opening) -> list[Located] | None:
    """The elements in ``text[start:end]``, put in the place of all others of their list."""
    line, column = text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1
    head = f'{{"{section_name(begins.section)}":[' + ("null" if begins.end else "")
    gap = "\n" * line + " " * column if line else " " * (column - len(head))
    tail = "]}" if ends.end else "null]}"
    try:
        found, faults = locatedjson.locate(f"{head}{gap}{text[start:end]}{tail}")
    except JSONDecodeError:
        return None
    items = _only_list(found, section_name(begins.section))
    if faults or items is None:
        return None
    items = items[1 if begins.end else 0 : None if ends.end else -1]
    return None if ends.end and not begins.end and not items else items  # a comma would be left before "]"


def _read_in_yaml(text: str, start: int, end: int, begins: Opening, ends: Opening) -> list[Located] | None:
    """The elements in ``text[start:end]``, put in the place of all others of their list."""
    if not _begins_element(text, start, end, begins):
        return None
    name = section_name(begins.section)
    head = "\n" * (text.count("\n", 0, start) - 1) + f"{name}:\n"
    sentinel = "" if end == len(text) else f"{_SENTINEL}:\n" if ends.end else f"{_dash(begins)} {_SENTINEL}\n"
    try:
        found, faults = yaml12.locate(head + text[start:end] + sentinel, _MOST_VALUES)
    except YamlError:
        return None
    if faults or found is None or not isinstance(found.value, dict):
        return None
    members: dict[str, Any] = dict(found.value)
    if sentinel and ends.end and members.pop(_SENTINEL, None) is None:
        return None
    items = _only_list(found._replace(value=members), name)
    if sentinel and not ends.end and not (items and items.pop().value == _SENTINEL):
        return None
    return items


def _only_list(found: Located, name: str) -> list[Located] | None:
    """The list that is the only member of a map; a member without a value is an empty one."""
    if not isinstance(found.value, dict) or list(found.value) != [name]:
        return None
    listed = found.value[name].value
    return list(listed) if isinstance(listed, list) else [] if listed is None else None
