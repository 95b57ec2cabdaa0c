"""The entry point."""

from __future__ import annotations

import sys


def main() -> None:
    """``virtual-nitrokey``."""
    try:
        from virtual_nitrokey.cli.commands import cli
    except ModuleNotFoundError as error:  # the program that the package is for does without these
        if (error.name or "").partition(".")[0] not in ("cryptography", "ecdsa"):
            raise
        sys.exit(f"Error: {error.name} is not installed: install the package with its extra virtual-nitrokey")
    cli(prog_name="virtual-nitrokey")
