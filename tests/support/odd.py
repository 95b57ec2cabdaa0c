"""Values with one node replaced by something of another kind: what nobody means, and what may come anyway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARK = "garbage"
"""What the texts in the replacements say."""

ODD: tuple[Any, ...] = (MARK, 7, True, None, [MARK], [{MARK: 1}], {MARK: MARK})

_BRIEF: tuple[Any, ...] = (MARK, 7, None, [MARK], {MARK: MARK})
_BRIEF_TEXT: tuple[Any, ...] = (MARK, 7, None, [MARK])
_BRIEF_SCALAR: tuple[Any, ...] = (MARK, None, {MARK: MARK})


def mutants(value: Any, *, brief: bool = False) -> Iterator[tuple[str, Any]]:
    """Each node replaced by values of each kind, with its place; the value itself is the first node.

    ``brief`` has one value of a kind, and leaves out what is like another one beside it.
    """
    for odd in _replacements(value) if brief else ODD:
        yield f"= {odd!r}", odd
    if isinstance(value, dict):
        for name in _unlike(value) if brief else value:
            for where, mutant in mutants(value[name], brief=brief):
                yield f".{name}{where}", {**value, name: mutant}
    elif isinstance(value, list):
        for number, each in enumerate(value[:1] if brief else value):
            for where, mutant in mutants(each, brief=brief):
                yield f"[{number}]{where}", [*value[:number], mutant, *value[number + 1 :]]


def _replacements(value: Any) -> tuple[Any, ...]:
    if isinstance(value, (dict, list)):
        return _BRIEF
    return _BRIEF_TEXT if isinstance(value, str) else _BRIEF_SCALAR


def _unlike(members: dict[str, Any]) -> Iterator[str]:
    """Of the entries of a listing one for each type."""
    known = set()
    for name, each in members.items():
        if isinstance(each, dict):
            kind = (each.get("type"), frozenset(each))
            if kind in known:
                continue
            known.add(kind)
        yield name
