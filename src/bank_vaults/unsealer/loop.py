"""The loop of one server: observe, decide, act, report (docs/architecture.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from bank_vaults.domain import backoff, names
from bank_vaults.domain.decisions import Decision, Reason, decide
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import MalformedRecordError
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import Action, Leader, Memory, Policy, Snapshot, StoreState, Unreachable
from bank_vaults.keystores.base import KeyStore, PinRefusedError, StoreAwayError, StoreError
from bank_vaults.telemetry.logs import redact
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.init_call import HelperGoneError, InitFailedError
from bank_vaults.unsealer.initialise import Initialiser, KeysConflictError
from bank_vaults.unsealer.observe import Observer
from bank_vaults.unsealer.raft import JoinError, Raft
from bank_vaults.unsealer.stop import Stop, Woken
from bank_vaults.unsealer.unseal import Outcome, ShareSource, fingerprint, missing_shares, unseal_round
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_RECONSIDER_EVERY = 5.0
"""Seconds between two looks at whether the store holds other shares than those refused."""

_FIRST_PAUSE = 0.5
"""Seconds of back-off after the first failure of an action; at most ``--unseal-period`` later on."""

_LONGEST_PAUSE_OF_KEYS = 60.0
"""Seconds of back-off at most where the keys are what is wrong: those a human has to mend."""

_REPEAT = 60.0
"""Seconds after which a trouble that lasts is told again."""

_BEFORE_RESTART = 1.0
"""Seconds before a start in place, so that a process that is killed again and again costs little."""

_ONCE_LIMIT = 60.0
"""Seconds that ``--once`` follows a server that makes progress."""


class Server(NamedTuple):
    """One server and everything that acts on it. ``local``: on this host, so that probing it is cheap."""

    name: str
    sys: Sys
    policy: Policy
    initialiser: Initialiser
    raft: Raft
    local: bool


class ServerLoop:
    """Keeps one server initialised and unsealed, as its policy says."""

    def __init__(
        self, server: Server, open_store: Callable[[], KeyStore], metrics: Metrics, stop: Stop
    ) -> None:
        self.server = server
        self.decision: Decision | None = None
        self.critical = False
        """True between the order to call sys/init and its stored answer: nothing may cut that."""
        self._observer = Observer(server.name, server.sys, open_store, metrics)
        self._metrics = metrics
        self._stop = stop
        self._memory = Memory()
        self._deaf = False
        self._announced = False
        self._once = False
        self._refused_shares = 0
        self._interrupted = False
        self._shares_checked = False
        self._reconsider_at = 0.0
        self._reported_at = 0.0
        self._failed_at = 0.0

    def run(self, *, once: bool) -> ExitCode:
        """Go on until the end is asked for; with ``once`` until there is nothing more to do in one round."""
        try:
            return self._run(once=once)
        except PinRefusedError as error:
            # No second try, neither here nor by whoever restarts us: the exit code says so.
            log.error(f"the PIN is not accepted: {error}", extra={"fields": self._fields()})
            return error.exit_code

    def _run(self, *, once: bool) -> ExitCode:
        self._once = once
        deadline = time.monotonic() + _ONCE_LIMIT
        while True:
            snapshot = self._observe()
            decision = decide(snapshot)
            self._report(snapshot, decision)
            self._metrics.cycle(self.server.name)
            if once and decision.once is not None:
                return decision.once
            if once and decision.wait and self.server.policy.unseal and time.monotonic() > deadline:
                return _code_of(snapshot.server)
            if self._stop.requested:
                return ExitCode.OK
            if decision.action is not None:
                self._act(decision.action, snapshot)
            if self._wait(snapshot, decision) is Woken.STOP:
                return ExitCode.OK

    def close(self) -> None:
        """Release what is left."""
        if not self.critical:
            self.server.initialiser.dismiss_call()
        self.server.sys.client.close()

    # observe

    def _observe(self) -> Snapshot:
        server = self._look_at_server()
        if isinstance(server, ServerState) and server.sealed:
            self._reconsider(server)
        store = None
        if isinstance(server, ServerState) and self._needs_store(server):
            store = self._look_at_store(server)
            if not server.initialized and (store.keys or store.answer):
                # They may have come with the initialisation of this very server, after the look at it.
                server = self._look_at_server()
        leader = Leader.NOT_ASKED
        if isinstance(server, ServerState) and not server.initialized:
            policy = self.server.policy
            if policy.init and policy.raft:
                leader = self.server.raft.ask_leader()
        return Snapshot(server, store, leader, self.server.policy, self._memory, time.monotonic())

    def _needs_store(self, server: ServerState) -> bool:
        if not server.initialized:
            return self.server.policy.init
        return not self._memory.journal_closed

    def _look_at_server(self) -> ServerState | Unreachable:
        server, now, accepted_at = self._observer.look_at_server(), time.monotonic(), self._memory.accepted_at
        self._memory = self._memory.after_look(server, now, interrupted=self._interrupted)
        if isinstance(server, ServerState):
            self._interrupted = False
            if not server.sealed and accepted_at is not None:  # the raft leader has let it in
                self._count_success(now - accepted_at)
            self._check_shares(server)
        return server

    def _check_shares(self, server: ServerState) -> None:
        """Once, while all is well: is the store able to open this server after its next restart?"""
        policy = self.server.policy
        if self._shares_checked or server.sealed or not self._memory.journal_closed:
            return
        self._shares_checked = True
        if not policy.unseal or policy.auto or server.recovery_seal:
            return
        try:
            missing = missing_shares(self._observer.opened_store(), server)
        except StoreError as error:
            missing = str(error)
        if missing:
            self._observer.forget_store()  # by then somebody may have mended it
            log.error(
                "the vault is open, but after its next restart it would stay sealed",
                extra={"fields": self._fields(why=missing)},
            )

    def _look_at_store(self, server: ServerState) -> StoreState:
        initialiser = self.server.initialiser
        store = self._observer.look_at_store(server, initialiser.call)
        if server.initialized and store.damage:
            self._dispute(store.damage)
        elif server.initialized and store == StoreState():
            self._memory = self._memory._replace(journal_closed=True)
            initialiser.dismiss_call()
        return store

    def _dispute(self, sentence: str) -> None:
        """The journal needs a human. Until then the named keys are used as if it were closed."""
        log.error(sentence, extra={"fields": self._fields()})
        self._memory = self._memory._replace(dispute=sentence, journal_closed=True)

    # act

    def _act(self, action: Action, snapshot: Snapshot) -> None:
        try:
            self._carry_out(action, snapshot)
        except MalformedRecordError as error:
            spares = [name for name in snapshot.store.keys if names.is_answer(name)] if snapshot.store else []
            hint = f". Another answer is in {', '.join(spares)}: see docs/storage.md" if spares else ""
            self._dispute(f"{error}{hint}")
        except PinRefusedError:
            raise
        except StoreError as error:
            self._observer.forget_store()
            self._observer.count_store_error(action.value)
            self._failed(action, str(error), ExitCode.STORE, away=isinstance(error, StoreAwayError))
        except KeysConflictError as error:
            self._dispute(str(error))
        except HelperGoneError as error:
            self.server.initialiser.dismiss_call()
            if self._once:
                self._failed(action, str(error), ExitCode.FAILURE)
            else:
                log.warning(f"{error}: starting anew in place", extra={"fields": self._fields()})
                self._stop.wait(_BEFORE_RESTART)
                self._stop.request_restart()
        except (VaultError, InitFailedError, JoinError) as error:
            if action is Action.UNSEAL:
                self._interrupted = True
                self._metrics.count_unseal(self.server.name, "error", 0.0)
            self._failed(action, str(error), ExitCode.FAILURE)

    def _carry_out(self, action: Action, snapshot: Snapshot) -> None:
        server, state = self.server, snapshot.server
        assert isinstance(state, ServerState)  # noqa: S101 - no action is ever decided for an absent server
        if action is Action.UNSEAL:
            self._unseal(state, self._observer.opened_store())
            return
        if action is Action.INIT:
            self._initialise(state, snapshot.store)
        elif action is Action.FINISH_KEYS:
            store = snapshot.store
            self._finish_keys(close=store is None or not store.holder_may_come)
        elif action is Action.FINISH_TOKEN:
            server.initialiser.finish_token()
        elif action is Action.CLOSE_JOURNAL:
            server.initialiser.close_journal()
        elif action is Action.RESET:
            self._reset(state)
            return
        elif action is Action.JOIN:
            server.raft.join()
            again = self._memory.join_forgotten
            self._memory = self._memory._replace(joined_at=time.monotonic(), join_forgotten=False)
            if again:
                return  # the pause of the unsealing that failed stays
        elif action is Action.JOIN_HA:
            server.raft.join_ha()
            self._memory = self._memory._replace(ha_joined=True)
        self._succeeded()

    def _initialise(self, state: ServerState, store: StoreState | None) -> None:
        # What was known of an earlier cluster of this server and store says nothing of the new one.
        self._memory = self._memory._replace(keys_finished=False, journal_closed=False, dispute="")
        try:
            turn = store.turn if store else 0
            if self.server.initialiser.begin(state, turn=turn, may_go=self._may_go):
                self.critical = False  # the answer is safe; the next start could do the rest as well
                self._unseal_at_once()
                self._finish_keys(close=True)
        finally:
            self.critical = False

    def _unseal_at_once(self) -> None:
        """The answer is safe: open the server with it before its keys are stored one by one."""
        if not self.server.policy.unseal or self.server.policy.auto:
            return
        shares = self.server.initialiser.shares()
        if shares is None:
            return
        try:
            state = self.server.sys.seal_status()
            if state.initialized and state.sealed and not state.recovery_seal:
                self._unseal(state, shares)
        except VaultError as error:
            self._interrupted = True  # the next rounds see to it
            log.debug("not unsealed at once", extra={"fields": self._fields(error=str(error))})

    def _may_go(self) -> bool:
        """Asked right before sys/init: from now on nobody may cut us, unless the end was asked for."""
        self.critical = not self._stop.requested
        return self.critical

    def _finish_keys(self, *, close: bool) -> None:
        if self.server.initialiser.finish_keys(close=close):
            self._memory = self._memory._replace(keys_finished=True)

    def _reset(self, state: ServerState) -> None:
        """Throw away the attempt of somebody else, but only with enough shares to do better."""
        if missing := missing_shares(self._observer.opened_store(), state):
            self._refused(Action.RESET, missing, state)
        else:
            self.server.sys.reset_unseal()
            if self._memory.failed_action is Action.RESET:  # the pause of an unsealing that failed stays
                self._succeeded()

    def _refused(self, action: Action, sentence: str, state: ServerState) -> None:
        self._memory = self._memory._replace(keys_refused=True)
        self._refused_shares = fingerprint(self._observer.opened_store(), state)
        self._observer.forget_store()  # the next try must see what somebody has mended meanwhile
        self._failed(action, sentence, ExitCode.KEYS)

    def _reconsider(self, state: ServerState) -> None:
        """Refused keys get a new chance when the store holds others."""
        if not self._memory.keys_refused or time.monotonic() < self._reconsider_at:
            return
        self._reconsider_at = time.monotonic() + _RECONSIDER_EVERY
        try:
            changed = fingerprint(self._observer.opened_store(), state) != self._refused_shares
        except StoreError:
            self._observer.forget_store()
            return
        if changed:
            self._memory = self._memory._replace(keys_refused=False, retry_at=0.0)
        else:
            self._observer.forget_store()

    def _unseal(self, state: ServerState, shares: ShareSource) -> None:
        started = time.monotonic()
        done = unseal_round(self.server.sys, shares, state)
        seconds = time.monotonic() - started
        if done.outcome is not Outcome.UNSEALED:
            self._metrics.count_unseal(self.server.name, done.outcome.value, seconds)
        if done.outcome in (Outcome.WRONG_KEYS, Outcome.INCOMPLETE):
            self._refused(Action.UNSEAL, done.sentence, state)
            return
        if done.outcome is Outcome.FORGOTTEN:
            self._memory = self._memory._replace(join_forgotten=True)
            self._failed(Action.UNSEAL, done.sentence, ExitCode.FAILURE)
            return
        self._succeeded()
        if done.outcome is Outcome.UNSEALED:
            self._count_success(seconds)
            self._observer.unsealed()
            self._shares_checked = True  # those that have just opened it; a token is not asked for them again
        elif done.outcome is Outcome.ACCEPTED:
            self._memory = self._memory._replace(accepted_at=time.monotonic())

    def _count_success(self, seconds: float) -> None:
        self._metrics.count_unseal(self.server.name, Outcome.UNSEALED.value, seconds)
        log.info("successfully unsealed vault", extra={"fields": self._fields(ms=round(seconds * 1000))})

    def _succeeded(self) -> None:
        self._memory = self._memory.after_success()

    def _failed(self, action: Action, sentence: str, code: ExitCode, *, away: bool = False) -> None:
        import random  # 2 ms of each start, and only a failure needs it

        prefix = {
            Action.UNSEAL: "error unsealing vault: ",
            Action.RESET: "error unsealing vault: ",
            Action.INIT: "error initializing vault: ",
            Action.JOIN: "error joining leader vault: ",
            Action.JOIN_HA: "error joining leader vault: ",
        }.get(action, "error finishing the initialisation: ")
        # The sentence outlives the secrets that a server may have repeated in it, and their masking.
        failure = redact(sentence if sentence.startswith("error ") else prefix + sentence)
        told = away and failure == self._memory.failure and time.monotonic() - self._failed_at < _REPEAT
        memory = self._memory.after_failure(action, failure, code)
        longest = _LONGEST_PAUSE_OF_KEYS if code is ExitCode.KEYS else self.server.policy.period
        pause = backoff.delay(
            memory.failures,
            first=_FIRST_PAUSE,
            longest=min(longest, _FIRST_PAUSE) if away else longest,
            chance=random.random(),  # noqa: S311 - no secret depends on it
        )
        self._memory = memory._replace(retry_at=time.monotonic() + pause)
        fields = self._fields(reason=self.decision.reason.value if self.decision else "")
        if not self._once:
            fields["again_in_s"] = round(pause, 1)
        if not told:
            self._failed_at = time.monotonic()
            log.error(failure, extra={"fields": fields})

    # report and wait

    def _report(self, snapshot: Snapshot, decision: Decision) -> None:
        last, self.decision = self.decision, decision
        # The words of the network change from try to try; one line says that the server is away.
        again = time.monotonic() - self._reported_at >= _REPEAT and decision.trouble
        same_words = (
            decision.reason is Reason.UNREACHABLE or last is None or last.sentence == decision.sentence
        )
        if last is not None and last.reason is decision.reason and same_words and not again:
            return
        self._reported_at = time.monotonic()
        self._metrics.set_reason(self.server.name, decision.reason.value)
        self._announce(snapshot)
        if decision.reason is Reason.BACK_OFF:
            return  # its sentence is the failure, which has been logged
        level = logging.WARNING if decision.trouble else logging.INFO
        if decision.once is ExitCode.KEYS:
            level = logging.ERROR  # for a human to decide
        log.log(level, decision.sentence, extra={"fields": self._fields(reason=decision.reason.value)})

    def _announce(self, snapshot: Snapshot) -> None:
        """The lines that users of Go Bank-Vaults look for after the start."""
        if self._announced or not isinstance(snapshot.server, ServerState):
            return
        self._announced = True
        if self.server.policy.init and self.server.policy.raft:
            log.info("joining leader vault...", extra={"fields": self._fields()})
        if self.server.policy.init and self.server.policy.unseal and snapshot.server.initialized:
            words = "vault is already initialized"
            if self.server.policy.raft:
                words += ", skipping raft join"
            log.info(words, extra={"fields": self._fields()})

    def _fields(self, **fields: object) -> dict[str, object]:
        return {"server": self.server.name, **fields}

    def _wait(self, snapshot: Snapshot, decision: Decision) -> Woken:
        if isinstance(snapshot.server, Unreachable):
            self._deaf = False
            down = self._observer.down
            if snapshot.server.away:
                return self._stop.wait(backoff.probe_pause(down, local=self.server.local))
            return self._stop.wait(backoff.ask_pause(down))
        if not decision.wait:
            return self._stop.wait(0)
        watched = None if self._deaf else self.server.sys.client.idle_socket()
        if watched is None and not self._deaf:
            # The connection was lost after the look: look again at once, but only once, for there are
            # servers behind proxies that keep no connection.
            self._deaf = True
            return self._stop.wait(0)
        woken = self._stop.wait(decision.wait, watched)
        # A readable socket means that the server went away. If it did not, do not spin on it.
        self._deaf = woken is Woken.SOCKET
        return woken


def _code_of(server: ServerState | Unreachable) -> ExitCode:
    if isinstance(server, Unreachable):
        return ExitCode.FAILURE
    if not server.initialized:
        return ExitCode.NOT_INITIALISED
    return ExitCode.SEALED if server.sealed else ExitCode.OK
