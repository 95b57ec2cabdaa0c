"""What to do next with one server: a pure function of one snapshot.

:func:`decide` is a list of guard clauses, read from top to bottom. Each returns one
:class:`Decision`: a reason code for metrics and tests, a sentence for people, the action to take (or
none) and how long to wait afterwards. Nothing here does I/O; ``unsealer/`` observes and acts.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Intent, Liveness
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import Action, Leader, Snapshot, StoreState, Unreachable

PATIENCE_FOREIGN_PROGRESS = 10.0
"""Seconds without a change before somebody else's partial unseal is reset."""

PATIENCE_RAFT_LEADER = 15.0
"""Seconds that accepted shares may take to unseal a joining raft node before they are sent again."""

PATIENCE_JOIN = 30.0
"""Seconds that a raft node which joined may take to know the cluster's keys before it joins again."""

PATIENCE_FIRST_NODE = 300.0
"""Seconds that a raft node which is not the first leaves to the first one to initialise the cluster.

Long, for a cluster that another node than its leader address began cannot be joined by that address."""

_RAFT_HINT = (
    ". Or another node has begun this cluster already: then point --raft-leader-address at that node and "
    "remove nothing"
)
_SOON = 0.1
_RETRY = 2.0


class Reason(Enum):
    """Why a decision was taken: the reason codes of logs, metrics and documentation (docs/unseal.md)."""

    UNREACHABLE = "unreachable"
    STORE_UNREADABLE = "store-unreadable"
    FINISH_INIT = "finish-init"
    NOT_INITIALISED = "not-initialised"
    INIT = "init"
    INIT_ELSEWHERE = "init-elsewhere"
    ANSWER_LOST = "answer-lost"
    FOREIGN_KEYS = "foreign-keys"
    DAMAGED_RECORD = "damaged-record"
    JOIN = "join"
    JOINED = "joined"
    WAIT_LEADER = "wait-leader"
    WAIT_FIRST_NODE = "wait-first-node"
    CLOSE_JOURNAL = "close-journal"
    AUTO_UNSEAL = "auto-unseal"
    FOREIGN_PROGRESS = "foreign-progress"
    RESET = "reset"
    BACK_OFF = "back-off"
    WAIT_RAFT_LEADER = "wait-raft-leader"
    SEALED = "sealed"
    UNSEAL = "unseal"
    FINISH_TOKEN = "finish-token"  # noqa: S105 - a reason code, not a token
    JOIN_HA = "join-ha"
    UNSEALED = "unsealed"
    INITIALISED = "initialised"


class Decision(NamedTuple):
    """One decision.

    ``wait``: seconds until the next look, after ``action``. ``once``: the exit code if the command runs
    only once and this is where it stands; None means that a one-shot command goes on as well.
    ``trouble`` marks sentences that a person should see as a warning.
    """

    reason: Reason
    sentence: str
    action: Action | None = None
    wait: float = 0.0
    once: ExitCode | None = None
    trouble: bool = False


def decide(seen: Snapshot) -> Decision:
    """The next step for one server; an action that has just failed waits for its pause."""
    decision, memory = _next(seen), seen.memory
    if decision.action is not None and decision.action is memory.failed_action and seen.now < memory.retry_at:
        return Decision(
            Reason.BACK_OFF,
            memory.failure,
            wait=memory.retry_at - seen.now,
            once=memory.failure_code,
            trouble=True,
        )
    return decision


def _next(seen: Snapshot) -> Decision:
    server, store, policy, memory = seen.server, seen.store, seen.policy, seen.memory
    if isinstance(server, Unreachable):
        return Decision(
            Reason.UNREACHABLE,
            f"error checking if vault is sealed: {server.error}"
            if policy.unseal
            else f"vault not reachable: {server.error}",
            once=ExitCode.FAILURE,
            trouble=True,
        )
    if store is not None and store.error and not (server.initialized and not server.sealed):
        # An unsealed server needs nothing from the store; a sealed or fresh one needs the truth.
        return Decision(
            Reason.STORE_UNREADABLE,
            f"the key store cannot be read: {store.error}",
            wait=_pause(seen),
            once=ExitCode.STORE,
            trouble=True,
        )
    if not server.initialized and not policy.init:
        return Decision(
            Reason.NOT_INITIALISED,
            "the server is not initialised, and --init is not given",
            wait=policy.period,
            once=ExitCode.NOT_INITIALISED,
            trouble=True,
        )
    if store is not None and store.damage and not server.initialized:
        return Decision(
            Reason.DAMAGED_RECORD,
            f"{store.damage}. Nothing is initialised before a human has looked at it",
            wait=policy.period,
            once=ExitCode.KEYS,
            trouble=True,
        )
    if store is not None and store.answer and not memory.keys_finished and not memory.dispute:
        return Decision(
            Reason.FINISH_INIT,
            "an initialisation is unfinished: storing its keys under their names",
            Action.FINISH_KEYS,
        )
    if not server.initialized:
        if store is None:  # not asked is not free
            return Decision(
                Reason.STORE_UNREADABLE,
                "the server is not initialised, and the key store was not asked for keys",
                wait=_pause(seen),
                once=ExitCode.STORE,
                trouble=True,
            )
        return _fresh(seen, store)
    if store is not None and store.intent is not None and not store.answer:
        return _intent_without_answer(seen, server, store, store.intent)
    if server.sealed:
        return _sealed(seen, server)
    return _unsealed(seen, store)


