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
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from bank_vaults.templating.golang.values import NO_VALUE, Object, Uint64, Value, text
from bank_vaults.templating.limits import MAX_DEPTH, MAX_ITEMS, MAX_TEXT

MAX_VALUES: Final = 1_000_000
"""Values of one document, with those that aliases stand for."""
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
_KINDS: Final = {
    first: kind
    for kind, firsts in (("null", ("~", "n", "N", "")), ("bool", "tTfF"), ("number", "-+.0123456789"))
    for first in firsts
}
"""What a text without quotes may be, by its first character; all others are texts."""
_ALSO_BOOLEAN_ELSEWHERE: Final = frozenset("yYnN")


class YamlError(Exception):
    """A text is not the YAML that is accepted. ``line`` and ``column`` count from 1."""

    def __init__(self, sentence: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {sentence}")
        self.sentence, self.line, self.column = sentence, line, column


class Located(NamedTuple):
    """A value of a document, and where it stands; lines and columns count from 1.

    The member of a map stands where its name does.
    """

    value: Any
    """A scalar, a ``list[Located]``, or a ``dict[str, Located]`` in the order of the document."""
    line: int
    column: int
    written: str = ""
    """Of a scalar: the text that stands there, without quotes and before it became a number."""

    def __repr__(self) -> str:
        return f"Located({type(self.value).__name__} at {self.line}:{self.column})"  # it may be a password


_SECOND: Final = "a second document begins, and only one is read: give each a file of its own"


def load(source: str, most: int = MAX_VALUES) -> Value:
    """The value of the one document in ``source``, None where it is empty. Raises YamlError.

    Others may stand before and after it that have nothing in them, as where a file ends in ``---``.
    """
    found, faults = locate(source, most)
    if faults:
        raise faults[0]
    return None if found is None else plain(found)


def locate(source: str, most: int = MAX_VALUES) -> tuple[Located | None, list[YamlError]]:
    """The same with the places of its values, and all that is wrong with single values.

    None where it is empty; ``most`` is how many values it may have. Raises YamlError where it cannot be read
    to its end.
    """
    try:
        source.encode()
        reader = _Reader(source, most)
        return reader.document(), reader.faults
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise explained(error, source) from None


def plain(found: Located) -> Value:
    """The value without places, each list and each map a new one."""
    value = found.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def explained(error: Exception, source: str) -> YamlError:
    """What PyYAML says of ``source``, as our error."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return YamlError(_sentence(error, mark, source), mark.line + 1, mark.column + 1)
    position = getattr(error, "position", getattr(error, "start", 0))
    reason = str(getattr(error, "reason", error))
    if isinstance(error, UnicodeEncodeError):
        reason = "a byte is not UTF-8"
    before = source[:position]
    return YamlError(reason, before.count("\n") + 1, position - before.rfind("\n"))


_TAB: Final = "a tab cannot indent: use spaces"


def _sentence(error: yaml.MarkedYAMLError, mark: yaml.Mark, source: str) -> str:
    """What is wrong, what may help, and where the part begins in which it is: the place of the error may be
    the end of the text.
    """
    problem, context = error.problem or "this is no YAML", error.context or ""
    begin = error.context_mark
    if problem == "found character that cannot start any token":
        character = source[mark.index : mark.index + 1]
        return _TAB if character == "\t" else _needs_quotes(character)
    if "a tab character" in problem:
        return _TAB
    if context.endswith(" an alias"):
        return f"{problem}: {_needs_quotes('*')}"
    if problem == "did not find expected <document start>":
        return "the document has ended before this; a second one needs a file of its own"
    if problem.startswith("mapping values are not allowed"):
        return f"{problem}: a text with ': ' in it needs quotes, or the indent is wrong"
    if problem.startswith("but "):
        return f"{context}, {problem}"
    if begin is None or begin.line == mark.line:
        return problem
    what = context.removeprefix("while parsing ").removeprefix("while scanning ")
    return f"{problem}; {what} begins at line {begin.line + 1}, column {begin.column + 1}"


def _needs_quotes(character: str) -> str:
    return f"a text that begins with {character!r} needs quotes"


_UNDEFINED: Final = f"found undefined alias: {_needs_quotes('*')}"


class _Anchored(NamedTuple):
    """What an alias stands for: the value, how many values are in it, how deep they stand in one another."""

    found: Located
    values: int
    height: int


class _Reader:
    """From the events of the parser to values.

    Nodes, the step between, would take five times as long.
    """

    def __init__(self, source: str, most: int) -> None:
        self._most = most
        self._next: Callable[[], Any] = yaml.CBaseLoader(source).get_event
        self.faults: list[YamlError] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._seen = 0
        self._deepest = 0

    def document(self) -> Located | None:
        """The whole stream; YAMLError of the parser goes through."""
        self._next()
        found: Located | None = None
        while not isinstance(begin := self._next(), yaml.StreamEndEvent):
            event = self._next()
            if found is not None and found.value is not None and not _is_nothing(event):
                raise _at(begin, _SECOND)
            self._anchors.clear()
            document = self._value(event, 0)
            if found is None or found.value is None:
                found = document
            self._next()
        return found

    def _value(self, event: Any, depth: int) -> Located:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.anchor is None:
            return self._own_value(event, depth)
        self._anchors[event.anchor] = None  # as long as it is not complete
        deepest, seen, self._deepest = self._deepest, self._seen, depth
        found = self._own_value(event, depth)
        self._anchors[event.anchor] = _Anchored(found, self._seen - seen, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return found

    def _alias(self, event: Any, depth: int) -> Located:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _at(event, "a value holds itself" if event.anchor in self._anchors else _UNDEFINED)
        self._count(event, anchored.values, depth + anchored.height)
        return anchored.found._replace(line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _own_value(self, event: Any, depth: int) -> Located:
        self._count(event, 1, depth)
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            written = event.value
            if event.tag is None or event.tag == "!":
                value = _resolved(written) if event.implicit[0] else written
            else:
                value = self._tagged(event)
            return Located(value, line, column, written)
        if isinstance(event, yaml.SequenceStartEvent):
            self._expect(event, "seq")
            items = []
            while not isinstance(item := self._next(), yaml.SequenceEndEvent):
                items.append(self._value(item, depth + 1))
            return Located(items, line, column)
        self._expect(event, "map")
        return Located(self._members(depth + 1), line, column)

    def _members(self, depth: int) -> dict[str, Located]:
        members: dict[str, Located] = {}
        merged: list[dict[str, Located]] = []
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            if _is_merge(key):
                merged += self._merged(self._next(), depth)
                continue
            name = self._name(key, depth)
            member = self._value(self._next(), depth)
            if name in members:
                self.faults.append(_at(key, f"{name!r} is there twice"))
            elif name is not None:
                mark = key.start_mark
                members[name] = Located(member.value, mark.line + 1, mark.column + 1, member.written)
        for more in merged:
            for name, inherited in more.items():
                members.setdefault(name, inherited)
        return members

    def _name(self, key: Any, depth: int) -> str | None:
        if isinstance(key, yaml.ScalarEvent) and key.anchor is None:
            return str(key.value)
        found = self._value(key, depth)
        if isinstance(found.value, (dict, list)):
            self.faults.append(_at(key, "the name of a member is not a scalar"))
            return None
        return found.written

    def _merged(self, event: Any, depth: int) -> list[dict[str, Located]]:
        found = self._value(event, depth)
        sources = found.value if isinstance(found.value, list) else [found]
        self.faults += [
            YamlError("<< takes a map or a list of maps", source.line, source.column)
            for source in sources
            if not isinstance(source.value, dict)
        ]
        return [source.value for source in sources if isinstance(source.value, dict)]

    def _count(self, event: Any, values: int, depth: int) -> None:
        self._seen += values
        if self._seen > self._most:
            raise _at(event, f"the document has more than {self._most} values")
        if depth > self._deepest:
            self._deepest = depth
            if depth > MAX_DEPTH:
                raise _at(event, f"values stand in one another more than {MAX_DEPTH} deep")

    def _expect(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self.faults.append(_at(event, f"the tag {event.tag} is unknown"))

    def _tagged(self, event: Any) -> Value:
        try:
            return _scalar(event.tag.removeprefix(_TAG), event.value)
        except _ScalarError as error:
            self.faults.append(_at(event, str(error)))
            return None


def _is_nothing(event: Any) -> bool:
    """Whether the value that begins with it is a plain ``null``, or not there."""
    return (
        isinstance(event, yaml.ScalarEvent)
        and event.tag is None
        and event.implicit[0]
        and _resolved(event.value) is None
    )


def _is_merge(key: Any) -> bool:
    if not isinstance(key, yaml.ScalarEvent):
        return False
    if key.tag is None or key.tag == "!":
        return key.value == "<<" and bool(key.implicit[0])
    return bool(key.tag == f"{_TAG}merge")


def _resolved(written: str) -> Value:
    """What a text without quotes and tag is."""
    kind = _KINDS.get(written[:1])
    if kind is None:
        return written
    if kind == "null":
        return None if _NULL.fullmatch(written) else written
    if kind == "bool":
        return written.lower() == "true" if _BOOLEAN.fullmatch(written) else written
    if match := _INTEGER.fullmatch(written):
        return _integer(match, written)
    return _float(written) if _FLOAT.fullmatch(written) else written


class _ScalarError(Exception):
    """A text is not what its tag says."""


def _scalar(kind: str, written: str) -> Value:
    """The value of a text with the tag of that kind. Raises _ScalarError."""
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
            return _binary(written)
        case "null" | "bool" | "int" | "float":
            raise _ScalarError(f"the text is no {kind}")
    raise _ScalarError(f"the tag {kind} is unknown")


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


def _binary(written: str) -> str:
    try:
        return text(base64.b64decode("".join(written.split()), validate=True))
    except binascii.Error:
        raise _ScalarError("this is no base64") from None


def _at(event: Any, sentence: str) -> YamlError:
    return YamlError(sentence, event.start_mark.line + 1, event.start_mark.column + 1)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


class _LastText(str):
    """The text that ends a document, whose own line ends would be taken for the document's."""

    __slots__ = ()


def _represent_text(dumper: _Dumper, string: str) -> yaml.ScalarNode:
    style = None
    if "\n" in string:
        style = '"' if isinstance(string, _LastText) else "|"
    elif string in _ALSO_BOOLEAN_ELSEWHERE or _is_more_than_text(dumper, string):
        style = '"'
    return dumper.represent_scalar(f"{_TAG}str", str(string), style=style)  # PyYAML takes no subclass


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
_Dumper.add_representer(_LastText, _represent_text)


def dump(value: Value) -> str:
    """The value as YAML in block style, names sorted, without a line end at its end.

    Raises ValueError for what YAML has no form for, as numbers that are none.
    """
    plain = _with_last_text(_Writer().plain(value, 0))
    try:
        written = yaml.dump(
            plain,
            Dumper=_Dumper,
            default_flow_style=False,
            allow_unicode=True,
            width=1 << 30,
            sort_keys=False,
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
            return {name: self.plain(value[name], depth + 1) for name in sorted(value)}
        if isinstance(value, list):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, Object):
            return self.plain(_members_of(value), depth + 1)
        return _number(value)


def _with_last_text(plain: Any) -> Any:
    if isinstance(plain, str) and plain.endswith("\n"):
        return _LastText(plain)
    if plain and isinstance(plain, (dict, list)):
        last = next(reversed(plain)) if isinstance(plain, dict) else -1
        plain[last] = _with_last_text(plain[last])
    return plain


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
