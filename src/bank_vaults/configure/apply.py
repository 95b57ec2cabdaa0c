"""A plan carried out: stage by stage, the changes of one stage side by side, each as far as it comes.

The failure of one object keeps only those that need it, and the deletions. What has been done is handed to
the state as it happens.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from enum import Enum
from itertools import groupby
from typing import Any, Final, NamedTuple

from bank_vaults.configure import parallel
from bank_vaults.configure.comparing import lifted
from bank_vaults.configure.likeness import Likeness
from bank_vaults.configure.masking import masked
from bank_vaults.configure.model import (
    Action,
    Change,
    Fields,
    Identity,
    Pending,
    Record,
    Request,
    Saving,
    Stage,
)
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.references import Resolver, UnresolvedError
from bank_vaults.configure.sections import traces
from bank_vaults.configure.sections.generated import has_arrived, pending_of, saving_request
from bank_vaults.configure.session import Session
from bank_vaults.configure.standing import TOKEN
from bank_vaults.configure.state import State, StateError
from bank_vaults.telemetry.failpoints import failpoint
from bank_vaults.vault.client import Response
from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotInitialisedError,
    SealedError,
    TransientError,
    VaultError,
)

log = logging.getLogger(__name__)

_BATCH: Final = 256
"""Records after which they are written down, in the middle of a stage too."""

_TAKEN: Final = "already in use"
"""How servers refuse a mount that somebody has just made: another look tells whether it is the one wanted."""

_UPGRADING: Final = ("from non-versioned to versioned data",)
"""A kv engine that has just become one of version 2 refuses everything for a moment."""

_NO_ROUTE: Final = ("route entry not found",)
"""A node on standby does not know a mount yet that the leader has just made."""

_ON_ITS_WAY: Final = 20.0
"""Seconds to wait for the end of that."""

_READ_BACK: Final = 3.0
"""Seconds for what was saved to be seen, also through a node on standby."""

_HINT: Final = (
    "the token may not do everything that the documents ask for: "
    "'bank-vaults configure policy' prints a policy that is enough for them"
)

_DELETIONS_REFUSED: Final = "deletions are refused: 'bank-vaults plan' shows which, and why"
_NOTHING_DELETED: Final = "nothing is deleted in a run in which something else has failed"

_MARK: Final = "bank-vaults"
"""What names begin with that are given to what is generated."""

_IDLE: Final = frozenset({Action.KEEP, Action.REFUSED})
_PASSING: Final = (TransientError, SealedError, NotInitialisedError)


class Result(Enum):
    """What came of a change."""

    DONE = "done"
    KEPT = "kept"
    """There was nothing to do."""
    REFUSED = "refused"
    """The plan itself says that it cannot be done."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried, for something that it needs has failed."""
    STOPPED = "stopped"
    """Not tried, for the end was asked for."""


class Outcome(NamedTuple):
    """A change, what came of it and why."""

    change: Change
    result: Result
    sentence: str = ""
    transient: bool = False
    """Whether trying again soon may help."""

    @property
    def bad(self) -> bool:
        """Whether the object is not as wanted."""
        return self.result not in (Result.DONE, Result.KEPT)


class Tries(NamedTuple):
    """How a plan is carried out."""

    parallelism: int
    stopped: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda *_: None
    """Told how many changes are done, of how many."""


def apply(plan: Plan, session: Session, state: State, tries: Tries) -> tuple[Outcome, ...]:
    """Carry out a plan: an outcome for each of its changes, in its order. Raises nothing of the server."""
    return _Applier(plan, session, state, tries).run()


def _tell(change: Change) -> None:
    """What is gone is told always, what was written only to those who look closely: it may be thousands."""
    fields: dict[str, Any] = {"object": str(change.identity), "reason": change.reason}
    if change.action is not Action.DELETE:
        log.debug("an object was written", extra={"fields": fields})
        return
    if change.contents:
        fields["inside"] = change.contents
    log.info("an object was deleted", extra={"fields": fields})


