"""YAML as configuration files use it: the core rules of YAML 1.2, read by the C loader of PyYAML.

=====================================  ====================================================
written without quotes                 is
=====================================  ====================================================
``null`` ``~`` nothing                 None
``true`` ``false`` (and True, TRUE)    bool; ``yes``, ``no``, ``on``, ``off`` are texts
``12`` ``0x1F`` ``0o17`` ``0b11``      int; ``017`` is octal, ``1_000`` is 1000, as the YAML of Go has it
``1.5`` ``1e3`` ``.5`` ``.inf``        float, and so are integers that do not fit into 64 bits
everything else                        text: also ``12:30``, and dates
=====================================  ====================================================

Two members of one map with the same name are an error, and so is a name that is no scalar; names are the text
as written (``1: x`` has the name ``1``). Anchors, aliases and ``<<`` work; what aliases stand for is bounded.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import MutableMapping
from typing import Any, Final

import yaml

from bank_vaults.templating.golang.values import NO_VALUE, Object, Uint64, Value, text
from bank_vaults.templating.limits import MAX_DEPTH, MAX_ITEMS, MAX_TEXT

Path = tuple[str | int, ...]
"""Names and numbers from the top of a document to a value."""
Places = MutableMapping[Path, tuple[int, int]]
"""Line and column, from 1, of each value; for the member of a map those of its name."""

_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOLEAN: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0x(?P<hex>[0-9a-fA-F_]+)|0b(?P<bin>[01_]+)|0o?(?P<oct>[0-7_]+)|(?P<dec>[0-9][0-9_]*))"
)
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_MOST_DIGITS: Final = 64
_ALSO_BOOLEAN_ELSEWHERE: Final = frozenset("yYnN")


class YamlError(Exception):
    """A text is not the YAML that is accepted. ``line`` and ``column`` count from 1."""

    def __init__(self, sentence: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {sentence}")
        self.sentence, self.line, self.column = sentence, line, column


class _Loader(yaml.CBaseLoader):
    pass


for _name, _pattern, _first in (
    ("null", _NULL, ("~", "n", "N", "")),
    ("bool", _BOOLEAN, "tTfF"),
    ("int", _INTEGER, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("merge", re.compile("<<"), "<"),
):
    # PyYAML asks for a match at the beginning only.
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern.pattern})\Z"), list(_first))


def load(source: str, places: Places | None = None) -> Value:
    """The value of the one document in ``source``, None where it is empty. Raises YamlError.

    ``places``, if given, is filled with where each value stands.
    """
    try:
        source.encode()
        node = yaml.compose(source, Loader=_Loader)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise explained(error, source) from None
    return None if node is None else _Reader(places).value(node, (), 0)


def explained(error: Exception, source: str) -> YamlError:
    """What PyYAML says of ``source``, as our error."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        sentence = error.problem or "this is no YAML"
        if sentence.startswith("but "):
            sentence = f"{error.context}, {sentence}"
        return YamlError(sentence, mark.line + 1, mark.column + 1)
    position = getattr(error, "position", getattr(error, "start", 0))
    reason = str(getattr(error, "reason", error))
    if isinstance(error, UnicodeEncodeError):
        reason = "a byte is not UTF-8"
    before = source[:position]
    return YamlError(reason, before.count("\n") + 1, position - before.rfind("\n"))


class _Reader:
    """From nodes to values."""

    def __init__(self, places: Places | None) -> None:
        self._places = places
        self._open: set[int] = set()
        self._seen = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Value:
        self._seen += 1
        if self._seen > MAX_ITEMS:
            raise _at(node, f"the document has more than {MAX_ITEMS} values")
        if depth > MAX_DEPTH:
            raise _at(node, f"values stand in one another more than {MAX_DEPTH} deep")
        if self._places is not None:
            self._places.setdefault(path, _place(node))
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _at(node, "a value holds itself")
        self._open.add(id(node))
        found: Value
        if isinstance(node, yaml.SequenceNode):
            _expect(node, "seq")
            found = [self.value(item, (*path, number), depth + 1) for number, item in enumerate(node.value)]
        else:
            _expect(node, "map")
            found = self._members(node, path, depth)
        self._open.discard(id(node))
        return found

    def _members(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Value]:
        members: dict[str, Value] = {}
        merged: list[dict[str, Value]] = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged += self._merged(value, path, depth)
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise _at(key, "the name of a member is not a scalar")
            name = key.value
            if name in members:
                raise _at(key, f"{name!r} is there twice")
            if self._places is not None:
                self._places[(*path, name)] = _place(key)
            members[name] = self.value(value, (*path, name), depth + 1)
        for more in merged:
            for name, inherited in more.items():
                members.setdefault(name, inherited)
        return members

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> list[dict[str, Value]]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise _at(source, "<< takes a map or a list of maps")
        return [self.value(source, path, depth + 1) for source in sources]


