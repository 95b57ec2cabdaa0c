"""Promises about JSON: Go's text to the byte, Go's errors, and bounded work."""

from __future__ import annotations

import json as python_json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Map, NilSlice, Object, Slice, Value, text
from bank_vaults.templating.sprig import json, jsonread

WRITERS: list[Callable[[Value], str]] = [
    json.to_json,
    json.to_pretty_json,
    json.to_raw_json,
    json.must_to_json,
    json.must_to_pretty_json,
]


class Pair(Object):
    go_type = "sprig.certificate"
    kind = "struct"

    def fields(self) -> Mapping[str, Value]:
        return {"Key": "k", "Cert": "c"}


class Marshaled(Object):
    go_type = "time.Time"
    kind = "struct"

    def methods(self) -> Mapping[str, tuple[str, Callable[..., Value]]]:
        return {"MarshalJSON": ("func() ([]uint8, error)", lambda: b'"own"')}


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_read_again(value: Value) -> None:
    for write in WRITERS:
        assert json.from_json(write(value)) == value
        assert python_json.loads(write(value), parse_int=float) == value


@given(st.text(alphabet='[]{},:"\\u09aefln+-.1 é\udcff', max_size=12))
def test_any_text_is_read_or_refused(string: str) -> None:
    try:
        value = jsonread.parse(string)
    except jsonread.JsonError as error:
        assert str(error)
        assert json.from_json(string) is None
    else:
        json.must_to_json(value)


def test_types_have_their_own_json() -> None:
    assert json.to_json({"b": b"ab", "a": NilSlice("string")}) == '{"a":null,"b":"YWI="}'
    assert json.to_json([Slice([1], "int"), Map({"k": "v"}, "string")]) == '[[1],{"k":"v"}]'
    assert json.to_json(Pair()) == '{"Key":"k","Cert":"c"}'
    assert json.to_json(Marshaled()) == '"own"'
    assert json.to_json([True, 1e21, 1e-7, 0.1, -0.0, 5]) == "[true,1e+21,1e-7,0.1,-0,5]"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    stray = text(b"\xff")
    assert json.to_json(stray) == json.to_raw_json(stray) == '"\\ufffd"'
    assert jsonread.parse(f'"{stray}"') == "\ufffd"


def test_markup_is_escaped_but_where_it_is_not_wanted() -> None:
    assert json.to_json("<\u2028>") == '"\\u003c\\u2028\\u003e"'
    assert json.to_raw_json("<\u2028>") == '"<\\u2028>"'
    assert json.to_pretty_json({"a": [], "b": [1]}) == '{\n  "a": [],\n  "b": [\n    1\n  ]\n}'


@pytest.mark.parametrize(
    ("value", "message"),
    [(1j, "unsupported type: complex128"), (float("nan"), "unsupported value: NaN"), (float("-inf"), "-Inf")],
)
def test_what_has_no_json_is_refused_or_empty(value: Value, message: str) -> None:
    assert json.to_json([value]) == json.to_pretty_json(value) == ""
    for write in (json.must_to_json, json.must_to_pretty_json, json.to_raw_json):
        with pytest.raises(FunctionError, match=message):
            write([value])


def test_values_too_deep_or_too_large_are_never_empty_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    around: list[Value] = []
    around.append(around)
    wide: Value = []
    for _ in range(60):
        wide = [wide, wide]
    monkeypatch.setattr("bank_vaults.templating.sprig.convert._MAX_VISITS", 10_000)
    for write in WRITERS:
        with pytest.raises(FunctionError, match="contains itself"):
            write(around)
        with pytest.raises(FunctionError, match="more than 10000 elements"):
            write(wide)
    monkeypatch.setattr(limits, "MAX_TEXT", 100)
    with pytest.raises(FunctionError, match="more than 100"):
        json.to_json(["x" * 60, "x" * 60])


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    for brackets in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(FunctionError, match=f"more than {limits.MAX_DEPTH} deep"):
            json.from_json(brackets)


def test_numbers_are_floats_and_last_keys_win() -> None:
    value = jsonread.parse('{"a": 1, "a": [2, -0, 1e2]}')
    assert value == {"a": [2.0, -0.0, 100.0]}
    assert isinstance(value["a"][0], float)


@pytest.mark.parametrize(
    ("string", "value"),
    [
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ud83d\u0041"', "\ufffdA"),
        (r'"\ude00\/\b"', "\ufffd/\b"),
        (" true ", True),
        ("null", None),
        ("{}", {}),
        ("[ ]", []),
    ],
)
def test_escapes_and_words_are_read(string: str, value: Value) -> None:
    assert jsonread.parse(string) == value


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("", "unexpected end of JSON input"),
        ("[1", "unexpected end of JSON input"),
        ('"a', "unexpected end of JSON input"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e", "invalid character ' ' in exponent of numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        ('"\n"', "invalid character '\\n' in string literal"),
        (r'"\x"', "invalid character 'x' in string escape code"),
        (r'"\u12"', "invalid character '\"' in \\u hexadecimal character escape"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{1}", "invalid character '1' looking for beginning of object key string"),
        ('{"a"}', "invalid character '}' after object key"),
        ('{"a":1 2}', "invalid character '2' after object key:value pair"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("[1e999, 2e999]", "json: cannot unmarshal number 1e999 into Go value of type float64"),
    ],
)
def test_errors_are_go_s(string: str, message: str) -> None:
    with pytest.raises(jsonread.JsonError) as failed:
        jsonread.parse(string)
    assert str(failed.value) == message
