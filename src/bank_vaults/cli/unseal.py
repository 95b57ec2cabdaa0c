"""``bank-vaults unseal``: keep servers initialised and unsealed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bank_vaults.cli import connecting, serving, wiring
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.telemetry.health import Health
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.loop import ServerLoop
from bank_vaults.unsealer.stop import Stop
from bank_vaults.unsealer.supervisor import Supervisor
from bank_vaults.vault.config import ClientConfig

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run until a signal, or one round with ``--once``."""
    serving.check_address(settings)
    configs = connecting.client_configs(settings.items("server-addr"))
    try:
        opener = connecting.store_opener(settings)
    except StoreError as error:
        log.error(f"error creating kv store: {error}")
        return error.exit_code
    metrics = Metrics()
    stop = Stop()
    stop.catch_signals()
    while True:
        code = _serve(settings, configs, opener, metrics, stop)
        successor = Stop()
        successor.catch_signals()  # from here on no signal reaches the old one, so that none is lost
        if not stop.restart:
            return code
        stop.close()
        stop = successor


def _serve(
    settings: Settings,
    configs: list[ClientConfig],
    opener: Callable[[], KeyStore],
    metrics: Metrics,
    stop: Stop,
) -> int:
    """From the first fork to the end of the last thread."""
    health = Health(metrics)
    servers = wiring.servers(settings, configs, opener, metrics, unseals=True)
    with serving.served(settings, metrics, health) as served:
        if not served:
            return ExitCode.FAILURE
        loops = [ServerLoop(server, opener, metrics, stop) for server in servers]
        return Supervisor(loops, stop, health).run(once=settings.flag("once"))
