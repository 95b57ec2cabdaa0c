"""What every command needs: how to reach the servers, and the store of the keys."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

from bank_vaults.cli.errors import UsageError
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore
from bank_vaults.keystores.registry import open_store
from bank_vaults.vault.config import ClientConfig, ConfigError, from_environment

log = logging.getLogger(__name__)


def client_configs(addresses: tuple[str, ...] = ()) -> list[ClientConfig]:
    """How to reach each server; without addresses the one that the environment names.

    Logs which variable won. Raises UsageError for a wrong variable.
    """
    configs: list[ClientConfig] = []
    told: set[str] = set()
    for address in addresses or (None,):
        try:
            config, notes = from_environment(os.environ, address=address)
        except ConfigError as error:
            raise UsageError(f"error connecting to vault: {error}") from None
        configs.append(config)
        for note in notes:
            if note not in told:
                told.add(note)
                log.warning(note)
    return configs


def store_opener(settings: Settings) -> Callable[[], KeyStore]:
    """Opens a fresh client of the store at each call, and once now: a wrong setting ends the start."""
    opener = partial(open_store, settings)
    opener()
    return opener
