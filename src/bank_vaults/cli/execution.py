"""Running one command: settings, logging, then the module of its name, in the package of its group."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping, Sequence
from importlib import import_module

from bank_vaults.cli.arguments import Run
from bank_vaults.cli.commands import COMMANDS, SHELLS, Words
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.resolve import resolve
from bank_vaults.telemetry import logs

_log = logging.getLogger(__name__)


def execute(line: Run, environ: Mapping[str, str]) -> int:
    """Run a command and return its exit code. Raises UsageError, and whatever the command raises."""
    resolution = resolve(line.command, line.flags, environ)
    settings = resolution.settings
    logs.setup(settings.text("log-format"), settings.text("log-level"))
    for remark in resolution.remarks:
        _log.warning(remark.message, extra={"fields": remark.fields})
    module = import_module(f"bank_vaults.cli.{line.command.replace(' ', '.')}")
    gc.freeze()  # nor is there garbage in what was imported, however often one looks
    gc.set_threshold(5_000)  # what a document is read into stays: 700 by 700 takes twice as long
    gc.enable()  # see main
    if COMMANDS[line.command].words is Words.SHELL:
        return int(module.run(settings, _one_shell(line.words)))
    if line.words:
        # Counted, not shown: "--hsm-pin= 1234" puts a PIN here.
        _log.warning("arguments that are no flags are ignored", extra={"fields": {"count": len(line.words)}})
    return int(module.run(settings))


def _one_shell(words: Sequence[str]) -> str:
    if len(words) != 1:
        raise UsageError(f"accepts 1 arg(s), received {len(words)}")
    if words[0] not in SHELLS:
        accepted = ", ".join(SHELLS)
        raise UsageError(
            f'invalid argument "{words[0]}" for "bank-vaults completion"; accepted are {accepted}'
        )
    return words[0]
