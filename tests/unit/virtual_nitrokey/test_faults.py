"""Faults: their text form, and which commands they meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.commands import COMMANDS
from virtual_nitrokey.faults import Effects, Kind, Rule, Rules, meet
from virtual_nitrokey.instructions import Instruction
from virtual_nitrokey.timing import LONGEST_WAIT

SECONDS = st.floats(0, LONGEST_WAIT)
VALUES = {
    Kind.DELAY: SECONDS,
    Kind.REMOVE: st.none() | SECONDS,
    Kind.STATUS: st.integers(0, 0xFFFF),
    Kind.STATUS_AFTER: st.integers(0, 0xFFFF),
}
COUNTS = st.integers(1, 999_999_999)
RULES = st.sampled_from(Kind).flatmap(
    lambda kind: st.builds(
        Rule,
        st.none() | st.sampled_from(Instruction),
        st.just(kind),
        VALUES.get(kind, st.none()),
        COUNTS,
        st.none() | COUNTS,
    )
)


@given(RULES)
def test_the_text_form_means_the_rule(rule: Rule) -> None:
    assert Rule.parse(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("decipher nth=2 status=6F00", Rule(Instruction.DECIPHER, Kind.STATUS, 0x6F00, nth=2)),
        ("any nth=5 drop", Rule(None, Kind.DROP, nth=5)),
        ("update delay=3 times=2", Rule(Instruction.UPDATE, Kind.DELAY, 3, times=2)),
        ("sign remove=0.5 times=always", Rule(Instruction.SIGN, Kind.REMOVE, 0.5, times=None)),
        ("verify remove", Rule(Instruction.VERIFY, Kind.REMOVE)),
        ("  reset-login   any ", None),
        ("unblock-pin status-after=6983", Rule(Instruction.UNBLOCK_PIN, Kind.STATUS_AFTER, 0x6983)),
    ],
)
def test_rules_are_written_as_people_would(text: str, rule: Rule | None) -> None:
    if rule is None:
        with pytest.raises(ValueError, match="no instruction"):
            Rule.parse(text)
    else:
        assert Rule.parse(text) == rule


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is no instruction: there are verify, .*, and any"),
        ("decrypt drop", "'decrypt' is no instruction"),
        ("any", "no effect: there are delay, reset-login"),
        ("any explode", "'explode' is no effect"),
        ("any drop delay=1", "'delay=1': one effect is enough, there is drop already"),
        ("any drop nth=1 nth=2", "nth stands twice"),
        ("any drop times=1 times=always", "times stands twice"),
        ("any drop nth=0", "'nth=0': not a number"),
        ("any drop times=", "'times=': not a number"),
        ("any drop nth=9999999999", "not a number"),
        ("any drop=1", "drop has no value"),
        ("any delay", "delay needs a value"),
        ("any delay=", "not a number of seconds"),
        ("any delay=-1", "not a number of seconds"),
        ("any delay=nan", "not a number of seconds"),
        ("any delay=1e10", "not a number of seconds"),
        ("any remove=inf", "not a number of seconds"),
        ("any status", "status needs a value"),
        ("any status=9", "four hexadecimal digits"),
        ("any status=90_0", "four hexadecimal digits"),
        ("any status-after=wxyz", "four hexadecimal digits"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_the_word_that_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rule.parse(text)


WORDS = ["any", "sign", "drop", "remove", "remove=", "delay=", "status=9000", "nth=2", "times=always", "="]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_rule_or_a_value_error(text: str) -> None:
    try:
        rule = Rule.parse(text)
    except ValueError:
        return
    assert Rule.parse(str(rule)) == rule


SIGN, READ = b"\x80\x68\x01\x70", b"\x00\xb1\x00\x00"


def run(rules: Rules, *commands: bytes) -> tuple[Rules, list[Effects]]:
    found = []
    for command in commands:
        rules, effects = meet(rules, command)
        found.append(effects)
    return rules, found


def test_only_commands_of_the_instruction_count() -> None:
    rules, met = run((Rule.parse("sign nth=2 drop"),), SIGN, READ, READ, SIGN, SIGN)
    assert met == [{}, {}, {}, {Kind.DROP: None}, {}]
    assert rules == ()


def test_any_command_counts_for_any_even_a_malformed_one() -> None:
    rules, met = run((Rule.parse("any nth=3 drop-before"),), SIGN, b"", b"\0\0\0\0")
    assert met == [{}, {}, {Kind.DROP_BEFORE: None}]
    assert rules == ()


def test_a_rule_holds_for_so_many_commands_and_tells_what_is_left_of_it() -> None:
    (rule,), met = run((Rule.parse("any delay=1 times=3 nth=2"),), SIGN, SIGN)
    assert met == [{}, {Kind.DELAY: 1.0}]
    assert str(rule) == "any delay=1 times=2"


def test_a_rule_for_always_stays() -> None:
    rules = (Rule.parse("any status=6F00 times=always"),)
    assert run(rules, SIGN, READ) == (rules, [{Kind.STATUS: 0x6F00}] * 2)


def test_several_rules_meet_one_command_and_of_one_kind_the_older() -> None:
    rules = tuple(map(Rule.parse, ("any delay=1", "sign status=6A84", "any delay=2 times=2")))
    assert run(rules, SIGN, SIGN)[1] == [{Kind.DELAY: 1.0, Kind.STATUS: 0x6A84}, {Kind.DELAY: 2.0}]


def test_every_command_of_the_card_has_a_name() -> None:
    assert sorted(Instruction) == sorted({ins for _, ins in COMMANDS})


@pytest.mark.parametrize("instruction", Instruction)
def test_names_are_found_again(instruction: Instruction) -> None:
    assert Instruction.named(instruction.word) is instruction
    assert Instruction.of(bytes((0x80, instruction))) is instruction
