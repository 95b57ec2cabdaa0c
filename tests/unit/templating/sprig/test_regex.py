"""Promises about patterns: Go's meaning by RE2, and a clear error where that cannot be."""

from __future__ import annotations

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import NilSlice, Value, text
from bank_vaults.templating.sprig import regex


def call(name: str, *given: Value) -> Value:
    return regex.FUNCTIONS[name](*given)


@pytest.mark.parametrize(
    "pattern",
    [r"a\C", "(?P<é>a)", "(?<é>a)", "a{99999999999}", "a{1,99999999999}", "(", "[", "a**", text(b"a\xff")],
)
def test_what_go_does_not_take_is_refused(pattern: str) -> None:
    with pytest.raises(FunctionError, match="error parsing regexp"):
        call("mustRegexMatch", pattern, "a")
    with pytest.raises(FunctionError, match=r"^regexp: Compile\("):
        call("regexFind", pattern, "a")
    assert not call("regexMatch", pattern, "a")


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        (r"\QC\C{99999999999}\E", r"C\C{99999999999}"),
        (r"\Q\C", r"\C"),
        ("[{99999999999}]+", "{9}"),
        ("[]{99999999999}]+", "]"),
        (r"[^\]{99999999999}]", "x"),
        ("[[:alpha:]{99999999999}]", "x"),
        (r"\x{00010400}", "𐐀"),
        (r"\p{Lu}\P{Lu}", "Aa"),
        ("a{,99999999999x}", "a{,99999999999x}"),
        ("{é}", "{é}"),
        (r"\\C", r"\C"),
    ],
)
def test_what_only_looks_refused_is_taken(pattern: str, subject: str) -> None:
    assert call("mustRegexMatch", pattern, subject)


@pytest.mark.parametrize("pattern", [r"\pL{1000}", r"\p{Letter}", r"\P{greek}"])
def test_what_only_go_takes_is_never_a_plain_no(pattern: str) -> None:
    with pytest.raises(FunctionError):
        call("regexMatch", pattern, "a")
    with pytest.raises(FunctionError):
        call("mustRegexFind", pattern, "a")


def test_bytes_that_are_no_utf8_are_found_and_kept() -> None:
    subject = text(b"a\xff\xc3\xa9\xfe")
    assert call("regexFindAll", ".", subject, -1) == ["a", text(b"\xff"), "é", text(b"\xfe")]
    assert call("regexSplit", "é", subject, -1) == [text(b"a\xff"), text(b"\xfe")]
    assert call("regexReplaceAll", "([^a])é", subject, "<$1>") == text(b"a<\xff>\xfe")
    assert call("regexReplaceAll", "x", "x", text(b"\xff$0")) == text(b"\xffx")


def test_nothing_is_found_within_a_character() -> None:
    assert not call("regexMatch", r"\B", "xéx")
    assert call("regexReplaceAllLiteral", r"\B", "bx語b", "-") == "b-x語b"
    assert call("regexFindAll", "", "é日", -1) == ["", "", ""]


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("$1", "a"),
        ("${1}x", "ax"),
        ("$1x", ""),
        ("$n", "b"),
        ("$n_", ""),
        ("${n}_", "b_"),
        ("$$", "$"),
        ("$", "$"),
        ("${", "${"),
        ("${}", "${}"),
        ("${n", "${n"),
        ("$é", ""),
        ("$01", ""),
        ("$0", "ab"),
        ("$3", ""),
        ("$999999999", ""),
        ("$ 1", "$ 1"),
        ("$4", ""),
    ],
)
def test_replacement_templates_are_go_s(template: str, result: str) -> None:
    assert call("regexReplaceAll", "(a)(?P<n>b)(c)?", "ab", template) == result


def test_nothing_found_is_a_nil_slice() -> None:
    assert isinstance(call("regexFindAll", "x", "a", -1), NilSlice)
    assert isinstance(call("regexSplit", "x", "a", 0), NilSlice)
    assert call("regexFind", "x", "a") == ""


@pytest.mark.parametrize(("pattern", "quoted"), [("a(", "`a(`"), ("`(", '"`("'), ("\x01(", r'"\x01("')])
def test_an_error_names_the_pattern(pattern: str, quoted: str) -> None:
    with pytest.raises(FunctionError) as failed:
        call("regexFind", pattern, "")
    assert f"Compile({quoted}): error parsing" in str(failed.value)


def test_catastrophic_patterns_end_at_once() -> None:
    assert not call("regexMatch", "(a*)*b", "a" * 100_000)
    assert not call("regexMatch", "(x+x+)+y", "x" * 100_000)


def test_work_beyond_the_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(regex, "_MAX_WORK", 100)
        with pytest.raises(FunctionError, match="too large for so long a text"):
            call("regexMatch", "abc", "a" * 100)
    with monkeypatch.context() as patched:
        patched.setattr(regex, "_PATIENCE", -1.0)
        with pytest.raises(FunctionError, match="takes more than"):
            call("regexFindAll", "a", "aaa", -1)
    with monkeypatch.context() as patched:
        patched.setattr(limits, "MAX_ITEMS", 2)
        for name in ("regexFindAll", "regexSplit"):
            with pytest.raises(FunctionError, match="elements, more than 2"):
                call(name, "a", "xaxaxax", -1)
    with monkeypatch.context() as patched:
        patched.setattr(limits, "MAX_TEXT", 1000)
        for name in ("regexReplaceAll", "regexReplaceAllLiteral"):
            with pytest.raises(FunctionError, match="characters, more than 1000"):
                call(name, "a", "aaa", "x" * 500)


def test_replacements_of_very_many_dollars_and_matches_are_made_at_once() -> None:
    assert call("regexReplaceAll", "a", "xa", "$" * 500_000) == "x" + "$" * 250_000
    assert call("regexReplaceAll", "(a)", "xa", "${" * 100_000) == "x" + "${" * 100_000
    assert call("regexReplaceAll", "a", "ab" * 100_000, "${0}$$") == "a$b" * 100_000


def test_quoted_text_finds_itself() -> None:
    string = "".join(map(chr, range(0x20, 0x17F)))
    assert call("regexFind", call("regexQuoteMeta", string), string) == string
