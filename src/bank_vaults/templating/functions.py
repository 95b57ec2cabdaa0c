"""The functions that a template can call: what they are called, what Go types they take, where they are.

A function is plain Python with positional arguments. It is given values of the Go types that its signature
names (``golang.values``) and need not look again; for ``interface {}`` it takes what comes. It raises
FunctionError where Go's would return an error or panic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bank_vaults.templating.golang.values import Value

Lookup = Callable[[str], "Function | None"]
"""From a name to its function, None where there is none."""


class Signature(NamedTuple):
    """Go types of what a function takes; with ``variadic`` the last may be given any number of times."""

    parameters: tuple[str, ...]
    variadic: bool


class Function(NamedTuple):
    """A function of a template."""

    name: str
    signature: Signature
    call: Callable[..., Value]


def signature(written: str) -> Signature:
    """Read a signature as Go writes it: ``func(int, ...string) (string, error)``."""
    inside = written.removeprefix("func(").partition(")")[0]
    names = tuple(each.strip() for each in inside.split(",")) if inside else ()
    variadic = bool(names) and names[-1].startswith("...")
    if variadic:
        names = (*names[:-1], names[-1].removeprefix("..."))
    return Signature(names, variadic)


def chained(*lookups: Lookup) -> Lookup:
    """The first that knows the name answers."""

    def find(name: str) -> Function | None:
        for lookup in lookups:
            found = lookup(name)
            if found is not None:
                return found
        return None

    return find


def table(functions: Mapping[str, tuple[str, Callable[..., Value]]]) -> Lookup:
    """A look-up over functions by name, with their signatures as Go writes them."""

    def find(name: str) -> Function | None:
        entry = functions.get(name)
        return None if entry is None else Function(name, signature(entry[0]), entry[1])

    return find
