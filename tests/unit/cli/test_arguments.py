"""A command line is read as people and the operator write it, and nothing on it is lost or invented."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.cli.arguments import Run, ShowHelp, ShowVersion, Token, read, scan
from bank_vaults.cli.commands import COMMANDS
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.options import OPTIONS, Kind


@pytest.mark.parametrize(
    ("arguments", "flags", "words"),
    [
        (["--once"], {"once": ("true",)}, ()),
        (["--once", "no"], {"once": ("true",)}, ("no",)),
        (["--once=false"], {"once": ("false",)}, ()),
        (["--once="], {"once": ("",)}, ()),
        (["--mode", "file"], {"mode": ("file",)}, ()),
        (["--mode", ""], {"mode": ("",)}, ()),
        (["--mode", "--once"], {"mode": ("--once",)}, ()),
        (["--mode", "--"], {"mode": ("--",)}, ()),
        (["--mode", "--help"], {"mode": ("--help",)}, ()),
        (["--mode=a=b"], {"mode": ("a=b",)}, ()),
        (["--mode=a", "--mode", "b"], {"mode": ("a", "b")}, ()),
        (["a", "--", "--once", "-h", "--"], {}, ("a", "--once", "-h", "--")),
        (["-", ""], {}, ("-", "")),
    ],
)
def test_each_flag_gets_its_texts_and_the_rest_are_words(
    arguments: list[str], flags: dict[str, tuple[str, ...]], words: tuple[str, ...]
) -> None:
    assert read(["unseal", *arguments]) == Run("unseal", flags, words)


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["--once", "unseal"], {"once": ("true",)}),
        (["--mode", "file", "unseal", "--once"], {"mode": ("file",), "once": ("true",)}),
        (["--mode", "init", "unseal", "--mode=file"], {"mode": ("init", "file")}),
        (["--raft", "unseal"], {"raft": ("true",)}),
        (["--", "unseal", "--once"], {"once": ("true",)}),
    ],
)
def test_flags_in_front_of_the_command_belong_to_it(
    arguments: list[str], flags: dict[str, tuple[str, ...]]
) -> None:
    assert read(arguments) == Run("unseal", flags, ())


def test_the_two_words_of_a_command_may_have_flags_around_them() -> None:
    flags = {"hsm-serial": ("X",), "yes": ("true",), "once": ("true",)}
    for vector in (
        ["hsm", "purge", "--hsm-serial", "X", "--yes", "--once"],
        ["--hsm-serial", "X", "hsm", "--yes", "purge", "--once"],
        ["--once", "--yes", "--hsm-serial=X", "hsm", "purge"],
    ):
        assert read(vector) == Run("hsm purge", flags, ())


def test_one_dash_is_enough_where_go_has_it_so() -> None:
    flags = {"mode": ("x", "y"), "log-level": ("info",)}
    for arguments, command in ((["template"], ""), ([], "template")):
        line = read([*arguments, "-mode", "x", "-log-level=info", "--mode=y"], command)
        assert line == Run("template", flags, ())


def test_the_program_template_has_no_commands() -> None:
    assert read(["unseal"], "template") == Run("template", {}, ("unseal",))
    assert read(["-h"], "template") == ShowHelp("template")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], ""),
        (["--"], ""),
        (["-h"], ""),
        (["--help"], ""),
        (["help"], ""),
        (["--mode", "file"], ""),
        (["help", "unseal"], "unseal"),
        (["help", "--", "unseal"], "unseal"),
        (["unseal", "-h"], "unseal"),
        (["unseal", "--once=no number", "--help", "--mode", "floppy"], "unseal"),
        (["--mode", "file", "-h", "unseal"], "unseal"),
        (["status", "extra", "-h"], "status"),
        (["completion", "--help"], "completion"),
        (["help", "help"], "help"),
        (["help", "-h"], "help"),
        (["help", "unseal", "-h"], "help"),
        (["-h", "--version"], ""),
        (["hsm"], "hsm"),
        (["--hsm-serial", "X", "hsm"], "hsm"),
        (["help", "hsm"], "hsm"),
        (["help", "hsm", "list"], "hsm list"),
        (["hsm", "-h", "list"], "hsm list"),
    ],
)
def test_help_is_asked_for_in_many_ways(arguments: list[str], command: str) -> None:
    assert read(arguments) == ShowHelp(command)


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--mode", "file", "--version"], ["--version", "unseal"], ["--version", "--help"]],
)
def test_the_version_is_asked_for_with_a_flag_too(arguments: list[str]) -> None:
    assert isinstance(read(arguments), ShowVersion)


@pytest.mark.parametrize("word", ["--mod", "-mode", "--mod=1234", "-once", "---mode", "-hsm-pin=1234"])
@pytest.mark.parametrize("place", [["unseal"], []])
def test_an_unknown_flag_is_refused_with_a_suggestion_and_without_its_value(
    word: str, place: list[str]
) -> None:
    with pytest.raises(UsageError, match=r"unknown flag: -.*; did you mean --") as caught:
        read([*place, word])
    assert "1234" not in str(caught.value)


def test_an_unknown_flag_like_no_other_has_no_suggestion() -> None:
    with pytest.raises(UsageError, match=r"^unknown flag: --zzzzzz$"):
        read(["unseal", "--zzzzzz"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fil-path", "/x", "unseal"], "unknown flag: --fil-path; did you mean --file-path?"),
        (["unsael", "--raft"], "unknown command 'unsael' for 'bank-vaults'; did you mean 'unseal'?"),
        (["unsael", "--help"], "unknown command 'unsael' for 'bank-vaults'; did you mean 'unseal'?"),
        (["unsael", "--nope"], "unknown command 'unsael' for 'bank-vaults'; did you mean 'unseal'?"),
        (["unsael", "--mode"], "unknown command 'unsael' for 'bank-vaults'; did you mean 'unseal'?"),
        (["", "unseal"], "unknown command '' for 'bank-vaults'; see 'bank-vaults help'"),
        (["-", "unseal"], "unknown command '-' for 'bank-vaults'; see 'bank-vaults help'"),
        (["init", "--raft-leader-address"], "unknown flag: --raft-leader-address"),
        (["unseal", "--help", "--mode"], "Option '--mode' requires an argument."),
        (["unseal", "--help=true"], "unknown flag: --help"),
        (["help", "--mode", "file"], "unknown flag: --mode"),
        (["help", "init", "unseal"], "unexpected extra argument: 'help' takes 1, received 2"),
        (["help", "hsm", "list", "x"], "unexpected extra argument: 'help' takes 2, received 3"),
        (["help", "hsm", "lst"], "unknown command for 'bank-vaults hsm'; did you mean 'hsm list'?"),
        (
            ["hsm", "lst", "--hsm-serial", "X"],
            "unknown command for 'bank-vaults hsm'; did you mean 'hsm list'?",
        ),
        (["hsm", "zzzzzz"], "unknown command for 'bank-vaults hsm'; see 'bank-vaults help hsm'"),
        (["hmm"], "unknown command 'hmm' for 'bank-vaults'; did you mean 'hsm'?"),
        (["hsm", "list", "extra"], "unexpected extra argument: 'hsm list' takes 0, received 1"),
        (["hsm", "list", "--raft"], "unknown flag: --raft"),
        (["status", "extra"], "unexpected extra argument: 'status' takes 0, received 1"),
    ],
)
def test_what_is_wrong_first_is_what_is_said(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("words", [["status"], ["hsm"], ["hsm", "list"]])
def test_a_misplaced_secret_is_in_no_error(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read([*words, "--hsm-pin=", "73915"])
    assert "73915" not in str(caught.value)


def test_the_parts_of_a_vector_that_ends_too_early_are_seen() -> None:
    vector = ["unseal", "--once", "--hsm-pin"]
    assert list(scan(vector)) == [
        Token("unseal"),
        Token("--once", "once", "true"),
        Token("--hsm-pin", "hsm-pin", None),
    ]


TAKING = {option.name for option in OPTIONS if option.kind is not Kind.BOOLEAN}
VECTORS = st.lists(
    st.sampled_from(
        [*(f"--{option.name}" for option in OPTIONS), *COMMANDS, "--mode=x", "-", "--", "-h", "--nope", ""]
    )
    | st.text()
)


@given(vector=VECTORS.map(lambda words: [word for word in words if word != "--"]))
def test_no_word_is_lost_or_invented(vector: list[str]) -> None:
    found: list[str] = []
    for token in scan(vector):
        found.append(token.written)
        if token.value is not None and token.flag in TAKING and "=" not in token.written:
            found.append(token.value)
    assert sorted(found) == sorted(vector)


@given(vector=VECTORS)
def test_any_vector_is_read_or_refused(vector: list[str]) -> None:
    with suppress(UsageError):
        assert isinstance(read(vector), Run | ShowHelp | ShowVersion)
