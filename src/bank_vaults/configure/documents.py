"""From files to documents: read, render, parse, decode; every problem of every file at once.

::

    file ─ read ─► text ─ render ─► text ─ parse ─► located tree ─ decode ─► Configuration
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from bank_vaults.configure import assembly, locatedjson
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.decode import decode
from bank_vaults.configure.problems import DocumentError, Problem, Reporter
from bank_vaults.configure.sections.refused import Refused
from bank_vaults.templating import yaml12
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import TEXT, render
from bank_vaults.templating.yaml12 import Located, YamlError

LARGEST_FILE: Final = 64 * 1024 * 1024
"""Bytes."""


class Document(NamedTuple):
    """A file that can be used."""

    file: str
    configuration: Configuration
    warnings: tuple[Problem, ...] = ()
    """What is probably not as it was meant."""


def load_all(files: Iterable[str], sources: Sources, *, mode: str = TEXT) -> tuple[Document, ...]:
    """The documents of all files, in their order. Raises DocumentError with the problems of all of them."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        try:
            documents.append(load(file, sources, mode=mode))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return tuple(documents)


def load(file: str, sources: Sources, *, mode: str = TEXT) -> Document:
    """The document of a file. Raises DocumentError."""
    return parse(file, read(file), sources, mode=mode)


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


def parse(file: str, text: str, sources: Sources, *, mode: str = TEXT) -> Document:
    """The document of the text of a file. Raises DocumentError."""
    try:
        rendered = render(text, sources, mode=mode)
    except TemplateError as error:
        raise _as_a_whole(file, f"the file cannot be rendered: {error}") from None
    # With as many lines as before, line numbers are those of the file.
    reporter = Reporter(file, rendered=rendered.count("\n") != text.count("\n"))
    configuration = decode(_tree(rendered, reporter), reporter)
    if reporter.problems:
        _add_refusals(configuration, reporter)
        raise DocumentError(sorted(reporter.problems, key=lambda problem: (problem.line, problem.column)))
    return Document(file, configuration, tuple(reporter.warnings))


def _add_refusals(configuration: Configuration, reporter: Reporter) -> None:
    """What could not be carried out of the rest, so that one look tells everything."""
    told = {(problem.line, problem.column) for problem in reporter.problems}
    for item in assembly.wanted_of_no_server(configuration, {}):
        if isinstance(item, Refused) and item.place[1:] not in told:
            reporter.problem(item.place.line, item.place.column, str(item.identity), item.reason)


def _tree(text: str, reporter: Reporter) -> Located | None:
    """The one value of a text, which is JSON or else YAML; None where there is none."""
    try:
        found, faults = _located(text.removeprefix("\ufeff"))
    except YamlError as error:
        found, faults = None, [error]
    for fault in faults:
        reporter.problem(fault.line, fault.column, "", fault.sentence)
    return found


def _located(text: str) -> tuple[Located | None, list[YamlError]]:
    if not text.lstrip().startswith("{"):
        return yaml12.locate(text)
    try:
        text.encode()
        return locatedjson.locate(text)
    except UnicodeEncodeError:
        return yaml12.locate(text)  # which says where
    except json.JSONDecodeError as no_json:
        try:
            return yaml12.locate(text)
        except YamlError as error:
            reason = f"as JSON: line {no_json.lineno}, column {no_json.colno}: {no_json.msg}"
            raise YamlError(f"{error.sentence} ({reason})", error.line, error.column) from None


def _as_a_whole(file: str, sentence: str) -> DocumentError:
    return DocumentError([Problem(file, 0, 0, "", sentence)])