def _fresh(seen: Snapshot, store: StoreState) -> Decision:
    """The server holds nothing yet: initialise it, let it join, or say why neither is right."""
    policy, memory = seen.policy, seen.memory
    if memory.joined_at is not None and seen.now - memory.joined_at < PATIENCE_JOIN:
        return Decision(
            Reason.JOINED, "joined the raft cluster, waiting for its keys to be known here", wait=_SOON
        )
    if policy.raft:
        decision = _raft_join(seen, store)
        if decision is not None:
            return decision
    if store.keys or store.answer:
        found = store.keys[0] if store.keys else names.ANSWER
        return Decision(
            Reason.FOREIGN_KEYS,
            f"error before init: value for key '{found}' already exists: the store holds the keys of "
            "another cluster, or this server lost its data. Nothing was changed. Point the store settings "
            "to an empty place, or bring back the server's data; remove the old keys only if that cluster is "
            "gone for ever" + (_RAFT_HINT if policy.raft else ""),
            wait=policy.period,
            once=ExitCode.KEYS,
            trouble=True,
        )
    intent = store.intent
    if intent is not None and store.holder_may_come:
        return Decision(
            Reason.INIT_ELSEWHERE,
            f"node {intent.holder.node} (process {intent.holder.pid}) has begun to initialise "
            f"{intent.server} with this store",
            wait=_SOON if store.holder is Liveness.ALIVE else _RETRY,
        )
    if intent is not None and intent.holder.node != policy.node and policy.raft:
        return Decision(
            Reason.INIT_ELSEWHERE,
            f"node {intent.holder.node} began to initialise the cluster and did not finish; only that node "
            f"may go on. If it is gone for ever, remove '{names.journal(store.turn - 1)}' from the store",
            wait=policy.period,
            once=ExitCode.KEYS,
            trouble=True,
        )
    return Decision(Reason.INIT, "initializing vault...", Action.INIT)


def _raft_join(seen: Snapshot, store: StoreState) -> Decision | None:
    """With integrated storage: join, or wait for the first node; None: go on towards init."""
    policy, memory = seen.policy, seen.memory
    exists = bool(store.keys) or store.answer
    join = Decision(Reason.JOIN, "joining raft cluster...", Action.JOIN)
    if seen.leader is Leader.INITIALISED:
        return join
    if exists and policy.first and not policy.secondary and seen.leader is Leader.NOT_INITIALISED:
        return None  # the first node asked itself: its own data is gone, or the keys are another cluster's
    if policy.secondary or exists:
        known = "its keys are in the store" if exists else "this node is a secondary"
        says = "is not initialised" if seen.leader is Leader.NOT_INITIALISED else "does not answer"
        if not policy.leader_address:
            return join
        return Decision(
            Reason.WAIT_LEADER,
            f"the cluster exists elsewhere ({known}), but its leader address {policy.leader_address} {says}; "
            "waiting for it",
            wait=_RETRY,
            once=ExitCode.FAILURE,
            trouble=True,
        )
    if not policy.first and store.intent is None:
        since = memory.uninitialised_since if memory.uninitialised_since is not None else seen.now
        if seen.now - since < PATIENCE_FIRST_NODE:
            return Decision(
                Reason.WAIT_FIRST_NODE,
                f"waiting for the first node, {policy.leader_address}, to initialise the cluster. Where this "
                f"is the first node, give it that address or a POD_NAME that ends in -0; otherwise it begins "
                f"after {PATIENCE_FIRST_NODE:.0f} s",
                wait=min(_RETRY, max(_SOON, PATIENCE_FIRST_NODE - (seen.now - since))),
            )
    return None


