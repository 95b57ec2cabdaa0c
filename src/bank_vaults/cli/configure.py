"""``bank-vaults configure``: the flags are there, the work is not built yet."""

from __future__ import annotations

import click

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:  # noqa: ARG001
    """Say so."""
    click.echo("Error: configure is not built yet", err=True)
    return ExitCode.FAILURE
