"""The argument vector, read with the tables of flags and commands. There is no other parser.

Flags may stand in front of the command and behind it. A name takes a value for all commands or for none, so
the command is found before its flags are known. A boolean flag takes its value only after ``=``, as in Go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from bank_vaults.cli.commands import COMMANDS, GROUPS, HELP, Words, beginning, split
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.options import OPTIONS, Kind, Option

HELP_FLAGS = ("-h", "--help")
VERSION_FLAG = "--version"

_TAKES_VALUE = {option.name: option.kind is not Kind.BOOLEAN for option in OPTIONS}


class Run(NamedTuple):
    """A command is to run. Each flag has its texts in their order; ``words`` are neither flags nor values."""

    command: str
    flags: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]


class ShowHelp(NamedTuple):
    """The help of a command or group is wanted, or of the whole program where the command is empty."""

    command: str


class ShowVersion(NamedTuple):
    """The version is wanted."""


class Token(NamedTuple):
    """A word, or a flag with its value.

    ``written`` is the word or the flag as it stands in the vector. ``flag`` is the name, which may be one
    that no flag has, or None for a word. ``value`` is None where the vector ends before it.
    """

    written: str
    flag: str | None = None
    value: str | None = None


def read(arguments: Sequence[str], command: str = "") -> Run | ShowHelp | ShowVersion:
    """What a command line asks for. Raises UsageError, never with the value of a flag in it.

    With ``command`` all of the vector belongs to that command.
    """
    tokens = list(scan(arguments, command))
    words: Sequence[str] = [token.written for token in tokens if token.flag is None]
    if not command and words:
        command, words = split(words)
    accepted = {option.name for option in options_of(command)}
    flags: dict[str, tuple[str, ...]] = {}
    shown: ShowHelp | ShowVersion | None = None
    for token in tokens:
        if token.flag is None:
            _check_command(command)
        elif token.written in HELP_FLAGS:
            shown = ShowHelp(command) if shown is None else shown
        elif token.written == VERSION_FLAG:
            shown = ShowVersion() if shown is None else shown
        elif token.flag not in accepted:
            raise _unknown_flag(token.written, accepted)
        elif token.value is None:
            raise UsageError(f"Option '--{token.flag}' requires an argument.")
        else:
            flags[token.flag] = (*flags.get(token.flag, ()), token.value)
    _check_booleans(tokens)
    if shown is not None:
        return shown
    if not command or command in GROUPS:
        return ShowHelp(command)
    if command == HELP.name:
        return ShowHelp(_topic(words))
    if COMMANDS[command].words is Words.REFUSED:
        _check_count(command, words, most=0)
    if COMMANDS[command].words is Words.IGNORED:
        _check_flag_names(command, words, accepted)
    return Run(command, flags, tuple(words))


def _check_booleans(tokens: Sequence[Token]) -> None:
    """Go takes ``--store-root-token false`` for true and an ignored word: here it is an error."""
    for token, following in pairwise(tokens):
        bare = token.flag is not None and "=" not in token.written and not _TAKES_VALUE.get(token.flag, True)
        if bare and following.flag is None and following.written.lower() in ("true", "false"):
            raise UsageError(f"--{token.flag} takes no word: write --{token.flag}={following.written}")


def _check_flag_names(command: str, words: Iterable[str], accepted: Collection[str]) -> None:
    """``configure plan`` would apply what is only to be looked at."""
    for word in words:
        if word in accepted and not _TAKES_VALUE[word]:
            raise UsageError(f"'{command}' takes no word: write --{word}")


def scan(arguments: Iterable[str], command: str = "") -> Iterator[Token]:
    """Put each flag and its value together. Never fails; see :class:`Token` for what is wrong."""
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            if command:  # in front of the command it ends nothing
                yield from map(Token, rest)
        elif word == "-" or not word.startswith("-"):
            command = command or word
            yield Token(word)
        else:
            # Go's own flag package, which template was written with, is content with one dash.
            single = command == "template" and not word.startswith("--")
            name, equals, value = word.removeprefix("-" if single else "--").partition("=")
            if equals:
                yield Token(word, name, value)
            elif _TAKES_VALUE.get(name):
                yield Token(word, name, next(rest, None))
            else:
                yield Token(word, name, "true")


def options_of(command: str) -> Sequence[Option]:
    """The flags to accept: the global ones without a command, all of them with one that is none yet."""
    if not command:
        return [option for option in OPTIONS if option.is_global]
    if command == HELP.name:
        return ()
    return COMMANDS[command].options if command in COMMANDS else OPTIONS


def _topic(words: Sequence[str]) -> str:
    if not words:
        return ""
    topic, rest = split(words)
    _check_count(HELP.name, words, most=len(words) - len(rest))
    _check_command(topic)
    return topic


def _check_command(name: str) -> None:
    if name in COMMANDS or name in GROUPS or name == HELP.name:
        return
    group, _, word = name.partition(" ")
    if word and group in GROUPS:
        # The word is not shown: "hsm --hsm-pin= 1234" puts a PIN here.
        close = _closest(name, [command.name for command in beginning(group)])
        hint = f"did you mean {close!r}?" if close else f"see 'bank-vaults help {group}'"
        raise UsageError(f"unknown command for 'bank-vaults {group}'; {hint}")
    close = _closest(name, [command.name for command in beginning("")])
    hint = f"did you mean {close!r}?" if close else "see 'bank-vaults help'"
    raise UsageError(f"unknown command {name!r} for 'bank-vaults'; {hint}")


def _check_count(command: str, words: Sequence[str], *, most: int) -> None:
    if len(words) > most:
        # Counted, not shown: "--hsm-pin= 1234" puts a PIN here.
        raise UsageError(f"unexpected extra argument: '{command}' takes {most}, received {len(words)}")


def _unknown_flag(written: str, names: Collection[str]) -> UsageError:
    flag = written.partition("=")[0]
    close = _closest(flag.lstrip("-"), names)
    return UsageError(f"unknown flag: {flag}" + (f"; did you mean --{close}?" if close else ""))


def _closest(word: str, possibilities: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # errors only: kept out of the start

    return next(iter(get_close_matches(word, possibilities, n=1)), None)
