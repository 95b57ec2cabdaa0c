"""Promises about texts: bytes as in Go, and never more than the limits allow."""

from __future__ import annotations

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Slice, octets, text, type_of
from bank_vaults.templating.sprig import strings

STRAY = text(b"\xff")


def test_bytes_that_come_together_are_a_character_again() -> None:
    first, second = text(b"\xc3"), text(b"\xa9")
    assert strings.join("", [first, second]) == "é"
    assert strings.cat(first) + strings.cat(second) != "é"
    assert strings.replace("x", second, f"{first}x") == "é"
    assert strings.replace("", second, "") == second
    assert strings.repeat(2, text(b"\xa9\xc3")) == text(b"\xa9\xc3\xa9\xc3") == f"{second}é{first}"


@pytest.mark.parametrize("start", range(-1, 5))
@pytest.mark.parametrize("end", range(-1, 5))
def test_cuts_lose_and_invent_no_bytes(start: int, end: int) -> None:
    content = octets("日a")
    if 0 <= end < max(start, 0):
        with pytest.raises(FunctionError, match="slice bounds out of range"):
            strings.substr(start, end, "日a")
    elif start < 0 and end < 0:
        with pytest.raises(FunctionError, match=r"\[:-1\]"):
            strings.substr(start, end, "日a")
    else:
        last = end if end >= 0 else len(content)
        assert octets(strings.substr(start, end, "日a")) == content[max(start, 0) : last]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [(9, -1, "[9:5]"), (-1, 6, "[:6] with length 5"), (-1, -3, "[:-3]"), (3, 1, "[3:1]")],
)
def test_bounds_outside_the_text_are_named(start: int, end: int, message: str) -> None:
    with pytest.raises(FunctionError) as failed:
        strings.substr(start, end, "hello")
    assert str(failed.value) == f"runtime error: slice bounds out of range {message}"


def test_negative_and_overflowing_repetitions_say_so() -> None:
    with pytest.raises(FunctionError, match="negative Repeat count"):
        strings.repeat(-1, "a")
    with pytest.raises(FunctionError, match="output length overflow"):
        strings.repeat(1 << 62, "aa")
    assert strings.repeat(1 << 62, "") == ""


LONG = "x" * 1_000_000
LINES = "\n" * 1_000_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: strings.repeat(1 << 30, "a"),
        lambda: strings.indent(1000, LINES),
        lambda: strings.nindent(1 << 40, "a"),
        lambda: strings.replace("", LONG, LONG),
        lambda: strings.replace("x", LONG, LONG),
        lambda: strings.join(LONG, ["a"] * 1000),
        lambda: strings.join("", [LONG] * 1000),
        lambda: strings.to_strings([[LONG], [LONG]] * 100),
        lambda: strings.cat(*[LONG] * 100),
        lambda: strings.quote(*[LONG] * 100),
        lambda: strings.squote(*[LONG] * 100),
        lambda: strings.wrap_with(1, LONG, "a b c d" * 100),
        lambda: strings.split_list("", LONG + "xx"),
        lambda: strings.split_list("x", LONG + "xx"),
    ],
)
def test_texts_beyond_the_limit_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(FunctionError, match=f"more than ({limits.MAX_TEXT}|{limits.MAX_ITEMS})"):
        make()


@pytest.mark.parametrize("cut", ["\ufffd", STRAY])
def test_a_stray_byte_and_the_replacement_character_trim_each_other(cut: str) -> None:
    assert strings.trim_all(cut, f"\ufffd{STRAY}a{STRAY}") == "a"
    assert strings.trim_all("a", f"{STRAY}a") == STRAY


def test_very_many_characters_to_trim_are_refused() -> None:
    with pytest.raises(FunctionError, match="what is to be trimmed has 2000 characters, more than 1024"):
        strings.trim_all("ab" * 1000, "x")


def test_very_many_lines_are_refused() -> None:
    with pytest.raises(FunctionError, match=f"elements, more than {limits.MAX_ITEMS}"):
        strings.wrap(1, "a " * (limits.MAX_ITEMS + 2))


def test_types_of_lists_and_maps_are_go_s() -> None:
    assert type_of(strings.split_list(",", "a,b")) == "[]string"
    assert type_of(strings.split(",", "a,b")) == "map[string]string"
    assert type_of(strings.sort_alpha([2, 1])) == "[]string"
    same = Slice(["a"], "string")
    assert strings.to_strings(same) is same


def test_parts_are_counted() -> None:
    assert strings.splitn("", 2, "a日b") == {"_0": "a", "_1": "日b"}
    assert strings.splitn("", 5, "a日b") == {"_0": "a", "_1": "日", "_2": "b"}
    assert strings.splitn(",", 0, "a,b") == {}
    assert strings.split_list("", "") == []
    assert strings.split_list(",", "") == [""]


def test_lines_are_broken_at_blanks_only_if_words_fit() -> None:
    assert strings.wrap(3, "abcdef gh") == "abcdef\ngh"
    assert strings.wrap(3, "abcdef") == "abcdef"
    assert strings.wrap_with(3, "", "abcdef gh") == "abc\ndef\ngh"
    assert strings.wrap(0, "a b") == "a\nb"


def test_other_functions_do_what_they_say() -> None:
    assert strings.trim("\u2003a\x1c") == "a\x1c"
    assert strings.trim_prefix("a", "aab") == "ab"
    assert strings.trim_suffix(text(b"\xa9"), "é") == text(b"\xc3")
    assert strings.trunc(1, "é") + strings.trunc(-1, "é") == text(b"\xc3") + text(b"\xa9")
    assert strings.nospace("é") == "é"
    assert strings.nospace("é ") == "Ã©"
    assert strings.initials("ab  cd") == "ac"
    assert strings.abbrev(3, "hello") == "hello"
    assert strings.abbrev_both(5, 10, "1234 5678 9123") == "...5678..."
    assert strings.abbrev_both(1, 6, "1234 5678 9123") == "1234 5678 9123"
    assert strings.contains("b", "abc")
    assert strings.has_prefix("a", "abc")
    assert strings.has_suffix("c", "abc")
    assert strings.plural("one", "many", 1) == "one"
    assert strings.to_string(b"ab") == "ab"
    assert strings.to_strings(b"a") == ["97"]
    assert strings.to_strings(None) == []
    assert strings.sort_alpha("b") == ["b"]
    assert strings.hello() == "Hello!"
