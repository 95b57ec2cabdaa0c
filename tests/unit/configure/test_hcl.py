"""HCL of policies: what can be parsed, where it cannot, and what is the same but for the layout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.configure.hcl import Fault, check, same_text
from tests.support.policy_texts import BAD, GOOD


@pytest.mark.parametrize("text", GOOD)
def test_what_servers_take_can_be_parsed(text: str) -> None:
    assert check(text) is None


@pytest.mark.parametrize("text", BAD)
def test_what_servers_cannot_parse_is_found(text: str) -> None:
    assert check(text) is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('path "a" {\n  capabilities = ["read"\n}', "line 3, column 1: a comma or ] is missing before }"),
        ('path "a" {\n  capabilities = ["read"]\n', "line 1, column 10: a { without an end"),
        ('path "a" {}\n}', "line 2, column 1: a } without a beginning"),
        ("a = {\n  b = { c = 1 }\n", "line 1, column 5: a { without an end"),
        ('a = "\n"', "line 1, column 5: a text without an end"),
        ('{"a": 1,}', "line 1, column 9: not JSON: "),
    ],
)
def test_a_fault_has_a_place(text: str, fault: str) -> None:
    assert str(check(text)).startswith(fault)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 100_000, "a " + "{ a " * 100_000, '{"a":' * 100_000, '{"a": ' + "1" * 10_000 + "}"],
)
def test_depth_and_length_are_bounded(text: str) -> None:
    assert isinstance(check(text), Fault)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('path "a" { capabilities=["read","list"] }', 'path "a" {\n  capabilities = ["read", "list"]\n}\n'),
        ('a = ["x"]', 'a = [\n  "x",\n]'),
        ("# c\r\na = 1\r\n", "# c\na   = 1\n"),
        ("/* x\n   y */", "/* x\ny */"),
    ],
)
def test_layout_makes_no_difference(one: str, other: str) -> None:
    assert same_text(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('a = "x y"', 'a = "x  y"'),
        ("# one", "# two"),
        ("a = <<E\nx\nE\n", "a = <<E\n x\nE\n"),
        ('a = "x', 'a = "y'),
        ("a = 1", "b = 1"),
        ("a b {}", "ab {}"),
    ],
)
def test_everything_else_does(one: str, other: str) -> None:
    assert not same_text(one, other)


@given(st.text(alphabet='{}[]=,"\\$#/*<EOF \n1a.-'))
def test_no_text_is_too_strange(text: str) -> None:
    fault = check(text)
    assert fault is None or fault.line >= 1
    assert same_text(text, text)


USUAL = 'path "a" {\n  capabilities = ["read", "list"]\n}\n'


@pytest.mark.parametrize("position", range(len(USUAL)))
def test_the_quick_look_at_usual_policies_finds_no_fault_less(position: int) -> None:
    missing = USUAL[:position] + USUAL[position + 1 :]
    # With a comment behind it is read in the slow way.
    assert (check(missing) is None) == (check(missing + "# end") is None)
    assert (check(USUAL + missing) is None) == (check(USUAL + missing + "# end") is None)
