"""One read-only look at a server, the store and the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Intent, Liveness, MalformedRecordError
from bank_vaults.domain.server import ServerState
from bank_vaults.keystores.base import KeyStore, NotFoundError, StoreDescription, StoreError
from bank_vaults.unsealer.holder import liveness
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import LeaderState, Sys


class ServerLook(NamedTuple):
    """A server: its state and leader, or why it gives none."""

    address: str
    state: ServerState | None = None
    leader: LeaderState | None = None
    error: str = ""


class StoreLook(NamedTuple):
    """A store: names, never values. ``canaries`` are left-overs of pre-flight checks."""

    description: StoreDescription | None = None
    keys: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    error: str = ""


class JournalLook(NamedTuple):
    """The journal of an initialisation, and one sentence about what it means."""

    intent: Intent | None = None
    holder: Liveness = Liveness.UNKNOWN
    answer: bool = False
    sentence: str = "no initialisation is unfinished"


class Status(NamedTuple):
    """Everything ``bank-vaults status`` shows."""

    servers: tuple[ServerLook, ...]
    store: StoreLook
    journal: JournalLook

    @property
    def code(self) -> ExitCode:
        """The worst server decides: unreachable, not initialised, sealed, unsealed."""
        states = [look.state for look in self.servers]
        if any(state is None for state in states):
            return ExitCode.FAILURE
        if any(not state.initialized for state in states if state):
            return ExitCode.NOT_INITIALISED
        return ExitCode.SEALED if any(state.sealed for state in states if state) else ExitCode.OK


def look(servers: list[Sys], open_store: Callable[[], KeyStore]) -> Status:
    """Look at everything; what fails is told in its place. Writes nothing."""
    store, journal = _look_at_store(open_store)
    return Status(tuple(_look_at_server(sys) for sys in servers), store, journal)


def _look_at_server(sys: Sys) -> ServerLook:
    address = sys.client.address
    try:
        state = sys.seal_status()
    except VaultError as error:
        return ServerLook(address, error=str(error))
    leader = None
    if not state.sealed:
        try:
            leader = sys.leader()
        except VaultError as error:
            return ServerLook(address, state, error=str(error))
    return ServerLook(address, state, leader)


def _look_at_store(open_store: Callable[[], KeyStore]) -> tuple[StoreLook, JournalLook]:
    description = None
    try:
        store = open_store()
        description = store.describe()
        found = store.list()
        journal = _look_at_journal(store, found)
    except StoreError as error:
        return StoreLook(description, error=str(error)), JournalLook(
            sentence="unknown: the store cannot be read"
        )
    canaries = tuple(sorted(filter(names.is_canary, found)))
    return StoreLook(description, names.keys_in(found), canaries), journal


def _look_at_journal(store: KeyStore, found: frozenset[str]) -> JournalLook:
    answer = names.ANSWER in found
    unfinished = "an initialisation is unfinished: its keys are stored in one piece; run unseal to finish it"
    if names.JOURNAL not in found:
        return JournalLook(answer=True, sentence=unfinished) if answer else JournalLook()
    try:
        intent = Intent.decode(store.get(names.JOURNAL))
    except NotFoundError:
        return JournalLook()  # finished while we looked
    except MalformedRecordError as error:
        return JournalLook(answer=answer, sentence=str(error))
    holder = liveness(intent.holder)
    if answer:
        sentence = unfinished
    elif holder is Liveness.ALIVE:
        sentence = (
            f"node {intent.holder.node} (process {intent.holder.pid}) is initialising {intent.server} now"
        )
    elif holder is Liveness.UNKNOWN and not intent.expired(time.time()):
        sentence = f"node {intent.holder.node} has begun to initialise {intent.server}"
    else:
        sentence = (
            f"node {intent.holder.node} began to initialise {intent.server} and did not store an answer; "
            "run unseal --init to go on"
        )
    return JournalLook(intent, holder, answer, sentence)
