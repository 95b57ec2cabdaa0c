"""sprig's functions for maps. ``set``, ``unset`` and ``merge`` change the map that they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Map, NilSlice, Slice, Value, kind_of, octets, type_of
from bank_vaults.templating.sprig.convert import Budget, is_empty, strval

Dict = dict[str, Value]
"""A ``map[string]interface {}``; a nil map comes as an empty one."""


def make_dict(*keys_and_values: Value) -> Dict:
    """A map of keys and values in turn; a last key without a value has an empty text."""
    result = {
        strval(key): value for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=False)
    }
    if len(keys_and_values) % 2:
        result[strval(keys_and_values[-1])] = ""
    return result


def get(mapping: Dict, key: str) -> Value:
    """The value of a key, an empty text where there is none."""
    return mapping.get(key, "")


def put(mapping: Dict, key: str, value: Value) -> Dict:
    """The same map, with the key."""
    mapping[key] = value
    return mapping


def unset(mapping: Dict, key: str) -> Dict:
    """The same map, without the key."""
    mapping.pop(key, None)
    return mapping


def has_key(mapping: Dict, key: str) -> bool:
    """Whether there is that key, with whatever value."""
    return key in mapping


def pluck(key: str, *mappings: Dict) -> list[Value]:
    """What the maps that have the key have there."""
    return [each[key] for each in mappings if key in each]


def dig(*path: Value) -> Value:
    """Keys, a default, and the map within maps to follow them in.

    Raises FunctionError for fewer than three arguments, and where something on the way is no map.
    """
    if len(path) < 3:
        raise FunctionError("dig needs at least three arguments")
    *keys, fallback, value = path
    _assert_map(value)
    for key in keys:
        if not isinstance(key, str):
            raise FunctionError(_conversion(key, "string"))
    for key in keys:
        _assert_map(value)
        if key not in value:
            return fallback
        value = value[key]
    return value


def _assert_map(value: Value) -> None:
    if not isinstance(value, dict) or isinstance(value, Map):
        raise FunctionError(_conversion(value, "map[string]interface {}"))


def _conversion(value: Value, wanted: str) -> str:
    given = "nil" if value is None else type_of(value)
    return f"interface conversion: interface {{}} is {given}, not {wanted}"


def keys(*mappings: Dict) -> Slice:
    """The keys of each map, sorted; Go has them in any order."""
    return Slice([key for each in mappings for key in sorted(each, key=octets)], "string")


def values(mapping: Dict) -> list[Value]:
    """The values in the order of their keys; Go has them in any order."""
    return [mapping[key] for key in sorted(mapping, key=octets)]


def pick(mapping: Dict, *wanted: str) -> Dict:
    """A map with those keys only."""
    return {key: mapping[key] for key in wanted if key in mapping}


def omit(mapping: Dict, *unwanted: str) -> Dict:
    """A map without those keys."""
    return {key: value for key, value in mapping.items() if key not in unwanted}


class _DifferentTypesError(FunctionError):
    def __init__(self) -> None:
        super().__init__("src and dst must be of same type")


def merge(target: Dict, *sources: Dict) -> Dict | str:
    """As ``mustMerge``, but an empty text where a map meets a pointer."""
    try:
        return must_merge(target, *sources)
    except _DifferentTypesError:
        return ""


def must_merge(target: Dict, *sources: Dict) -> Dict:
    """The same map, with what it does not have, or has empty, from the others; maps within are merged too.

    Raises FunctionError where a map of texts cannot take a value, or a map meets a pointer.
    """
    return _all_merged(target, sources, overwrite=False)


def merge_overwrite(target: Dict, *sources: Dict) -> Dict:
    """The same map, with all that the others have; maps within are merged too.

    Raises FunctionError where a map of texts cannot take a value.
    """
    return _all_merged(target, sources, overwrite=True)


def _all_merged(target: Dict, sources: tuple[Dict, ...], *, overwrite: bool) -> Dict:
    budget = Budget()
    for each in sources:
        _merge(target, each, overwrite, budget, 0)
    return target


def _merge(target: Dict, source: Dict, overwrite: bool, budget: Budget, depth: int) -> None:
    for key, new in list(source.items()):
        budget.enter(depth)
        old = target.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            _merge(old, new, overwrite, budget, depth + 1)
            if old or overwrite:
                continue
        elif isinstance(new, dict) and not overwrite and kind_of(old) == "ptr":
            raise _DifferentTypesError
        if overwrite or (new is not None and is_empty(old)):
            if isinstance(target, Map) and not isinstance(source, Map):
                raise FunctionError(_unassignable(new, target.element, known=key in target))
            target[key] = new


def _unassignable(value: Value, wanted: str, *, known: bool) -> str:
    """What Go says where a map of one type cannot take a value, of a known or a new key."""
    given = "interface {}"
    if isinstance(value, (list, bytes)):
        if known:
            return f"reflect: call of reflect.Value.IsNil on {wanted} Value"
        given = type_of(value)
    return f"reflect.Value.SetMapIndex: value of type {given} is not assignable to type {wanted}"


def deep_copy(value: Value) -> Value:
    """The value with copies of all lists and maps in it. Raises FunctionError for nil."""
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    return _copied(value, Budget(), 0)


def _copied(value: Value, budget: Budget, depth: int) -> Value:
    budget.enter(depth)
    if isinstance(value, NilSlice):
        return value
    if isinstance(value, list):
        elements = [_copied(each, budget, depth + 1) for each in value]
        return Slice(elements, value.element) if isinstance(value, Slice) else elements
    if isinstance(value, dict):
        content = {key: _copied(each, budget, depth + 1) for key, each in value.items()}
        return Map(content, value.element) if isinstance(value, Map) else content
    return value


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "dict": make_dict,
    "get": get,
    "set": put,
    "unset": unset,
    "hasKey": has_key,
    "pluck": pluck,
    "dig": dig,
    "keys": keys,
    "values": values,
    "pick": pick,
    "omit": omit,
    "merge": merge,
    "mergeOverwrite": merge_overwrite,
    "mustMerge": must_merge,
    "mustMergeOverwrite": merge_overwrite,
    "deepCopy": deep_copy,
    "mustDeepCopy": deep_copy,
}
