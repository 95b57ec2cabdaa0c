"""``bank-vaults configure``: the flags are there, the work is not built yet."""

from __future__ import annotations

from bank_vaults.cli.output import complain
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:  # noqa: ARG001
    """Say so."""
    complain("Error: configure is not built yet")
    return ExitCode.FAILURE
