"""The counts of :class:`Metrics` in the text formats of Prometheus.

This module loads prometheus_client, so import it only when a scrape comes (docs/decisions/0003-metrics.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from bank_vaults import __version__
from bank_vaults.telemetry.metrics import (
    DURATION_BUCKETS,
    ConfigureObservation,
    Metrics,
    ServerObservation,
    Snapshot,
)

_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
_Servers = Mapping[str, ServerObservation]


class Exposition:
    """Renders one :class:`Metrics` and the ``process_*`` series."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_MetricsCollector(metrics))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type for the Accept header of the request."""
        # The library's own choice fails on a version that is no number; we need only these two.
        if "application/openmetrics-text" in accept:
            body = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return body, openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(self._registry), _PLAIN


class _MetricsCollector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """All families of one consistent snapshot."""
        snapshot = self._metrics.snapshot()
        yield from _go_names(snapshot.servers.values())
        yield from _configure(snapshot.configure)
        yield from _servers(snapshot.servers)
        yield from _counts(snapshot)
        yield InfoMetricFamily("bank_vaults_build", "The running version", value={"version": __version__})


def _go_names(servers: Iterable[ServerObservation]) -> Iterator[Metric]:
    """The five names of Go Bank-Vaults, without labels."""
    seen = [server for server in servers if server.initialized is not None and server.sealed is not None]
    if seen:
        initialized = all(server.initialized for server in seen)
        sealed = any(server.sealed for server in seen)
        leader = any(server.leader for server in seen)
        yield GaugeMetricFamily("vault_sys_initialized", "Is the Vault node initialized", float(initialized))
        yield GaugeMetricFamily("vault_sys_sealed", "Is the Vault node sealed", float(sealed))
        yield GaugeMetricFamily("vault_sys_leader", "Is the Vault node the leader", float(leader))


def _configure(seen: ConfigureObservation) -> Iterator[Metric]:
    # Counted by the configure command only; dashboards expect the old names from every process.
    successful, failed = float(seen.successful), float(seen.failed)
    yield GaugeMetricFamily("vault_config_successful", "Configurations applied since the start", successful)
    yield GaugeMetricFamily("vault_config_failed", "Configurations failed since the start", failed)
    if seen == ConfigureObservation():
        return
    objects = GaugeMetricFamily(
        "bank_vaults_configure_objects",
        "Objects of the last pass over the configuration",
        labels=["section", "result"],
    )
    for (section, result), count in sorted(seen.objects.items()):
        objects.add_metric([section, result], count)
    yield objects
    files = GaugeMetricFamily(
        "bank_vaults_configure_broken_file", "Files that cannot be used as they are", labels=["file"]
    )
    for file in seen.broken:
        files.add_metric([file], 1.0)
    yield files
    for name, text, value in (
        ("drift_objects", "Objects that somebody else had changed, at the last look", seen.drift),
        (
            "last_success_timestamp_seconds",
            "When everything was last as wanted, Unix time",
            seen.last_success,
        ),
        ("last_duration_seconds", "How long the last pass took", seen.seconds),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"bank_vaults_configure_{name}", text, float(value))
    for name, text, number in (
        ("reads", "Requests that read, of the configure command", seen.reads),
        ("writes", "Requests that write, of the configure command", seen.writes),
    ):
        yield CounterMetricFamily(f"bank_vaults_configure_{name}", text, number)


def _servers(servers: _Servers) -> Iterator[Metric]:
    def gauge(name: str, text: str, value: Callable[[ServerObservation], float | None]) -> Metric:
        family = GaugeMetricFamily(f"bank_vaults_{name}", text, labels=["server"])
        for server, seen in sorted(servers.items()):
            known = value(seen)
            if known is not None:
                family.add_metric([server], known)
        return family

    yield gauge("server_up", "Whether the server answered when last asked", lambda seen: seen.up)
    yield gauge(
        "server_initialized", "Whether the server was last seen initialised", lambda seen: seen.initialized
    )
    yield gauge("server_sealed", "Whether the server was last seen sealed", lambda seen: seen.sealed)
    yield gauge("server_leader", "Whether the server was last seen as the leader", lambda seen: seen.leader)
    yield gauge(
        "last_cycle_timestamp_seconds",
        "When the loop of the server last completed a cycle, Unix time",
        lambda seen: seen.last_cycle,
    )
    yield gauge(
        "unseal_last_success_timestamp_seconds",
        "When the server was last unsealed by this process, Unix time",
        lambda seen: seen.last_success,
    )

    durations = HistogramMetricFamily(
        "bank_vaults_unseal_duration_seconds", "How long successful unseals took", labels=["server"]
    )
    decisions = InfoMetricFamily("bank_vaults_decision", "The decision now in force", labels=["server"])
    for server, seen in sorted(servers.items()):
        durations.add_metric([server], _buckets(seen.unseal_buckets), seen.unseal_seconds)
        if seen.reason is not None:
            decisions.add_metric([server], {"reason": seen.reason})
    yield durations
    yield decisions


def _buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in DURATION_BUCKETS), "+Inf"]
    return list(zip(bounds, map(float, itertools.accumulate(counts)), strict=True))


def _counts(snapshot: Snapshot) -> Iterator[Metric]:
    unseals = CounterMetricFamily(
        "bank_vaults_unseal_attempts", "Attempts to unseal", labels=["server", "result"]
    )
    for (server, result), count in sorted(snapshot.unseals.items()):
        unseals.add_metric([server, result], count)
    yield unseals

    inits = CounterMetricFamily("bank_vaults_init_attempts", "Attempts to initialise", labels=["result"])
    for result, count in sorted(snapshot.inits.items()):
        inits.add_metric([result], count)
    yield inits

    errors = CounterMetricFamily(
        "bank_vaults_store_errors", "Failed calls of the key store", labels=["mode", "operation"]
    )
    for (mode, operation), count in sorted(snapshot.store_errors.items()):
        errors.add_metric([mode, operation], count)
    yield errors
