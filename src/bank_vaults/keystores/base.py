"""The contract of a key store.

A store keeps a few small values under the names of :mod:`bank_vaults.domain.names`. The one distinction
that everything above depends on: *not found* (the store answered, and has no such value) apart from
*cannot tell* (anything else that went wrong). Only an explicit not-found may ever be taken as "free".
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from bank_vaults.domain.exitcodes import ExitCode


class StoreError(Exception):
    """The store cannot tell, or cannot do it: the outcome of the call is unknown.

    The message names the store, the name of the value and the cause, never the value.
    """

    exit_code = ExitCode.STORE
    of_the_whole_store = False
    """Whether every other value would fail alike, so that asking for them is no use."""


class PinRefusedError(StoreError):
    """The token refused the PIN, or it is not tried so as not to lock the token. Trying again is harm."""

    exit_code = ExitCode.PIN_REFUSED
    of_the_whole_store = True


class DamagedValueError(StoreError):
    """The store answered, with a value that cannot be opened. The others may be well."""


class StoreAwayError(StoreError):
    """The store is not there, as a token that is unplugged: it may come at any moment, asking is cheap."""

    of_the_whole_store = True


class NotFoundError(Exception):
    """The store answered: there is no value under this name."""


class AlreadyExistsError(Exception):
    """``create`` found a value under this name and left it untouched."""


class StoreDescription(NamedTuple):
    """What a person should know of a store.

    ``mode`` is the value of ``--mode``; ``location`` says where the values are; ``atomic_create`` is
    whether two callers of ``create`` are kept apart by the store itself; ``protection`` is one sentence
    about who can read the values.
    """

    mode: str
    location: str
    atomic_create: bool
    protection: str


class KeyStore(Protocol):
    """Small values by name. Every method may raise StoreError. Safe to call from several threads."""

    def get(self, name: str) -> bytes:
        """The value under a name. Raises NotFoundError."""

    def origin(self, name: str) -> str:
        """Which initialisation the value is of that ``get`` gave last under a name; empty: not told.

        Values of two origins do not belong together. Asks nothing of the store and raises nothing.
        """

    def put(self, name: str, value: bytes) -> None:
        """Write or replace. Afterwards a reader sees the old or the new value, never a mixture."""

    def create(self, name: str, value: bytes) -> None:
        """Write only if absent. Raises AlreadyExistsError."""

    def delete(self, name: str) -> None:
        """Remove a value; absent already is success."""

    def list(self) -> frozenset[str]:
        """All names present."""

    def prepare(self) -> None:
        """Do now what the next write would have to wait for, as a login. What is prepared lasts minutes."""

    def describe(self) -> StoreDescription:
        """Where and how values are kept; needs no access to the store."""


def exists(store: KeyStore, name: str) -> bool:
    """Whether the store has a value. Raises StoreError when it cannot tell; never guesses."""
    try:
        store.get(name)
    except NotFoundError:
        return False
    return True