def _scalar(node: yaml.ScalarNode) -> Value:
    kind, written = node.tag.removeprefix(_TAG), node.value
    match kind:
        case "str" | "timestamp" | "merge":
            return written
        case "null" if _NULL.fullmatch(written):
            return None
        case "bool" if _BOOLEAN.fullmatch(written):
            return written.lower() == "true"
        case "int" if match := _INTEGER.fullmatch(written):
            return _integer(match, written)
        case "float" if _FLOAT.fullmatch(written):
            return _float(written)
        case "binary":
            return _binary(node)
        case "null" | "bool" | "int" | "float":
            raise _at(node, f"{written!r} is no {kind}")
    raise _at(node, f"the tag {node.tag} is unknown")


def _integer(match: re.Match[str], written: str) -> Value:
    base = str(match.lastgroup)
    digits = match[base].replace("_", "")
    if not digits:
        return written
    if len(digits) > _MOST_DIGITS:
        return _float(written) if base == "dec" else written
    number = int(match["sign"] + digits, _BASES[base])
    if -(1 << 63) <= number < 1 << 63:
        return number
    return Uint64(number) if 0 <= number < 1 << 64 else float(number)


def _float(written: str) -> Value:
    plain = written.replace("_", "")
    if "n" in plain.lower():
        return math.nan if plain.lower() == ".nan" else float(plain.replace(".", "").lower())
    number = float(plain)
    return written if math.isinf(number) else number


def _binary(node: yaml.ScalarNode) -> str:
    try:
        return text(base64.b64decode("".join(node.value.split()), validate=True))
    except binascii.Error:
        raise _at(node, "this is no base64") from None


def _expect(node: yaml.Node, kind: str) -> None:
    if node.tag != _TAG + kind:
        raise _at(node, f"the tag {node.tag} is unknown")


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _at(node: yaml.Node, sentence: str) -> YamlError:
    return YamlError(sentence, *_place(node))


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: _Dumper, string: str) -> yaml.ScalarNode:
    style = None
    if "\n" in string:
        style = "|"
    elif string in _ALSO_BOOLEAN_ELSEWHERE or _is_more_than_text(dumper, string):
        style = '"'
    return dumper.represent_scalar(f"{_TAG}str", string, style=style)


def _is_more_than_text(dumper: _Dumper, string: str) -> bool:
    """Whether a reader of YAML 1.1 or of 1.2 would take the text, without quotes, for something else."""
    elsewhere = dumper.resolve(yaml.ScalarNode, string, (True, False))  # type: ignore[no-untyped-call]
    return bool(
        elsewhere != f"{_TAG}str"
        or _NULL.fullmatch(string)
        or _INTEGER.fullmatch(string)
        or _FLOAT.fullmatch(string)
    )


_Dumper.add_representer(str, _represent_text)


def dump(value: Value) -> str:
    """The value as YAML in block style, names sorted, without a line end at its end.

    Raises ValueError for what YAML has no form for, as numbers that are none.
    """
    plain = _Writer().plain(value, 0)
    try:
        written = yaml.dump(
            plain, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=1 << 30, sort_keys=True
        )
    except UnicodeEncodeError:
        raise ValueError("a text is not UTF-8") from None
    return written.removesuffix("...\n").removesuffix("\n")


class _Writer:
    """From Go's values to what PyYAML writes."""

    def __init__(self) -> None:
        self._seen = 0
        self._length = 0

    def plain(self, value: Value, depth: int) -> Any:
        self._seen += 1
        if self._seen > MAX_ITEMS or depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_ITEMS} values, or more than {MAX_DEPTH} in one another")
        if value is None or value is NO_VALUE:
            return None
        if isinstance(value, (str, bytes)):
            self._length += len(value)
            if self._length > MAX_TEXT:
                raise ValueError(f"the result would have more than {MAX_TEXT} characters")
        if isinstance(value, (str, bool)):
            return value
        if isinstance(value, dict):
            return {name: self.plain(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, Object):
            return self.plain(_members_of(value), depth + 1)
        return _number(value)


def _members_of(value: Object) -> Value:
    """An object as JSON has it."""
    if own_form := value.methods().get("MarshalJSON"):
        written = own_form[1]()
        return json.loads(written)
    return int(value) if isinstance(value, int) else dict(value.fields())


def _number(value: Value) -> int | float:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else float(value)
    raise ValueError(f"{value!r} has no form in YAML")
