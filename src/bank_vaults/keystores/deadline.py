"""A time limit on every call of a store, whatever the store is made of.

A hung network file system or cloud endpoint must not hang the unsealer: the call runs in a thread, and
when the limit is over the caller gets a StoreError (*cannot tell*) while the thread is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from bank_vaults.keystores.base import KeyStore, StoreDescription, StoreError

_T = TypeVar("_T")

LIMIT = 20.0
"""Seconds that one call may take."""

_MOST_RUNNING = 16  # calls at once; reached only when most of them hang


class WithDeadline:
    """A store whose calls end after ``limit`` seconds. The outcome of a call that did not end is unknown."""

    def __init__(self, store: KeyStore, limit: float = LIMIT) -> None:
        self._store = store
        self._limit = limit
        self._running = threading.BoundedSemaphore(_MOST_RUNNING)

    def get(self, name: str) -> bytes:
        """See KeyStore.get."""
        return self._limited(f"read {name!r}", lambda: self._store.get(name))

    def put(self, name: str, value: bytes) -> None:
        """See KeyStore.put."""
        self._limited(f"write {name!r}", lambda: self._store.put(name, value))

    def create(self, name: str, value: bytes) -> None:
        """See KeyStore.create."""
        self._limited(f"create {name!r}", lambda: self._store.create(name, value))

    def delete(self, name: str) -> None:
        """See KeyStore.delete."""
        self._limited(f"delete {name!r}", lambda: self._store.delete(name))

    def list(self) -> frozenset[str]:
        """See KeyStore.list."""
        return self._limited("list", self._store.list)

    def describe(self) -> StoreDescription:
        """See KeyStore.describe."""
        return self._store.describe()

    def _limited(self, what: str, call: Callable[[], _T]) -> _T:
        mode = self._store.describe().mode
        if not self._running.acquire(blocking=False):
            raise StoreError(f"the {mode} store does not answer: {_MOST_RUNNING} calls hang already")
        outcome: list[_T | BaseException] = []

        def run() -> None:
            try:
                outcome.append(call())
            except BaseException as error:  # carried over to the caller's thread
                outcome.append(error)
            finally:
                self._running.release()

        thread = threading.Thread(target=run, name=f"store: {what}", daemon=True)
        thread.start()
        thread.join(self._limit)
        if not outcome:
            raise StoreError(f"the {mode} store did not {what} within {self._limit:g} s")
        result = outcome[0]
        if isinstance(result, BaseException):
            raise result
        return result
