"""Promises about numbers: int64 that goes round, exact decimals, Go's conversions."""

from __future__ import annotations

import math

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Int64, Uint64, Value, type_of
from bank_vaults.templating.sprig import convert, numbers

LARGEST = (1 << 63) - 1
LEAST = -(1 << 63)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12", 12),
        ("0x1f", 31),
        ("010", 8),
        ("1_000", 1000),
        ("5.00", 5),
        ("5.01", 0),
        ("5.", 0),
        ("x", 0),
        ("", 0),
        ("9223372036854775808", 0),
        (None, 0),
        (True, 1),
        (1.9, 1),
        (-1.9, -1),
        (1e30, LEAST),
        (math.nan, LEAST),
        (math.inf, LEAST),
        (Uint64((1 << 64) - 1), -1),
        ([1], 0),
        (b"1", 0),
        (1j, 0),
    ],
)
def test_any_value_stands_for_an_integer(value: Value, number: int) -> None:
    assert convert.to_int64(value) == number
    assert numbers.to_int(value) == number
    assert type_of(numbers.to_sized(value)) == "int64"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.5", 1.5),
        ("x", 0.0),
        ("1e400", 0.0),
        (None, 0.0),
        (True, 1.0),
        (3, 3.0),
        ([], 0.0),
        ("-inf", -math.inf),
    ],
)
def test_any_value_stands_for_a_float(value: Value, number: float) -> None:
    assert convert.to_float64(value) == number


def test_integers_go_round() -> None:
    assert numbers.add(LARGEST, 1) == numbers.add1(LARGEST) == LEAST
    assert numbers.sub(LEAST, 1) == LARGEST
    assert numbers.mul(LARGEST, 2) == -2
    assert numbers.div(LEAST, -1) == LEAST
    assert numbers.mod(LEAST, -1) == 0
    assert type_of(numbers.add()) == "int64"


@pytest.mark.parametrize(("dividend", "divisor"), [(7, 2), (-7, 2), (7, -2), (-7, -2)])
def test_quotients_are_cut_towards_zero(dividend: int, divisor: int) -> None:
    assert numbers.div(dividend, divisor) == int(dividend / divisor)
    assert numbers.mod(dividend, divisor) == math.fmod(dividend, divisor)


@pytest.mark.parametrize("divide", [numbers.div, numbers.mod])
def test_nothing_is_divided_by_zero(divide: object) -> None:
    assert callable(divide)
    with pytest.raises(FunctionError, match="integer divide by zero"):
        divide(1, None)
    with pytest.raises(FunctionError, match="decimal division by 0"):
        numbers.divf(1, 0)


def test_decimals_are_exact() -> None:
    assert numbers.addf(0.1, 0.2) == 0.3
    assert numbers.subf(0.3, 0.1) == 0.2
    assert numbers.mulf(1.1, 1.1) == 1.21
    assert numbers.divf(1, 3) == 0.3333333333333333
    assert numbers.divf(-2, 3) == -0.6666666666666667
    assert numbers.add1f(0.1) == 1.1
    assert numbers.addf(1e308, 1e308) == math.inf
    assert numbers.mulf(-1e200, 1e200) == -math.inf
    assert numbers.mulf(1e-200, 1e-200) == 0.0
    assert numbers.addf(1e308, -1e308, 1e-308) == 1e-308


@pytest.mark.parametrize(("value", "shown"), [("inf", "+Inf"), ("-inf", "-Inf"), ("nan", "NaN")])
def test_what_is_no_decimal_is_refused(value: str, shown: str) -> None:
    with pytest.raises(FunctionError) as failed:
        numbers.addf(1, value)
    assert str(failed.value) == f"Cannot create a Decimal from {shown}"


def test_products_are_bounded() -> None:
    with pytest.raises(FunctionError, match="decimal places"):
        numbers.mulf(*[1e300] * 1000)


def test_not_a_number_wins_but_against_infinity() -> None:
    assert math.isnan(numbers.biggest_float("nan", 1))
    assert math.isnan(numbers.smallest_float(1, "nan"))
    assert numbers.biggest_float("nan", "inf") == math.inf
    assert numbers.smallest_float("-inf", "nan") == -math.inf
    assert math.copysign(1, numbers.biggest_float(-0.0, 0.0)) == 1
    assert math.copysign(1, numbers.smallest_float(0.0, -0.0)) == -1
    assert numbers.biggest(1, "7", 3) == 7
    assert numbers.smallest(1, None) == 0


@pytest.mark.parametrize(
    ("number", "places", "up_from", "result"),
    [
        (2.5, 0, (), 3.0),
        (-2.5, 0, (), -3.0),
        (123.555, 2, (0.9,), 123.55),
        (155, -1, (), 160.0),
        (-59.64, -24, (), -9.999999999999998e23),
        ("x", 2, (), 0.0),
    ],
)
def test_rounding_begins_where_it_is_told(
    number: Value, places: int, up_from: tuple[float, ...], result: float
) -> None:
    assert numbers.rounded(number, places, *up_from) == result


def test_rounding_without_an_answer_gives_none() -> None:
    assert math.isnan(numbers.rounded(1, 400))
    assert math.isnan(numbers.rounded(1, -400))
    assert math.isnan(numbers.rounded("nan", 1))
    assert numbers.rounded(-1, -400) == -math.inf or math.isnan(numbers.rounded(-1, -400))
    assert math.isnan(numbers.rounded(1, 1 << 62))


def test_whole_numbers_stay_floats() -> None:
    assert (numbers.ceil("1.2"), numbers.floor(-1.2)) == (2.0, -2.0)
    assert math.copysign(1, numbers.ceil(-0.5)) == -1
    assert numbers.ceil("inf") == math.inf


@pytest.mark.parametrize(
    ("string", "number"),
    [("7", 7), ("010", 10), ("x", 0), ("9" * 30, LARGEST), ("-" + "9" * 30, LEAST), ("1_0", 0)],
)
def test_decimal_texts_saturate(string: str, number: int) -> None:
    assert numbers.atoi(string) == number


def test_octal_digits_are_read() -> None:
    assert numbers.to_decimal("777") == numbers.to_decimal(777) == 511
    assert numbers.to_decimal("8") == numbers.to_decimal(None) == 0
    assert isinstance(numbers.to_decimal("8"), Int64)
