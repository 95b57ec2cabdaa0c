"""The entry points, and the way from exceptions to exit codes."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bank_vaults.cli.app import Leaf, Root
from bank_vaults.cli.commands import COMMANDS
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry import logs

_WIDEST = 110  # columns of help texts; on a narrower terminal its width
_log = logging.getLogger(__name__)


def main() -> NoReturn:
    """``bank-vaults``."""
    if instruction := os.environ.get("_BANK_VAULTS_COMPLETE"):
        from bank_vaults.cli.completion import answer  # only when a shell asks

        sys.exit(answer(instruction))
    sys.exit(run(Root(), "bank-vaults", sys.argv[1:]))


def template() -> NoReturn:
    """``template``, which is ``bank-vaults template`` under a name of its own."""
    sys.exit(run(Leaf(COMMANDS["template"]), "template", sys.argv[1:]))


def run(program: click.Command, name: str, arguments: Sequence[str]) -> int:
    """Run a program to its end and return its exit code. Raises nothing that is an error."""
    try:
        code = _invoke(program, name, arguments)
        _flush()
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.USAGE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return 128 + signal.SIGPIPE
        return _failed(error)
    return code


def _invoke(program: click.Command, name: str, arguments: Sequence[str]) -> int:
    colour = False if os.environ.get("NO_COLOR") else None  # None: click looks whether it is a terminal
    try:
        with program.make_context(name, list(arguments), color=colour, max_content_width=_WIDEST) as context:
            return int(program.invoke(context) or 0)
    except click.exceptions.Exit as end:  # after help and version
        return end.exit_code


def _failed(error: Exception) -> int:
    from bank_vaults.keystores.base import StoreError  # only on failure

    _log.debug("the command failed", exc_info=True)
    if isinstance(error, StoreError):
        return _fail(str(error), ExitCode.STORE)
    return _fail(f"unexpected {type(error).__name__}: {error}", ExitCode.FAILURE)


def _fail(sentence: str, code: int) -> int:
    """One line on stderr, without secrets and control characters."""
    masked = logs.redact(sentence)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in masked)
    click.echo(f"Error: {line}", err=True)
    return code


def _flush() -> None:
    if sys.stdout is not None:  # None where the program was started with stdout closed
        sys.stdout.flush()


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more. If so it is replaced, so that the last flush is quiet."""
    output = sys.stdout.fileno()
    watch = select.poll()
    watch.register(output, 0)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
    if gone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output)
        os.close(nowhere)
    return gone
