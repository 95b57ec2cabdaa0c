"""``bank-vaults completion``: the scripts that ask this program for completions."""

from __future__ import annotations

import click

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings

PROGRAM = "bank-vaults"
VARIABLE = "_BANK_VAULTS_COMPLETE"
"""Set by the scripts when they ask: ``<shell>_complete``."""


def run(settings: Settings, shell: str) -> int:  # noqa: ARG001
    """Print the script for one of :data:`bank_vaults.cli.commands.SHELLS`."""
    from click.shell_completion import get_completion_class

    from bank_vaults.cli.app import Root

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  the shells are checked before
    click.echo(kind(Root(), {}, PROGRAM, VARIABLE).source())
    return ExitCode.OK


def answer(instruction: str) -> int:
    """Print the completions that a shell asks for. Returns the exit code."""
    from click.shell_completion import shell_complete

    from bank_vaults.cli.app import Root

    return shell_complete(Root(), {}, PROGRAM, VARIABLE, instruction)
