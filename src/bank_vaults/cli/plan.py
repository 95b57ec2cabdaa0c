"""``bank-vaults plan``: what configuration files would change."""

from __future__ import annotations

from bank_vaults.cli.configure import command
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Show it; 2 if that is something."""
    return command.plan(settings)
