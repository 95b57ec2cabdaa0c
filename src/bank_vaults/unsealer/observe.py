"""Looking at one server and its store. What fails becomes part of what is seen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bank_vaults.domain import names
from bank_vaults.domain.journal import Intent, Liveness, MalformedRecordError
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import StoreState, Unreachable
from bank_vaults.keystores.base import KeyStore, PinRefusedError, StoreError, exists
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer import journal
from bank_vaults.unsealer.holder import liveness
from bank_vaults.unsealer.init_call import InitCall
from bank_vaults.vault.errors import TransientError, VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_CONNECT = 1.0
"""Seconds for a probe of a server that is away."""

_LEADER_EVERY = 5.0
"""Seconds between two questions to sys/leader, which only metrics need."""


class Observer:
    """The eyes of one loop. It writes nothing anywhere."""

    def __init__(self, name: str, sys: Sys, open_store: Callable[[], KeyStore], metrics: Metrics) -> None:
        self._name = name
        self._sys = sys
        self._open_store = open_store
        self._metrics = metrics
        self._store: KeyStore | None = None
        self._mode = "unknown"
        self._down_since: float | None = None
        self._leader_asked = float("-inf")
        self._intent_seen: tuple[Intent, float] | None = None

    @property
    def down(self) -> float:
        """For how many seconds the server has given no usable answer."""
        return 0.0 if self._down_since is None else time.monotonic() - self._down_since

    def look_at_server(self) -> ServerState | Unreachable:
        """One look. A server that is away is probed with a connection before it is asked anything."""
        try:
            if self._down_since is not None:
                self._sys.client.connect(_CONNECT)
            state = self._sys.seal_status()
        except VaultError as error:
            if self._down_since is None:
                self._down_since = time.monotonic()
            self._metrics.observe_server(self._name, up=False, initialized=None, sealed=None, leader=None)
            away = isinstance(error, TransientError) and error.status is None and not error.outcome_unknown
            return Unreachable(str(error), away)
        self._down_since = None
        self._metrics.observe_server(
            self._name,
            up=True,
            initialized=state.initialized,
            sealed=state.sealed,
            leader=self._look_at_leader(state),
        )
        return state

    def unsealed(self) -> None:
        """The server has just been unsealed: metrics need not wait for the next look."""
        self._metrics.observe_server(self._name, up=True, initialized=True, sealed=False, leader=None)
        self._leader_asked = float("-inf")

    def _look_at_leader(self, state: ServerState) -> bool | None:
        if state.sealed or time.monotonic() - self._leader_asked < _LEADER_EVERY:
            return None
        self._leader_asked = time.monotonic()
        try:
            return self._sys.leader().is_self
        except VaultError as error:
            log.debug("error checking if vault is leader", extra={"fields": {"error": str(error)}})
            return None

    def look_at_store(self, server: ServerState, call: InitCall | None) -> StoreState:
        """Keys and journal. ``call`` is our own process for sys/init, which may wait for orders."""
        try:
            store = self.opened_store()
            row = journal.read(store)
            # The order counts: a holder that is gone by now stores nothing any more, so an answer that is
            # looked for afterwards and is not there was lost. The other way round it may just have come.
            holder = _liveness(row.intent, call)
            if server.initialized and row.intent is None:
                found = frozenset({names.ANSWER}) if exists(store, names.ANSWER) else frozenset()
            else:
                found = store.list()
        except PinRefusedError:
            raise
        except StoreError as error:
            self.forget_store()
            self.count_store_error("read")
            return StoreState(error=str(error))
        except MalformedRecordError as error:
            return StoreState(damage=str(error))
        spares = sorted(name for name in found if names.is_answer(name) and name != names.ANSWER)
        return StoreState(
            keys=(*names.keys_in(found), *spares),
            intent=row.intent,
            turn=row.turn,
            holder=holder,
            expired=self._expired(row.intent),
            answer=names.ANSWER in found,
        )

    def _expired(self, intent: Intent | None) -> bool:
        """Whether we have seen this intent for longer than its call may take, by our own clock."""
        if intent is None:
            self._intent_seen = None
            return False
        if self._intent_seen is None or self._intent_seen[0] != intent:
            self._intent_seen = intent, time.monotonic()
        return time.monotonic() - self._intent_seen[1] > intent.limit

    def opened_store(self) -> KeyStore:
        """The client of the store, kept until it fails. Raises StoreError."""
        if self._store is None:
            self._store = self._open_store()
            self._mode = self._store.describe().mode
        return self._store

    def forget_store(self) -> None:
        """The client failed: the next try gets a fresh one."""
        self._store = None

    def count_store_error(self, operation: str) -> None:
        """For the metrics."""
        self._metrics.count_store_error(self._mode, operation)


def _liveness(intent: Intent | None, call: InitCall | None) -> Liveness:
    if intent is None:
        return Liveness.UNKNOWN
    if call is not None and call.holder == intent.holder and not call.running:
        return Liveness.GONE  # our own process, whose call has failed: it waits for new orders
    return liveness(intent.holder)
