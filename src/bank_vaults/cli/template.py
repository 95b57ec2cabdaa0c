"""``template``: the flags are there and checked, the work is not built yet."""

from __future__ import annotations

import click

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Check the flags and say so. Raises click.UsageError."""
    parse_delimiters(settings.text("delims"))
    for pair in settings.items("template"):
        parse_pair(pair)
    click.echo("Error: template is not built yet", err=True)
    return ExitCode.FAILURE


def parse_pair(text: str) -> tuple[str, str]:
    """Source and destination of ``SRC:DST``. Raises click.UsageError."""
    return _halves(text, "--template", "a source and a destination with one colon between")


def parse_delimiters(text: str) -> tuple[str, str]:
    """Left and right delimiter of ``LEFT:RIGHT``. Raises click.UsageError."""
    return _halves(text, "--delims", "two delimiters with one colon between")


def _halves(text: str, flag: str, accepted: str) -> tuple[str, str]:
    left, _, right = text.partition(":")
    if not left or not right or ":" in right:
        raise click.UsageError(f"{flag}: {text!r} is not {accepted}")
    return left, right
