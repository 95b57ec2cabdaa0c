"""Texts become values as Go's tools would read them, or a clean error says what is accepted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bank_vaults.cli import parsers

ANYTHING = st.text(max_size=60) | st.text(alphabet='=,"{}: \n\t01_xob+-as5mh', max_size=20)
PARSERS: list[Callable[[str], object]] = [
    parsers.parse_boolean,
    parsers.parse_integer,
    parsers.parse_pause,
    parsers.parse_file_mode,
    parsers.parse_list,
    lambda text: parsers.parse_list(text, split_at_space=True),
    parsers.parse_map,
]


@pytest.mark.parametrize("parse", PARSERS)
@given(text=ANYTHING)
@example(text="x" * 100_000)
def test_any_text_gives_a_value_or_a_value_error_in_one_line(
    parse: Callable[[str], object], text: str
) -> None:
    said = "a value"
    try:
        parse(text)
    except ValueError as error:
        said = str(error)
    assert said
    assert said.isprintable()
    assert len(said) < 1000


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_the_words_of_go_for_true(text: str) -> None:
    assert parsers.parse_boolean(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_the_words_of_go_for_false(text: str) -> None:
    assert parsers.parse_boolean(text) is False


@pytest.mark.parametrize("text", ["", "yes", "no", "on", "tRUE", " true", "2", "maybe"])
def test_other_words_are_no_booleans(text: str) -> None:
    with pytest.raises(ValueError, match="accepted are true, false"):
        parsers.parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("00", 0),
        ("017", 15),
        ("0_17", 15),
        ("0o17", 15),
        ("0O17", 15),
        ("0b101", 5),
        ("0B_101", 5),
        ("0xFf", 255),
        ("0X_f_f", 255),
        ("-0x10", -16),
        ("1_000", 1000),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_integers_in_every_notation_of_go(text: str, value: int) -> None:
    assert parsers.parse_integer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "_1",
        "1_",
        "1__0",
        "0x",
        "0x_",
        "0_",
        "08",
        "0b2",
        "0o8",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "--1",
        "٣",
    ],
)
def test_what_go_refuses_is_no_integer(text: str) -> None:
    with pytest.raises(ValueError, match="not an integer"):
        parsers.parse_integer(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "-9223372036854775809", "1" * 5000, "0x" + "f" * 5000]
)
def test_integers_have_64_bits(text: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        parsers.parse_integer(text)


@given(value=st.integers(-(2**63), 2**63 - 1), form=st.sampled_from(["d", "#x", "#o", "#b", "_d", "#_x"]))
def test_integers_survive_the_round_trip(value: int, form: str) -> None:
    assert parsers.parse_integer(format(value, form)) == value


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5.0), ("7", 7.0), ("1m30s", 90.0), ("500ms", 0.5)])
def test_digits_alone_are_seconds_and_other_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert parsers.parse_pause(text) == seconds


@pytest.mark.parametrize("text", ["0", "0s", "0ms"])
def test_a_pause_of_zero_would_be_a_busy_loop(text: str) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        parsers.parse_pause(text)


@pytest.mark.parametrize("text", ["-5s", "", "abc", "5 s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parsers.parse_pause(text)


@pytest.mark.parametrize("text", ["640", "0640", "0o640"])
def test_a_file_mode_is_octal_with_or_without_prefix(text: str) -> None:
    assert parsers.parse_file_mode(text) == 0o640


@pytest.mark.parametrize("text", ["", "0x1a0", "800", "77777", "-640", "rw-r-----"])
def test_what_is_no_file_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a file mode"):
        parsers.parse_file_mode(text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        ("a,", ("a", "")),
        (",", ("", "")),
        ("a, b", ("a", " b")),
        ('"a,b",c', ("a,b", "c")),
        ('"say ""hi"""', ('say "hi"',)),
        ('""', ("",)),
        ('"a\nb"', ("a\nb",)),
        ("a,b\n", ("a", "b")),
    ],
)
def test_lists_are_csv(text: str, items: tuple[str, ...]) -> None:
    assert parsers.parse_list(text) == items


@pytest.mark.parametrize("text", ['a"b', '"a', '"a"b', ' "a"', "a\nb"])
def test_broken_csv_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a list"):
        parsers.parse_list(text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a b", ("a", "b")),
        ("a,b", ("a", "b")),
        (" a , b\n c\t", ("a", "b", "c")),
        ('"a b" c', ("a b", "c")),
        ("a,,b", ("a", "", "b")),
        ("  ", ()),
    ],
)
def test_lists_in_the_environment_split_at_space_too(text: str, items: tuple[str, ...]) -> None:
    assert parsers.parse_list(text, split_at_space=True) == items


def _csv(items: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="").writerow(items)
    return buffer.getvalue()


@given(items=st.lists(st.text(), min_size=1), split_at_space=st.booleans())
def test_lists_survive_the_round_trip(items: list[str], split_at_space: bool) -> None:
    assert parsers.parse_list(_csv(items), split_at_space=split_at_space) == tuple(items)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=b", {"a": "b"}),
        ("a=", {"a": ""}),
        ("a=b,c=d", {"a": "b", "c": "d"}),
        ("a=b,c", {"a": "b,c"}),
        ('"a=b,c",d=e', {"a": "b,c", "d": "e"}),
        ("a=b=c,d=e", {"a": "b=c", "d": "e"}),
        ("a=1,a=2", {"a": "2"}),
        ('{"a": "b", "c": ""}', {"a": "b", "c": ""}),
        (" {}", {}),
    ],
)
def test_maps_are_pairs_or_a_json_object(text: str, pairs: dict[str, str]) -> None:
    assert parsers.parse_map(text) == pairs


@pytest.mark.parametrize("text", ["", "a", "a=b,c=d,e", "=b", '"a=b', "[]", "a,b"])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a map"):
        parsers.parse_map(text)


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '{"a": null}', '{"a": {}}', "{}{}", '{"a":' * 100_000])
def test_json_that_is_no_object_of_strings_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON object of strings"):
        parsers.parse_map(text)


MAPS = st.dictionaries(
    st.text(min_size=1).filter(lambda key: "=" not in key), st.text(), min_size=1, max_size=5
)


@given(pairs=MAPS)
def test_maps_survive_the_round_trip_in_both_forms(pairs: dict[str, str]) -> None:
    assert parsers.parse_map(json.dumps(pairs)) == pairs
    assert parsers.parse_map(_csv([f"{key}={value}" for key, value in pairs.items()])) == pairs
