"""Whoever writes a template can stop neither the process nor get anything but a TemplateError out of it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import limits, sprig
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.golang import printing
from bank_vaults.templating.language import lexer
from bank_vaults.templating.template import Data, parse


def render(text: str) -> str:
    return parse(text, functions=sprig.lookup).render(Data({"A": "a"}))


def failure(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        render(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "${ " + "(" * 5000 + "1" + ")" * 5000 + " }",
        "${ if 1 }" * 5000 + "${ end }" * 5000,
        "${ with 0 }" + "${ else with 0 }" * 5000 + "${ end }",
        "${ block `a` 1 }" * 5000 + "${ end }" * 5000,
    ],
    ids=["parentheses", "if", "else with", "block"],
)
def test_constructs_within_one_another_are_bounded(text: str) -> None:
    assert failure(text).endswith(f"more than {limits.MAX_DEPTH} constructs within one another")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("${ " + "(" * 150 + "1" + ")" * 150 + " }", "1"),
        ("${ " + "(print " * 150 + "1" + ")" * 150 + " }", "1"),
        ("${ if 1 }" * 150 + "x" + "${ end }" * 150, "x"),
        ("${ if 0 }" + "${ else if 0 }" * 150 + "${ else }x${ end }", "x"),
        ("${ range 1 }" * 150 + "x" + "${ end }" * 150, "x"),
        (
            "${ define `a` }${ if . }x${ template `a` (sub . 1) }${ end }${ end }${ template `a` 90 }",
            "x" * 90,
        ),
    ],
    ids=["parentheses", "calls", "if", "else if", "range", "templates"],
)
def test_what_people_write_is_not_too_deep(text: str, output: str) -> None:
    assert render(text) == output


def test_a_parser_that_runs_out_of_stack_says_so() -> None:
    def deeper(left: int) -> str:
        return deeper(left - 1) if left else failure("${ " + "(" * 199 + "1" + ")" * 199 + " }")

    used = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert deeper(sys.getrecursionlimit() - used - 300).endswith("constructs within one another")


def test_templates_that_call_one_another_are_bounded() -> None:
    text = failure("${ define `a` }${ template `a` }${ end }${ template `a` }")
    assert text == (
        'template: config:1:27: executing "a" at <{{template "a"}}>: '
        f"exceeded maximum template depth ({limits.MAX_DEPTH})"
    )


@pytest.mark.parametrize(
    "text",
    [
        "${ range 1000000000000 }${ end }",
        "${ range 1000000 }${ range 1000000 }x${ end }${ end }",
        "${ range 1000000 }${ $x := until 10000 }${ end }",
        "${ $x := repeat 100000 `a` }${ range 1000000 }${ $y := upper $x }${ end }",
        "".join(
            f"${{ define `{n}` }}${{ template `{n + 1}` }}${{ template `{n + 1}` }}${{ end }}"
            for n in range(50)
        )
        + "${ define `50` }${ end }${ template `0` }",
    ],
    ids=["range", "ranges", "lists", "texts", "templates"],
)
def test_work_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 50_000)
    assert failure(text).endswith("rendering takes more than 50000 steps")


@pytest.mark.parametrize(
    "text",
    [
        "${ $l := list }${ range 1000 }${ $l = append $l (repeat 200000 `😀`) }${ end }",
        "${ $l := list }${ range 1000 }${ $l = append $l (until 10000) }${ end }",
        "${ $l := list }${ $u := until 1000 }${ range 10000 }${ $l = append $l (chunk 1 $u) }${ end }",
        "${ $l := list }${ $t := repeat 1000 `é` }${ range 10000 }${ $l = append $l (split `` $t) }${ end }",
        "${ $l := list }${ $j := toJson (until 900) }${ range 900 }${ $l = append $l (fromJson $j) }${ end }",
    ],
    ids=["texts", "numbers", "lists", "maps", "values of JSON"],
)
def test_memory_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMORY", 8 << 20)
    assert failure(text).endswith("the functions give more than 8 MiB in all")


@pytest.mark.parametrize(
    "text",
    [
        "${ genPrivateKey `rsa` }",
        "${ derivePassword 1 `long` `a` `b` `c` }",
        "${ genCA `a` 1 }",
        "${ bcrypt `a` }",
        "${ snakecase (repeat 5000 `a`) }",
        "${ genCAWithKey `a` 1 (repeat 5000 `a`) }",
    ],
)
def test_what_takes_long_is_refused_before_it_begins(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 1_000)
    assert failure(text).endswith("rendering takes more than 1000 steps")


def test_regular_expressions_count_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS_OF_SECOND", 10**18)
    assert failure("${ regexMatch `a` `a` }").endswith(f"rendering takes more than {limits.MAX_STEPS} steps")


def test_what_a_function_only_hands_on_is_no_new_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMORY", 1 << 20)
    again = "${ $x = default `` $x }${ $_ := set $d `a` $x }"
    assert render("${ $x := repeat 500000 `a` }${ $d := dict }${ range 100 }" + again + "${ end }") == ""


@pytest.mark.parametrize("text", ["${1}" * 10, "${ print 1 1 1 1 1 1 1 1 }", "${ $x := 1 }" * 4])
def test_the_size_of_the_tree_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WORDS", 12)
    assert failure(text) == "template: config:1: more than 12 words and signs"


def test_an_output_of_very_many_parts_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank_vaults.templating.language.evaluate._MOST_PARTS", 10)
    assert render("${ range 100 }${ . },${ end }") == "".join(f"{number}," for number in range(100))


def test_output_is_bounded() -> None:
    assert failure("${ $x := repeat 1000000 `a` }${ range 1000 }${ $x }${ end }").endswith(
        f"the output would be more than {limits.MAX_TEXT} characters longer than the template"
    )


@pytest.mark.parametrize(
    "text",
    [
        "${ repeat 1000000000 `a` }",
        "${ $x := repeat 2000000 `<` }${ html $x }",
        "${ $x := repeat 2000000 `<` }${ js $x }",
        "${ $x := repeat 3000000 `<` }${ urlquery $x }",
        "${ $x := repeat 3000000 `😀` }${ urlquery $x }",
        "${ $x := repeat 5000000 `<` }${ print $x $x }",
        "${ $x := repeat 5000000 `<` }${ println $x $x }",
        "${ $x := repeat 5000000 `<` }${ list $x $x }",
        '${ $x := repeat 5000000 `<` }${ printf "%s%s" $x $x }',
        '${ $x := repeat 5000000 `<` }${ printf "%x" $x }',
        "${ until 1000000000 }",
        '${ printf "' + "%1000000d" * 80 + '" ' + "1 " * 80 + "}",
        '${ printf "%1000000d" (until 80) }',
        '${ printf "%10000000000d%s" 1 (repeat 99999999 `a`) }',
    ],
)
def test_long_texts_are_refused_before_they_are_made(text: str) -> None:
    assert "would have" in failure(text)


def test_lists_that_contain_themselves_many_times_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "MAX_ELEMENTS", 1000)
    doubled = "${ $x := list 1 }" + "${ $x = list $x $x }" * 20
    assert "more than 1000 values" in failure(doubled + "${ $x }")
    assert "more than 1000 values" in failure(doubled + '${ printf "%v" $x }')


@pytest.mark.parametrize("shown", ["$d", 'printf "%v" $d', "$d | toString", "print $d 1", "html $d"])
def test_a_map_that_contains_itself_is_an_error(shown: str) -> None:
    text = failure(f"${{ $d := dict }}${{ $_ := set $d `a` $d }}${{ {shown} }}")
    assert text.endswith(f"more than {printing.MAX_NESTING} lists or maps within one another")


PIECES = st.sampled_from(
    [
        *(
            "${ ",
            " }",
            "${-",
            "-}",
            "${/*",
            "*/}",
            "(",
            ")",
            "|",
            " ",
            "\n",
            ",",
            ":=",
            "=",
            ".",
            "$",
            "$x",
            ".A",
            "nil",
        ),
        *(
            "true",
            "1",
            "-1",
            "0x",
            "1.5e",
            "1i",
            "'a'",
            "'",
            '"',
            "`",
            '"a"',
            "`a`",
            "\\",
            "é",
            "\udcff",
            "\0",
            "print",
        ),
        *(
            "if ",
            "else",
            "end",
            "range ",
            "with ",
            "define ",
            "block ",
            "template ",
            "break",
            "continue",
            "len",
            "printf",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))


@given(TEXTS)
def test_any_text_is_rendered_or_is_an_error_of_the_template(text: str) -> None:
    try:
        assert isinstance(render(text), str)
    except TemplateError as error:
        assert str(error).startswith("template: config:")


@given(TEXTS)
def test_tokens_stand_where_they_say_and_end_with_the_end(text: str) -> None:
    tokens = lexer.tokens(text, "${", "}")
    kinds = [kind for kind, _, _ in tokens]
    assert kinds[-1] in (lexer.END_OF_TEXT, lexer.ERROR)
    assert lexer.ERROR not in kinds[:-1]
    positions = [position for _, _, position in tokens[:-1]]
    assert positions == sorted(positions)
    for kind, value, position in tokens[:-1]:
        assert kind == lexer.SPACE or text.startswith(value, position)


@given(st.text().filter(lambda text: "${" not in text))
def test_a_text_without_actions_is_itself(text: str) -> None:
    assert render(text) == text
