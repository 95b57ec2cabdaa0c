"""One process, one or several servers: threads, health, the way out."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry.health import Health, cycle_limit
from bank_vaults.telemetry.sdnotify import Notifier
from bank_vaults.unsealer.loop import ServerLoop
from bank_vaults.unsealer.stop import Stop, Woken

log = logging.getLogger(__name__)

_GRACE = 5.0
"""Seconds that a loop gets to come back from a call at shutdown. An initialisation gets all it needs."""

_LOOK = 1.0


class Supervisor:
    """Runs loops until they end or a signal asks for the end."""

    def __init__(
        self,
        loops: Sequence[ServerLoop],
        stop: Stop,
        health: Health,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._loops = loops
        self._stop = stop
        self._health = health
        self._notifier = Notifier(environ)
        self._codes: dict[int, ExitCode] = {}

    def run(self, *, once: bool) -> int:
        """Run all loops until their end; the exit code.

        A daemon that was asked to end gives 0, a one-shot command (``once``) 128 + signal.
        """
        threads = [
            threading.Thread(
                target=self._run_loop, args=(number, loop, once), daemon=True, name=loop.server.name
            )
            for number, loop in enumerate(self._loops)
        ]
        for loop in self._loops:
            self._health.register(loop.server.name, cycle_limit(loop.server.policy.period))
        for thread in threads:
            thread.start()
        self._notifier.ready()
        self._watch()
        if not self._stop.restart:
            self._notifier.stopping()
        if self._stop.signal:
            log.info("asked to end", extra={"fields": {"signal": self._stop.signal}})
        self._join(threads)
        if self._stop.signal:
            return 128 + self._stop.signal if once else ExitCode.OK
        return max(self._codes.values(), default=ExitCode.FAILURE)

    def _run_loop(self, number: int, loop: ServerLoop, once: bool) -> None:
        code = ExitCode.FAILURE
        try:
            code = loop.run(once=once)
        except BaseException:
            log.exception(
                "the loop of a server ended unexpectedly", extra={"fields": {"server": loop.server.name}}
            )
        finally:
            self._codes[number] = code
            loop.close()
            if len(self._codes) == len(self._loops) or not once:
                self._stop.request()  # a daemon without one of its loops must not look healthy

    def _watch(self) -> None:
        """The main thread: wait for a signal or the last loop, tell the service manager how it goes."""
        interval = self._notifier.watchdog_interval or _LOOK
        last_status, next_watchdog = "", 0.0
        while True:
            if self._health.alive()[0] and time.monotonic() >= next_watchdog:
                self._notifier.watchdog()
                next_watchdog = time.monotonic() + interval
            status = self._status()
            if status != last_status:
                self._notifier.status(status)
                last_status = status
            if self._stop.wait(min(_LOOK, interval)) is Woken.STOP:
                return

    def _status(self) -> str:
        sentences = [
            f"{loop.server.name}: {loop.decision.sentence}"
            for loop in self._loops
            if loop.decision is not None
        ]
        return "; ".join(sentences)

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        told = False
        # Before a start in place all threads must be gone, for it forks; their calls have time limits.
        deadline = float("inf") if self._stop.restart else time.monotonic() + _GRACE
        for thread, loop in zip(threads, self._loops, strict=True):
            while thread.is_alive() and (loop.critical or time.monotonic() < deadline):
                thread.join(0.05)
                if loop.critical and not told:
                    told = True
                    log.warning("asked to end while an initialisation runs: it is finished first")
