"""``bank-vaults configure policy``: the least that a token needs to apply the files."""

from __future__ import annotations

import os

from bank_vaults.cli import connecting
from bank_vaults.cli.configure import parts
from bank_vaults.cli.output import say
from bank_vaults.configure import assembly
from bank_vaults.configure.least_privilege import policy
from bank_vaults.configure.server import namespace_of
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Print it; no server is asked."""
    files = parts.library(settings)
    if not parts.loaded(files):
        return ExitCode.FAILURE
    configuration = files.union().configuration
    (config,) = connecting.client_configs()
    if namespace_of(config.namespace):
        configuration = assembly.in_namespace(configuration)
    wanted = assembly.wanted_of_no_server(configuration, os.environ)
    kind, _, path = settings.text("state").partition(":")
    say(policy(wanted, configuration, path.strip("/") if kind == "kv" else ""))
    return ExitCode.OK
