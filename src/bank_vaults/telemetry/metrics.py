"""What the program counts and last saw, in plain Python.

prometheus_client is loaded only when somebody scrapes (docs/decisions/0003-metrics.md), so the loop counts
here and :mod:`bank_vaults.telemetry.exposition` translates. All methods are safe from several threads.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the unseal duration histogram, seconds; a last bucket without bound follows."""


class ServerObservation(NamedTuple):
    """The last known truth about one server; None means never known.

    ``last_cycle`` and ``last_success`` are Unix times in seconds, ``last_cycle_monotonic`` is on the
    monotonic clock; ``reason`` is the code of the current decision. Of the unseals that succeeded,
    ``unseal_buckets`` counts the durations bucket by bucket (not cumulative), ``unseal_seconds`` adds them.
    """

    up: bool | None = None
    initialized: bool | None = None
    sealed: bool | None = None
    leader: bool | None = None
    reason: str | None = None
    last_cycle: float | None = None
    last_cycle_monotonic: float | None = None
    last_success: float | None = None
    unseal_buckets: tuple[int, ...] = (0,) * (len(DURATION_BUCKETS) + 1)
    unseal_seconds: float = 0.0


class ConfigureObservation(NamedTuple):
    """What became of the configuration. ``last_success`` is Unix time in seconds, ``seconds`` a duration."""

    successful: int = 0
    failed: int = 0
    objects: Mapping[tuple[str, str], int] = {}
    """Of the last pass, by section and result."""
    drift: int | None = None
    last_success: float | None = None
    seconds: float | None = None
    reads: int = 0
    writes: int = 0
    broken: tuple[str, ...] = ()
    """Files that cannot be used as they are."""


class Snapshot(NamedTuple):
    """All counts and observations at one moment. Keys are label values in the order of the label names."""

    servers: Mapping[str, ServerObservation]
    unseals: Mapping[tuple[str, str], int]
    inits: Mapping[str, int]
    store_errors: Mapping[tuple[str, str], int]
    configure: ConfigureObservation = ConfigureObservation()


class Metrics:
    """The counts of one process. ``wall`` and ``monotonic`` are clocks in seconds."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._servers: dict[str, ServerObservation] = {}
        self._unseals: Counter[tuple[str, str]] = Counter()
        self._inits: Counter[str] = Counter()
        self._store_errors: Counter[tuple[str, str]] = Counter()
        self._configure = ConfigureObservation()

    def observe_server(
        self, server: str, *, up: bool, initialized: bool | None, sealed: bool | None, leader: bool | None
    ) -> None:
        """Note what one look at a server showed. None is "not known now": the last known value stays."""
        if sealed and leader is None:
            leader = False  # sys/leader fails on a sealed node, but a sealed node leads nothing
        with self._lock:
            last = self._servers.get(server, ServerObservation())
            self._servers[server] = last._replace(
                up=up,
                initialized=last.initialized if initialized is None else initialized,
                sealed=last.sealed if sealed is None else sealed,
                leader=last.leader if leader is None else leader,
            )

    def count_unseal(self, server: str, result: str, seconds: float) -> None:
        """Count one attempt to unseal: ``success``, ``wrong-keys``, ``error``. Only a success is timed."""
        with self._lock:
            self._unseals[server, result] += 1
            if result == "success":
                last = self._servers.get(server, ServerObservation())
                buckets = list(last.unseal_buckets)
                buckets[bisect.bisect_left(DURATION_BUCKETS, seconds)] += 1
                self._servers[server] = last._replace(
                    last_success=self._wall(),
                    unseal_buckets=tuple(buckets),
                    unseal_seconds=last.unseal_seconds + seconds,
                )

    def count_init(self, result: str) -> None:
        """Count one attempt to initialise."""
        with self._lock:
            self._inits[result] += 1

    def count_store_error(self, mode: str, operation: str) -> None:
        """Count one call of a key store that failed; not-found is no failure."""
        with self._lock:
            self._store_errors[mode, operation] += 1

    def count_configurations(self, *, successful: int = 0, failed: int = 0) -> None:
        """Count files that were applied, or could not be."""
        with self._lock:
            last = self._configure
            self._configure = last._replace(
                successful=last.successful + successful, failed=last.failed + failed
            )

    def observe_pass(
        self,
        objects: Mapping[tuple[str, str], int],
        *,
        seconds: float,
        reads: int,
        writes: int,
        success: bool,
    ) -> None:
        """Note what a pass over the configuration has done."""
        with self._lock:
            last = self._configure
            self._configure = last._replace(
                objects=objects,
                seconds=seconds,
                reads=last.reads + reads,
                writes=last.writes + writes,
                last_success=self._wall() if success else last.last_success,
            )

    def set_drift(self, objects: int) -> None:
        """Note how many objects somebody else had changed."""
        with self._lock:
            self._configure = self._configure._replace(drift=objects)

    def set_broken_files(self, files: tuple[str, ...]) -> None:
        """Note which configuration files cannot be used."""
        with self._lock:
            self._configure = self._configure._replace(broken=files)

    def cycle(self, server: str) -> None:
        """Note that the loop of a server has completed a cycle, whatever came of it."""
        with self._lock:
            last = self._servers.get(server, ServerObservation())
            self._servers[server] = last._replace(
                last_cycle=self._wall(), last_cycle_monotonic=self._monotonic()
            )

    def set_reason(self, server: str, reason_code: str) -> None:
        """Note the reason code of the decision now in force."""
        with self._lock:
            last = self._servers.get(server, ServerObservation())
            self._servers[server] = last._replace(reason=reason_code)

    def snapshot(self) -> Snapshot:
        """A consistent copy of everything."""
        with self._lock:
            return Snapshot(
                dict(self._servers),
                dict(self._unseals),
                dict(self._inits),
                dict(self._store_errors),
                self._configure,
            )
