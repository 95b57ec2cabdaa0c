"""Promises of sprig's dates."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.durations import HOUR
from bank_vaults.templating.golang.times import now
from bank_vaults.templating.golang.values import Int32, Int64, Value
from bank_vaults.templating.sprig import dates


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_a_date_is_shown_in_the_zone_that_is_asked_for() -> None:
    moment = dates.to_date("2006-01-02 15:04", "2020-06-15 12:00")
    assert dates.date_in_zone("15:04 MST", moment, "Europe/Berlin") == "14:00 CEST"
    assert dates.date_in_zone("15:04 MST", moment, "No/Where") == "12:00 UTC"
    assert dates.html_date_in_zone(80000, "Asia/Tokyo") == "1970-01-02"


def test_a_date_without_zone_is_in_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert dates.date("2006-01-02 15:04 MST", 0) == "1969-12-31 19:00 EST"
    assert dates.html_date(0) == "1969-12-31"
    assert dates.to_date("2006-01-02", "2020-01-01").unix == 1577854800


@pytest.mark.parametrize("value", [86400, Int64(86400), Int32(86400)])
def test_numbers_are_seconds_since_1970(value: Value) -> None:
    assert dates.html_date(value) == "1970-01-02"


@pytest.mark.parametrize("value", ["0", 0.0, None, True, [], {}])
def test_anything_else_is_now(value: Value) -> None:
    assert int(dates.date("2006", value)) >= 2020
    assert dates.ago(value) == "0s"


def test_ago_takes_times_and_seconds() -> None:
    assert dates.ago(now().plus(-5_000_000_000)) == "5s"
    assert dates.ago(Int64(0)).endswith("s")
    assert dates.ago(0) != "0s"
    assert dates.ago(Int32(0)) == "0s"


def test_a_date_that_cannot_be_read_is_the_first_of_all() -> None:
    assert dates.to_date("2006", "x").go_string() == "0001-01-01 00:00:00 +0000 UTC"
    assert dates.unix_epoch(dates.to_date("2006", "x")) == "-62135596800"
    with pytest.raises(FunctionError, match=r"^parsing time"):
        dates.must_to_date("2006", "x")


def test_a_duration_that_cannot_be_read_changes_nothing() -> None:
    moment = dates.to_date("2006", "2020")
    assert dates.date_modify("1h", moment).shown("15:04") == "01:00"
    assert dates.date_modify("x", moment) is moment
    with pytest.raises(FunctionError, match=r"^time: invalid duration"):
        dates.must_date_modify("x", moment)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("95", "1m35s"),
        ("-5", "-5s"),
        ("+5", "5s"),
        ("x", "0s"),
        ("", "0s"),
        ("1_000", "0s"),
        ("9223372036854775808", "-1s"),
        ("-9223372036854775809", "0s"),
        (Int64(95), "1m35s"),
        (95, "0s"),
        (1.5, "0s"),
        (None, "0s"),
    ],
)
def test_a_duration_is_made_of_texts_and_int64(value: Value, expected: str) -> None:
    assert dates.duration(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("60s", "60s"),
        ("61s", "1m"),
        ("3601s", "1h"),
        ("-25h", "1d"),
        ("720h1s", "1mo"),
        ("8760h1s", "1y"),
        ("999ms", "0s"),
        ("x", "0s"),
        (Int64(5_000_000_000), "5s"),
        (5_000_000_000, "0s"),
    ],
)
def test_a_duration_is_rounded_to_its_greatest_unit(value: Value, expected: str) -> None:
    assert dates.duration_round(value) == expected


def test_what_has_passed_since_a_time_is_rounded_too() -> None:
    assert dates.duration_round(now().plus(-2 * HOUR - 1)) == "2h"
