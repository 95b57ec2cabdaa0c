"""Promises of the reference page and of the JSON Schema."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.configure import jsonschema, reference
from bank_vaults.configure.schema import DOCUMENT, Element
from bank_vaults.templating import yaml12
from tests.unit.configure.decoding import problems

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "configuration-format.md"
SCHEMA = DOCS / "configuration.schema.json"
SAMPLE = Path(__file__).with_name("sample.yml")

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def _is_of(value: Any, name: str) -> bool:
    if name == "boolean" or isinstance(value, bool):
        return name == "boolean" and isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value fits, for the words of JSON Schema that ours has."""
    assert schema.keys() <= {
        *("$schema", "$defs", "title", "description", "$ref", "anyOf", "type", "pattern"),
        *("items", "additionalProperties", "properties", "required"),
    }
    if "$ref" in schema and not _fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "anyOf" in schema and not any(_fits(value, each, root) for each in schema["anyOf"]):
        return False
    types = schema.get("type", [])
    if types and not any(_is_of(value, name) for name in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return all(_fits(item, schema.get("items", {}), root) for item in value)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return value.keys() >= set(schema.get("required", ())) and all(
            _fits(member, properties[name], root)
            if name in properties
            else others is not False and _fits(member, others, root)
            for name, member in value.items()
        )
    return True


def _is_valid(document: str) -> bool:
    root = jsonschema.schema()
    return _fits(yaml12.load(document), root, root)


def test_the_reference_page_is_up_to_date() -> None:
    command = "python -m bank_vaults.configure.reference > docs/configuration-format.md"
    assert PAGE.read_text(encoding="utf-8") == reference.page(), f"run: {command}"


def test_the_schema_is_up_to_date() -> None:
    command = "python -m bank_vaults.configure.jsonschema > docs/configuration.schema.json"
    assert SCHEMA.read_text(encoding="utf-8") == jsonschema.text(), f"run: {command}"


@pytest.mark.parametrize(("module", "file"), [("reference", PAGE), ("jsonschema", SCHEMA)])
def test_both_are_made_by_one_command(module: str, file: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", f"bank_vaults.configure.{module}"], capture_output=True, check=True
    )
    assert made.stdout == file.read_bytes()


def test_every_member_is_on_the_page_and_in_the_schema() -> None:
    page, schema = reference.page(), jsonschema.schema()

    def expect(element: Element) -> None:
        properties = schema["$defs"][element.title.lower().replace(" ", "-")]["properties"]
        assert list(properties) == [field.name for field in element.fields]
        for field in element.fields:
            assert f"\n| `{field.name}` | {field.kind.value} |" in page
            if field.element:
                expect(field.element)

    expect(DOCUMENT)


def test_examples_of_the_page_are_documents() -> None:
    examples = re.findall(r"(?s)```yaml\n(.*?)```", reference.page())
    assert len(examples) >= 3
    for example in examples:
        assert problems(example) == []
        assert _is_valid(example)


def test_the_published_sample_is_valid_before_it_is_rendered() -> None:
    assert _is_valid(SAMPLE.read_text())
    assert _is_valid("")
    assert json.loads(SCHEMA.read_text())["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize(
    "document",
    [
        "polices: []",
        "policies: [{rules: a}]",
        "policies: a",
        "policies: [{name: [a]}]",
        "auth: [{type: a, options: {max_lease_tl: 1h}}]",
        "auth: [{type: a, local: yes}]",
        "auth: [{type: a, roles: [b]}]",
        "auth: [{type: a, map: {teams: {a: {b: c}}}}]",
        "groups: [{name: a, type: b}]",
        "secrets: [{type: kv, max_versions: a}]",
        "secrets: [{type: kv, configuration: {config: [a]}}]",
        "secrets: [{type: kv, options: {version: [2]}}]",
        "startupSecrets: [{type: kv, path: a, data: {secretKeyRef: [{name: a}]}}]",
        "purgeUnmanagedConfig: {exclude: [auth]}",
        "[]",
    ],
)
def test_what_the_schema_refuses_the_program_refuses(document: str) -> None:
    assert not _is_valid(document)
    assert problems(document)


@pytest.mark.parametrize(
    "document",
    [
        "policies: {name: 5}",
        "policies: ~",
        "auth: [{type: a, local: 'true', roles: {b: ~}, users: [{username: c}], path: ~}]",
        "secrets: [{type: kv, max_versions: '0x10', options: {version: 2}, configuration: {config: {}}}]",
        "purgeUnmanagedConfig: {enabled: 1, exclude: {auth: ''}}",
    ],
)
def test_what_is_usual_is_taken_by_both(document: str) -> None:
    assert _is_valid(document)
    assert problems(document) == []


def test_a_text_with_an_action_may_become_anything() -> None:
    assert _is_valid("auth: [{type: a, local: '${ env `LOCAL` }'}]")
