"""The argument vector, put into the one form that click reads without doubt.

Click cannot have a flag both with and without a value, and wants global flags before the command. Here
every flag becomes one word ``--name=value``, and the command goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

from bank_vaults.cli.commands import COMMANDS

_HELP = ("-h", "--help")
_OF_CLICK = (*_HELP, "--version")

Booleans = Mapping[str, bool]
"""Name of each known flag to whether it is boolean, which means that it takes no word after it."""


def command_first(arguments: Sequence[str], booleans: Booleans) -> list[str]:
    """The same arguments with the first word that is no flag and no value in front.

    Unchanged where there is none, or where something in front of it is unknown.
    """
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        name, equals, _ = arguments[position].removeprefix("--").partition("=")
        if arguments[position] in _HELP:
            position += 1
        elif name in booleans:
            position += 1 if equals or booleans[name] else 2
        else:
            return list(arguments)
    return [*arguments[position : position + 1], *arguments[:position], *arguments[position + 1 :]]


def written_out(arguments: Sequence[str], booleans: Booleans, *, single_dash: bool = False) -> list[str]:
    """Each flag and its value in one word: ``--once`` becomes ``--once=true``.

    With ``single_dash`` long names may have one dash (Go's own flag package). Raises click.NoSuchOption.
    """
    result: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*result, word, *words]
        if word in _OF_CLICK or word == "-" or not word.startswith("-"):
            result.append(word)
            continue
        dashes = "-" if single_dash and not word.startswith("--") else "--"
        name, equals, _ = word.removeprefix(dashes).partition("=")
        if name not in booleans:
            raise unknown_flag(word, booleans)
        flag = f"--{word.removeprefix(dashes)}"
        if equals:
            result.append(flag)
        elif booleans[name]:
            result.append(f"{flag}=true")
        else:
            value = next(words, None)
            result.append(flag if value is None else f"{flag}={value}")
    return result


def unknown_flag(word: str, names: Iterable[str]) -> click.NoSuchOption:
    """The error for a flag that does not exist, without the value given to it."""
    flag = word.partition("=")[0]
    close = _closest(flag.lstrip("-"), names)
    return click.NoSuchOption(flag, f"unknown flag: {flag}" + (f"; did you mean --{close}?" if close else ""))


def unknown_command(name: str) -> click.UsageError:
    """The error for a command that does not exist."""
    close = _closest(name, (*COMMANDS, "help"))
    hint = f"did you mean {close!r}?" if close else "see 'bank-vaults help'"
    return click.UsageError(f"unknown command {name!r} for 'bank-vaults'; {hint}")


def _closest(word: str, possibilities: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # errors only: kept out of the start

    return next(iter(get_close_matches(word, possibilities, n=1)), None)
