"""Numbers and quoted strings, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating.golang.strconv import (
    NumError,
    atoi,
    format_float,
    format_int,
    parse_bool,
    parse_float,
    parse_int,
    parse_uint,
    quote,
    quote_rune,
    unquote,
    unquote_character,
)
from bank_vaults.templating.golang.values import text

GO_STRINGS = st.one_of(st.binary().map(text), st.text(st.characters(exclude_categories=["Cs"])))


@given(GO_STRINGS, st.booleans())
def test_what_is_quoted_is_unquoted_to_itself(string: str, ascii_only: bool) -> None:
    quoted = quote(string, ascii_only=ascii_only)
    assert unquote(quoted) == string
    assert not ascii_only or quoted.isascii()


@given(st.floats(allow_nan=False), st.sampled_from("efgEGxX"))
def test_the_shortest_digits_name_the_same_float(number: float, verb: str) -> None:
    assert parse_float(format_float(number, verb)) == number


@given(st.integers(-(1 << 63), (1 << 64) - 1), st.integers(2, 36))
def test_an_integer_in_any_base_is_itself(number: int, base: int) -> None:
    written = format_int(number, base)
    assert int(written, base) == number
    if number >= 0:
        assert parse_uint(written, base) == number
    if number < 1 << 63:
        assert parse_int(written, base) == number


@given(st.text(max_size=12))
def test_what_is_no_number_is_told_so(string: str) -> None:
    for parse in (parse_int, parse_uint, parse_float, parse_bool, lambda each: parse_int(each, 0)):
        try:
            parse(string)
        except NumError as error:
            assert str(error).startswith("strconv.Parse")
            assert error.reason in ("invalid syntax", "value out of range")


@pytest.mark.parametrize(
    ("number", "base", "bits", "value"),
    [
        ("0", 0, 64, 0),
        ("-0x1F", 0, 64, -31),
        ("0b101", 0, 64, 5),
        ("0o17", 0, 64, 15),
        ("017", 0, 64, 15),
        ("0_1_7", 0, 64, 15),
        ("0x_f", 0, 64, 15),
        ("1_000", 0, 64, 1000),
        ("+7", 10, 64, 7),
        ("-128", 10, 8, -128),
        ("zz", 36, 64, 1295),
        ("0" * 100 + "1", 10, 64, 1),
    ],
)
def test_integers_are_read_as_in_go(number: str, base: int, bits: int, value: int) -> None:
    assert parse_int(number, base, bits) == value


@pytest.mark.parametrize(
    ("number", "base", "bits", "reason"),
    [
        ("", 10, 64, "invalid syntax"),
        ("-", 10, 64, "invalid syntax"),
        ("1_0", 10, 64, "invalid syntax"),
        ("1__0", 0, 64, "invalid syntax"),
        ("_1", 0, 64, "invalid syntax"),
        ("1_", 0, 64, "invalid syntax"),
        ("0x", 0, 64, "invalid syntax"),
        ("08", 0, 64, "invalid syntax"),
        ("٣", 10, 64, "invalid syntax"),
        ("9223372036854775808", 10, 64, "value out of range"),
        ("128", 10, 8, "value out of range"),
        ("9" * 5000, 10, 64, "value out of range"),
    ],
)
def test_what_is_no_integer_fails_as_in_go(number: str, base: int, bits: int, reason: str) -> None:
    with pytest.raises(NumError) as caught:
        parse_int(number, base, bits)
    assert str(caught.value) == f"strconv.ParseInt: parsing {quote(number)}: {reason}"


def test_atoi_names_itself() -> None:
    assert atoi("-5") == -5
    with pytest.raises(NumError, match=r'strconv.Atoi: parsing "x": invalid syntax'):
        atoi("x")


@pytest.mark.parametrize(
    "number",
    ["", ".", "e1", "1e", "+-1", "1_", "0x1", "0x1.8", "0xp1", "0x.p1", "1p2", "++1", "-nan", "infi", "1e+"],
)
def test_what_is_no_float_fails_as_in_go(number: str) -> None:
    with pytest.raises(NumError, match=r"strconv\.ParseFloat: parsing .*: invalid syntax"):
        parse_float(number)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "0x1p5000", "0x1p" + "9" * 30])
def test_a_float_that_is_too_large_fails_as_in_go(number: str) -> None:
    with pytest.raises(NumError, match="value out of range"):
        parse_float(number)


def test_floats_are_read_as_in_go() -> None:
    assert [
        parse_float(each) for each in ("1_0.5", "0x1.8p1", "-0x_1p-2", "+Inf", "-infinity", ".5", "5.")
    ] == [*(10.5, 3.0, -0.25, float("inf"), float("-inf"), 0.5, 5.0)]
    assert str(parse_float("NaN")) == "nan"


@pytest.mark.parametrize(
    ("number", "verb", "precision", "written"),
    [
        (float("nan"), "g", -1, "NaN"),
        (float("inf"), "f", 2, "+Inf"),
        (float("-inf"), "e", -1, "-Inf"),
        (0.0, "b", -1, "0p-1074"),
        (-1.5, "b", -1, "-6755399441055744p-52"),
        (1.5, "x", 0, "0x1p+01"),
        (1.999, "X", 1, "0X1.0P+01"),
        (2.5, "f", 0, "2"),
        (1234.5, "g", 0, "1e+03"),
        (0.0, "e", -1, "0e+00"),
        (1e21, "f", -1, "1" + "0" * 21),
        (1e-7, "f", -1, "0.0000001"),
    ],
)
def test_floats_are_written_as_in_go(number: float, verb: str, precision: int, written: str) -> None:
    assert format_float(number, verb, precision) == written


@pytest.mark.parametrize(
    "literal",
    [
        "",
        '"',
        '"a',
        "'a'",
        '"a"b"',
        '"a\nb"',
        '"\\"',
        '"\\q"',
        '"\\x1"',
        '"\\xzz"',
        '"\\ud800"',
        '"\\400"',
        '"\\1"',
        "`a`b`",
        '"\\n"a"',
        '"\\n\n"',
    ],
)
def test_what_is_no_literal_is_invalid_syntax(literal: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        unquote(literal)


def test_characters() -> None:
    assert unquote_character("\\n'", "'") == (10, "'")
    assert unquote_character("éx'", "'") == (233, "x'")
    assert unquote_character("\udcff'", "'") == (0xFFFD, "'")
    assert [quote_rune(code) for code in (97, 39, 10, 0x1F600, 0xD800, -1)] == [
        "'a'",
        "'\\''",
        "'\\n'",
        "'😀'",
        "'�'",
        "'�'",
    ]
    assert quote_rune(0x1F600, ascii_only=True) == "'\\U0001f600'"


def test_booleans() -> None:
    assert [parse_bool(each) for each in ("1", "t", "TRUE", "0", "F", "false")] == [*[True] * 3, *[False] * 3]
    with pytest.raises(NumError, match=r'strconv.ParseBool: parsing "yes": invalid syntax'):
        parse_bool("yes")
