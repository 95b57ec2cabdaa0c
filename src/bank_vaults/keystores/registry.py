"""Which store belongs to which ``--mode``. A store's module is imported only when it is chosen."""

from __future__ import annotations

from importlib import import_module

from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.keystores.deadline import WithDeadline

_STORES = {
    "file": ("bank_vaults.keystores.file", "FileStore"),
    "dev": ("bank_vaults.keystores.dev", "DevStore"),
}


def open_store(settings: Settings) -> KeyStore:
    """A fresh client of the store that ``--mode`` names, every call under a time limit.

    Two calls give two clients that share nothing, so that what one wrote can be read back through the
    other. Raises StoreError.
    """
    mode = settings.text("mode")
    try:
        module, name = _STORES[mode]
    except KeyError:
        raise StoreError(
            f"the key store {mode!r} is not built yet; this version has: {', '.join(sorted(_STORES))}"
        ) from None
    store: KeyStore = getattr(import_module(module), name).open(settings)
    return WithDeadline(store)
