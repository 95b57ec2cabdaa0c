"""Whatever stands in a document, it is refused with its place or taken: nothing of it ends the program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.configure import assembly, least_privilege, plan, report
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import ABSENT, Shown, WriteOnly
from bank_vaults.configure.problems import DocumentError
from bank_vaults.configure.schema import DOCUMENT, Element, Field, Kind
from bank_vaults.configure.server import Server
from bank_vaults.templating import yaml12
from tests.support.odd import MARK, mutants
from tests.unit.configure.decoding import document

SAMPLE = Path(__file__).with_name("sample.yml")

_VALUES: dict[Kind, Any] = {
    Kind.BOOLEAN: True,
    Kind.INTEGER: 3,
    Kind.DURATION: "1h",
    Kind.TEXTS: ["a", "b"],
    Kind.WORDS: "a,b",
    Kind.TEXT_MAP: {"a": "b"},
    Kind.FREE: {"a": {"b": ["c", 1]}},
    Kind.CONFIGURATION: {
        "config": [{"max_ttl": "1h", "rotate": False}],
        "root/generate": [{"name": "a", "save_to": "secret/data/a", "create_only": True}],
        "keys": {"name": "b", "deep": {"c": [None]}},
    },
    Kind.MAPPINGS: {"teams": {"a": ["b"]}},
}


def full(element: Element) -> dict[str, Any]:
    """Every member that there is."""
    return {field.name: member(field) for field in element.fields}


def member(field: Field) -> Any:
    if field.kind is Kind.ITEMS:
        return [{field.keys[0]: "a", "policies": ["b"], "bound_claims": {"c": "d"}}]
    if field.choices:
        return field.choices[-1]
    if field.element is not None:
        return [full(field.element)] if field.kind is Kind.ELEMENTS else full(field.element)
    return _VALUES.get(field.kind, "a")


def sample() -> dict[str, Any]:
    """The published sample without its templates, which have files in them."""
    text = re.sub(r"\$\{ *accessor[^}]*\}", "__accessor__kubernetes", SAMPLE.read_text())
    found = yaml12.load(re.sub(r"\$\{[^}]*\}", "x", text))
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def parts(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document for each element, so that it is short."""
    for section, elements in whole.items():
        yield from (
            [{section: [element]} for element in elements]
            if isinstance(elements, list)
            else [{section: elements}]
        )


def look_at(configuration: Configuration) -> None:
    """All that is done with it before anything is sent."""
    memory = Memory.empty()
    wanted = assembly.wanted(configuration, Server(), lambda _: "x", memory)
    least_privilege.policy(wanted, configuration)
    for answer in (ABSENT, Shown({"type": MARK, "data": {MARK: 1}})):
        made = plan.make(wanted, lambda _, answer=answer: answer, memory, WriteOnly.CHANGED)  # type: ignore[misc]
        list(report.lines(made))
        json.dumps(report.as_json(made), default=str)
        made.fingerprint(memory.digest)


@pytest.mark.parametrize("source", [sample, lambda: full(DOCUMENT)], ids=["sample", "every member"])
def test_every_node_of_a_document_may_be_of_any_kind(source: Any) -> None:
    refused = taken = 0
    for part in parts(source()):
        for where, mutant in mutants(part):
            try:
                configuration = document(json.dumps(mutant)).configuration
            except DocumentError as error:
                assert all(problem.line and problem.column for problem in error.problems), (where, error)
                refused += 1
            else:
                look_at(configuration)
                taken += 1
    assert min(refused, taken) > 500
