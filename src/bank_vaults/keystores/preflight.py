"""Is the store good enough to be trusted with keys that exist nowhere else?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from bank_vaults.domain import names
from bank_vaults.keystores.base import AlreadyExistsError, KeyStore, NotFoundError, StoreError


def check(store: KeyStore, open_store: Callable[[], KeyStore], size: int) -> None:
    """Write a random canary of ``size`` bytes, read it through a fresh client, compare, delete it.

    Raises StoreError with the step that failed. A canary has a name of its own, so that checks of
    several processes do not meet; it is removed also when the check fails.
    """
    name = names.canary(os.urandom(8).hex())
    value = os.urandom(size // 2 + 1).hex().encode()
    try:
        with contextlib.suppress(AlreadyExistsError):  # a repeat of our own request; the value will tell
            store.create(name, value)
        try:
            read = open_store().get(name)
        except NotFoundError:
            raise StoreError(
                f"the {store.describe().mode} store did not keep a test value: "
                "it was written without an error and cannot be found by a fresh client; it may be full"
            ) from None
        if read != value:
            raise StoreError(f"the {store.describe().mode} store gives back another value than it was given")
    except BaseException:
        with contextlib.suppress(StoreError):
            store.delete(name)
        raise
    store.delete(name)
