"""``bank-vaults configure``: bring a server to what files say (docs/configure.md)."""

from __future__ import annotations

from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Run until a signal, or once."""
    from bank_vaults.cli.configure import command  # not for "configure policy"

    return command.run(settings)
