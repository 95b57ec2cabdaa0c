"""The metrics and health endpoints of a command that runs for long."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bank_vaults.cli.errors import UsageError
from bank_vaults.domain.settings import Settings
from bank_vaults.telemetry.endpoints import Endpoints, parse_address
from bank_vaults.telemetry.health import Health
from bank_vaults.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


def check_address(settings: Settings) -> None:
    """Raises UsageError for an address that cannot be served on."""
    try:
        parse_address(settings.text("metrics-address"))
    except ValueError as error:
        raise UsageError(f"--metrics-address: {error}") from None


@contextmanager
def served(settings: Settings, metrics: Metrics, health: Health) -> Iterator[bool]:
    """Serve for the length of the block, unless that is switched off or the work is done once.

    Gives False, after the reason has been logged, where nothing can be served.
    """
    if settings.flag("disable-metrics") or settings.flag("once"):
        yield True
        return
    endpoints = Endpoints(settings.text("metrics-address"), metrics, health)
    try:
        endpoints.start()
    except OSError as error:
        log.error(
            f"error starting the metrics exporter: {error.strerror or error}; "
            "--metrics-address names another address, --disable-metrics serves none"
        )
        yield False
        return
    try:
        yield True
    finally:
        endpoints.stop()
