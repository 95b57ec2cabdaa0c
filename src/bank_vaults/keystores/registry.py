"""Which store belongs to which ``--mode``. A store's module is imported only when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.keystores.deadline import WithDeadline, limited


class _Store(NamedTuple):
    """The class of a store; ``limits_itself``: its calls have time limits of their own."""

    module: str
    name: str
    limits_itself: bool = False


_STORES = {
    "file": _Store("bank_vaults.keystores.file", "FileStore"),
    "dev": _Store("bank_vaults.keystores.dev", "DevStore"),
    "hsm": _Store("bank_vaults.keystores.hsm", "Sealed", limits_itself=True),
}


def open_store(settings: Settings) -> KeyStore:
    """A fresh client of the store that ``--mode`` names, every call under a time limit.

    Two calls give two clients that share nothing, so that what one wrote can be read back through the
    other. Raises StoreError.
    """
    mode = settings.text("mode")
    try:
        entry = _STORES[mode]
    except KeyError:
        raise StoreError(
            f"the key store {mode!r} is not built yet; this version has: {', '.join(sorted(_STORES))}. "
            "Try --mode file --file-path DIRECTORY"
        ) from None
    chosen: Any = getattr(import_module(entry.module), entry.name)
    store: KeyStore
    if entry.limits_itself:
        store = chosen.open(settings)
        return store
    store = limited(mode, "open", lambda: chosen.open(settings))
    return WithDeadline(store)
