"""One read-only look at a server, the store and the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Intent, Liveness, MalformedRecordError
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import StoreState
from bank_vaults.keystores.base import KeyStore, StoreDescription, StoreError
from bank_vaults.unsealer import journal
from bank_vaults.unsealer.holder import liveness
from bank_vaults.unsealer.unseal import missing_shares
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import LeaderState, Sys


class ServerLook(NamedTuple):
    """A server: its state and leader, or why it gives none."""

    address: str
    state: ServerState | None = None
    leader: LeaderState | None = None
    error: str = ""


class StoreLook(NamedTuple):
    """A store: names, never values. ``canaries`` are left-overs of pre-flight checks.

    ``missing``: why it could not open the server that was looked at, empty if it could.
    """

    description: StoreDescription | None = None
    keys: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    missing: str = ""
    error: str = ""


class JournalLook(NamedTuple):
    """The journal of an initialisation, and one sentence about what it means.

    ``open``: there is any record of it, also one that cannot be read.
    """

    open: bool = False
    intent: Intent | None = None
    holder: Liveness = Liveness.UNKNOWN
    answer: bool = False
    sentence: str = ""


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
    looks = tuple(look_at_server(sys) for sys in servers)
    states = [look.state for look in looks if look.state is not None and look.state.initialized]
    store, seen = _look_at_store(open_store, states[0] if states else None)
    return Status(looks, store, seen)


def look_at_server(sys: Sys) -> ServerLook:
    """Look at a server alone. A failure is told in its place."""
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


def _look_at_store(
    open_store: Callable[[], KeyStore], server: ServerState | None
) -> tuple[StoreLook, JournalLook]:
    description = None
    try:
        store = open_store()
        description = store.describe()
        row, damage = journal.Row(None, 0), ""
        try:
            row = journal.read(store)
        except MalformedRecordError as error:
            damage = str(error)
        holder = liveness(row.intent.holder) if row.intent else Liveness.UNKNOWN
        found = store.list()
        missing = ""
        if server is not None and not server.recovery_seal:
            missing = missing_shares(store, server)
    except StoreError as error:
        unknown = JournalLook(sentence="unknown: the store cannot be read")
        return StoreLook(description, error=str(error)), unknown
    answers = tuple(sorted(filter(names.is_answer, found)))
    keys, canaries = names.keys_in(found), tuple(sorted(filter(names.is_canary, found)))
    unfinished = bool(answers) or names.journal(0) in found
    seen = JournalLook(unfinished, row.intent, holder, bool(answers))
    sentence = damage or _sentence(seen, answers, keys, server is not None)
    return StoreLook(description, keys, canaries, missing), seen._replace(sentence=sentence)


def _sentence(seen: JournalLook, answers: tuple[str, ...], keys: tuple[str, ...], initialised: bool) -> str:
    """What the journal means, for a person."""
    spares = [name for name in answers if name != names.ANSWER]
    if spares:
        return (
            f"another answer of sys/init is kept in {', '.join(spares)}: see docs/storage.md, delete nothing"
        )
    if answers:
        return f"an initialisation is unfinished: all its keys are in {names.ANSWER}; run unseal to finish it"
    intent = seen.intent
    if intent is None:
        return "no initialisation is unfinished"
    node = f"node {intent.holder.node}"
    if seen.holder is Liveness.ALIVE:
        return f"{node} (process {intent.holder.pid}) is initialising {intent.server} now"
    if seen.holder is Liveness.UNKNOWN:
        return f"{node} has begun to initialise {intent.server}; it cannot be seen from here whether it runs"
    if not initialised:
        return f"{node} began to initialise {intent.server} and stopped; run unseal --init to go on"
    shares = StoreState(keys=keys, intent=intent).shares
    if shares and shares >= intent.threshold:
        return f"{node} initialised {intent.server}, only the journal is left; run unseal to close it"
    lost = f"{node} initialised {intent.server}, and the answer with the keys was lost"
    kept = f", all but {', '.join(keys)}" if keys else ""
    return f"{lost}{kept}; run unseal to be told what to do"
