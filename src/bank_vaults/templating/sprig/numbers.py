"""sprig's arithmetic: int64 that goes round, and floats calculated as exact decimals where sprig does so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang import printing, strconv
from bank_vaults.templating.golang.values import Int64, Value, wrap64
from bank_vaults.templating.sprig.convert import to_float64, to_int64

_DIVISION_PLACES: Final = 16
_MAX_PLACES: Final = 100_000
"""Decimal places that a product of decimals may have."""


def add(*numbers: Value) -> Int64:
    """The sum."""
    return Int64(wrap64(sum(map(to_int64, numbers))))


def add1(number: Value) -> Int64:
    """One more."""
    return Int64(wrap64(to_int64(number) + 1))


def sub(minuend: Value, subtrahend: Value) -> Int64:
    """The difference."""
    return Int64(wrap64(to_int64(minuend) - to_int64(subtrahend)))


def div(dividend: Value, divisor: Value) -> Int64:
    """The quotient, cut towards zero. Raises FunctionError for a division by zero."""
    return Int64(wrap64(_divided(to_int64(dividend), to_int64(divisor))))


def mod(dividend: Value, divisor: Value) -> Int64:
    """The rest, with the sign of the dividend. Raises FunctionError for a division by zero."""
    whole, by = to_int64(dividend), to_int64(divisor)
    return Int64(whole - by * _divided(whole, by))


def _divided(dividend: int, divisor: int) -> int:
    if divisor == 0:
        raise FunctionError("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def mul(first: Value, *others: Value) -> Int64:
    """The product."""
    product = to_int64(first)
    for each in others:
        product = wrap64(product * to_int64(each))
    return Int64(product)


def biggest(first: Value, *others: Value) -> Int64:
    """The biggest as integers."""
    return Int64(max(map(to_int64, (first, *others))))


def smallest(first: Value, *others: Value) -> Int64:
    """The smallest as integers."""
    return Int64(min(map(to_int64, (first, *others))))


def biggest_float(first: Value, *others: Value) -> float:
    """The biggest as floats; NaN beats all but infinity."""
    result = to_float64(first)
    for each in map(to_float64, others):
        if math.inf in (result, each):
            result = math.inf
        elif math.isnan(result) or math.isnan(each):
            result = math.nan
        elif each > result or (each == result and math.copysign(1, each) > 0):
            result = each
    return result


def smallest_float(first: Value, *others: Value) -> float:
    """The smallest as floats; NaN beats all but minus infinity."""
    return -biggest_float(-to_float64(first), *(-to_float64(each) for each in others))


_Decimal = tuple[int, int]
"""A coefficient and the power of ten that it is multiplied with."""


def _decimal(value: Value) -> _Decimal:
    """The shortest decimal that names the float. Raises FunctionError where there is none."""
    number = to_float64(value)
    if not math.isfinite(number):
        raise FunctionError(f"Cannot create a Decimal from {strconv.format_float(number, 'f')}")
    sign, digits, point = strconv.shortest_digits(number)
    return int(sign + digits), point - len(digits)


def _float(number: _Decimal) -> float:
    coefficient, exponent = number
    try:
        return float(coefficient * 10**exponent) if exponent >= 0 else coefficient / 10**-exponent
    except OverflowError:
        return math.inf if coefficient > 0 else -math.inf


def _sum(one: _Decimal, other: _Decimal) -> _Decimal:
    exponent = min(one[1], other[1])
    return one[0] * 10 ** (one[1] - exponent) + other[0] * 10 ** (other[1] - exponent), exponent


def _difference(one: _Decimal, other: _Decimal) -> _Decimal:
    return _sum(one, (-other[0], other[1]))


def _product(one: _Decimal, other: _Decimal) -> _Decimal:
    exponent = one[1] + other[1]
    if abs(exponent) > _MAX_PLACES:
        raise FunctionError(f"the product would have more than {_MAX_PLACES} decimal places")
    return one[0] * other[0], exponent


def _quotient(one: _Decimal, other: _Decimal) -> _Decimal:
    """Rounded to 16 decimal places, halves away from zero."""
    if other[0] == 0:
        raise FunctionError("decimal division by 0")
    shift = one[1] - other[1] + _DIVISION_PLACES
    dividend = abs(one[0]) * 10 ** max(shift, 0)
    divisor = abs(other[0]) * 10 ** max(-shift, 0)
    quotient, rest = divmod(dividend, divisor)
    quotient += 2 * rest >= divisor
    return quotient if (one[0] < 0) == (other[0] < 0) else -quotient, -_DIVISION_PLACES


def _calculated(
    step: Callable[[_Decimal, _Decimal], _Decimal], first: Value, others: tuple[Value, ...]
) -> float:
    result = _decimal(first)
    for each in others:
        result = step(result, _decimal(each))
    return _float(result)


def addf(*numbers: Value) -> float:
    """The sum of decimals. Raises FunctionError for infinity and NaN, as all of these."""
    return _calculated(_sum, 0.0, numbers)


def add1f(number: Value) -> float:
    """One more."""
    return _calculated(_sum, number, (1.0,))


def subf(first: Value, *others: Value) -> float:
    """The first less all others, as decimals."""
    return _calculated(_difference, first, others)


def divf(first: Value, *others: Value) -> float:
    """The first divided by each of the others, as decimals of 16 places. Raises FunctionError for zero."""
    return _calculated(_quotient, first, others)


def mulf(first: Value, *others: Value) -> float:
    """The product of decimals."""
    return _calculated(_product, first, others)


def ceil(number: Value) -> float:
    """The next whole number above, as a float."""
    return _whole(to_float64(number), math.ceil)


def floor(number: Value) -> float:
    """The next whole number below, as a float."""
    return _whole(to_float64(number), math.floor)


def _whole(number: float, towards: Callable[[float], int]) -> float:
    return math.copysign(float(towards(number)), number) if math.isfinite(number) else number


def rounded(number: Value, places: int, *up_from: float) -> float:
    """So many decimal places; what is left over is rounded up from ``up_from`` on, 0.5 if it is not given."""
    threshold = up_from[0] if up_from else 0.5
    power = _power_of_ten(places)
    digits = power * to_float64(number)
    fraction = math.modf(digits)[0] if math.isfinite(digits) else math.nan
    return _quotient_of_floats(_whole(digits, math.ceil if fraction >= threshold else math.floor), power)


def _power_of_ten(exponent: int) -> float:
    """By squaring, with the power of two kept apart: large powers have Go's last digit, not the nearest."""
    mantissa, twos = 1.0, 0
    square, square_twos = math.frexp(10.0)
    left = abs(exponent)
    while left:
        if left & 1:
            mantissa *= square
            twos += square_twos
        square, carry = math.frexp(square * square)
        # Past what a float can hold only the sign of the exponent counts.
        square_twos = min(2 * square_twos + carry, 1 << 20)
        left >>= 1
    if exponent < 0:
        mantissa, twos = 1 / mantissa, -twos
    try:
        return math.ldexp(mantissa, twos)
    except OverflowError:
        return math.inf


