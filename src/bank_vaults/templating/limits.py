"""How much a template may ask for: whoever writes a configuration file must not stop the process.

The evaluator counts steps and output. A function whose result is not bounded by the size of what it is given
asks here before it makes it.
"""

from __future__ import annotations

from typing import Final

from bank_vaults.templating.errors import FunctionError

MAX_TEXT: Final = 64 * 1024 * 1024
"""Characters of one text and of a whole output."""
MAX_ITEMS: Final = 1_000_000
"""Elements of one list."""
MAX_STEPS: Final = 5_000_000
"""Nodes of the tree that one rendering may visit, with all templates of a document in the safe mode."""
MAX_DEPTH: Final = 200
"""Templates that call one another, and constructs within one another."""

COSTS: Final = {
    "genPrivateKey": 100_000,
    "derivePassword": 30_000,
    "genCA": 25_000,
    "genSelfSignedCert": 25_000,
    "genSignedCert": 25_000,
    "bcrypt": 10_000,
    "htpasswd": 10_000,
}
"""Steps that one call counts for besides, of functions that take long however little they are given."""


class Allowance:
    """What one rendering may still write and do; templates that share it are one rendering."""

    __slots__ = ("characters", "steps")

    def __init__(self) -> None:
        self.characters = MAX_TEXT
        self.steps = MAX_STEPS


def text_of(length: int) -> None:
    """A text of that length is about to be made. Raises FunctionError where it is too long."""
    if length > MAX_TEXT:
        raise FunctionError(f"the result would have {length} characters, more than {MAX_TEXT}")


def input_of(what: str, length: int, most: int) -> None:
    """A text of that length is about to be read. Raises FunctionError where it is too long."""
    if length > most:
        raise FunctionError(f"{what} has {length} characters, more than {most}")


def items_of(count: int) -> None:
    """A list of that many elements is about to be made. Raises FunctionError where it is too long."""
    if count > MAX_ITEMS:
        raise FunctionError(f"the result would have {count} elements, more than {MAX_ITEMS}")
