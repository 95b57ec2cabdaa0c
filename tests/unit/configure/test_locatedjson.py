"""Promises of the JSON that documents may be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.configure import locatedjson
from bank_vaults.templating.limits import MAX_DEPTH
from bank_vaults.templating.yaml12 import plain

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_json_is_read_as_what_it_is(value: Any, indent: Any, is_ascii: bool) -> None:
    found, faults = locatedjson.locate(json.dumps(value, indent=indent, ensure_ascii=is_ascii))
    assert (plain(found), faults) == (value, [])


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\', max_size=30))
def test_what_is_accepted_is_what_json_accepts(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(json.JSONDecodeError):
            locatedjson.locate(text)
        return
    found, faults = locatedjson.locate(text)
    assert faults or plain(found) == expected or str(expected) in ("inf", "-inf")


def test_every_value_has_its_line_and_column() -> None:
    found, _ = locatedjson.locate('{"a": [1,\n  {"b" : "ä"}, 5]}')
    assert (found.line, found.column) == (1, 1)
    items = found.value["a"]
    assert (items.line, items.column) == (1, 2)
    assert [(item.line, item.column) for item in items.value] == [(1, 8), (2, 3), (2, 16)]
    inner = items.value[1].value["b"]
    assert (inner.line, inner.column, inner.value) == (2, 4, "ä")


def test_numbers_are_known_as_they_are_written() -> None:
    found, _ = locatedjson.locate("[12345671234, 1.50, 1E3, 1e999, -1e999]")
    assert [item.written for item in found.value] == ["12345671234", "1.50", "1E3", "1e999", "-1e999"]
    assert [item.value for item in found.value] == [12345671234, 1.5, 1000.0, "1e999", "-1e999"]
    assert plain(locatedjson.locate("9" * 5000)[0]) == "9" * 5000
    assert math.isfinite(locatedjson.locate("9" * 100)[0].value)


def test_names_that_are_there_twice_are_all_told() -> None:
    _, faults = locatedjson.locate('{"a": 1, "a": {"b": 1, "b": 2}}')
    assert [(fault.column, fault.sentence) for fault in faults] == [
        (24, "'b' is there twice"),
        (10, "'a' is there twice"),
    ]


def test_half_a_pair_of_surrogates_is_an_error_and_a_whole_one_is_a_character() -> None:
    found, faults = locatedjson.locate('["\\ud83d\\ude00", "\\ud83d"]')
    assert found.value[0].value == "😀"
    assert [(fault.line, fault.column) for fault in faults] == [(1, 18)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        '{"a" 1}',
        "{1: 2}",
        '{"a": 1} x',
        "01",
        "NaN",
        '"a\nb"',
        '{"a": 1',
        "[" * (MAX_DEPTH + 2),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        locatedjson.locate(text)
