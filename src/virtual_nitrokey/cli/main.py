"""The entry point."""

from __future__ import annotations

import sys


def main() -> None:
    """``virtual-nitrokey``."""
    try:
        from virtual_nitrokey.cli.commands import cli
    except ModuleNotFoundError as error:  # bank-vaults, in the same package, does without these
        package = (error.name or "").partition(".")[0]
        if package not in ("cryptography", "ecdsa"):
            raise
        sys.exit(f"Error: {package} is not installed: install the package with its extra virtual-nitrokey")
    cli(prog_name="virtual-nitrokey")
