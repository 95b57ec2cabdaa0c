"""``bank-vaults version``."""

from __future__ import annotations

import os
import sys

from bank_vaults import __version__
from bank_vaults.cli.output import say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Print the versions in the form that ``--output`` wants."""
    if settings.text("output") == "json":
        import json  # the table does without

        say(json.dumps(facts()))
    else:
        say(table())
    return ExitCode.OK


def facts() -> dict[str, str]:
    """Name, version, and what the program runs on."""
    system = os.uname()  # the module platform would start a process for some of this
    return {
        "name": "bank-vaults",
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": f"{system.sysname} {system.release} {system.machine}",
    }


def table() -> str:
    """The facts, one a line; the first line is name and version."""
    values = facts()
    return f"{values['name']} {values['version']}\npython {values['python']}\nplatform {values['platform']}"
