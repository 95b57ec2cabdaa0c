"""Elements of a document by the table of ``configure.schema``: their members, checked and converted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from bank_vaults.configure import values
from bank_vaults.configure.config import Named
from bank_vaults.configure.model import Place
from bank_vaults.configure.problems import Path, Reporter
from bank_vaults.configure.schema import Element, Field, Kind
from bank_vaults.templating.yaml12 import Located


def decoded(found: Located, element: Element, path: Path, reporter: Reporter) -> dict[str, Any]:
    """The members that are given and usable."""
    given: dict[str, Any] = {}
    members = values.members(found, path, reporter)
    if members is None:
        return given
    index = _index(element)
    seen: dict[str, str] = {}
    for name, member in members.items():
        field = index.get(name) or index.get(name.lower())
        if field is None:
            _unknown(name, member, element, path, reporter)
            continue
        if field.name in seen:
            sentence = f"{name!r} is the same as {seen[field.name]!r}, which is there too"
            reporter.problem(member.line, member.column, path, sentence)
            continue
        seen[field.name] = name
        if member.value is None:
            continue
        value = _CONVERTERS[field.kind](member, field, (*path, name), reporter)
        if value is None:
            continue
        if field.choices and value not in field.choices and value:
            accepted = " or ".join(field.choices)
            sentence = f"the {field.name} is none that there is"
            reporter.problem(member.line, member.column, path, sentence, f"accepted are {accepted}")
            continue
        given[field.name] = value
        if field.required and value == "":
            del given[field.name], seen[field.name]
    for field in element.fields:
        if field.required and (field.name not in seen or members[seen[field.name]].value is None):
            choices = f"accepted are {' or '.join(field.choices)}" if field.choices else ""
            reporter.problem(found.line, found.column, path, f"the {field.name} is missing", choices)
    return given


_indexes: dict[str, dict[str, Field]] = {}


def _index(element: Element) -> dict[str, Field]:
    """Fields by their names, in small letters too, and by their other names."""
    if element.title not in _indexes:
        index = {name.lower(): field for field in element.fields for name in (*field.aliases, field.name)}
        _indexes[element.title] = index | {field.name: field for field in element.fields}
    return _indexes[element.title]


def _unknown(name: str, member: Located, element: Element, path: Path, reporter: Reporter) -> None:
    from difflib import get_close_matches  # errors only: kept out of the start

    names = {field.name.lower(): field.name for field in element.fields}
    close = get_close_matches(name.lower(), names, n=1)
    suggestion = f"did you mean {names[close[0]]!r}?" if close else f"known are {', '.join(names.values())}"
    reporter.problem(member.line, member.column, path, f"{name!r} is not known here", suggestion)


def _elements(
    found: Located, field: Field, path: Path, reporter: Reporter
) -> list[tuple[dict[str, Any], Place, Path]] | None:
    """Of each element its members, its place and its path; without those that are not usable."""
    element = field.element
    if element is None:
        return None
    made = []
    for item, at in _maps(found, path, reporter):
        known = len(reporter.problems)
        given = decoded(item, element, at, reporter)
        if len(reporter.problems) == known:
            made.append((given, reporter.place(item.line, item.column), at))
    return made


def _maps(found: Located, path: Path, reporter: Reporter) -> Iterator[tuple[Located, Path]]:
    """The maps in a list and their paths; of what is no map it is told why."""
    for number, item in values.numbered(found):
        at = (*path, number)
        if item.value is None:
            reporter.warning(item.line, item.column, at, "there is nothing in this item")
        elif not isinstance(item.value, dict):
            values.unexpected(item, "a map", at, reporter)
        else:
            yield item, at


def _items(found: Located, field: Field, path: Path, reporter: Reporter) -> tuple[Named, ...] | None:
    """Items with their names, from a list, from a map by name, or from a single one."""
    if isinstance(found.value, dict) and _is_by_name(found.value, field.keys):
        return _named(found.value, path, reporter)
    made = _listed(found, field.keys, path, reporter, required=True)
    _expect_names_once(made, path, reporter)
    return None if _has_only_gaps(found, made) else made


def _has_only_gaps(found: Located, made: tuple[Named, ...]) -> bool:
    """Whether nothing is in any item of a list. It was not emptied then: a purge would take all."""
    return bool(found.value) and not made


def _is_by_name(members: Mapping[str, Located], keys: Sequence[str]) -> bool:
    """Whether a map holds items by their names, and is not a single item itself."""
    return all(
        isinstance(member.value, dict) or (member.value is None and name not in keys)
        for name, member in members.items()
    )


def _named(members: Mapping[str, Located], path: Path, reporter: Reporter) -> tuple[Named, ...]:
    made = []
    for name, member in members.items():
        at = (*path, name)
        fault = values.name_fault(name) if name else "the name is missing"
        if fault:
            reporter.problem(member.line, member.column, at, fault)
            continue
        body = {} if member.value is None else values.free_map(member, at, reporter)
        if body is not None:
            made.append(Named(name, body, reporter.place(member.line, member.column)))
    return tuple(made)


def _listed(
    found: Located, keys: Sequence[str], path: Path, reporter: Reporter, *, required: bool
) -> tuple[Named, ...]:
    made = []
    for item, at in _maps(found, path, reporter):
        known = len(reporter.problems)
        key = next((key for key in keys if _is_given(item.value.get(key))), None)
        name = values.name(item.value[key], (*at, key), reporter) if key else None
        if required and key is None:
            reporter.problem(item.line, item.column, at, f"the {keys[0]} is missing")
        body = {
            member: name if member == key else values.free(content, (*at, member), reporter)
            for member, content in item.value.items()
        }
        if len(reporter.problems) == known:
            made.append(Named(name, body, reporter.place(item.line, item.column)))
    return tuple(made)


def _is_given(member: Located | None) -> bool:
    return member is not None and member.value not in (None, "")


def _expect_names_once(made: Sequence[Named], path: Path, reporter: Reporter) -> None:
    known: dict[str | None, Place] = {}
    for item in made:
        if item.name in known:
            what = "an item without a name" if item.name is None else repr(item.name)
            twice(what, item.place, known[item.name], path, reporter)
        known.setdefault(item.name, item.place)


def _configuration(
    found: Located, field: Field, path: Path, reporter: Reporter
) -> dict[str, tuple[Named, ...]] | None:
    options = values.members(found, path, reporter)
    if options is None:
        return None
    made: dict[str, tuple[Named, ...]] = {}
    for written, option in options.items():
        at = (*path, written)
        name = written.strip("/")
        if fault := values.name_fault(name) if name else "the name of the option is missing":
            reporter.problem(option.line, option.column, at, fault)
        elif name in made:
            sentence = f"{written!r} is the same as {name!r}, which is there too"
            reporter.problem(option.line, option.column, path, sentence)
        elif option.value is not None:
            items = _listed(option, field.keys, at, reporter, required=False)
            _expect_names_once(items, at, reporter)
            if not _has_only_gaps(option, items):
                made[name] = items
    return made


def _mappings(
    found: Located,
    path: Path,
    reporter: Reporter,
) -> dict[str, tuple[Named, ...]] | None:
    kinds = values.members(found, path, reporter)
    if kinds is None:
        return None
    made: dict[str, tuple[Named, ...]] = {}
    for kind, content in kinds.items():
        at = (*path, kind)
        if fault := values.name_fault(kind) if kind else "the name is missing":
            reporter.problem(content.line, content.column, at, fault)
            continue
        if content.value is not None:
            made[kind] = _mapped(values.members(content, at, reporter) or {}, at, reporter)
    return made


def _mapped(named: Mapping[str, Located], path: Path, reporter: Reporter) -> tuple[Named, ...]:
    """The value of each name: several are one text with commas, as the server takes it."""
    made = []
    for name, content in named.items():
        at = (*path, name)
        if fault := values.name_fault(name) if name else "the name is missing":
            reporter.problem(content.line, content.column, at, fault)
        elif content.value is not None:
            given = values.texts(content, at, reporter)
            if given is not None:
                body = {"value": ",".join(given)}
                made.append(Named(name, body, reporter.place(content.line, content.column)))
    return tuple(made)


def _nested(found: Located, field: Field, path: Path, reporter: Reporter) -> dict[str, Any] | None:
    return None if field.element is None else decoded(found, field.element, path, reporter)


_Converter = Callable[[Located, Field, Path, Reporter], Any]


def _simple(convert: Callable[[Located, Path, Reporter], Any]) -> _Converter:
    return lambda found, _field, path, reporter: convert(found, path, reporter)


def _lower_name(found: Located, path: Path, reporter: Reporter) -> str | None:
    name = values.name(found, path, reporter)
    return None if name is None else name.lower()


_CONVERTERS: Final[Mapping[Kind, _Converter]] = {
    Kind.TEXT: _simple(values.text),
    Kind.NAME: _simple(values.name),
    Kind.LOWER_NAME: _simple(_lower_name),
    Kind.PATH: _simple(values.mount_path),
    Kind.BOOLEAN: _simple(values.boolean),
    Kind.INTEGER: _simple(values.integer),
    Kind.DURATION: _simple(values.duration),
    Kind.TEXTS: _simple(values.texts),
    Kind.WORDS: _simple(values.words),
    Kind.TEXT_MAP: _simple(values.text_map),
    Kind.FREE: _simple(values.free_map),
    Kind.ITEMS: _items,
    Kind.CONFIGURATION: _configuration,
    Kind.MAPPINGS: _simple(_mappings),
    Kind.ELEMENT: _nested,
    Kind.ELEMENTS: _elements,
}


def twice(what: str, place: Place, first: Place, path: Path, reporter: Reporter) -> None:
    """Tell that something is there a second time."""
    sentence = f"{what} is there twice, first at line {first.line}, column {first.column}"
    reporter.problem(place.line, place.column, path, sentence)
