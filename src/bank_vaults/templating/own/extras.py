"""The clients of the clouds come with extras, which not everybody has installed."""

from __future__ import annotations

from bank_vaults.templating.errors import FunctionError

CONNECT_SECONDS = 5
READ_SECONDS = 30
"""Time limits of one try; a start must not hang on a cloud that does not answer."""


def missing(service: str, extra: str, error: ImportError) -> FunctionError:
    """The error where the client of a service is not installed."""
    return FunctionError(
        f"{service}: {error.name or 'its client'} is not installed: pip install 'bank-vaults[{extra}]'"
    )
