"""The journal of an initialisation in a key store: read it, take a turn, close it.

Intents form a row: ``vault-init-journal``, ``vault-init-journal-1`` and so on. The last one is in force.
Each is created, never overwritten, so a turn belongs to one process, whichever node it runs on. All raise
StoreError when the store cannot tell.
"""

from __future__ import annotations

from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.journal import Intent
from bank_vaults.keystores.base import AlreadyExistsError, KeyStore, NotFoundError, exists


class Row(NamedTuple):
    """The intents of a store: the last one, and how many there are."""

    intent: Intent | None
    turn: int


def read(store: KeyStore) -> Row:
    """The intents. Raises MalformedRecordError."""
    intent, turn = None, 0
    while True:
        try:
            intent = Intent.decode(store.get(names.journal(turn)))
        except NotFoundError:
            return Row(intent, turn)
        turn += 1


def take_turn(store: KeyStore, turn: int, intent: Intent) -> bool:
    """Create the next intent. False: another process was faster."""
    try:
        store.create(names.journal(turn), intent.encode())
    except AlreadyExistsError:
        return False
    return True


def close(store: KeyStore) -> None:
    """Remove all intents, the last one first, so that what a crash leaves is an abandoned row, not a gap."""
    turn = 0
    while exists(store, names.journal(turn)):
        turn += 1
    for earlier in reversed(range(turn)):
        store.delete(names.journal(earlier))
