"""``configure`` as a whole: once, or for as long as the process lives.

::

    files ─ excerpt ─► pass over it ─► load ─► pass over what is different ─► pass over everything ─► wait
               ▲                        ▲                                                              │
               └──── a file changed ────┴─────── the back-off is over, it is time for drift ───────────┘

After a file has changed, what stands where it has changed is written before all of it is read, and what it
describes in another way before everything is looked at: the first takes milliseconds with files of any size.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from bank_vaults.configure.apply import Result
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.library import Library, Union
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Identity, Wanted
from bank_vaults.configure.passes import RUN_ERRORS, LoginRefusedError, Passes, Report
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.report import counts, not_as_wanted
from bank_vaults.domain.durations import format_duration
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.vault.errors import VaultError

if TYPE_CHECKING:
    from bank_vaults.configure.watch import Watcher

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
_LONGEST_HOPELESS: Final = 900.0
"""Seconds between two tries where the same objects were refused with the same words again and again."""

_ONCE_TRIES: Final = 3
_ONCE_PAUSE: Final = 1.0


class Stop(Protocol):
    """The wish to end, and waiting that it cuts short."""

    @property
    def requested(self) -> bool: ...

    def wait(self, seconds: float, watched: Any = None) -> object: ...


class Manner(NamedTuple):
    """How the service goes about its work. Durations are in seconds."""

    period: float = 5.0
    """Between two looks at a sealed server."""
    fatal: bool = False
    drift_interval: float | None = None
    drift_correct: bool = True
    progress: Callable[[int, int], None] = lambda *_: None
    tick: Callable[[], None] = lambda: None
    """Called every few seconds as long as the work goes on."""


class Service:
    """Keeps one server as the files say."""

    def __init__(
        self, library: Library, passes: Passes, stop: Stop, metrics: Metrics, manner: Manner
    ) -> None:
        self._library = library
        self._passes = passes
        self._stop = stop
        self._metrics = metrics
        self._manner = manner
        self._digest = Memory.empty().digest
        self._known: dict[Identity, str] | None = None
        """Digests of all that was wanted, once there was a pass over everything."""
        self._failed: frozenset[Identity] = frozenset()
        """What was not as wanted after it."""
        self._changed = False
        """Whether files were loaded since then."""
        self._ahead: list[Report] = []
        """What was done before a pass over everything."""
        self._failures = 0
        self._hopeless: tuple[tuple[str, str], ...] = ()

    # -- once ------------------------------------------------------------------------------------------

    def once(self, check: Callable[[Plan], None] | None = None) -> Report | None:
        """Wait until the server is unsealed, and bring it to what the files say. None: asked to end.

        What may succeed soon is tried again, but for a plan that has to pass a ``check``, which may raise.
        Raises RUN_ERRORS.
        """
        self._tell_applying(self._library.files)
        if not self._wait_unsealed():
            return None
        for attempt in range(1, _ONCE_TRIES + 1):
            last = attempt == _ONCE_TRIES or check is not None
            try:
                report = self._whole_pass(self._library.union(), check, remember=False)
            except VaultError:
                if last:
                    raise
            else:
                if last or not report.transient or self._stop.requested:
                    self._count(report, self._library.files)
                    return report
            self._stop.wait(_ONCE_PAUSE)
            if not self._wait_unsealed():  # it may have been sealed, or restarted, in the middle
                return None
        raise AssertionError  # pragma: no cover  the last attempt returns or raises

    def _wait_unsealed(self) -> bool:
        """False: asked to end."""
        while not self._stop.requested:
            if self._is_unsealed():
                return True
            self._stop.wait(self._manner.period)
        return False

    def _is_unsealed(self) -> bool:
        address, wait = self._passes.address, format_duration(self._manner.period)
        try:
            state = self._passes.server_state()
        except VaultError as error:
            self._metrics.observe_server(address, up=False, initialized=None, sealed=None, leader=None)
            sentence = f"error checking if vault is sealed: {error}, waiting {wait} before trying again..."
            log.error(sentence, extra={"fields": {"address": address}})
            return False
        self._metrics.observe_server(
            address, up=True, initialized=state.initialized, sealed=state.sealed, leader=None
        )
        if state.sealed:
            what = "sealed" if state.initialized else "not initialized"
            log.info(f"vault is {what}, waiting {wait} before trying again...")
            return False
        log.info("vault is unsealed, configuring...")
        return True

    def _whole_pass(
        self, union: Union, check: Callable[[Plan], None] | None = None, *, remember: bool = True
    ) -> Report:
        """Everything there is; ``remember`` what was wanted, for a quick pass later. Raises RUN_ERRORS."""
        with self._passes.look(union.configuration, purge=union.complete) as look:
            if check is not None:
                check(look.plan)
            report = self._passes.carry_out(look, lambda: self._stop.requested, self._progress)
            if remember:
                self._known = self._digests(look.wanted)
                self._failed = frozenset(each.change.identity for each in report.failed)
                self._changed = False
        return report

    def _progress(self, done: int, of: int) -> None:
        self._metrics.cycle(self._passes.address)  # so that a long pass is not taken for a hanging one
        self._manner.tick()
        self._manner.progress(done, of)

    # -- for ever --------------------------------------------------------------------------------------

    def run(self, watcher: Watcher) -> int:
        """Go on until the end is asked for; the exit code."""
        pending: tuple[str, ...] = self._library.files
        self._tell_applying(pending)
        next_at = time.monotonic()
        while not self._stop.requested:
            if changed := watcher.changed():
                for file in changed:
                    log.info(f"file has changed: {file}")
                self._hurry(changed)
                pending = tuple(dict.fromkeys((*pending, *self._reloaded(changed))))
                if self._library.broken and self._manner.fatal:
                    return ExitCode.FAILURE
                if pending:
                    next_at = time.monotonic()
            if time.monotonic() >= next_at:
                pause, pending = self._turn(pending)
                if pause is None:
                    return ExitCode.FAILURE
                next_at = time.monotonic() + pause
            self._metrics.cycle(self._passes.address)
            self._manner.tick()
            pause = min(next_at - time.monotonic(), watcher.pause())
            self._stop.wait(max(0.0, pause), watcher)
        return ExitCode.OK

    def _turn(self, pending: tuple[str, ...]) -> tuple[float | None, tuple[str, ...]]:
        """One try: the pause after it (None: the process is to end), and the files still to be applied."""
        if not self._is_unsealed():
            return self._manner.period, pending
        drifting = not pending
        try:
            if drifting and not self._manner.drift_correct:
                return self._look_for_drift(), ()
            union = self._library.union()
            if self._changed and self._known is not None:
                self._pass_ahead(union.configuration)
            report = self._whole_pass(union)
            while self._ahead:
                report = self._ahead.pop().followed_by(report)
        except RUN_ERRORS as error:
            log.error(f"error configuring vault: {error}")
            self._known = None  # nothing is hurried as long as nothing can be done at all
            least = _LONGEST_HOPELESS if isinstance(error, LoginRefusedError) else 0.0
            files = pending or self._library.files
            return self._after_failure(files, (), least), files
        if self._stop.requested:
            return 0.0, pending
        if drifting:
            self._tell_drift(report)
        self._count(report, pending)
        if report.failed:
            said = tuple((str(each.change.identity), each.sentence) for each in report.failed)
            log.error(f"error configuring vault: {not_as_wanted(report.failed)}; {said[0][1]}")
            places = {each.change.place.file for each in report.failed if each.change.place}
            failed = tuple(file for file in pending if file in places) or pending or self._library.files
            return self._after_failure(failed, () if report.transient else said), failed
        self._failures, self._hopeless = 0, ()
        if not self._library.broken:
            self._library.let_go()
        log.info("successfully configured vault", extra={"fields": _figures(report)})
        interval = self._manner.drift_interval
        return (float("inf") if interval is None else interval), ()

    def _after_failure(
        self, files: Iterable[str], said: tuple[tuple[str, str], ...], least: float = 0.0
    ) -> float | None:
        """The pause in seconds, ``least`` at least; None: the process is to end."""
        if self._manner.fatal:
            return None
        longest = _LONGEST_HOPELESS if said and said == self._hopeless else _LONGEST_PAUSE
        self._hopeless = said
        pause = max(least, min(longest, _FIRST_PAUSE * 2.0 ** min(self._failures, 30)))
        self._failures += 1
        for file in files:
            log.error(
                f"Failed applying configuration file: {file} , "
                f"sleeping for {format_duration(pause)} before trying again"
            )
        return pause

    def _reloaded(self, changed: tuple[str, ...]) -> tuple[str, ...]:
        """Load what has changed; those that are good are to be applied."""
        good = self._library.load(changed)
        self._changed = self._changed or bool(good)
        for file in changed:
            if file in self._library.broken:
                fields = {"problems": str(self._library.broken[file])}
                log.error(
                    f"error parsing vault config file: {file}: its last good version stays in force",
                    extra={"fields": fields},
                )
        failed = len(changed) - len(good)
        self._metrics.count_configurations(failed=failed)
        self._metrics.set_broken_files(tuple(self._library.broken))
        self._tell_applying(good)
        return good

    @staticmethod
    def _tell_applying(files: Iterable[str]) -> None:
        for file in files:
            log.info(f"applying config file: {file}")

    def _hurry(self, changed: Collection[str]) -> None:
        """Write what can be told of changed files without reading all of them; what fails is tried again."""
        if self._known is None:
            return
        excerpt = self._library.excerpt(changed)
        if excerpt != Configuration():
            with suppress(*RUN_ERRORS):
                self._pass_ahead(excerpt)

    def _pass_ahead(self, configuration: Configuration) -> None:
        """Only what is described in another way than in the last pass over everything, and needs nothing
        that has failed there. Raises RUN_ERRORS.
        """
        known = self._known or {}
        different: dict[Identity, str] = {}

        def choose(wanted: tuple[Wanted, ...]) -> Collection[Identity]:
            digests = self._digests(wanted)
            different.update(each for each in digests.items() if known.get(each[0]) != each[1])
            return different

        with self._passes.look(configuration, purge=False, only=choose) as look:
            missing = self._failed - different.keys()
            plan = Plan(tuple(change for change in look.plan.changes if missing.isdisjoint(change.needs)))
            report = self._passes.carry_out(look._replace(plan=plan), lambda: self._stop.requested)
        if report.outcomes:
            self._ahead.append(report)
        done = {each.change.identity for each in report.outcomes if not each.bad}
        self._known = {**known, **{name: digest for name, digest in different.items() if name in done}}

    def _digests(self, wanted: Iterable[Wanted]) -> dict[Identity, str]:
        """Of all but the places: an object that only stands on another line is the same."""
        return {item.identity: self._digest(_without_places(item)) for item in wanted}

    # -- drift -----------------------------------------------------------------------------------------

    def _look_for_drift(self) -> float:
        union = self._library.union()
        with self._passes.look(union.configuration, purge=union.complete) as look:
            drifted = look.plan.todo
        self._metrics.set_drift(len(drifted))
        for change in drifted:
            fields = {"object": str(change.identity), "action": change.action.value, "reason": change.reason}
            log.warning(
                "an object is not as wanted, and is left so (--drift report)", extra={"fields": fields}
            )
        if not self._library.broken:
            self._library.let_go()
        return self._manner.drift_interval or float("inf")

    def _tell_drift(self, report: Report) -> None:
        drifted = [
            each for each in report.outcomes if each.change.requests and each.result is not Result.KEPT
        ]
        self._metrics.set_drift(len(drifted))
        for outcome in drifted:
            if outcome.result is not Result.DONE:
                continue  # which is told by itself
            fields = {"object": str(outcome.change.identity), "reason": outcome.change.reason}
            log.warning("an object was not as wanted, and is corrected", extra={"fields": fields})

    # -- what is told ----------------------------------------------------------------------------------

    def _count(self, report: Report, files: Collection[str]) -> None:
        places = {each.change.place.file for each in report.failed if each.change.place}
        failed = sum(file in places for file in files)
        if report.failed and files and not failed:
            failed = len(files)
        self._metrics.count_configurations(successful=len(files) - failed, failed=failed)
        self._metrics.observe_pass(
            dict(counts(report.outcomes)),
            seconds=report.seconds,
            reads=report.reads,
            writes=report.writes,
            success=not report.failed,
        )


def _figures(report: Report) -> dict[str, object]:
    return {
        "objects": len(report.outcomes),
        "writes": report.writes,
        "reads": report.reads,
        "seconds": round(report.seconds, 3),
    }


def _without_places(value: Any) -> Any:
    """Nested tuples of what a value says, without where it says so."""
    names = getattr(value, "_fields", None)
    if names is not None:
        return [
            _without_places(each)
            for name, each in zip(names, value, strict=True)
            if name not in ("place", "places")
        ]
    if isinstance(value, (frozenset, set)):
        return sorted(map(str, value))
    return value
