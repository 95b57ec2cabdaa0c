"""The work of ``bank-vaults configure`` and ``bank-vaults plan``."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bank_vaults.cli import serving
from bank_vaults.cli.configure import parts
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.output import coloured, complain, say
from bank_vaults.configure import assembly, planfile, report
from bank_vaults.configure.model import Action
from bank_vaults.configure.passes import RUN_ERRORS, MovedError, Passes, Report
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.planfile import Target
from bank_vaults.configure.sections.refused import Refused
from bank_vaults.configure.service import Manner, Service
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import StoreError
from bank_vaults.telemetry.health import Health, cycle_limit
from bank_vaults.telemetry.logs import redact
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.telemetry.sdnotify import Notifier
from bank_vaults.unsealer.stop import Stop
from bank_vaults.vault.errors import VaultError

if TYPE_CHECKING:
    from bank_vaults.configure.watch import Watcher

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """One of the ways to configure, by the flags."""
    if settings.flag("validate"):
        return validate(settings)
    if settings.flag("plan"):
        return plan(settings)
    return _apply(settings)


def validate(settings: Settings) -> int:
    """Every error of every file, without a server."""
    files = parts.library(settings)
    usable = parts.loaded(files)
    wanted = assembly.wanted_of_no_server(files.union().configuration, os.environ)
    refused = [item for item in wanted if isinstance(item, Refused)]
    for item in refused:
        complain(redact(f"error: {item.place}: {item.identity}: {item.reason}"))
    if refused or not usable:
        return ExitCode.FAILURE
    say(f"files: {len(files.files)}, objects: {len(wanted)}, no errors")
    return ExitCode.OK


def plan(settings: Settings) -> int:
    """What would be done; 2 if that is something, 1 if something of it cannot be done."""
    files = parts.library(settings)
    if not parts.loaded(files):
        return ExitCode.FAILURE
    try:
        passes = parts.passes(settings)
    except StoreError as error:
        return _failed(error)
    try:
        union = files.union()
        with passes.look(union.configuration, purge=union.complete) as look:
            made = look.plan
        if path := settings.text("plan-file"):
            planfile.save(path, made, _target(passes))
    except VaultError as error:
        complain(redact(f"Error: {passes.address}: {error}"))
        return ExitCode.FAILURE
    except (*RUN_ERRORS, StoreError, planfile.PlanFileError) as error:
        return _failed(error)
    if settings.text("output") == "json":
        say(redact(json.dumps(report.as_json(made), indent=2, default=str)))
    else:
        for line in report.lines(made, coloured):
            say(redact(line))
    if refused := made.counts()[Action.REFUSED]:
        complain(f"Error: {refused} of the objects cannot be brought to what is wanted")
        return ExitCode.FAILURE
    return ExitCode.CHANGES if made.todo else ExitCode.OK


def _apply(settings: Settings) -> int:
    serving.check_address(settings)
    if settings.text("plan-file") and not settings.flag("once"):
        raise UsageError("--plan-file: a saved plan is applied with --once")
    stop = Stop()
    stop.catch_signals()
    files = parts.library(settings, watched=not settings.flag("once"))
    watcher = None if settings.flag("once") else _watcher(files.files)
    if not parts.loaded(files):
        return ExitCode.FAILURE
    try:
        passes = parts.passes(settings)
    except StoreError as error:
        log.error(f"error creating kv store: {error}")
        return error.exit_code
    metrics = Metrics()
    interval = settings.seconds("drift-interval")
    manner = Manner(
        period=settings.seconds("unseal-period"),
        fatal=settings.flag("fatal"),
        drift_interval=interval or None,
        drift_correct=settings.text("drift") == "correct",
        progress=_Progress() if sys.stderr is not None and sys.stderr.isatty() else lambda *_: None,
    )
    if watcher is None:
        return _once(settings, Service(files, passes, stop, metrics, manner), stop, passes)
    notifier = Notifier(os.environ)
    service = Service(files, passes, stop, metrics, manner._replace(tick=notifier.watchdog))
    return _serve(settings, service, watcher, metrics, passes.address, notifier)


def _watcher(files: tuple[str, ...]) -> Watcher:
    from bank_vaults.configure.watch import Watcher  # ctypes takes 2 ms, and --once has no use for it

    return Watcher(files)


def _target(passes: Passes) -> Target:
    """Raises VaultError."""
    return Target(passes.server_state().cluster_id, passes.namespace)


def _check(passes: Passes, path: str) -> Callable[[Plan], None]:
    """What compares a plan with a saved one. Raises PlanFileError."""
    saved = planfile.SavedPlan(path)
    return lambda plan: saved.check(plan, _target(passes))


def _once(settings: Settings, service: Service, stop: Stop, passes: Passes) -> int:
    saved = settings.text("plan-file")
    try:
        done = service.once(_check(passes, saved) if saved else None)
    except (*RUN_ERRORS, MovedError, planfile.PlanFileError) as error:
        log.error(f"error configuring vault: {redact(str(error))}")
        return ExitCode.FAILURE
    if done is None or stop.signal:
        return 128 + stop.signal
    _show(settings, done)
    if done.failed:
        log.error(f"error configuring vault: {report.not_as_wanted(done.failed)}")
        return ExitCode.FAILURE
    log.info("successfully configured vault")
    return ExitCode.OK


def _show(settings: Settings, done: Report) -> None:
    figures = (done.outcomes, done.seconds, done.reads, done.writes)
    if settings.text("output") == "json":
        say(redact(json.dumps(report.outcomes_as_json(*figures), indent=2)))
    else:
        for line in report.summary(*figures):
            say(redact(line))


def _serve(
    settings: Settings, service: Service, watcher: Watcher, metrics: Metrics, address: str, notifier: Notifier
) -> int:
    health = Health(metrics)
    health.register(address, cycle_limit(settings.seconds("unseal-period")))
    with serving.served(settings, metrics, health) as served:
        if not served:
            return ExitCode.FAILURE
        try:
            notifier.ready()
            code = service.run(watcher)
            notifier.stopping()
            return code
        finally:
            watcher.close()


def _failed(error: Exception) -> int:
    complain(redact(f"Error: {error}"))
    return error.exit_code if isinstance(error, StoreError) else ExitCode.FAILURE


class _Progress:
    """One line on a terminal that tells how far a run is; what is logged meanwhile takes its place."""

    _EVERY = 0.1

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, of: int) -> None:
        """Told after each change."""
        now = time.monotonic()
        if now >= self._next or done == of:
            self._next = now + self._EVERY
            end = "\n" if done == of else "\r"
            sys.stderr.write(f"{done} of {of} changes{end}")
            sys.stderr.flush()
