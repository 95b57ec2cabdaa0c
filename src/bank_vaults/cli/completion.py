"""``bank-vaults completion``: the scripts that ask this program for completions, and the answers.

The scripts, and the form of the answers, are click's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from bank_vaults.cli.arguments import HELP_FLAGS, VERSION_FLAG, options_of, scan
from bank_vaults.cli.commands import COMMANDS, HELP, SHELLS, Words, beginning, split
from bank_vaults.cli.options import Kind, Option
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings

PROGRAM = "bank-vaults"
VARIABLE = "_BANK_VAULTS_COMPLETE"
"""Set by the scripts when they ask: ``<shell>_complete``."""


def run(settings: Settings, shell: str) -> int:  # noqa: ARG001
    """Print the script for one of :data:`bank_vaults.cli.commands.SHELLS`."""
    click.echo(_shell(shell).source())
    return ExitCode.OK


def answer(instruction: str) -> int:
    """Print the completions that a shell asks for. Returns the exit code."""
    name, _, verb = instruction.partition("_")
    if name not in SHELLS or verb != "complete":
        return ExitCode.FAILURE
    shell = _shell(name)
    offered = offers(*shell.get_completion_args())
    click.echo("\n".join(map(shell.format_completion, offered)))
    return ExitCode.OK


def offers(words: Sequence[str], incomplete: str) -> list[CompletionItem[str]]:
    """What may stand behind ``words``, where ``incomplete`` is written already."""
    if incomplete == "=":  # bash makes three words of --mode=file
        incomplete = ""
    # A dash alone is a word and two of them end the flags, but who has got no further begins a flag.
    begun = "---" if incomplete in ("-", "--") else incomplete
    *before, last = scan([*(word for word in words if word != "="), begun])
    written = [token.written for token in before if token.flag is None]
    if last.flag is None:
        return _beginning(incomplete, _words(written))
    command = split(written)[0] if written else ""
    options = {option.name: option for option in options_of(command)}
    option = options.get(last.flag)
    if option is not None and option.kind is not Kind.BOOLEAN and last.value is not None:
        return _values(option, last.value)
    flags = [f"--{name}" for name in options] + ([] if command else [VERSION_FLAG])
    return _beginning(incomplete, map(CompletionItem, (*flags, *HELP_FLAGS)))


def _words(written: Sequence[str]) -> Iterator[CompletionItem[str]]:
    helps = written[:1] == [HELP.name]
    named = written[1:] if helps else written  # behind "help" stands what stands at the beginning
    if not named or (len(named) == 1 and beginning(named[0])):
        for each in beginning(named[0] if named else ""):
            if not helps or each is not HELP:
                yield CompletionItem(each.name.split()[-1], help=each.summary)
    elif written[0] in COMMANDS and COMMANDS[written[0]].words is Words.SHELL:
        yield from map(CompletionItem, SHELLS)


def _values(option: Option, begun: str) -> list[CompletionItem[str]]:
    """The choices, or the marker on which the shell completes file names."""
    if option.names_files:
        return [CompletionItem(begun, type="file")]
    return _beginning(begun, map(CompletionItem, option.choices))


def _beginning(begun: str, items: Iterable[CompletionItem[str]]) -> list[CompletionItem[str]]:
    return [item for item in items if item.value.startswith(begun)]


def _shell(name: str) -> ShellComplete:
    kind = get_completion_class(name)
    assert kind is not None  # noqa: S101  the names are checked before
    return kind(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
