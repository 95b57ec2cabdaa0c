"""The entry points, and the way from exceptions to exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bank_vaults.cli.app import Leaf, Root
from bank_vaults.cli.commands import COMMANDS
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry import logs

_log = logging.getLogger(__name__)


def main() -> NoReturn:
    """``bank-vaults``."""
    from bank_vaults.cli.completion import VARIABLE, answer

    if instruction := os.environ.get(VARIABLE):
        sys.exit(answer(Root(), instruction))
    sys.exit(run(Root(), "bank-vaults", sys.argv[1:]))


def template() -> NoReturn:
    """``template``, which is ``bank-vaults template`` under a name of its own."""
    sys.exit(run(Leaf(COMMANDS["template"]), "template", sys.argv[1:]))


def run(program: click.Command, name: str, arguments: Sequence[str]) -> int:
    """Run a program to its end and return its exit code. Raises nothing."""
    try:
        colour = False if os.environ.get("NO_COLOR") else None  # None: click looks for a terminal
        with program.make_context(name, list(arguments), color=colour) as context:
            code = int(program.invoke(context) or 0)
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.USAGE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if _reader_gone():
            return 128 + signal.SIGPIPE
        _log.debug("the command failed unexpectedly", exc_info=True)
        return _fail(f"unexpected {type(error).__name__}: {error}", _code_of(error))


def _fail(sentence: str, code: int) -> int:
    """One line on stderr, without secrets and control characters."""
    line = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in logs.redact(sentence)
    )
    click.echo(f"Error: {line}", err=True)
    return code


def _code_of(error: Exception) -> ExitCode:
    from bank_vaults.keystores.base import StoreError

    return ExitCode.STORE if isinstance(error, StoreError) else ExitCode.FAILURE


def _reader_gone() -> bool:
    """Whether nobody reads stdout any more. If so the interpreter's last flush is kept from complaining."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        return True
    return False
