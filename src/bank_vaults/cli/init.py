"""``bank-vaults init``: initialise a server and store its keys; it stays sealed."""

from __future__ import annotations

import logging

from bank_vaults.cli import connecting, wiring
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import StoreError
from bank_vaults.telemetry.health import Health
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.loop import ServerLoop
from bank_vaults.unsealer.stop import Stop
from bank_vaults.unsealer.supervisor import Supervisor

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Initialise, once."""
    configs = connecting.client_configs()
    try:
        opener = connecting.store_opener(settings)
    except StoreError as error:
        log.error(f"error creating kv store: {error}")
        return error.exit_code
    metrics, stop = Metrics(), Stop()
    stop.catch_signals()
    servers = wiring.servers(settings, configs, opener, metrics, unseals=False)
    loops = [ServerLoop(server, opener, metrics, stop) for server in servers]
    return Supervisor(loops, stop, Health(metrics)).run(once=True)
