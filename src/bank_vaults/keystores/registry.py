"""Which store belongs to which ``--mode``. A store's module is imported only when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.keystores.deadline import WithDeadline, limited

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
            f"the key store {mode!r} is not built yet; this version has: {', '.join(sorted(_STORES))}. "
            "Try --mode file --file-path DIRECTORY"
        ) from None
    chosen: Any = getattr(import_module(module), name)
    store: KeyStore = limited(mode, "open", lambda: chosen.open(settings))
    return WithDeadline(store)
