"""What tests of documents have in common."""

from __future__ import annotations

import json
from typing import Any

from bank_vaults.configure import documents
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.documents import Document
from bank_vaults.configure.problems import DocumentError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import TEXT

FILE = "vault-config.yml"


def parse(text: str, sources: Sources, mode: str = TEXT, file: str = FILE) -> Document:
    """The document of a template."""
    return documents.document(documents.rendered(file, text, sources, mode=mode))


def document(text: str, file: str = FILE) -> Document:
    """The document of a text, with an empty environment."""
    return parse(text, Sources({}), file=file)


def decoded(content: Any) -> Configuration:
    """The configuration of a JSON value."""
    return document(json.dumps(content)).configuration


def problems(text: str) -> list[str]:
    """All that is said of a text, without the name of the file."""
    try:
        document(text)
    except DocumentError as error:
        return [str(problem).removeprefix(FILE).removeprefix(":").strip() for problem in error.problems]
    return []


def warnings(text: str) -> list[str]:
    """All warnings, without the name of the file."""
    return [str(problem).removeprefix(f"{FILE}:") for problem in document(text).warnings]
