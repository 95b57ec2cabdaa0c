"""Durations: Go's notation, and never a silent zero."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.domain.durations import format_duration, parse_duration

_LONGEST = 9_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("20us", 0.00002),
        ("20µs", 0.00002),
        ("20\N{GREEK SMALL LETTER MU}s", 0.00002),
        ("3ns", 3e-9),
        ("60", 60),
        ("0", 0),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_go_durations_and_digits_alone_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", " ", "5 s", "s", "1.5", "-1s", "+1s", "1d", "abc", "1m30", ".", ".s", "1..5s", "٣s", "5s\n"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 5s, 1m30s or 500ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 64, "9999999h", "9" * 65])
def test_endless_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"292 years|64 characters"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3600, "1h"), (0.02, "20ms"), (1.5, "1.5s"), (2e-6, "2µs"), (5e-9, "5ns")],
)
def test_the_usual_form_is_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_what_is_no_duration_is_not_written(seconds: float) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        format_duration(seconds)


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=_LONGEST))
def test_what_is_written_is_read_again(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-9, rel=1e-12)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_duration_or_a_valueerror(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0
