"""Promises about lists: Go's types and errors, and bounded work."""

from __future__ import annotations

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import NilSlice, Slice, Value, type_of
from bank_vaults.templating.sprig import lists


def call(name: str, *given: Value) -> Value:
    return lists.FUNCTIONS[name](*given)


@pytest.mark.parametrize("name", ["first", "rest", "last", "initial", "reverse", "uniq", "compact", "concat"])
@pytest.mark.parametrize("value", ["text", 1, 1.5, {}, True])
def test_what_is_no_list_is_named_by_its_kind(name: str, value: Value) -> None:
    with pytest.raises(FunctionError, match=r"Cannot (find|compact|concat).* (string|int|float64|map|bool)"):
        call(name, value)
    with pytest.raises(FunctionError, match="nil pointer dereference"):
        call(name, None)


@pytest.mark.parametrize("name", ["append", "push", "prepend"])
def test_a_list_is_never_changed(name: str) -> None:
    before = Slice(["a"], "string")
    after = call(name, before, 1)
    assert before == ["a"]
    assert type_of(after) == "[]interface {}"
    with pytest.raises(FunctionError):
        call(name, "a", 1)


@pytest.mark.parametrize("name", ["rest", "initial"])
def test_what_is_left_of_nothing_is_nil(name: str) -> None:
    assert isinstance(call(name, []), NilSlice)
    assert type_of(call(name, Slice(["a"], "string"))) == "[]interface {}"
    assert not isinstance(call(name, [1]), NilSlice)


def test_bytes_are_lists_of_numbers() -> None:
    assert type_of(call("first", b"ab")) == "uint8"
    assert call("slice", b"abc", 1, 2) == b"b"
    assert call("has", 97, b"a") is False


def test_equal_means_equal_types_too() -> None:
    assert call("uniq", [1, 1.0, True, "1", 1]) == [1, 1.0, True, "1"]
    assert call("without", [1, True, 1.0], 1) == [True, 1.0]
    assert call("has", float("nan"), [float("nan")]) is False
    assert call("uniq", [[], NilSlice("interface {}"), Slice([], "int")]) == [[], [], []]


@pytest.mark.parametrize("name", ["uniq", "without", "has"])
def test_values_that_contain_one_another_too_often_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bank_vaults.templating.sprig.convert._MAX_VISITS", 10_000)
    deep: Value = []
    wide: Value = []
    for _ in range(limits.MAX_DEPTH + 5):
        deep = [deep]
    for _ in range(60):
        wide = [wide, wide]
    for value, complaint in ((deep, "nested more than"), (wide, "more than 10000 elements")):
        with pytest.raises(FunctionError, match=complaint):
            call(name, *((1, [value]) if name == "has" else ([value],)))


@pytest.mark.parametrize("bounds", [(2, 1), (0, 9), (-1,), (4,), (0, -1)])
def test_bounds_outside_the_list_are_refused(bounds: tuple[int, ...]) -> None:
    with pytest.raises(FunctionError, match="slice index out of bounds"):
        call("slice", [1, 2, 3], *bounds)


def test_a_part_keeps_its_type() -> None:
    assert type_of(call("slice", Slice([1, 2], "int"), 1)) == "[]int"
    assert call("slice", [1, 2, 3], "1", "0x2") == [2]
    assert call("slice", []) is None


def test_chunks_are_lists_of_lists() -> None:
    assert call("chunk", 2, [1, 2, 3]) == [[1, 2], [3]]
    assert type_of(call("chunk", 2, [])) == "[][]interface {}"
    assert call("chunk", -5, [1, 2, 3]) == []
    assert call("chunk", -2, [1]) == [[1]]
    for size, values in ((0, [1]), (-1, [1]), (-1, [1, 2, 3]), (-2, []), (0, [])):
        with pytest.raises(FunctionError, match="makeslice: len out of range"):
            call("chunk", size, values)


def test_numbers_go_round_as_int64() -> None:
    assert call("untilStep", 1, 2, (1 << 63) - 1) == [1, -(1 << 63), -1]
    assert call("untilStep", 5, 0, 1) == call("untilStep", 0, 5, 0) == call("untilStep", 0, 5, -1) == []
    assert call("until", -2) == [0, -1]
    assert type_of(call("until", 0)) == "[]int"


@pytest.mark.parametrize(
    ("bounds", "numbers"),
    [
        ((), ""),
        ((3,), "1 2 3"),
        ((-1,), "1 0 -1"),
        ((3, 1), "3 2 1"),
        ((1, 2, 6), "1 3 5"),
        ((6, 1, 1), ""),
        ((1, 0, 5), ""),
        ((1, 2, 3, 4), ""),
    ],
)
def test_numbers_are_written_as_by_seq(bounds: tuple[int, ...], numbers: str) -> None:
    assert call("seq", *bounds) == numbers


@pytest.mark.parametrize(
    "make",
    [
        lambda: call("until", 1_000_000_000),
        lambda: call("until", -(1 << 62)),
        lambda: call("untilStep", -(1 << 63), (1 << 63) - 1, 1),
        lambda: call("untilStep", (1 << 63) - 1, -(1 << 63), -1),
        lambda: call("seq", 1 << 40),
        lambda: call("concat", *[[1] * 1000] * 2000),
    ],
)
def test_lists_beyond_the_limit_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(FunctionError, match=f"elements, more than {limits.MAX_ITEMS}"):
        make()


def test_functions_with_must_are_the_same() -> None:
    assert lists.FUNCTIONS["mustFirst"] is lists.FUNCTIONS["first"]
    assert call("mustCompact", [0, 1, ""]) == [1]
    assert call("tuple", 1, None) == call("list", 1, None) == [1, None]
    assert call("last", [1, 2]) == 2
    assert call("last", []) is call("first", []) is None
    assert call("reverse", [1, 2]) == [2, 1]
    assert isinstance(call("concat"), NilSlice)
    assert call("has", 1, None) is False
