"""sprig's defaults and decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Value
from bank_vaults.templating.sprig.convert import is_empty


def default(fallback: Value, *given: Value) -> Value:
    """The first that is given; the fallback where that is empty or nothing is given."""
    return fallback if not given or is_empty(given[0]) else given[0]


def coalesce(*values: Value) -> Value:
    """The first that is not empty, nil where there is none."""
    return next((each for each in values if not is_empty(each)), None)


def all_full(*values: Value) -> bool:
    """Whether none is empty."""
    return not any(map(is_empty, values))


def any_full(*values: Value) -> bool:
    """Whether one is not empty."""
    return not all(map(is_empty, values))


def ternary(yes: Value, no: Value, condition: bool) -> Value:
    """One or the other."""
    return yes if condition else no


def fail(message: str) -> Value:
    """Raises FunctionError with that text."""
    raise FunctionError(message)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "default": default,
    "empty": is_empty,
    "coalesce": coalesce,
    "all": all_full,
    "any": any_full,
    "ternary": ternary,
    "fail": fail,
}
