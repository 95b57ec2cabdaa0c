"""Promises of Go's durations."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.durations import (
    HOUR,
    LONGEST,
    MINUTE,
    SECOND,
    Duration,
    duration_of_seconds,
    parse_duration,
)
from bank_vaults.templating.golang.values import Int64, kind_of, type_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0s"),
        ("-0", "0s"),
        ("1.s", "1s"),
        (".5s", "500ms"),
        ("0" * 500 + "1s", "1s"),
        ("1h2m3s4ms5us6ns", "1h2m3.004005006s"),
        ("-1.5s.5s", "-2s"),
        ("1µs", "1µs"),
        ("1μs", "1µs"),
        ("1.5us", "1.5µs"),
        ("61s", "1m1s"),
        ("1ns", "1ns"),
        ("0.9999999999999999999999s", "1s"),
        ("0.3333333333333333333h", "20m0s"),
        ("9223372036854775807ns", "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
    ],
)
def test_a_duration_is_read_and_printed_as_go_does(text: str, expected: str) -> None:
    assert parse_duration(text).go_string() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'time: invalid duration ""'),
        ("+", 'time: invalid duration "+"'),
        (".s", 'time: invalid duration ".s"'),
        ("é", r'time: invalid duration "\xc3\xa9"'),
        ("1", 'time: missing unit in duration "1"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1h-1m", 'time: unknown unit "h-" in duration "1h-1m"'),
        ('1"x\n', r'time: unknown unit "\"x\x0a" in duration "1\"x\x0a"'),
        ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
        ("-9223372036854775809ns", 'time: invalid duration "-9223372036854775809ns"'),
        ("9223372036854775809-", 'time: invalid duration "9223372036854775809-"'),
        ("9" * 500 + "h", f'time: invalid duration "{"9" * 500}h"'),
    ],
)
def test_a_text_that_is_no_duration_is_refused_in_the_words_of_go(text: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        parse_duration(text)
    assert str(refused.value) == expected


def test_a_duration_is_a_number_with_methods() -> None:
    duration = parse_duration("-1h30m15.25s")
    asked = {
        name: call() for name, (written, call) in duration.methods().items() if written.startswith("func() ")
    }
    assert asked == {
        "Abs": -duration,
        "Hours": -1.504236111111111,
        "Minutes": -90.25416666666666,
        "Seconds": -5415.25,
        "Milliseconds": -5415250,
        "Microseconds": -5415250000,
        "Nanoseconds": -5415250000000,
        "String": "-1h30m15.25s",
    }
    assert type(asked["Milliseconds"]) is Int64
    assert (type_of(duration), kind_of(duration)) == ("time.Duration", "int64")


def test_durations_are_rounded_away_from_zero_and_cut_towards_it() -> None:
    duration = Duration(-90 * MINUTE)
    assert duration.rounded(HOUR) == -2 * HOUR
    assert duration.truncated(HOUR) == -HOUR
    assert Duration(90 * SECOND).rounded(MINUTE) == 2 * MINUTE
    assert duration.rounded(0) is duration
    assert duration.truncated(-1) is duration
    assert Duration(LONGEST).rounded(HOUR) == LONGEST
    assert Duration(-LONGEST - 1).methods()["Abs"][1]() == LONGEST


def test_seconds_beyond_the_longest_duration_go_round() -> None:
    assert duration_of_seconds(9223372037).go_string() == "-2562047h47m16.709551616s"


def test_a_duration_of_great_length_is_refused() -> None:
    with pytest.raises(FunctionError, match=r"^the duration has 1025 characters, more than 1024$"):
        parse_duration("1" * 1025)
