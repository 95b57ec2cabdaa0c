"""A time limit on every call of a store, whatever the store is made of.

A hung network file system or cloud endpoint must not hang the unsealer: the call runs in a thread, and
when the limit is over the caller gets a StoreError (*cannot tell*) while the thread is left behind. The
number of such threads is limited for the whole process, since every new try opens a new client.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from bank_vaults.keystores.base import KeyStore, StoreDescription, StoreError

_T = TypeVar("_T")

LIMIT = 20.0
"""Seconds that one call may take."""

_MOST_RUNNING = 16  # calls at once in this process; reached only when most of them hang
_running = threading.BoundedSemaphore(_MOST_RUNNING)


def limited(mode: str, what: str, call: Callable[[], _T], limit: float = LIMIT) -> _T:
    """The outcome of ``call`` on a store of kind ``mode``, or StoreError after ``limit`` seconds.

    Raises what the call raises. ``what`` is for people, as in "did not open within 20 s".
    """
    if not _running.acquire(blocking=False):
        raise StoreError(f"the {mode} store does not answer: {_MOST_RUNNING} calls hang already")
    outcome: list[_T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # carried over to the caller's thread
            outcome.append(error)
        finally:
            _running.release()

    thread = threading.Thread(target=run, name=f"store: {what}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the limit of threads or of memory is reached
        _running.release()
        raise StoreError(f"the {mode} store cannot {what}: {error}") from None
    thread.join(limit)
    if not outcome:
        raise StoreError(f"the {mode} store did not {what} within {limit:g} s")
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


class WithDeadline:
    """A store whose calls end after ``limit`` seconds. The outcome of a call that did not end is unknown."""

    def __init__(self, store: KeyStore, limit: float = LIMIT) -> None:
        self._store = store
        self._mode = store.describe().mode
        self._limit = limit

    def get(self, name: str) -> bytes:
        """See KeyStore.get."""
        return self._limited(f"read {name!r}", lambda: self._store.get(name))

    def origin(self, name: str) -> str:
        """See KeyStore.origin."""
        return self._store.origin(name)

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

    def prepare(self) -> None:
        """See KeyStore.prepare."""
        self._limited("prepare a write", self._store.prepare)

    def describe(self) -> StoreDescription:
        """See KeyStore.describe."""
        return self._store.describe()

    def _limited(self, what: str, call: Callable[[], _T]) -> _T:
        return limited(self._mode, what, call, self._limit)
