"""Promises of the safe mode: a value never breaks out of its text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import limits, yaml12
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.golang.values import Value
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import SCALAR, render

EVIL = "x\"\n- admin: [yes]\n# \\ ' : {é😀} \u2028\u0085\x7f\ufeff"


def _rendered(document: str, value: str = EVIL, **others: str) -> str:
    return render(document, Sources({"X": value, **others}), mode=SCALAR)


def _failure(document: str) -> str:
    with pytest.raises(TemplateError) as failed:
        _rendered(document)
    return str(failed.value)


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("a: ${ .Env.X }", {"a": EVIL}),
        ("a: '${ .Env.X }'", {"a": EVIL}),
        ('a: "-${ .Env.X }-"', {"a": f"-{EVIL}-"}),
        ('{"a": "${ .Env.X }"}', {"a": EVIL}),
        ('{"${ .Env.X }": 1}', {EVIL: 1}),
        ("${ .Env.X }: 1", {EVIL: 1}),
        ("? ${ .Env.X }\n: 1", {EVIL: 1}),
        ("a: ['${ .Env.X }', 2]", {"a": [EVIL, 2]}),
        ("a: |\n  one ${ .Env.X }\n  two\nb: 1", {"a": f"one {EVIL}\ntwo\n", "b": 1}),
        ("a:\n  - >-\n    one ${ .Env.X }\n    two\n\n  - 2\n", {"a": [f"one {EVIL} two", 2]}),
        ("a: plain ${ .Env.X }\n  more\nb: 1", {"a": f"plain {EVIL} more", "b": 1}),
        ("a: &x ${ .Env.X }\nb: *x", {"a": EVIL, "b": EVIL}),
        ("${ .Env.X }", EVIL),
        ('a: "\\x24{ .Env.X }"', {"a": EVIL}),
        ('{"a": "${ env \\"X\\" }"}', {"a": EVIL}),
    ],
)
def test_a_value_stays_inside_its_text(document: str, value: Value) -> None:
    assert yaml12.load(_rendered(document)) == value


@pytest.mark.parametrize("value", ["5", "true", "null", "", "~", "[]", "{}", "!!int 5", "*x"])
def test_a_scalar_that_is_all_template_is_a_text_whatever_it_prints(value: str) -> None:
    assert yaml12.load(_rendered("a: ${ .Env.X }", value)) == {"a": value}


def test_a_tag_makes_another_type_of_it_and_nothing_else_of_what_is_none() -> None:
    assert yaml12.load(_rendered('a: !!int "${ .Env.X }"', "8200")) == {"a": 8200}
    assert yaml12.load(_rendered("a: !!bool ${ .Env.X }", "true")) == {"a": True}
    with pytest.raises(yaml12.YamlError, match="is no int"):
        yaml12.load(_rendered('a: !!int "${ .Env.X }"', "5, b: 6"))


def test_everything_else_stays_as_it_is() -> None:
    document = "# ${ nope }\na:   1 # ${ if }\r\nb: 'it''s'\n\nc: [ x ,y]\nd: ${ .Env.X }  # ${\n"
    assert _rendered(document, "v") == document.replace("${ .Env.X }", '"v"')


def test_json_stays_json() -> None:
    document = '{\n\t"a": "\\ud83d\\ude00 ${ .Env.X }", "b": [1.50, null], "c": "\\u00e9"}\n'
    rendered = _rendered(document)
    assert json.loads(rendered) == {"a": f"😀 {EVIL}", "b": [1.5, None], "c": "é"}
    assert rendered.endswith('", "b": [1.50, null], "c": "\\u00e9"}\n')


def test_a_line_number_behind_a_block_is_what_it_was() -> None:
    document = "a: |\n  ${ .Env.X }\n  2\n\nb: |-\n  ${ .Env.X }\nc: 1\n"
    found, _ = yaml12.locate(_rendered(document))
    assert found is not None
    assert [(member.line, member.column) for member in found.value.values()] == [(1, 1), (5, 1), (7, 1)]


def test_a_file_is_what_it_is_between_quotes_in_the_other_mode(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text('"one"\n\\two\n')
    document = f'a: "${{ file `{tmp_path}/ca.crt` }}"'
    assert yaml12.load(_rendered(document)) == {"a": '"one"\n\\two\n'}


def test_a_mark_of_the_byte_order_and_other_delimiters_are_understood() -> None:
    assert _rendered("\ufeffa: ${ .Env.X }", "v") == 'a: "v"'
    sources = Sources({"X": "v"})
    assert render("a: <% .Env.X %> ${ x }", sources, delimiters=("<%", "%>"), mode=SCALAR) == 'a: "v ${ x }"'


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("a: 1\nb: '${ if true }'\nc: '${ end }'", "line 2, column 4: each text is a template of its own in"),
        (
            "a: '${ end }'",
            "line 1, column 4: each text is a template of its own in this mode: template: config:1:",
        ),
        ('{"a":\n "${ nope }"}', "line 2, column 2: each text is a template of its own in this mode"),
        ("a:\n  ${ if .Env.X }\n  b: 1\n  ${ end }\n", "in this mode the file has to be YAML or JSON before"),
        ("a: {b: ${ .Env.X }}", "line 1, column 9: did not find expected ',' or '}'; in this mode"),
        ("a: \udcff", "line 1, column 4: a byte is not UTF-8"),
        ('{"a": ' * 3000, "exceeded maximum nesting depth"),
    ],
)
def test_an_action_that_is_not_inside_one_text_is_an_error_with_its_place(
    document: str, sentence: str
) -> None:
    assert sentence in _failure(document)


@pytest.mark.parametrize(
    ("document", "left", "column"),
    [("a: !<$$x> b", "<$$", 5), ("a: {{ x }}", "{{", 4), ("a: &bxx c", "bxx", 5)],
)
def test_an_action_that_yaml_takes_for_something_else_than_a_text_is_an_error(
    document: str, left: str, column: int
) -> None:
    place = f"line 1, column {column}: an action stands outside of a text: put the text in quotes"
    with pytest.raises(TemplateError, match=place):
        render(document, Sources({}), delimiters=(left, ">"), mode=SCALAR)


def test_a_result_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(TemplateError, match=r"line 1, column 4: each .*: the result is not UTF-8"):
        _rendered("a: ${ .Env.X }", "\udcff")


def test_a_name_that_yaml_would_not_take_is_an_error() -> None:
    with pytest.raises(TemplateError, match="the name of a member would have more than 1000 characters"):
        _rendered("${ .Env.X }: 1", "x" * 2000)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_can_break_out(value: str) -> None:
    for document in ('{"a": "<${ .Env.X }>"}', "a: <${ .Env.X }>", "a: |-\n  <${ .Env.X }>"):
        assert yaml12.load(_rendered(document, value)) == {"a": f"<{value}>"}


def test_all_texts_of_a_document_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 300)
    busy = "${ range 100 }${ end }"
    assert yaml12.load(_rendered(f"a: {busy}\nb: {busy}")) == {"a": "", "b": ""}
    assert "line 3, column 4: " in _failure(f"a: {busy}\nb: {busy}\nc: {busy}")
    assert "rendering takes more than 300 steps" in _failure(
        "a: ${ $x := 1 }\n" + f"b: ['{busy}', '{busy}', '{busy}']"
    )


def test_very_many_texts_are_very_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 100 * limits.STEPS_OF_TEXT)
    assert "rendering takes more than 2500 steps" in _failure("- ${ `` }\n" * 100)


def test_all_texts_of_a_document_share_the_room_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TEXT", 10)
    document = "a: ${ .Env.X }\nb: ${ .Env.X }"
    longest = (len(document) + 10) // 2
    value = "x" * longest
    assert _rendered(document, value) == f'a: "{value}"\nb: "{value}"'
    with pytest.raises(TemplateError, match=r"line 2, column 4: .*more than 10 characters longer"):
        _rendered(document, value + "xx")