class _Applier:
    def __init__(self, plan: Plan, session: Session, state: State, tries: Tries) -> None:
        self._changes = plan.changes
        self._session = session
        self._state = state
        self._tries = tries
        self._resolver = Resolver(session)
        self._likeness = Likeness(plan.changes)
        self._fresh = tuple(
            f"{change.requests[0].path.removeprefix('sys/').removeprefix('mounts/')}/"
            for change in plan.changes
            if change.identity.kind == "mount" and change.action is Action.CREATE
        )
        """Where the mounts are that this plan makes."""
        self._lock = threading.Lock()
        self._outcomes: dict[Identity, Outcome] = {}
        self._failed: dict[Identity, Outcome] = {}
        self._earlier: dict[Identity, Record | None] = {}
        self._ended = False
        self._warned: set[str] = set()
        self._unwritten = 0
        self._finished = 0
        self._total = 0

    def run(self) -> tuple[Outcome, ...]:
        todo = [change for change in self._changes if self._is_to_do(change)]
        self._total = len(todo)
        for _, members in groupby(todo, key=lambda change: change.stage):
            self._stage(list(members))
            self._state.flush(final=False)
        self._state.flush()
        return tuple(self._outcomes[change.identity] for change in self._changes)

    def _is_to_do(self, change: Change) -> bool:
        if change.action is Action.REFUSED:
            self._settle(Outcome(change, Result.REFUSED, change.reason))
        elif change.action is Action.KEEP:
            self._settle(Outcome(change, Result.KEPT, change.reason))
            if change.record is not None:
                self._note(change.identity, change.record)
        return change.action not in _IDLE

    def _stage(self, changes: list[Change]) -> None:
        """In waves, for a change may need another one of the same stage."""
        while changes:
            waiting = {change.identity for change in changes}
            wave = [change for change in changes if waiting.isdisjoint(change.needs - {change.identity})]
            parallel.each(wave or changes, self._do, self._tries.parallelism)
            changes = [change for change in changes if change.identity not in self._outcomes]

    def _do(self, change: Change) -> None:
        outcome = self._obstacle(change) or self._done(change)
        self._settle(outcome)
        if outcome.result is Result.DONE:
            _tell(change)
        with self._lock:
            self._finished += 1
            finished = self._finished
        self._tries.progress(finished, self._total)

    def _settle(self, outcome: Outcome) -> None:
        if outcome.result is Result.REFUSED and outcome.change.place is None:
            self._warn_once(_DELETIONS_REFUSED)  # there may be very many, all for one reason
        elif outcome.result in (Result.FAILED, Result.REFUSED):
            fields = {
                "object": str(outcome.change.identity),
                "place": str(outcome.change.place or ""),
                "error": outcome.sentence,
            }
            log.error("an object could not be configured", extra={"fields": fields})
        with self._lock:
            self._outcomes[outcome.change.identity] = outcome
            if outcome.bad:
                self._failed[outcome.change.identity] = outcome

    def _obstacle(self, change: Change) -> Outcome | None:
        if self._tries.stopped():
            return Outcome(change, Result.STOPPED, "the end was asked for", transient=True)
        with self._lock:
            if not self._failed:
                return None
            failed = dict(self._failed)
        if missing := change.needs & failed.keys():
            passing = any(failed[identity].transient for identity in missing)
            return Outcome(change, Result.SKIPPED, f"{min(missing)} has failed", passing)
        before = [outcome for outcome in failed.values() if outcome.change.stage < Stage.PURGE]
        if change.action is Action.DELETE and before:
            self._warn_once(_NOTHING_DELETED)
            passing = any(outcome.transient for outcome in before)
            return Outcome(change, Result.SKIPPED, _NOTHING_DELETED, passing)
        return None

    def _done(self, change: Change) -> Outcome:
        try:
            return self._carried_out(change)
        except UnresolvedError as error:
            return Outcome(change, Result.FAILED, str(error), transient=bool(change.needs))
        except StateError as error:
            return Outcome(change, Result.FAILED, str(error), transient=True)
        except VaultError as error:
            unknown = "; whether it was carried out is not known" if error.outcome_unknown else ""
            sentence = masked(str(error), change.requests, change.differences) + unknown
            passing = (
                isinstance(error, _PASSING)
                or any(_TAKEN in said for said in error.messages)
                or (isinstance(error, DeniedError) and self._has_ended())
            )
            if isinstance(error, DeniedError) and not passing:
                self._warn_once(_HINT)
            return Outcome(change, Result.FAILED, sentence, passing)

    def _warn_once(self, sentence: str) -> None:
        with self._lock:
            first = sentence not in self._warned
            self._warned.add(sentence)
        if first:
            log.warning(sentence)

    def _has_ended(self) -> bool:
        """Whether the token is no longer taken: with another one the change may be made."""
        if not self._ended:
            try:
                self._ended = bool(self._session.show(TOKEN).problem)
            except VaultError:
                return False
        return self._ended

    def _carried_out(self, change: Change) -> Outcome:
        """Raises VaultError, UnresolvedError, StateError."""
        failpoint("configure.before-change")
        answer: Response | None = None
        added: Fields = {}
        for number, request in enumerate(change.requests):
            body = self._resolver.resolve(request.body)
            if not number:
                added = self._remember_beforehand(change)
            if added and request is change.requests[-1]:
                body = {**body, **added}
            try:
                answer = self._send(request, body)
            except VaultError as error:
                if request.forgives and any(request.forgives in said for said in error.messages):
                    log.warning(
                        "the server keeps an object as it is",
                        extra={"fields": {"object": str(change.identity), "error": str(error)}},
                    )
                    return Outcome(change, Result.KEPT, "; ".join(error.messages))
                if not number and change.before is not None and not error.outcome_unknown:
                    self._state.note(change.identity, self._earlier.get(change.identity))
                raise
        failpoint("configure.change-sent")
        if change.saving is not None:
            self._save(change, change.saving, answer)
        self._note(change.identity, self._look(change))
        return Outcome(change, Result.DONE, change.reason)

    def _remember_beforehand(self, change: Change) -> Fields:
        """What is added to the last request. Raises VaultError, UnresolvedError, StateError."""
        if change.before is None:
            return {}
        before = change.before
        added: Fields = {}
        earlier = self._state.record_of(change.identity)
        if change.trace is not None:
            show, digest = self._session.show, self._state.digest
            if earlier and traces.left(change.trace, earlier, show, digest).removal != change.requests[:-1]:
                raise UnresolvedError("what an earlier run has left is no longer as the plan found it")
            mark = f"{_MARK}-{secrets.token_hex(8)}"
            before, added = traces.begun(change.trace, before, mark, show, digest)
        self._earlier[change.identity] = earlier
        self._state.claim(change.identity, before)
        return added

    def _send(self, request: Request, body: Any) -> Response:
        """One request; told what the server warns of. Raises VaultError."""
        deadline = time.monotonic() + _ON_ITS_WAY
        while True:
            try:
                answer = self._session.send(request.method, request.path, body)
                break
            except FatalError as error:
                passing = _UPGRADING + (_NO_ROUTE if request.path.startswith(self._fresh) else ())
                if not any(words in said for words in passing for said in error.messages):
                    raise
                if time.monotonic() > deadline or self._tries.stopped():
                    raise
            time.sleep(0.05)
        warnings = answer.data.get("warnings")
        for warning in warnings if isinstance(warnings, list) else ():
            fields = {"path": request.path, "warning": masked(str(warning), (request,))}
            log.warning("the server warns", extra={"fields": fields})
        return answer

    def _save(self, change: Change, saving: Saving, answer: Response | None) -> None:
        """See ``sections.generated``. Raises VaultError, StateError."""
        if answer is None:
            pending = self._state.pending_of(change.identity)
        else:
            pending = pending_of(saving, answer.data)
            if pending is not None:
                self._state.note_pending(change.identity, pending)
                self._state.flush(final=False)  # if that fails it may still arrive where it is to go
                failpoint("configure.secret-kept")
        if pending is None:
            raise UnresolvedError(f"the server gave nothing to be saved to {saving.path}")
        pending = pending._replace(saving=saving)
        if not has_arrived(pending, self._session.show(saving.path)):
            request = saving_request(pending)
            refusal: FatalError | None = None
            try:
                self._send(request, request.body)
            except FatalError as error:
                refusal = error  # also where another run has just saved it
            failpoint("configure.secret-saved")
            if not self._arrives(pending, 0.0 if refusal else _READ_BACK):
                unread = f"what was saved to {saving.path} cannot be read back; it is kept"
                raise refusal or UnresolvedError(unread)
        self._state.note_pending(change.identity, None)

    def _arrives(self, pending: Pending, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while True:
            shown = self._session.show(pending.saving.path)
            if has_arrived(pending, shown):
                return True
            if shown.there or shown.problem or time.monotonic() > deadline:
                return False
            time.sleep(0.05)

    def _look(self, change: Change) -> Record | None:
        """What to remember of an object that is now as wanted."""
        if change.record is None or not change.look or self._likeness.is_known(change):
            return change.record
        try:
            fields = self._session.show(change.look).fields
        except VaultError:
            return change.record  # one more writing at worst
        if fields is None:
            return change.record
        _tell_kept(change, fields)
        self._likeness.learn(change, fields)
        return change.record._replace(shown=self._state.digest(fields))

    def _note(self, identity: Identity, record: Record | None) -> None:
        self._state.note(identity, record)
        with self._lock:
            self._unwritten += 1
            due = self._unwritten >= _BATCH
            if due:
                self._unwritten = 0
        if due:
            self._state.flush(final=False)


def _tell_kept(change: Change, shown: Fields) -> None:
    """Of fields that were to be taken back, and are as they were."""
    now = lifted(shown)
    kept = [
        each.field
        for each in change.differences
        if each.after is None and each.before is not None and now.get(each.field) == each.before
    ]
    if kept:
        log.warning(
            "the server has the same value in fields that are no longer in the document: "
            "give them another one there, unless it is their default",
            extra={"fields": {"object": str(change.identity), "names": ", ".join(kept)}},
        )
