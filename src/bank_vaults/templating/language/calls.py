"""Which values and literals a parameter of a Go type takes, and what becomes of them."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating.golang.values import (
    NO_VALUE,
    Int32,
    Int64,
    Map,
    NilSlice,
    Object,
    Uint8,
    Uint32,
    Uint64,
    Value,
    type_of,
)
from bank_vaults.templating.language import tree

REFLECT: Final = "reflect.Value"
"""The type of parameters of Go's own functions that take a value as it is, without one included."""
INTERFACE: Final = "interface {}"


class Failure(Exception):  # noqa: N818 - not an error of its own, it becomes one
    """Rendering fails at the node that is looked at; the text is Go's, without the position."""


_NAMED: Final = {"time.Duration": "int64", "time.Month": "int", "time.Weekday": "int"}
"""Types with a name of their own whose values are numbers, to which a literal can be given."""
_INTEGERS: Final[dict[str, tuple[int, type[int]]]] = {
    "int": (64, int),
    "int64": (64, Int64),
    "int32": (32, Int32),
}
_UNSIGNED: Final[dict[str, tuple[int, type[int]]]] = {
    "uint8": (8, Uint8),
    "uint32": (32, Uint32),
    "uint64": (64, Uint64),
}
_ZEROS: Final[dict[str, Value]] = {
    "string": "",
    "bool": False,
    "float64": 0.0,
    "int": 0,
    "int64": Int64(0),
    INTERFACE: None,
}


def zero(wanted: str) -> Value:
    """What Go's zero value of the type is; nil for types that are not known."""
    if wanted == "map[string]interface {}":
        return {}
    if wanted.startswith("map[string]"):
        return Map({}, wanted.removeprefix("map[string]"))
    if wanted == "[]uint8":
        return b""
    if wanted.startswith("[]"):
        return NilSlice(wanted.removeprefix("[]"))
    return _ZEROS.get(wanted)


def takes_nil(wanted: str) -> bool:
    """Can a value of the type be nil?"""
    return wanted in (INTERFACE, REFLECT, "error") or wanted.startswith(("[]", "map[", "*"))


def converted(value: Value, wanted: str) -> Value:
    """The value as a parameter of that type takes it. Raises Failure where it takes none such."""
    if wanted == REFLECT:
        return value
    if value is NO_VALUE:
        if takes_nil(wanted):
            return zero(wanted)
        raise Failure(f"invalid value; expected {wanted}")
    if wanted == INTERFACE:
        return value
    got = INTERFACE if value is None else type_of(value)
    # A pointer is followed once.
    if got in (wanted, f"*{wanted}"):
        return value
    if wanted == "error" and isinstance(value, Object) and "Error" in value.methods():
        return value
    raise Failure(f"wrong type for value; expected {wanted}; got {got}")


def literal(node: tree.Node, wanted: str) -> Value:
    """The value of a literal for a parameter of that type. Raises Failure where it is none of that type."""
    if wanted in (INTERFACE, REFLECT):
        return constant(node)
    basic = _NAMED.get(wanted, wanted)
    if basic == "string":
        if isinstance(node, tree.String):
            return node.value
        expected = "string"
    elif basic == "bool":
        if isinstance(node, tree.Bool):
            return node.value
        expected = "bool"
    elif basic in _INTEGERS:
        if isinstance(node, tree.NumberNode) and node.number.signed is not None:
            bits, make = _INTEGERS[basic]
            half = 1 << (bits - 1)
            return make((node.number.signed + half) % (1 << bits) - half)
        expected = "integer"
    elif basic in _UNSIGNED:
        if isinstance(node, tree.NumberNode) and node.number.unsigned is not None:
            bits, make = _UNSIGNED[basic]
            return make(node.number.unsigned % (1 << bits))
        expected = "unsigned integer"
    elif basic == "float64":
        if isinstance(node, tree.NumberNode) and node.number.floating is not None:
            return node.number.floating
        expected = "float"
    else:
        raise Failure(f"can't handle {node.written()} for arg of type {wanted}")
    raise Failure(f"expected {expected}; found {node.written()}")


def constant(node: tree.Node) -> Value:
    """The value of a literal where no type is asked for. Raises Failure for what Go's ``int`` cannot hold."""
    if isinstance(node, (tree.String, tree.Bool)):
        return node.value
    if isinstance(node, tree.NumberNode):
        if node.number.ideal is None:
            raise Failure(f"{node.literal} overflows int")
        return node.number.ideal
    raise TypeError(type(node))