def _intent_without_answer(
    seen: Snapshot, server: ServerState, store: StoreState, intent: Intent
) -> Decision:
    """The server is initialised, an initialisation was begun, and its answer is not in the store."""
    if store.holder_may_come:
        return Decision(
            Reason.INIT_ELSEWHERE,
            f"waiting for the initialisation by node {intent.holder.node} to store its answer",
            wait=_SOON,
        )
    if store.shares and store.shares >= intent.threshold:
        return Decision(
            Reason.CLOSE_JOURNAL,
            "the keys of the initialisation are stored, only its journal is left: closing it",
            Action.CLOSE_JOURNAL,
        )
    record = names.journal(store.turn - 1)
    kept = [name for name in store.keys if name != names.ROOT]
    if kept:  # whatever became of the others, nobody may be told that there is nothing to lose
        return Decision(
            Reason.ANSWER_LOST,
            f"node {intent.holder.node} began to initialise this server and left neither a whole answer nor "
            f"{intent.threshold} shares in the store, but {', '.join(kept)}. Do not empty anything: bring "
            f"the missing ones back, for example from a backup of the store, then remove '{record}' from it",
            wait=seen.policy.period,
            once=ExitCode.KEYS,
            trouble=True,
        )
    if not server.sealed and not server.recovery_seal:
        return Decision(
            Reason.ANSWER_LOST,
            f"node {intent.holder.node} began to initialise this server and its keys are not in the store, "
            "yet the server is unsealed: somebody else holds its keys. Put them into the store, then remove "
            f"'{record}' from it",
            wait=seen.policy.period,
            once=ExitCode.KEYS,
            trouble=True,
        )
    elsewhere = (
        f"If bank-vaults still runs on node {intent.holder.node}, leave it running: it may hold the answer. "
        if store.holder is Liveness.UNKNOWN
        else ""
    )
    return Decision(
        Reason.ANSWER_LOST,
        "the server was initialised, but the answer with its keys was lost before it could be stored, and no "
        f"client can get it again. {elsewhere}If somebody else initialised this server and has its keys, put "
        f"them into the store and remove '{record}' from it. If nobody has them, the server holds no "
        "data that anybody can reach: stop it, empty its storage, start it again; the next round initialises "
        "it anew. Nothing has to be removed from the store then. But first look whether the store has a "
        "left-over of the answer (docs/storage.md)",
        wait=seen.policy.period,
        once=ExitCode.KEYS,
        trouble=True,
    )


def _sealed(seen: Snapshot, server: ServerState) -> Decision:
    policy, memory = seen.policy, seen.memory
    if not policy.unseal:
        if policy.token_work and not memory.journal_closed:
            return Decision(
                Reason.SEALED,
                "setting up init root token, waiting for vault to be unsealed: "
                "vault still sealed, wait for unsealing",
                wait=_RETRY,
            )
        return _initialised(seen)
    if policy.auto or server.recovery_seal:
        return Decision(
            Reason.AUTO_UNSEAL,
            f"vault is sealed; its {server.seal_type} seal opens it without our keys",
            wait=min(1.0, policy.period),
            once=ExitCode.SEALED,
        )
    if memory.join_forgotten and policy.init and policy.raft:
        return Decision(Reason.JOIN, "joining raft cluster...", Action.JOIN)
    if memory.accepted_at is not None and seen.now - memory.accepted_at < PATIENCE_RAFT_LEADER:
        return Decision(
            Reason.WAIT_RAFT_LEADER,
            "the keys were accepted; waiting for the raft leader to let this node in",
            wait=_SOON,
        )
    if server.progress and server.nonce and server.nonce == memory.own_nonce:
        return Decision(
            Reason.RESET, "our own unseal attempt was interrupted: beginning it again", Action.RESET
        )
    if server.progress:
        unchanged = (
            memory.foreign_nonce == server.nonce
            and memory.foreign_progress == server.progress
            and seen.now - memory.foreign_since >= PATIENCE_FOREIGN_PROGRESS
        )
        if not unchanged or memory.keys_refused:
            left = (
                "our own keys were refused, so it is left alone" if memory.keys_refused else "waiting for it"
            )
            return Decision(
                Reason.FOREIGN_PROGRESS,
                f"somebody else has entered {server.progress} of {server.threshold} shares; {left}",
                wait=0.5,
            )
        return Decision(
            Reason.RESET,
            f"somebody else's unseal attempt stands still at {server.progress} of {server.threshold} shares: "
            "resetting it and unsealing with our keys",
            Action.RESET,
        )
    return Decision(Reason.UNSEAL, "vault is sealed, unsealing", Action.UNSEAL)


def _unsealed(seen: Snapshot, store: StoreState | None) -> Decision:
    policy, memory = seen.policy, seen.memory
    if store is not None and store.answer and not memory.dispute:
        if store.holder_may_come:
            return Decision(
                Reason.INIT_ELSEWHERE,
                "vault is unsealed; who initialised it is finishing that",
                wait=_SOON if store.holder is Liveness.ALIVE else _pause(seen),
            )
        return Decision(
            Reason.FINISH_TOKEN,
            "vault is unsealed: finishing its initialisation",
            Action.FINISH_TOKEN,
        )
    if policy.ha_storage and not memory.ha_joined:
        return Decision(Reason.JOIN_HA, "joining the raft cluster for HA storage", Action.JOIN_HA)
    if not policy.unseal:
        return _initialised(seen)
    return Decision(
        Reason.UNSEALED,
        "vault is unsealed",
        wait=min(1.0, policy.period),
        once=ExitCode.KEYS if memory.dispute else ExitCode.OK,
    )


def _initialised(seen: Snapshot) -> Decision:
    if seen.memory.dispute:
        return Decision(Reason.FINISH_INIT, seen.memory.dispute, once=ExitCode.KEYS, trouble=True)
    sentence = "vault is initialised" if seen.memory.keys_finished else "vault is already initialized"
    return Decision(Reason.INITIALISED, sentence, once=ExitCode.OK)


def _pause(seen: Snapshot) -> float:
    return min(_RETRY, seen.policy.period)
