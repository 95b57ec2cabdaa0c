"""Promises of Go's times: how they are read, printed and calculated with."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import CannotCallError, FunctionError
from bank_vaults.templating.golang import times, zones
from bank_vaults.templating.golang.durations import HOUR, SECOND, Duration
from bank_vaults.templating.golang.layouts import formatted
from bank_vaults.templating.golang.times import Time, parsed
from bank_vaults.templating.golang.values import Int64, kind_of, type_of


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


FEBRUARY = "2009-02-05T05:06:07.0102Z"


def _time(text: str) -> Time:
    return parsed("2006-01-02T15:04:05Z07:00", text)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("2006 06 01 1 Jan January", "2009 09 02 2 Feb February"),
        ("02 2 _2 002 __2 Mon Monday", "05 5  5 036  36 Thu Thursday"),
        ("15 3 03 04 4 05 5 PM pm", "05 5 05 06 6 07 7 AM am"),
        (".000 .999 ,000 ,999 .0000000000000", ".010 .01 ,010 ,01 .010200000"),
        ("5.9 Jan2.9", "7 Feb5"),
        (".0001 .09", ".0002 .09"),
        ("Janus Monx _2006 200", "Janus Monx _2009 500"),
        ("MST Z07:00 Z0700 -07", "UTC Z Z +00"),
        ("", ""),
    ],
)
def test_a_layout_shows_every_element_of_the_reference_time(layout: str, expected: str) -> None:
    assert _time(FEBRUARY).shown(layout) == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (5 * 3600 + 1800, "+0530 +05:30 +05 +053000 +05:30:00 +0530"),
        (-(3600 + 120 + 3), "-0102 -01:02 -01 -010203 -01:02:03 -0102"),
    ],
)
def test_an_offset_is_shown_in_each_of_its_forms(offset: int, expected: str) -> None:
    moment = Time(0, 0, zones.Location("", offset))
    assert moment.shown("-0700 -07:00 -07 -070000 -07:00:00 MST") == expected


def test_years_of_other_lengths_are_shown_with_their_sign() -> None:
    assert _time("0000-01-01T00:00:00Z").plus_date(-5, 0, 0).shown("2006") == "-0005"
    assert _time("9999-12-31T00:00:00Z").plus_date(0, 0, 1).shown("2006-01-02") == "10000-01-01"


def test_afternoons_are_told_from_mornings() -> None:
    assert _time("2020-01-01T12:00:00Z").shown("3PM 03pm") == "12PM 12pm"
    assert _time("2020-01-01T00:00:00Z").shown("3PM") == "12AM"


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("2006-01-02", "2020-02-29", "2020-02-29 00:00:00 +0000 UTC"),
        ("06-1-2", "69-1-2", "1969-01-02 00:00:00 +0000 UTC"),
        ("06", "+1", "2001-01-01 00:00:00 +0000 UTC"),
        ("Mon January _2 2006", "tue FEBRUARY  1 2020", "2020-02-01 00:00:00 +0000 UTC"),
        ("Monday Jan 2", "Monday feb 3", "0000-02-03 00:00:00 +0000 UTC"),
        ("2006 002", "2020 060", "2020-02-29 00:00:00 +0000 UTC"),
        ("2006 __2", "2019  60", "2019-03-01 00:00:00 +0000 UTC"),
        ("3:04PM", "12:04AM", "0000-01-01 00:04:00 +0000 UTC"),
        ("3PM pm", "0AM pm", "0000-01-01 12:00:00 +0000 UTC"),
        ("03:04 pm", "03:04 pm", "0000-01-01 15:04:00 +0000 UTC"),
        ("15:04:05", "01:02:03.123456789123", "0000-01-01 01:02:03.123456789 +0000 UTC"),
        ("15:04:05.999", "01:02:03", "0000-01-01 01:02:03 +0000 UTC"),
        ("5 ,000", "1 .123", "0000-01-01 00:00:01.123 +0000 UTC"),
        ("4:5", "1:2", "0000-01-01 00:01:02 +0000 UTC"),
        ("2006 01", "2020   01", "2020-01-01 00:00:00 +0000 UTC"),
        ("-0700", "-0130", "0000-01-01 00:00:00 -0130 -0130"),
        ("-07:00:00", "+01:02:03", "0000-01-01 00:00:00 +0102 +0102"),
        ("-07 MST", "+01 CET", "0000-01-01 00:00:00 +0100 CET"),
        ("-0700 MST", "+0000 UTC", "0000-01-01 00:00:00 +0000 UTC"),
        ("Z07:00", "+00:00", "0000-01-01 00:00:00 +0000 UTC"),
        ("Z07:00", "Z", "0000-01-01 00:00:00 +0000 UTC"),
        ("MST", "UTC", "0000-01-01 00:00:00 +0000 UTC"),
        ("MST", "GMT+3", "0000-01-01 03:00:00 +0300 GMT+3"),
        ("MST", "GMT", "0000-01-01 00:00:00 +0000 GMT"),
        ("MST", "MeST", "0000-01-01 00:00:00 +0000 MeST"),
        ("MST", "WITA", "0000-01-01 00:00:00 +0000 WITA"),
        ("MST", "AMDST", "0000-01-01 00:00:00 +0000 AMDST"),
        ("MST", "+005", "0000-01-01 00:00:00 +0000 +005"),
        ("Z07:00:00", "-00:00:01", "0000-01-01 00:00:00 +0000 UTC"),
    ],
)
def test_a_time_is_read_as_its_layout_has_it(layout: str, text: str, expected: str) -> None:
    assert parsed(layout, text).go_string() == expected


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("2006", "x20", 'parsing time "x20" as "2006": cannot parse "x20" as "2006"'),
        ("2006", "20", 'parsing time "20" as "2006": cannot parse "20" as "2006"'),
        ("06", "x1", 'parsing time "x1" as "06": cannot parse "x1" as "06"'),
        ("a b", "a  c", 'parsing time "a  c" as "a b": cannot parse "c" as "a b"'),
        ("2006 01", "202001", 'parsing time "202001" as "2006 01": cannot parse "01" as " "'),
        ("2006", '2020\né"', r'parsing time "2020\x0a\xc3\xa9\"": extra text: "\x0a\xc3\xa9\""'),
        ("01", "1", 'parsing time "1" as "01": cannot parse "1" as "01"'),
        ("Jan", "Foo", 'parsing time "Foo" as "Jan": cannot parse "Foo" as "Jan"'),
        ("002", "61", 'parsing time "61" as "002": cannot parse "61" as "002"'),
        ("PM", "pm", 'parsing time "pm" as "PM": cannot parse "pm" as "PM"'),
        (".000", "x123", 'parsing time "x123" as ".000": cannot parse "x123" as ".000"'),
        (".000", ".1x3", 'parsing time ".1x3" as ".000": cannot parse ".1x3" as ".000"'),
        (".000", ".-12", 'parsing time ".-12": fractional second out of range'),
        ("-07:00", "+01-00", 'parsing time "+01-00" as "-07:00": cannot parse "+01-00" as "-07:00"'),
        ("-0700", "+1x00", 'parsing time "+1x00" as "-0700": cannot parse "+1x00" as "-0700"'),
        ("-0700", "01000", 'parsing time "01000" as "-0700": cannot parse "01000" as "-0700"'),
        ("-0700", "+2500", 'parsing time "+2500": time zone offset hour out of range'),
        ("-0700", "+0161", 'parsing time "+0161": time zone offset minute out of range'),
        ("-070000", "+010061", 'parsing time "+010061": time zone offset second out of range'),
        ("MST", "ABCDEF", 'parsing time "ABCDEF" as "MST": cannot parse "ABCDEF" as "MST"'),
        ("MST", "AB", 'parsing time "AB" as "MST": cannot parse "AB" as "MST"'),
        ("MST", "+24", 'parsing time "+24" as "MST": cannot parse "+24" as "MST"'),
        ("MST", "GMTX", 'parsing time "GMTX": extra text: "X"'),
        ("1", "13", 'parsing time "13": month out of range'),
        ("15", "24", 'parsing time "24": hour out of range'),
        ("3", "13", 'parsing time "13": hour out of range'),
        ("4", "60", 'parsing time "60": minute out of range'),
        ("5", "60", 'parsing time "60": second out of range'),
        ("2006-01-02", "2021-02-29", 'parsing time "2021-02-29": day out of range'),
        ("2006 002", "2019 366", 'parsing time "2019 366": day-of-year out of range'),
        ("2006-01 002", "2020-03 060", 'parsing time "2020-03 060": day-of-year does not match month'),
        ("2006-2 002", "2020-28 060", 'parsing time "2020-28 060": day-of-year does not match day'),
    ],
)
def test_a_text_that_is_no_time_is_refused_in_the_words_of_go(layout: str, text: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        parsed(layout, text)
    assert str(refused.value) == expected


def test_the_zone_of_the_process_is_that_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert parsed("2006-01-02", "2020-07-01").go_string() == "2020-07-01 00:00:00 +0200 CEST"
    assert parsed("2006-01-02 MST", "2020-07-01 CET").shown("15:04 MST") == "01:00 CEST"
    assert parsed("2006-01-02 -0700", "2020-01-01 +0100").location.go_string() == "Local"
    assert times.of_unix(0).shown("15:04") == "01:00"


def test_without_a_readable_zone_the_process_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", ":", "No/Where", "/no/where"):
        monkeypatch.setenv("TZ", name)
        assert zones.local() is zones.UTC
    assert zones.location("Local") is zones.UTC


def test_without_the_variable_the_zone_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ")
    assert zones.local().go_string() in ("Local", "UTC")


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "/etc/localtime", "a\\b", "Europe", "No/Where", "a/../UTC", "\0"]
)
def test_a_zone_is_looked_for_in_the_database_only(name: str) -> None:
    assert zones.location(name) is None


def test_zones_have_rules_before_and_after_the_years_of_python() -> None:
    berlin = zones.location("Europe/Berlin")
    assert berlin is not None
    assert Time(-99999999999999, 0, berlin).shown("2006 MST") == "-3166904 LMT"
    assert Time(99999999999999, 0, berlin).shown("2006 MST") == "3170843 CET"
    assert Time(40000000000, 0, berlin).shown("2006-01-02 15:04 MST") == "3237-07-20 01:06 CEST"


def test_clocks_that_jump_are_read_as_go_reads_them() -> None:
    berlin = zones.location("Europe/Berlin")
    assert berlin is not None
    before = Time(_time("2020-03-28T01:30:00Z").unix, 0, berlin)
    assert before.plus_date(0, 0, 1).shown("2006-01-02 15:04 MST") == "2020-03-29 03:30 CEST"
    assert before.plus_date(0, 0, 2).shown("2006-01-02 15:04 MST") == "2020-03-30 02:30 CEST"
    assert berlin.knows("CEST", before.unix) == 7200
    assert berlin.knows("XYZ", before.unix) is None
    assert before.location.methods()["String"][1]() == "Europe/Berlin"


def test_a_time_answers_what_a_template_asks() -> None:
    moment = _time("2020-02-29T13:14:15.123456789+02:00")
    asked = {
        name: method[1]()
        for name, method in moment.methods().items()
        if method[0].startswith("func() ") and name not in ("Zone", "Date", "Clock", "ISOWeek", "ZoneBounds")
    }
    assert asked["Year"] == 2020
    assert asked["Month"].go_string() == "February"
    assert (asked["Day"], asked["Hour"], asked["Minute"], asked["Second"]) == (29, 13, 14, 15)
    assert asked["Nanosecond"] == 123456789
    assert asked["Weekday"].go_string() == "Saturday"
    assert asked["YearDay"] == 60
    assert (asked["Unix"], asked["UnixMilli"]) == (1582974855, 1582974855123)
    assert asked["UnixMicro"] == 1582974855123456
    assert asked["UnixNano"] == 1582974855123456789
    assert type(asked["UnixNano"]) is Int64
    assert not asked["IsZero"]
    assert not asked["IsDST"]
    assert asked["UTC"].go_string() == asked["Local"].go_string() == "2020-02-29 11:14:15.123456789 +0000 UTC"
    assert asked["MarshalJSON"] == b'"2020-02-29T13:14:15.123456789+02:00"'
    assert asked["MarshalText"] == b"2020-02-29T13:14:15.123456789+02:00"
    assert asked["Month"].methods()["String"][1]() == "February"
    assert asked["Weekday"].methods()["String"][1]() == "Saturday"
    assert (type_of(asked["Month"]), kind_of(asked["Month"])) == ("time.Month", "int")


def test_times_are_compared_by_their_moment_and_equal_in_the_same_zone_only() -> None:
    one, other = _time("2020-01-01T00:00:00Z"), _time("2020-01-01T01:00:00+01:00")
    later = one.plus(1)
    methods = one.methods()
    assert methods["Equal"][1](other)
    assert methods["Before"][1](later)
    assert not methods["After"][1](later)
    assert (one.compared(later), later.compared(one), one.compared(other)) == (-1, 1, 0)
    assert one != other
    assert one == _time("2020-01-01T00:00:00Z")
    assert hash(one) == hash(_time("2020-01-01T00:00:00Z"))
    assert one != "2020"
    assert times.ZERO.methods()["IsZero"][1]()


def test_dates_that_a_month_does_not_have_are_carried() -> None:
    assert _time("2020-01-31T00:00:00Z").plus_date(0, 1, 0).shown("2006-01-02") == "2020-03-02"
    assert _time("2020-01-31T00:00:00Z").plus_date(0, -13, 0).shown("2006-01-02") == "2018-12-31"


def test_times_are_rounded_from_the_year_one() -> None:
    moment = _time("2020-01-02T12:34:56.5Z")
    assert moment.truncated(HOUR).shown("15:04:05.9") == "12:00:00"
    assert moment.rounded(HOUR).shown("15:04:05.9") == "13:00:00"
    assert moment.rounded(24 * HOUR).shown("2006-01-02") == "2020-01-03"
    assert moment.rounded(10 * SECOND).shown("15:04:05.9") == "12:35:00"
    assert moment.truncated(7 * 24 * HOUR).shown("Mon 2006-01-02") == "Mon 2019-12-30"
    assert moment.rounded(0) == moment.truncated(-1) == moment


def test_what_lies_between_times_ends_with_the_longest_duration() -> None:
    year_one, last = _time("0001-01-01T00:00:00Z"), _time("9999-01-01T00:00:00Z")
    assert last.minus(year_one) == (1 << 63) - 1
    assert year_one.minus(last) == -(1 << 63)
    assert isinstance(last.minus(last), Duration)


def test_now_carries_a_reading_of_the_clock_that_never_goes_back() -> None:
    first = times.now()
    second = times.now()
    assert " m=+" in first.go_string()
    assert " m=-" in first.plus(-(10**18)).go_string()
    assert second.compared(first) >= 0
    assert second.minus(first) >= 0
    assert " m=" not in first.rounded(0).go_string()
    assert " m=" not in first.shown_in(zones.UTC).go_string()


def test_years_that_json_cannot_have_are_refused() -> None:
    moment = _time("9999-12-31T23:00:00Z").plus(2 * HOUR)
    with pytest.raises(FunctionError, match=r"^Time\.MarshalJSON: year outside of range \[0,9999\]$"):
        moment.marshalled("MarshalJSON")
    with pytest.raises(FunctionError, match=r"^Time\.MarshalText: timezone hour outside of range \[0,23\]$"):
        Time(0, 0, zones.Location("", 86400)).marshalled("MarshalText")


def test_methods_with_several_results_say_that_a_template_cannot_call_them() -> None:
    methods = times.ZERO.methods()
    for name, reason in (
        ("Zone", "invalid function signature for Zone: second return value should be error; is int"),
        ("Date", "function Date has 3 return values; should be 1 or 2"),
    ):
        with pytest.raises(CannotCallError) as refused:
            methods[name][1]()
        assert str(refused.value) == reason


def test_a_layout_without_elements_stays_as_it_is() -> None:
    assert formatted("é日", times.ZERO.clock()) == "é日"


def test_layouts_and_times_of_great_length_are_refused() -> None:
    with pytest.raises(FunctionError, match=r"^the layout has 1025 characters, more than 1024$"):
        times.ZERO.shown("2" * 1025)
    with pytest.raises(FunctionError, match=r"^the time has 1025 characters, more than 1024$"):
        parsed("2006", "2" * 1025)
