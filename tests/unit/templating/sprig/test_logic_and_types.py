"""Promises about decisions and types."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Int64, NilSlice, Object, Slice, Value
from bank_vaults.templating.sprig import logic, types
from bank_vaults.templating.sprig.convert import is_empty


class Thing(Object):
    go_type = "*errors.errorString"
    kind = "ptr"

    def __init__(self, said: str) -> None:
        self._said = said

    def go_string(self) -> str:
        return self._said


@pytest.mark.parametrize("value", [None, "", 0, 0.0, 0j, False, [], {}, b"", Int64(0), NilSlice("int")])
def test_zero_values_are_empty(value: Value) -> None:
    assert is_empty(value)
    assert logic.default("d", value) == logic.coalesce(value, "d") == "d"
    assert not logic.all_full(1, value)
    assert not logic.any_full(value, value)


@pytest.mark.parametrize("value", ["0", -1, [None], {"a": None}, Thing(""), b"\0", float("nan")])
def test_everything_else_is_not(value: Value) -> None:
    assert not is_empty(value)
    assert logic.default("d", value) is logic.coalesce(None, value) is value
    assert logic.all_full(value)
    assert logic.any_full(None, value)


def test_nothing_given_is_the_default() -> None:
    assert logic.default("d") == "d"
    assert logic.coalesce() is None
    assert logic.all_full()
    assert not logic.any_full()
    assert (logic.ternary(1, 2, True), logic.ternary(1, 2, False)) == (1, 2)


def test_a_failure_says_what_it_was_told() -> None:
    with pytest.raises(FunctionError) as failed:
        logic.fail("%v")
    assert str(failed.value) == "%v"


def test_a_pointer_is_like_what_it_points_to() -> None:
    assert types.type_is_like("errors.errorString", Thing("a"))
    assert types.type_is("*errors.errorString", Thing("a"))
    assert not types.type_is("errors.errorString", Thing("a"))
    assert types.kind_is("ptr", Thing("a"))
    assert types.kind_is("invalid", None)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (1, Int64(1)), ([], Slice([], "int")), ([], NilSlice("interface {}")), ("a", b"a")],
)
def test_different_types_are_never_deeply_equal(one: Value, other: Value) -> None:
    assert not types.deep_equal(one, other)
    assert not types.deep_equal([one], [other])
    assert not types.deep_equal({"a": one}, {"a": other})


def test_equal_content_is_deeply_equal() -> None:
    assert types.deep_equal({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})
    assert types.deep_equal(Thing("a"), Thing("a"))
    assert not types.deep_equal(Thing("a"), Thing("b"))
    assert types.deep_equal(0.0, -0.0)
    assert not types.deep_equal(float("nan"), float("nan"))
    assert types.deep_equal(NilSlice("int"), NilSlice("int"))
