"""``eq ne lt le gt ge``, and what is true."""

from __future__ import annotations

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.printing import sprint
from bank_vaults.templating.golang.values import NO_VALUE, Object, Sized, Value, kind_of, octets, type_of


def truth(value: Value) -> bool:
    """Is the value neither zero nor empty nor nil?"""
    if value is None or value is NO_VALUE:
        return False
    if isinstance(value, Object) and not isinstance(value, int):
        return True
    return bool(value)


def equal(first: Value, *others: Value) -> bool:
    """``eq``: is the first equal to one of the others? Raises FunctionError for what cannot be compared."""
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_equal(first, other) for other in others)


def not_equal(first: Value, second: Value) -> bool:
    """``ne``"""
    return not _equal(first, second)


def less(first: Value, second: Value) -> bool:
    """``lt``"""
    kind, other = _basic(first), _basic(second)
    if not kind or not other:
        raise FunctionError("invalid type for comparison")
    if kind != other and {kind, other} != {"int", "uint"}:
        raise _incompatible(first, second)
    if kind in ("bool", "complex"):
        raise FunctionError("invalid type for comparison")
    if kind == "string" and not (first.isascii() and second.isascii()):
        return octets(first) < octets(second)
    return bool(first < second)


def less_or_equal(first: Value, second: Value) -> bool:
    """``le``"""
    return less(first, second) or _equal(first, second)


def greater(first: Value, second: Value) -> bool:
    """``gt``"""
    return not less_or_equal(first, second)


def greater_or_equal(first: Value, second: Value) -> bool:
    """``ge``"""
    return not less(first, second)


def _basic(value: Value) -> str:
    """The kind of a value that Go's operators compare, empty for all others."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Sized):
        return "uint" if _go_kind(value).startswith("uint") else "int"
    if isinstance(value, int):
        return "int"
    if isinstance(value, str):
        return "string"
    if isinstance(value, float):
        return "float"
    return "complex" if isinstance(value, complex) else ""


def _go_kind(value: Sized) -> str:
    return value.kind if isinstance(value, Object) else value.go_type


def _equal(first: Value, second: Value) -> bool:
    first = NO_VALUE if first is None else first
    second = NO_VALUE if second is None else second
    kind, other = _basic(first), _basic(second)
    if kind != other and {kind, other} != {"int", "uint"}:
        if first is not NO_VALUE and second is not NO_VALUE:
            raise _incompatible(first, second)
        return False
    if kind:
        return bool(first == second)
    if first is NO_VALUE or second is NO_VALUE:
        return first is second
    if kind_of(first) != kind_of(second):
        raise FunctionError(
            f"non-comparable types {_as_string(first)}: {type_of(first)}, {type_of(second)}: {sprint(second)}"
        )
    if isinstance(second, (list, dict, bytes)) or not second.comparable:
        raise FunctionError(f"non-comparable type {_as_string(second)}: {type_of(second)}")
    return first is second if kind_of(first) == "ptr" else bool(first == second)


def _as_string(value: Value) -> str:
    from bank_vaults.templating.golang.printf import sprintf

    return sprintf("%s", value)


def _incompatible(first: Value, second: Value) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_of(first)} and {type_of(second)}")
