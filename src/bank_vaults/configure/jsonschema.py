"""The JSON Schema of documents, for editors, from the table of ``configure.schema``.

``python -m bank_vaults.configure.jsonschema > docs/configuration.schema.json``

It describes documents as people write them. The program takes some more: names of members in capitals, an
empty map for an empty list, a list of maps for a map.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from bank_vaults.configure.schema import ACCEPTED, DOCUMENT, Element, Field, Kind
from bank_vaults.configure.values import DURATION

_ACTION: Final = r"\$\{"
"""A text with an action of a template may become anything."""
_SCALAR: Final = ("string", "number", "boolean", "null")
_TEXT: Final[dict[str, Any]] = {"type": [*_SCALAR]}
_LIST: Final[dict[str, Any]] = {"type": [*_SCALAR, "array"], "items": _TEXT}
_ITEMS: Final[dict[str, Any]] = {"type": ["array", "object", "null"], "items": {"type": ["object", "null"]}}


def _map_of(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": value}


_KINDS: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: _TEXT,
    Kind.NAME: _TEXT,
    Kind.LOWER_NAME: _TEXT,
    Kind.PATH: _TEXT,
    Kind.BOOLEAN: {**_TEXT, "pattern": rf"^([1tT0fF]|TRUE|true|True|FALSE|false|False|)$|{_ACTION}"},
    Kind.INTEGER: {
        "type": ["integer", "string", "null"],
        "pattern": rf"^([-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)|)$|{_ACTION}",
    },
    Kind.DURATION: {"type": ["string", "number", "null"], "pattern": rf"^({DURATION}|)$|{_ACTION}"},
    Kind.TEXTS: _LIST,
    Kind.WORDS: _LIST,
    Kind.TEXT_MAP: _map_of(_TEXT),
    Kind.FREE: {"type": ["object", "null"]},
    Kind.ITEMS: _ITEMS,
    Kind.CONFIGURATION: _map_of(_ITEMS),
    Kind.MAPPINGS: _map_of(_map_of(_LIST)),
}


def schema() -> dict[str, Any]:
    """The schema as a JSON value."""
    elements: dict[str, Element] = {}
    _collect(DOCUMENT, elements)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of bank-vaults configure",
        "$ref": _reference(DOCUMENT.title),
        "$defs": {
            **{
                _key(kind.value): {"title": kind.value, "description": ACCEPTED[kind], **described}
                for kind, described in _KINDS.items()
            },
            **{_key(element.title): _element(element) for element in elements.values()},
        },
    }


def text() -> str:
    """The schema as it is published, with a line end at its end."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _collect(element: Element, elements: dict[str, Element]) -> None:
    elements[element.title] = element
    for field in element.fields:
        if field.element is not None:
            _collect(field.element, elements)


def _key(title: str) -> str:
    return title.lower().replace(" ", "-")


def _reference(title: str) -> str:
    return f"#/$defs/{_key(title)}"


def _element(element: Element) -> dict[str, Any]:
    described: dict[str, Any] = {
        "title": element.title,
        **({"description": element.help} if element.help else {}),
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {field.name: _member(field) for field in element.fields},
    }
    if required := [field.name for field in element.fields if field.required]:
        described["required"] = required
    return described


def _member(field: Field) -> dict[str, Any]:
    default = f"; default: {field.default}" if field.default else ""
    about = {"description": field.help + default}
    if field.choices:
        return {**about, "anyOf": [{"enum": list(field.choices)}, {"type": "string", "pattern": _ACTION}]}
    if field.element is None:
        return {**about, "$ref": _reference(field.kind.value)}
    value = {"$ref": _reference(field.element.title)}
    if field.kind is Kind.ELEMENTS:  # with "anyOf" an editor could not say which element is wrong, and why
        single = {"if": {"type": "object"}, "then": value}
        return {**about, "type": ["array", "object", "null"], "items": value, **single}
    return {**about, **value}


if __name__ == "__main__":
    sys.stdout.write(text())
