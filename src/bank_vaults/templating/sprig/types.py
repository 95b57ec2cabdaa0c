"""sprig's questions about the Go types of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.golang.values import Value, kind_of, type_of
from bank_vaults.templating.sprig.convert import Budget, identity


def type_is(name: str, value: Value) -> bool:
    """Whether the value has that type."""
    return type_of(value) == name


def type_is_like(name: str, value: Value) -> bool:
    """Whether the value has that type, or is a pointer to it."""
    return type_of(value) in (name, f"*{name}")


def kind_is(name: str, value: Value) -> bool:
    """Whether the value is of that kind."""
    return kind_of(value) == name


def deep_equal(one: Value, other: Value) -> bool:
    """Whether both have the same type and the same content."""
    budget = Budget()
    return identity(one, budget) == identity(other, budget)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "typeOf": type_of,
    "typeIs": type_is,
    "typeIsLike": type_is_like,
    "kindOf": kind_of,
    "kindIs": kind_is,
    "deepEqual": deep_equal,
}
