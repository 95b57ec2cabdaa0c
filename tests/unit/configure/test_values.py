"""Promises of the conversions of single values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bank_vaults.configure import values
from bank_vaults.configure.problems import Path, Reporter
from bank_vaults.templating import yaml12
from bank_vaults.templating.yaml12 import Located

_Convert = Callable[[Located, Path, Reporter], Any]


def _converted(convert: _Convert, written: str) -> tuple[Any, list[str], list[str]]:
    """The value, problems and warnings of a YAML text."""
    reporter = Reporter("f")
    found, _ = yaml12.locate(written)
    assert found is not None
    value = convert(found, ("x",), reporter)
    return value, [each.sentence for each in reporter.problems], [each.sentence for each in reporter.warnings]


@pytest.mark.parametrize(
    ("convert", "written", "value"),
    [
        (values.text, "a", "a"),
        (values.text, "''", ""),
        (values.text, "5", "5"),
        (values.text, "0x1F", "31"),
        (values.text, "1e3", "1000"),
        (values.text, "1.50", "1.5"),
        (values.text, "1e-7", "0.0000001"),
        (values.text, ".inf", ".inf"),
        (values.text, "012345670123", "012345670123"),
        (values.text, "12345678901234567890123", "12345678901234567890123"),
        (values.text, "1_000", "1000"),
        (values.text, "true", "1"),
        (values.text, "false", "0"),
        (values.written, "true", "true"),
        (values.written, "0600", "0600"),
        (values.written, "1.10", "1.10"),
        (values.boolean, "true", True),
        (values.boolean, "'t'", True),
        (values.boolean, "'FALSE'", False),
        (values.boolean, "''", False),
        (values.boolean, "2", True),
        (values.boolean, "0.0", False),
        (values.integer, "5", 5),
        (values.integer, "true", 1),
        (values.integer, "5.0", 5),
        (values.integer, "''", 0),
        (values.integer, "'0x1F'", 31),
        (values.integer, "'-0o17'", -15),
        (values.integer, "'017'", 15),
        (values.integer, "'0b11'", 3),
        (values.integer, "'42'", 42),
        (values.duration, "1h", "1h"),
        (values.duration, "3600", "3600"),
        (values.duration, "''", "0"),
        *((values.duration, each, each) for each in ("1d", "1h30m", "1.5h", "-1h", "-1", "system", "500ms")),
        (values.name, "5", "5"),
        (values.name, "a/b c", "a/b c"),
        (values.name, "''", ""),
        (values.mount_path, "/a/b/", "a/b"),
        (values.mount_path, "5", "5"),
        (values.mount_path, "''", ""),
        (values.texts, "a", ["a"]),
        (values.texts, "a,b", ["a,b"]),
        (values.texts, "[a, 1, ~, true]", ["a", "1", "true"]),
        (values.texts, "{}", []),
        (values.words, "a, b,", ["a", "b"]),
        (values.words, "''", []),
        (values.words, "[a, 'b,c']", ["a", "b,c"]),
        (values.text_map, "{a: 1, b: true, c: ~, d: 0600}", {"a": "1", "b": "true", "d": "0600"}),
        (values.free_map, "[{a: 1, b: 2}, {a: 3}]", {"a": 3, "b": 2}),
        (values.free_map, "[]", {}),
        (
            values.free_map,
            "{a: 1.0, b: ~, c: [1.5, {d: 1e3}], e: 1e30, f: 18446744073709551615}",
            {"a": 1, "b": None, "c": [1.5, {"d": 1000}], "e": 1e30, "f": 18446744073709551615},
        ),
    ],
)
def test_a_value_becomes_what_was_meant(convert: _Convert, written: str, value: Any) -> None:
    found, problems, _ = _converted(convert, written)
    assert (found, type(found), problems) == (value, type(value), [])


def test_numbers_of_free_maps_are_plain_ones() -> None:
    found, _, _ = _converted(values.free_map, "{a: 18446744073709551615, b: 1.0}")
    assert [type(value) for value in found.values()] == [int, int]


@pytest.mark.parametrize(
    ("convert", "written", "sentence"),
    [
        (values.text, "[a]", "a text is expected, not a list"),
        (values.text, "{a: b}", "a text is expected, not a map"),
        (values.boolean, "yes", "the text is no boolean"),
        (values.boolean, "[]", "a boolean is expected, not a list"),
        (values.integer, "1.5", "a whole number is expected, not a number"),
        (values.integer, "a", "a whole number is expected, not a text"),
        (values.integer, "'" + "1" * 5000 + "'", "a whole number is expected, not a text"),
        (values.duration, "true", "a duration is expected, not a boolean"),
        (values.duration, "[]", "a text is expected, not a list"),
        *(
            (values.duration, each, "the text is no duration")
            for each in ("1 hour", "' 1h'", "1H", "1w", "1.5d", "90.5")
        ),
        (values.name, "[]", "a text is expected, not a list"),
        (values.name, "' a'", "a name with white space at its ends is no usable one"),
        (values.name, '"a\\tb"', "a name with control characters is no usable one"),
        (values.name, "a//b", "a name with '.', '..' or nothing between its slashes is no usable one"),
        (values.name, "../a", "a name with '.', '..' or nothing between its slashes is no usable one"),
        (values.name, "a/", "a name with '.', '..' or nothing between its slashes is no usable one"),
        (values.mount_path, "//", "a path of nothing but slashes is no usable one"),
        (
            values.mount_path,
            "a/../b",
            "a name with '.', '..' or nothing between its slashes is no usable one",
        ),
        (values.texts, "[[a]]", "a text is expected, not a list"),
        (values.text_map, "{a: {b: c}}", "a text is expected, not a map"),
        (values.text_map, "a", "a map is expected, not a text"),
        (values.free_map, "[a]", "a map is expected, not a list"),
        (values.free_map, "{a: .nan}", "JSON has no such number"),
    ],
)
def test_what_cannot_be_meant_is_a_problem(convert: _Convert, written: str, sentence: str) -> None:
    _, problems, _ = _converted(convert, written)
    assert problems == [sentence]


@pytest.mark.parametrize("written", ["{a: 0123}", "{a: 012345678901}", "{a: [00.5]}"])
def test_a_number_that_loses_its_leading_zero_is_warned_of(written: str) -> None:
    _, problems, warnings = _converted(values.free_map, written)
    assert not problems
    assert warnings == ["a number with a leading zero loses it, and may be read as an octal one"]


@pytest.mark.parametrize("written", ["{a: 0}", "{a: 0.5}", "{a: '0123'}", "{a: 0x10}", "{a: 10}", "{a: 00}"])
def test_other_numbers_are_not_warned_of(written: str) -> None:
    assert _converted(values.free_map, written)[2] == []


def test_what_there_is_nothing_of_is_called_nothing() -> None:
    assert values.describe(None) == "nothing"
