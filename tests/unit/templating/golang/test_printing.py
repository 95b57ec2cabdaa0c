"""What values look like; that Go prints the same is proved in ``tests/compat/templates``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.printf import sprintf
from bank_vaults.templating.golang.printing import MAX_NESTING, sprint, sprintln, text_of
from bank_vaults.templating.golang.values import NO_VALUE, Int64, Map, NilSlice, Slice, Uint8, Uint64, Value

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.text(), st.floats(), st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
)


@given(VALUES)
def test_a_format_for_any_value_gives_what_printing_gives(value: Value) -> None:
    assert sprintf("%v", value) == text_of(value)
    assert sprint(value) == text_of(value)
    assert sprintln(value) == text_of(value) + "\n"


@given(st.text(alphabet="%vdsqxXtcUeEfgGbopwT+-# 0123456789.*[]a"), st.lists(VALUES, max_size=4))
def test_any_format_takes_any_values(template: str, values: list[Value]) -> None:
    try:
        assert isinstance(sprintf(template, *values), str)
    except FunctionError as error:
        assert "would have" in str(error)


def test_texts_of_every_kind() -> None:
    value = {
        "b": [1, "a", None, NO_VALUE, True, 1.0, 1 - 2j],
        "a": Slice([Uint8(1), Int64(2)], "int64"),
        "c": Map({"x": b"hi"}, "[]uint8"),
    }
    assert text_of(value) == "map[a:[1 2] b:[1 a <nil> <nil> true 1 (1-2i)] c:map[x:[104 105]]]"
    assert text_of(NO_VALUE) == "<nil>"
    assert sprint("a", 1, 2, "b", 3) == "a1 2b3"
    assert sprint() == ""


def test_go_syntax_of_every_kind() -> None:
    values = [1, "a", None, Uint64(5), b"a", NilSlice("string"), Slice([], "int"), Map({"a": 1}, "int")]
    assert sprintf("%#v", values) == (
        '[]interface {}{1, "a", interface {}(nil), 0x5, []uint8{0x61}, []string(nil), []int{}, '
        'map[string]int{"a":1}}'
    )
    assert sprintf("%#v", b"a") == "[]byte{0x61}"


def test_values_may_not_nest_for_ever() -> None:
    value: Value = []
    for _ in range(MAX_NESTING - 1):
        value = [value]
    assert text_of(value) == "[" * MAX_NESTING + "]" * MAX_NESTING
    assert sprintf("%v", value) == text_of(value)
    for show in (text_of, lambda each: sprintf("%d", each)):
        with pytest.raises(FunctionError, match="within one another"):
            show([value])
