"""Promises of semantic versions."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Uint64, kind_of, type_of
from bank_vaults.templating.sprig.semver import MAX_LENGTH, VersionValue, semver, semver_compare

VERSIONS = (
    "0.0.3",
    "0.2.3",
    "0.2.5",
    "0.3.0",
    "1.0.0",
    "1.2.0",
    "1.2.3",
    "1.2.9",
    "1.3.0",
    "2.0.0",
    "1.2.3-beta",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1.0.0"),
        ("v1.2", "1.2.0"),
        ("01.2.3", "1.2.3"),
        ("1.2-beta", "1.2.0-beta"),
        ("1.2.3-a.0b+01.x", "1.2.3-a.0b+01.x"),
        ("18446744073709551615", "18446744073709551615.0.0"),
    ],
)
def test_a_version_is_read_with_parts_missing(text: str, expected: str) -> None:
    assert semver(text).go_string() == expected
    assert semver(text).methods()["Original"][1]() == text


@pytest.mark.parametrize(
    "text", ["", "v", "V1", " 1", "1.", "1.x", "1.2.3.4", "1.2.3-", "1.2.3+a..b", "1.2.3-é", "1\n"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(FunctionError, match=r"^Invalid Semantic Version$"):
        semver(text)


def test_numbers_that_a_version_cannot_have_are_refused() -> None:
    with pytest.raises(FunctionError, match=r"^Version segment starts with 0$"):
        semver("1.2.3-a.01")
    reason = (
        'Error parsing version segment: strconv.ParseUint: parsing "18446744073709551616": value out of range'
    )
    with pytest.raises(FunctionError) as refused:
        semver("18446744073709551616")
    assert str(refused.value) == reason
    with pytest.raises(FunctionError, match=r"value out of range$"):
        semver("1" * 900)


def test_versions_are_ordered_as_the_standard_has_it() -> None:
    ordered = [
        "1.0.0-1",
        "1.0.0-99999999999999999999",
        "1.0.0-A",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc",
        "1.0.0",
        "1.0.1",
        "1.1",
        "2",
    ]
    for place, lower in enumerate(ordered):
        assert semver(lower).compared(semver(lower + "+m" if "+" not in lower else lower)) == 0
        for higher in ordered[place + 1 :]:
            assert semver(lower).compared(semver(higher)) == -1, (lower, higher)
            assert semver(higher).compared(semver(lower)) == 1, (higher, lower)


def test_empty_identifiers_can_be_set_and_are_the_lowest() -> None:
    odd = semver("1.0.0").with_prerelease("a..b")
    assert odd.compared(semver("1.0.0-a.x.b")) == -1
    assert semver("1.0.0-a.x.b").compared(odd) == 1


def test_the_next_versions_have_no_prerelease_and_no_metadata() -> None:
    version = semver("v1.2.3-beta+m")
    assert [version.next(place).go_string() for place in range(3)] == ["2.0.0", "1.3.0", "1.2.3"]
    assert semver("1.2.3+m").next(2).go_string() == "1.2.4"
    assert semver("18446744073709551615").next(0).go_string() == "0.0.0"


def test_parts_are_set_and_checked() -> None:
    version = semver("1.2.3")
    assert version.with_prerelease("b.1").with_metadata("m").go_string() == "1.2.3-b.1+m"
    assert version.with_prerelease("").with_metadata("").go_string() == "1.2.3"
    with pytest.raises(FunctionError, match=r"^Invalid Prerelease string$"):
        version.with_prerelease("é")
    with pytest.raises(FunctionError, match=r"^Version segment starts with 0$"):
        version.with_prerelease("01")
    with pytest.raises(FunctionError, match=r"^Invalid Metadata string$"):
        version.with_metadata("a b")


def test_a_version_answers_what_a_template_asks() -> None:
    version, other = semver("1.2.3-b+m"), semver("1.2.3")
    methods = version.methods()
    assert [methods[name][1]() for name in ("Major", "Minor", "Patch")] == [1, 2, 3]
    assert type(methods["Major"][1]()) is Uint64
    assert methods["Prerelease"][1]() == "b"
    assert methods["Metadata"][1]() == "m"
    assert methods["MarshalJSON"][1]() == b'"1.2.3-b+m"'
    assert methods["MarshalText"][1]() == b"1.2.3-b+m"
    compared = ("Equal", "GreaterThan", "GreaterThanEqual", "LessThan", "LessThanEqual")
    assert [methods[name][1](other) for name in compared] == [False, False, False, True, True]
    assert methods["Compare"][1](other) == -1
    assert [methods[name][1]().go_string() for name in ("IncMajor", "IncMinor", "IncPatch")] == [
        "2.0.0",
        "1.3.0",
        "1.2.3",
    ]


def test_a_version_is_a_pointer_and_a_changed_one_a_struct() -> None:
    version = semver("1")
    assert (type_of(version), kind_of(version)) == ("*semver.Version", "ptr")
    assert (type_of(version.next(0)), kind_of(version.next(0))) == ("semver.Version", "struct")
    assert isinstance(version, VersionValue)
    assert version != semver("1")
    assert "Compare" not in version.next(0).methods()


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("1.2.3", "1.2.3"),
        ("=1.2", "1.2.0 1.2.3 1.2.9"),
        ("*", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.2.0 1.2.3 1.2.9 1.3.0 2.0.0"),
        ("!=1.2", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.3.0 2.0.0"),
        ("!=1", "0.0.3 0.2.3 0.2.5 0.3.0 2.0.0"),
        ("!=x", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.2.0 1.2.3 1.2.9 1.3.0 2.0.0"),
        ("!=1.2.3", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.2.0 1.2.9 1.3.0 2.0.0 1.2.3-beta"),
        ("!=1.2-beta", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.2.0 1.2.3 1.2.9 1.3.0 2.0.0"),
        (">1", "2.0.0"),
        (">1.2", "1.3.0 2.0.0"),
        (">1.2.3", "1.2.9 1.3.0 2.0.0"),
        (">= 1.2.3, < 2", "1.2.3 1.2.9 1.3.0"),
        (">=1.2.3-a", "1.2.3 1.2.9 1.3.0 2.0.0 1.2.3-beta"),
        ("<0.3 || 2.x", "0.0.3 0.2.3 0.2.5 2.0.0"),
        ("<=0.2", "0.0.3 0.2.3 0.2.5"),
        ("<=0", "0.0.3 0.2.3 0.2.5 0.3.0"),
        ("=<0.2.3", "0.0.3 0.2.3"),
        ("~1.2.3", "1.2.3 1.2.9"),
        ("~> 1", "1.0.0 1.2.0 1.2.3 1.2.9 1.3.0"),
        ("~0.0.0", "0.0.3 0.2.3 0.2.5 0.3.0 1.0.0 1.2.0 1.2.3 1.2.9 1.3.0 2.0.0"),
        ("^1.2.3", "1.2.3 1.2.9 1.3.0"),
        ("^0.2.3", "0.2.3 0.2.5"),
        ("^0.0.3", "0.0.3"),
        ("^0.0", "0.0.3"),
        ("^0", "0.0.3 0.2.3 0.2.5 0.3.0"),
        ("1.2 - 1.2.9", "1.2.0 1.2.3 1.2.9"),
        ("0.3 - 1.2, 1.2 - 2 !=1.2.9", "1.2.0 1.2.3"),
        ("1.2-beta", "1.2.0 1.2.3 1.2.9 1.2.3-beta"),
    ],
)
def test_a_constraint_lets_through_what_go_lets_through(constraint: str, expected: str) -> None:
    assert " ".join(each for each in VERSIONS if semver_compare(constraint, each)) == expected


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("", "improper constraint: "),
        ("foo", "improper constraint: foo"),
        ("> =1", "improper constraint: > =1"),
        (">=1<2", "improper constraint: >=1<2"),
        ("1,,2", "improper constraint: 1,,2"),
        ("1 || ", "improper constraint:  "),
        (">=1 - 2", "improper constraint: >=>= 1, <= 2 "),
        ("1|2", "constraint Parser Error"),
        ("1.2.3-01", "constraint Parser Error"),
    ],
)
def test_a_constraint_that_is_none_is_refused_in_the_words_of_go(constraint: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        semver_compare(constraint, "1")
    assert str(refused.value) == expected


def test_the_version_that_is_compared_has_to_be_one() -> None:
    with pytest.raises(FunctionError, match=r"^Invalid Semantic Version$"):
        semver_compare("1", "x")


def test_a_constraint_of_great_length_ends_soon() -> None:
    for hostile in ("1-1." * 250, "1" + " " * 1000 + "!", "x" * 1000 + "!"):
        with pytest.raises(FunctionError, match=r"^improper constraint"):
            semver_compare(hostile, "1")
    for what, attempt in (
        ("constraint", lambda: semver_compare("1" * (MAX_LENGTH + 1), "1")),
        ("version", lambda: semver("1" * (MAX_LENGTH + 1))),
        ("prerelease", lambda: semver("1").with_prerelease("a" * (MAX_LENGTH + 1))),
        ("metadata", lambda: semver("1").with_metadata("a" * (MAX_LENGTH + 1))),
    ):
        with pytest.raises(FunctionError, match=rf"^the {what} has 1025 characters, more than 1024$"):
            attempt()
