"""Promises of the YAML that configuration files and templates use."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import yaml12
from bank_vaults.templating.golang.values import NO_VALUE, Map, Object, Slice, Uint64, Value, type_of
from bank_vaults.templating.limits import MAX_DEPTH


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("true", True),
        ("FALSE", False),
        ("12:30", "12:30"),
        ("190:20:30", "190:20:30"),
        ("0o17", 15),
        ("017", 15),
        ("08", 8),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.5E+2", -150.0),
        ("1_0.5", 10.5),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("~", None),
        ("", None),
        ("Null", None),
        ("2001-12-14", "2001-12-14"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("0x_", "0x_"),
        ("<<", "<<"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float '5'", 5.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("!!timestamp 2001-12-14", "2001-12-14"),
        ("!!binary aGkg\n  dGhlcmU=", "hi there"),
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551615", Uint64(18446744073709551615)),
        ("18446744073709551616", 18446744073709551616.0),
        ("-9223372036854775809", -9223372036854775809.0),
        ("9" * 100, 1e100),
        ("9" * 5000, "9" * 5000),
        ("0x" + "f" * 100, "0x" + "f" * 100),
        ("1e999", "1e999"),
    ],
)
def test_a_scalar_is_what_the_core_rules_say(written: str, value: Value) -> None:
    found = yaml12.load(f"a: {written}")["a"]
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_read() -> None:
    assert math.isnan(yaml12.load(".nan"))


def test_an_empty_document_is_none() -> None:
    assert yaml12.load("") is None
    assert yaml12.load("# nothing\n") is None
    assert yaml12.load("---\n") is None


def test_names_are_the_text_as_written() -> None:
    assert yaml12.load("1: a\ntrue: b\n~: c\n0x1F: d") == {"1": "a", "true": "b", "~": "c", "0x1F": "d"}


def test_merged_maps_give_what_is_not_there_and_the_first_wins() -> None:
    document = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 0\nd: {<<: *a}"
    assert yaml12.load(document)["c"] == {"x": 0, "y": 2, "z": 4}
    assert yaml12.load(document)["d"] == {"x": 1, "y": 2}


def test_a_quoted_merge_name_is_a_name() -> None:
    assert yaml12.load("{'<<': 1}") == {"<<": 1}


SECOND = "a second document begins, and only one is read: give each a file of its own"
BEHIND = "the document has ended before this; a second one needs a file of its own"
COLON = "a text with ': ' in it needs quotes, or the indent is wrong"


@pytest.mark.parametrize(
    ("document", "line", "column", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "'a' is there twice"),
        ("x:\n  - {b: 1, b: 2}", 2, 12, "'b' is there twice"),
        ("? [a]\n: b", 1, 3, "the name of a member is not a scalar"),
        ("a: &x [*x]", 1, 8, "a value holds itself"),
        ("a: &x {b: *x}", 1, 11, "a value holds itself"),
        ("a: !foo b", 1, 4, "the tag !foo is unknown"),
        ("a: !foo [b]", 1, 4, "the tag !foo is unknown"),
        ("a: !foo {b: c}", 1, 4, "the tag !foo is unknown"),
        ("a: !!int x", 1, 4, "the text is no int"),
        ("a: !!binary '*'", 1, 4, "this is no base64"),
        ("{<<: 1}", 1, 6, "<< takes a map or a list of maps"),
        ("{<<: [1]}", 1, 7, "<< takes a map or a list of maps"),
        (
            "a:\n - b: [c",
            3,
            1,
            "did not find expected ',' or ']'; a flow sequence begins at line 2, column 7",
        ),
        ('a: "b\nc: 1\n', 3, 1, "found unexpected end of stream; a quoted scalar begins at line 1, column 4"),
        ("a: 'it's'", 1, 8, "did not find expected key"),
        ("a:\n\t- b", 2, 1, "a tab cannot indent: use spaces"),
        ("- a: b\n\tc: d", 2, 1, "a tab cannot indent: use spaces"),
        ("é: b\x85c: @d", 2, 4, "a text that begins with '@' needs quotes"),
        ("a: %d", 1, 4, "a text that begins with '%' needs quotes"),
        (
            "a: *",
            1,
            5,
            "did not find expected alphabetic or numeric character: a text that begins with '*' needs quotes",
        ),
        (
            "a: b: c",
            1,
            5,
            f"mapping values are not allowed in this context: {COLON}",
        ),
        ("a: 1\n---\nb: 2", 2, 1, SECOND),
        ("a: 1\n---\n---\n# b\n--- {}", 5, 1, SECOND),
        ("---\n---\na: 1\n...\n---\n[", 5, 1, SECOND),
        ("a: &x 1\n--- *x", 2, 1, SECOND),
        ('{"a": 1}\n{"b": 2}', 2, 1, BEHIND),
        ("a: 1\n...\nb: 2", 3, 1, BEHIND),
        ("{a: 1}}", 1, 7, BEHIND),
        ("a: b\nc: \x01", 2, 4, "control characters are not allowed"),
        ("a: b\nc: \udcff", 2, 4, "a byte is not UTF-8"),
        ("a: *b", 1, 4, "found undefined alias: a text that begins with '*' needs quotes"),
    ],
)
def test_an_error_has_line_column_and_sentence(document: str, line: int, column: int, sentence: str) -> None:
    with pytest.raises(yaml12.YamlError) as found:
        yaml12.load(document)
    assert (found.value.line, found.value.column, found.value.sentence) == (line, column, sentence)
    assert str(found.value) == f"line {line}, column {column}: {sentence}"


@pytest.mark.parametrize(
    "behind", ["---", "...", "...\n---\n", "---\n# b", "---\n---\n---", "--- ~", "---\nnull\n..."]
)
def test_documents_with_nothing_in_them_may_stand_around_the_one(behind: str) -> None:
    assert yaml12.load(f"a: 1\n{behind}\n") == {"a": 1}
    assert yaml12.load(f"---\n# b\n---\na: 1\n{behind}\n") == {"a": 1}
    assert yaml12.load(f"---\n{behind}\n") is None


def test_places_tell_where_each_value_stands() -> None:
    found, faults = yaml12.locate("a:\n  - b: 01\n  - 2\n")
    assert not faults
    assert _places(found, ()) == {
        (): (1, 1),
        ("a",): (1, 1),
        ("a", 0): (2, 5),
        ("a", 0, "b"): (2, 5),
        ("a", 1): (3, 5),
    }


def _places(found: Any, path: tuple[str | int, ...]) -> dict[tuple[str | int, ...], tuple[int, int]]:
    places = {path: (found.line, found.column)}
    if isinstance(found.value, (dict, list)):
        for name, value in found.value.items() if isinstance(found.value, dict) else enumerate(found.value):
            places |= _places(value, (*path, name))
    return places


def test_a_scalar_is_known_as_it_is_written() -> None:
    found, _ = yaml12.locate("a: [012345670123, '5', ~, &x 0x1F, *x]")
    assert found is not None
    items = found.value["a"].value
    assert [item.written for item in items] == ["012345670123", "5", "~", "0x1F", "0x1F"]
    assert [item.column for item in items] == [5, 19, 24, 27, 36]


def test_all_that_is_wrong_with_single_values_is_told_at_once() -> None:
    _, faults = yaml12.locate("a: 1\na: 2\nb: !!int x\n[c]: 3\n<<: 4\nd: !foo [!!binary '*']\n")
    assert [(fault.line, fault.sentence) for fault in faults] == [
        (2, "'a' is there twice"),
        (3, "the text is no int"),
        (4, "the name of a member is not a scalar"),
        (5, "<< takes a map or a list of maps"),
        (6, "the tag !foo is unknown"),
        (6, "this is no base64"),
    ]


def test_aliases_of_aliases_do_not_nest_without_bound() -> None:
    chain = "".join(f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, MAX_DEPTH + 2))
    with pytest.raises(yaml12.YamlError, match="deep"):
        yaml12.load(f"a0: &a0 1\n{chain}")


def test_a_located_value_does_not_show_itself() -> None:
    found, _ = yaml12.locate("secret-text")
    assert repr(found) == "Located(str at 1:1)"


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000,
        "- " * 3000,
        "[" * 300 + "]" * 300,
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"b{n}: &b{n} [{','.join(['*a' if not n else f'*b{n - 1}'] * 10)}]\n" for n in range(8)),
    ],
)
def test_hostile_documents_end_with_an_error(document: str) -> None:
    with pytest.raises(yaml12.YamlError):
        yaml12.load(document)


# writing


class _Own(Object):
    go_type, kind = "own", "struct"

    def fields(self) -> dict[str, Value]:
        return {"A": 1}


class _Json(_Own):
    def methods(self) -> dict[str, Any]:
        return {"MarshalJSON": ("func() ([]uint8, error)", lambda: b'"2001-12-14T00:00:00Z"')}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": [1, {"y": None, "x": []}], "a": {}}, "a: {}\nb:\n- 1\n- x: []\n  'y': null"),
        ("text", "text"),
        (5, "5"),
        (None, "null"),
        (NO_VALUE, "null"),
        (True, "true"),
        (1.0, "1"),
        (1e6, "1000000"),
        (1.5, "1.5"),
        (b"hi", "aGk="),
        (Slice(["a"], "string"), "- a"),
        (Map({"a": "b"}, "string"), "a: b"),
        (Uint64(7), "7"),
        (_Own(), "A: 1"),
        (_Json(), '"2001-12-14T00:00:00Z"'),
        ({"a": "x\ny\n", "b": 1}, "a: |\n  x\n  y\nb: 1"),
        ({"a": "x\ny\n"}, 'a: "x\\ny\\n"'),
        ({"a": "x\ny"}, "a: |-\n  x\n  y"),
        ({"a": "b: c"}, "a: 'b: c'"),
        ("", '""'),
    ],
)
def test_values_are_written_as_users_of_helm_know_it(value: Value, written: str) -> None:
    assert yaml12.dump(value).replace('"y"', "'y'") == written


@pytest.mark.parametrize(
    "text",
    ["yes", "on", "n", "Y", "true", "null", "~", "0o17", "017", "1_000", "1e3", "12:30", "2001-12-14", "="],
)
def test_a_text_that_some_reader_takes_for_something_else_is_quoted(text: str) -> None:
    written = yaml12.dump({"a": text})
    assert written == f'a: "{text}"'
    assert yaml.safe_load(written) == yaml12.load(written) == {"a": text}


_TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("a \n\t:#-'\"|>", max_size=6)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_what_is_written_is_read_as_it_was(value: Value) -> None:
    assert yaml12.load(yaml12.dump(value)) == value


def test_a_long_line_stays_one_line() -> None:
    assert yaml12.dump({"a": "word " * 100 + "end"}).count("\n") == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, 1j, {"a": "\udcff"}])
def test_what_has_no_form_is_an_error(value: Value) -> None:
    with pytest.raises(ValueError, match=r"has no form in YAML|not UTF-8"):
        yaml12.dump(value)


def test_a_value_that_holds_itself_is_an_error() -> None:
    value: dict[str, Value] = {}
    value["a"] = value
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} in one another"):
        yaml12.dump(value)


def test_a_text_that_is_there_very_often_is_an_error() -> None:
    with pytest.raises(ValueError, match="the result would have more than"):
        yaml12.dump(["x" * (1 << 20)] * 1000)


def test_large_unsigned_numbers_keep_their_type() -> None:
    assert type_of(yaml12.load("18446744073709551615")) == "uint64"
