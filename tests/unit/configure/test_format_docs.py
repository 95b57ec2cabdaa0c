"""Promises of the reference page and of the JSON Schema."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from bank_vaults.configure import jsonschema, reference
from bank_vaults.configure.schema import DOCUMENT, Element
from bank_vaults.templating import yaml12
from tests.unit.configure.decoding import problems

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "configuration-format.md"
SCHEMA = DOCS / "configuration.schema.json"
SAMPLE = Path(__file__).with_name("sample.yml")

EDITORS: tuple[Any, ...] = (Draft202012Validator, Draft7Validator)
"""What the schema says it is, and what editors take it for that know no newer one."""


def _faults(document: str, editor: Any = Draft202012Validator) -> list[str]:
    """Where an editor finds something wrong in a document."""
    found = editor(jsonschema.schema()).iter_errors(yaml12.load(document))
    return [error.json_path for error in found]


def _is_valid(document: str) -> bool:
    verdicts = {not _faults(document, editor) for editor in EDITORS}
    assert len(verdicts) == 1
    return verdicts.pop()


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


@pytest.mark.parametrize("editor", EDITORS)
def test_the_schema_is_one_by_the_schema_of_schemas(editor: Any) -> None:
    editor.check_schema(jsonschema.schema())


def test_everything_in_the_schema_tells_what_it_is() -> None:
    for name, described in jsonschema.schema()["$defs"].items():
        assert described["title"], name
        for member, each in described.get("properties", {}).items():
            assert each["description"], f"{name}: {member}"


def test_an_editor_shows_the_words_of_the_reference_page() -> None:
    page, described = reference.page(), jsonschema.schema()["$defs"]
    assert described["group"]["description"] in " ".join(page.split())
    group = described["group"]["properties"]["member_groups"]["description"]
    assert f"| `member_groups` | list of texts |  | {group} (new) |" in page
    assert described["duration"]["description"] in page
    assert described["audit-device"]["properties"]["path"]["description"].endswith("; default: the type")
    assert described["group"]["properties"]["type"]["anyOf"][0] == {"enum": ["external", "internal"]}


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
    ("document", "where"),
    [
        ("polices: []", "$"),
        ("auth: [{type: a}, {type: b, local: yes}]", "$.auth[1].local"),
        ("purgeUnmanagedConfig: {enabled: [1]}", "$.purgeUnmanagedConfig.enabled"),
        ("purgeUnmanagedConfig: {exclude: {atuh: true}}", "$.purgeUnmanagedConfig.exclude"),
        ("groups: {name: a, type: b}", "$.groups.type"),
        ("secrets: [{type: kv, configuration: {config: [{}, 5]}}]", "$.secrets[0].configuration.config[1]"),
    ],
)
def test_an_editor_marks_the_place(document: str, where: str) -> None:
    for editor in EDITORS:
        assert _faults(document, editor) == [where]


@pytest.mark.parametrize(
    "document",
    [
        "polices: []",
        "groups: [{name: a, type: internal, member_entity_aliases: [{name: b}]}]",
        "groups: [{name: a, type: internal, member_groups: [{name: b}]}]",
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
        "groups: {name: a, type: internal, member_groups: b, member_entity_aliases: {name: c, mountpath: d}}",
    ],
)
def test_what_is_usual_is_taken_by_both(document: str) -> None:
    assert _is_valid(document)
    assert problems(document) == []


def test_a_text_with_an_action_may_become_anything() -> None:
    assert _is_valid("auth: [{type: a, local: '${ env `LOCAL` }'}]")
