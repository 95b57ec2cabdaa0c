"""``template``: the flags are there and checked, the work is not built yet."""

from __future__ import annotations

from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.output import complain
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings


def run(settings: Settings) -> int:
    """Check the flags and say so. Raises UsageError."""
    parse_delimiters(settings.text("delims"))
    for pair in settings.items("template"):
        parse_pair(pair)
    complain("Error: template is not built yet")
    return ExitCode.FAILURE


def parse_pair(text: str) -> tuple[str, str]:
    """Source and destination of ``SRC:DST``. Raises UsageError."""
    return _halves(text, "--template", "a source and a destination with one colon between")


def parse_delimiters(text: str) -> tuple[str, str]:
    """Left and right delimiter of ``LEFT:RIGHT``. Raises UsageError."""
    return _halves(text, "--delims", "two delimiters with one colon between")


def _halves(text: str, flag: str, accepted: str) -> tuple[str, str]:
    left, _, right = text.partition(":")
    if not left or not right or ":" in right:
        raise UsageError(f"{flag}: {text!r} is not {accepted}")
    return left, right