def _quotient_of_floats(dividend: float, divisor: float) -> float:
    if divisor:
        return dividend / divisor
    return math.copysign(math.inf, dividend) if dividend and not math.isnan(dividend) else math.nan


def to_int(value: Value) -> int:
    """The integer that a value stands for, 0 where it stands for none."""
    return to_int64(value)


def to_sized(value: Value) -> Int64:
    """The same as an int64."""
    return Int64(to_int64(value))


def atoi(string: str) -> int:
    """The decimal number in the text, 0 where there is none, the nearest where it is too large."""
    try:
        return strconv.atoi(string)
    except strconv.NumError as error:
        if error.reason != strconv.RANGE:
            return 0
        return strconv.MIN_INT64 if string.startswith("-") else strconv.MAX_INT64


def to_decimal(value: Value) -> Int64:
    """The number whose octal digits the value prints as, 0 where it prints as something else."""
    try:
        return Int64(strconv.parse_int(printing.sprint(value), 8))
    except strconv.NumError:
        return Int64(0)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "add": add,
    "add1": add1,
    "sub": sub,
    "div": div,
    "mod": mod,
    "mul": mul,
    "addf": addf,
    "add1f": add1f,
    "subf": subf,
    "divf": divf,
    "mulf": mulf,
    "max": biggest,
    "biggest": biggest,
    "min": smallest,
    "maxf": biggest_float,
    "minf": smallest_float,
    "ceil": ceil,
    "floor": floor,
    "round": rounded,
    "int": to_int,
    "int64": to_sized,
    "float64": to_float64,
    "atoi": atoi,
    "toDecimal": to_decimal,
}
