"""Argument vectors come into the form that click reads without doubt, and lose nothing on the way."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.cli.arguments import command_first, written_out

BOOLEANS = {"once": True, "mode": False, "raft": True, "hsm-pin": False}


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (["--once"], ["--once=true"]),
        (["--once", "false"], ["--once=true", "false"]),
        (["--once=false"], ["--once=false"]),
        (["--once="], ["--once="]),
        (["--mode", "file"], ["--mode=file"]),
        (["--mode", ""], ["--mode="]),
        (["--mode", "--once"], ["--mode=--once"]),
        (["--mode=a=b"], ["--mode=a=b"]),
        (["--mode"], ["--mode"]),
        (["a", "--", "--once"], ["a", "--", "--once"]),
        (["-h", "--help", "-"], ["-h", "--help", "-"]),
    ],
)
def test_each_flag_becomes_one_word(given_: list[str], written: list[str]) -> None:
    assert written_out(given_, BOOLEANS) == written


def test_one_dash_is_enough_where_go_has_it_so() -> None:
    assert written_out(["-mode", "x", "-once", "--mode=y"], BOOLEANS, single_dash=True) == [
        "--mode=x",
        "--once=true",
        "--mode=y",
    ]


@pytest.mark.parametrize("word", ["--mod", "-mode", "--mod=1234", "-once", "---mode"])
def test_an_unknown_flag_is_refused_with_a_suggestion_and_without_its_value(word: str) -> None:
    with pytest.raises(click.NoSuchOption) as caught:
        written_out([word], BOOLEANS)
    assert "did you mean --" in caught.value.message
    assert "1234" not in caught.value.message


def test_an_unknown_flag_like_no_other_has_no_suggestion() -> None:
    with pytest.raises(click.NoSuchOption, match=r"^unknown flag: --zzzzzz$"):
        written_out(["--zzzzzz"], BOOLEANS)


@pytest.mark.parametrize(
    ("given_", "first"),
    [
        (["unseal", "--once"], ["unseal", "--once"]),
        (["--once", "unseal"], ["unseal", "--once"]),
        (["--mode", "file", "unseal", "--once"], ["unseal", "--mode", "file", "--once"]),
        (["--mode=file", "-h", "unseal"], ["unseal", "--mode=file", "-h"]),
        (["--mode", "unseal"], ["--mode", "unseal"]),
        (["--mode"], ["--mode"]),
        (["--version", "unseal"], ["--version", "unseal"]),
        (["--nope", "unseal"], ["--nope", "unseal"]),
        ([], []),
    ],
)
def test_the_command_goes_first(given_: list[str], first: list[str]) -> None:
    assert command_first(given_, BOOLEANS) == first


@given(
    words=st.lists(
        st.sampled_from([*(f"--{name}" for name in BOOLEANS), "--mode=x", "unseal", "-", "--", "-h", ""])
        | st.text()
    )
)
def test_no_word_is_lost_or_invented(words: list[str]) -> None:
    assert sorted(command_first(words, BOOLEANS)) == sorted(words)
