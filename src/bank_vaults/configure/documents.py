"""From files to documents: read, render, parse, decode; every problem of every file at once.

::

    file ─ read ─► text ─ render ─► text ─ parse ─► located tree ─ decode ─► Configuration

Of a text that has changed, ``changed`` gives what is in the part that has, where that can be told.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from bank_vaults.configure import assembly, locatedjson
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.decode import decode
from bank_vaults.configure.excerpt import Outline, excerpt, outline
from bank_vaults.configure.merge import IDENTITIES
from bank_vaults.configure.problems import DocumentError, Problem, Reporter
from bank_vaults.configure.sections.refused import Refused
from bank_vaults.templating import yaml12
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import TEXT, render
from bank_vaults.templating.yaml12 import Located, YamlError

LARGEST_FILE: Final = 64 * 1024 * 1024
"""Bytes."""


_VALUES: Final = (
    "a value that a template puts in may break a document: '| toJson' quotes it, "
    "and '--template-mode scalar' keeps each in its place"
)


class Rendered(NamedTuple):
    """A file as it is to be read."""

    file: str
    text: str
    same_lines: bool
    """Whether it has as many lines as the file: then line numbers are those of the file."""
    as_it_is: bool = True
    """Whether nothing was put in by templates."""

    def __repr__(self) -> str:
        return f"Rendered({self.file!r})"


class Document(NamedTuple):
    """A file that can be used."""

    file: str
    configuration: Configuration
    warnings: tuple[Problem, ...] = ()
    """What is probably not as it was meant."""
    outline: Outline | None = None
    """By which it is told what changes later. Only where it was asked for, and where it can be had."""


def read(file: str) -> str:
    """The text of a file; bytes that are no UTF-8 are surrogates. Raises DocumentError."""
    try:
        with open(file, "rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _as_a_whole(file, f"the file cannot be read: {reason}") from None
    if len(content) > LARGEST_FILE:
        raise _as_a_whole(file, f"the file is bigger than {LARGEST_FILE >> 20} MiB")
    return content.decode("utf-8", "surrogateescape")


def rendered(file: str, text: str, sources: Sources, *, mode: str = TEXT) -> Rendered:
    """The text of a file, rendered. Raises DocumentError."""
    try:
        found = render(text, sources, mode=mode)
    except TemplateError as error:
        raise _as_a_whole(file, f"the file cannot be rendered: {error}") from None
    return Rendered(file, found.removeprefix("\ufeff"), found.count("\n") == text.count("\n"), found == text)


def document(source: Rendered, *, outlined: bool = False) -> Document:
    """The document of a rendered file, with its outline where that is asked for. Raises DocumentError."""
    reporter = Reporter(source.file, rendered=not source.same_lines)
    tree, is_json = _tree(source, reporter)
    configuration = decode(tree, reporter)
    if reporter.problems:
        _add_refusals(configuration, reporter)
        raise DocumentError(sorted(reporter.problems, key=lambda problem: (problem.line, problem.column)))
    made = outline(source.text, tree, configuration, is_json=is_json) if tree and outlined else None
    return Document(source.file, configuration, tuple(reporter.warnings), made)


def changed(source: Rendered, known: Outline) -> Configuration | None:
    """The elements where a file is not as it was, if the rest of it is as good as it was: then the file as a
    whole can be used, and has them. None: that cannot be told without reading all of it.
    """
    found = excerpt(known, source.text)
    if found is None:
        return None
    reporter = Reporter(source.file, rendered=not source.same_lines)
    configuration = decode(found.tree, reporter)
    elements = getattr(configuration, found.section)
    if reporter.problems or not found.elsewhere.isdisjoint(map(IDENTITIES[found.section], elements)):
        return None
    return configuration


def _add_refusals(configuration: Configuration, reporter: Reporter) -> None:
    """What could not be carried out of the rest, so that one look tells everything."""
    told = {(problem.line, problem.column) for problem in reporter.problems}
    for item in assembly.wanted_of_no_server(configuration, {}):
        if isinstance(item, Refused) and item.place[1:] not in told:
            reporter.problem(item.place.line, item.place.column, str(item.identity), item.reason)


def _tree(source: Rendered, reporter: Reporter) -> tuple[Located | None, bool]:
    """The one value of a text, None where there is none, and whether it is JSON; else it is YAML."""
    try:
        found, faults, is_json = _located(source.text)
    except YamlError as error:
        found, faults, is_json = None, [error], False
    hint = "" if source.as_it_is else _VALUES
    for fault in faults:
        reporter.problem(fault.line, fault.column, "", fault.sentence, hint)
    return found, is_json


def _located(text: str) -> tuple[Located | None, list[YamlError], bool]:
    if not text.lstrip().startswith("{"):
        return *yaml12.locate(text), False
    try:
        text.encode()
        return *locatedjson.locate(text), True
    except UnicodeEncodeError:
        return *yaml12.locate(text), False  # which says where
    except json.JSONDecodeError as no_json:
        try:
            return *yaml12.locate(text), False
        except YamlError as error:
            reason = f"as JSON: line {no_json.lineno}, column {no_json.colno}: {no_json.msg}"
            raise YamlError(f"{error.sentence} ({reason})", error.line, error.column) from None


def _as_a_whole(file: str, sentence: str) -> DocumentError:
    return DocumentError([Problem(file, 0, 0, "", sentence)])
