"""Before keys are destroyed: does a server say that it needs them?"""

from __future__ import annotations

from bank_vaults.cli import connecting
from bank_vaults.cli.output import complain
from bank_vaults.domain.settings import Settings
from bank_vaults.unsealer.status import look_at_server
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.sys import Sys

WARNING = "Who has no other copy of these keys can never open their server again."


def need_no_keys(settings: Settings) -> bool:
    """Whether no server that answers is initialised, or ``--force`` is given. Says why not.

    Nobody can tell from outside whether the keys at hand are those of a server.
    """
    for config in connecting.client_configs(settings.items("server-addr")):
        connection = VaultClient(config)
        try:
            seen = look_at_server(Sys(connection))
        finally:
            connection.close()
        if seen.state is None:
            complain(f"{seen.address} does not answer, and these may be its only keys.")
        elif seen.state.initialized and not settings.flag("force"):
            complain(
                f"Error: {seen.address} is initialised, and these may be its only keys: nothing was "
                "destroyed. If it is opened by others, or is not needed any more: --force"
            )
            return False
    return True
