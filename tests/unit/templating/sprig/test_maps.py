"""Promises about maps: which are changed, how they merge, and bounded work."""

from __future__ import annotations

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Map, NilSlice, Object, Slice, Value, type_of
from bank_vaults.templating.sprig import maps


class Pointer(Object):
    go_type = "*semver.Version"
    kind = "ptr"


def test_keys_are_texts_and_a_last_one_may_be_alone() -> None:
    assert maps.make_dict(1, 2, None, 3, "a") == {"1": 2, "<nil>": 3, "a": ""}
    assert maps.make_dict() == {}


def test_set_and_unset_change_the_map_itself() -> None:
    mapping: dict[str, Value] = {}
    assert maps.put(mapping, "a", None) is mapping
    assert mapping == {"a": None}
    assert maps.unset(maps.unset(mapping, "a"), "x") is mapping
    assert mapping == {}


def test_keys_and_values_go_together() -> None:
    mapping = {"b": 1, "a": 2}
    assert maps.keys(mapping, {"c": 3}) == ["a", "b", "c"]
    assert maps.values(mapping) == [2, 1]
    assert type_of(maps.keys()) == "[]string"


def test_a_key_that_is_not_there_is_an_empty_text() -> None:
    assert maps.get({}, "a") == ""
    assert maps.get({"a": None}, "a") is None
    assert maps.has_key({"a": None}, "a")
    assert maps.pluck("a", {"a": 1}, {}, {"a": None}) == [1, None]
    assert maps.pick({"a": 1, "b": 2}, "a", "x") == {"a": 1}
    assert maps.omit({"a": 1, "b": 2}, "a", "x") == {"b": 2}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("a", {}), "dig needs at least three arguments"),
        (("a", "d", "x"), "interface {} is string, not map[string]interface {}"),
        (("a", "d", None), "interface {} is nil, not map[string]interface {}"),
        (("a", "d", Map({}, "string")), "interface {} is map[string]string, not map[string]interface {}"),
        ((1, "d", {}), "interface {} is int, not string"),
        (("a", "b", "d", {"a": [1]}), "interface {} is []interface {}, not map[string]interface {}"),
    ],
)
def test_a_path_that_cannot_be_followed_says_why(path: tuple[Value, ...], message: str) -> None:
    with pytest.raises(FunctionError) as failed:
        maps.dig(*path)
    assert str(failed.value).endswith(message)


def test_a_path_ends_in_a_value_or_the_default() -> None:
    assert maps.dig("a", "b", "d", {"a": {"b": 1}}) == 1
    assert maps.dig("a", "b", "d", {"a": {}}) == "d"
    assert maps.dig("a", "d", {"a": None}) is None


def test_merged_maps_are_filled_not_overwritten() -> None:
    target = {"a": 1, "b": {"x": 1}, "e": ""}
    assert maps.merge(target, {"a": 2, "b": {"x": 2, "y": 3}, "c": None, "e": 5}) is target
    assert target == {"a": 1, "b": {"x": 1, "y": 3}, "e": 5}


def test_overwritten_maps_take_all() -> None:
    target = {"a": 1, "b": {"x": 1}}
    assert maps.merge_overwrite(target, {"a": None, "b": {"x": 0, "y": None}}) is target
    assert target == {"a": None, "b": {"x": 0, "y": None}}


def test_a_map_that_stays_empty_is_replaced() -> None:
    assert maps.merge({"a": {}}, {"a": {"b": None}}) == {"a": {"b": None}}
    assert maps.merge({"a": {"x": 1}}, {"a": {"b": None}}) == {"a": {"x": 1}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "value of type interface {} is not assignable to type string"),
        ([1], "value of type []interface {} is not assignable to type string"),
        (Slice([1], "int"), "value of type []int is not assignable to type string"),
    ],
)
def test_a_map_of_texts_takes_texts_only(value: Value, message: str) -> None:
    for merge in (maps.merge, maps.must_merge, maps.merge_overwrite):
        with pytest.raises(FunctionError) as failed:
            merge({"a": Map({"b": "c"}, "string")}, {"a": {"x": value}})
        assert str(failed.value) == f"reflect.Value.SetMapIndex: {message}"
    with pytest.raises(FunctionError, match="IsNil on string Value"):
        maps.merge_overwrite({"a": Map({"b": "c"}, "string")}, {"a": {"b": [1]}})


def test_a_map_does_not_replace_a_pointer() -> None:
    assert maps.merge({"a": Pointer()}, {"a": {}}) == ""
    with pytest.raises(FunctionError, match="src and dst must be of same type"):
        maps.must_merge({"a": Pointer()}, {"a": {}})
    assert maps.merge_overwrite({"a": Pointer()}, {"a": {}}) == {"a": {}}


def test_a_copy_shares_nothing() -> None:
    original = {"a": [1, Slice(["x"], "string")], "b": Map({"k": "v"}, "string"), "n": NilSlice("int")}
    copied = maps.deep_copy(original)
    assert copied == original
    assert copied["a"] is not original["a"]
    assert type_of(copied["a"][1]) == "[]string"
    assert type_of(copied["b"]) == "map[string]string"
    assert copied["b"] is not original["b"]
    assert isinstance(copied["n"], NilSlice)
    with pytest.raises(FunctionError, match="zero Value"):
        maps.deep_copy(None)


def test_maps_that_contain_themselves_are_refused() -> None:
    around: dict[str, Value] = {}
    around["self"] = around
    with pytest.raises(FunctionError, match=f"nested more than {limits.MAX_DEPTH} deep, or contains itself"):
        maps.deep_copy(around)
    other: dict[str, Value] = {}
    other["self"] = other
    with pytest.raises(FunctionError, match="contains itself"):
        maps.merge(around, other)
    with pytest.raises(FunctionError, match="contains itself"):
        maps.merge_overwrite(around, around)


def test_maps_that_contain_one_another_too_often_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank_vaults.templating.sprig.convert._MAX_VISITS", 10_000)

    def wide() -> Value:
        value: Value = {"x": 1}
        for _ in range(40):
            value = {"a": value, "b": value}
        return value

    with pytest.raises(FunctionError, match="more than 10000 elements"):
        maps.deep_copy(wide())
    with pytest.raises(FunctionError, match="more than 10000 elements"):
        maps.merge(wide(), wide())
