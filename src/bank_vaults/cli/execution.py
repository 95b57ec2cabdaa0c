"""Running one command: settings, logging, then the module that has the name of the command."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from bank_vaults.cli.commands import SHELLS, Command, Words
from bank_vaults.cli.resolve import Flags, resolve
from bank_vaults.telemetry import logs

_log = logging.getLogger(__name__)


def execute(command: Command, flags: Flags, words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command and return its exit code. Raises click.UsageError, and whatever the command raises.

    ``words`` are the arguments that are neither flags nor their values.
    """
    resolution = resolve(command.name, flags, environ)
    settings = resolution.settings
    logs.setup(settings.text("log-format"), settings.text("log-level"))
    for remark in resolution.remarks:
        _log.warning(remark.message, extra={"fields": remark.fields})
    module = import_module(f"bank_vaults.cli.{command.name}")
    if command.words is Words.SHELL:
        return int(module.run(settings, _one_shell(words)))
    if words:
        # Counted, not shown: "--hsm-pin= 1234" puts a PIN here.
        _log.warning("arguments that are no flags are ignored", extra={"fields": {"count": len(words)}})
    return int(module.run(settings))


def _one_shell(words: Sequence[str]) -> str:
    if len(words) != 1:
        raise click.UsageError(f"accepts 1 arg(s), received {len(words)}")
    if words[0] not in SHELLS:
        accepted = ", ".join(SHELLS)
        raise click.UsageError(
            f'invalid argument "{words[0]}" for "bank-vaults completion"; accepted are {accepted}'
        )
    return words[0]
