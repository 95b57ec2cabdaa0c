"""The entry points, and the way from exceptions to exit codes."""

from __future__ import annotations

import gc
import logging
import os
import resource
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from bank_vaults.cli.arguments import Run, ShowHelp, read
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.output import complain, say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry import logs

_PROGRAM = "bank-vaults"
_TEMPLATE = "template"  # the program and its command
_log = logging.getLogger(__name__)


def main() -> NoReturn:
    """``bank-vaults``."""
    if instruction := os.environ.get("_BANK_VAULTS_COMPLETE"):
        from bank_vaults.cli.completion import answer  # only when a shell asks

        sys.exit(answer(instruction))
    _leave_no_core_file()
    gc.disable()  # importing makes no garbage, and looking for it takes a tenth of the start
    code = run(_PROGRAM, sys.argv[1:])
    gc.freeze()  # the interpreter looks for garbage once more at its end, when all goes away anyway: 10 ms
    sys.exit(code)


def template() -> NoReturn:
    """``template``, which is ``bank-vaults template`` under a name of its own."""
    _leave_no_core_file()
    sys.exit(run(_TEMPLATE, sys.argv[1:]))


def _leave_no_core_file() -> None:
    """What this process and those that it starts have in memory reaches no disk when they crash.

    One byte: the one limit that counts also where a program collects the dumps (Linux, fs/coredump.c).
    """
    with suppress(ValueError, OSError):  # a lower one is in force
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def run(program: str, arguments: Sequence[str]) -> int:
    """Run one of the two programs to its end and return the exit code. Raises nothing that is an error."""
    try:
        code = _run(program, arguments)
        _flush()
    except UsageError as error:
        return _fail(str(error), ExitCode.USAGE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return 128 + signal.SIGPIPE
        return _failed(error)
    return code


def _run(program: str, arguments: Sequence[str]) -> int:
    line = read(arguments, _TEMPLATE if program == _TEMPLATE else "")
    if isinstance(line, Run):
        from bank_vaults.cli.execution import execute  # help and --version do without

        return execute(line, os.environ)
    if isinstance(line, ShowHelp):
        from bank_vaults.cli.help import show  # imports click

        show(line.command, program)
    else:
        from bank_vaults.cli.version import table  # a command like others

        say(table())
    return ExitCode.OK


def _failed(error: Exception) -> int:
    from bank_vaults.keystores.base import StoreError  # only on failure

    _log.debug("the command failed", exc_info=True)
    if isinstance(error, StoreError):
        return _fail(str(error), error.exit_code)
    return _fail(f"unexpected {type(error).__name__}: {error}", ExitCode.FAILURE)


def _fail(sentence: str, code: int) -> int:
    """One line on stderr, without secrets and control characters."""
    masked = logs.redact(sentence)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in masked)
    with suppress(OSError):  # there is nowhere to complain; the code tells it
        complain(f"Error: {line}")
    return code


def _flush() -> None:
    if sys.stdout is not None:  # None where the program was started with stdout closed
        sys.stdout.flush()


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
