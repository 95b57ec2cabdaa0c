"""Promises of the counts and of their text form."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bank_vaults import __version__
from bank_vaults.telemetry.exposition import Exposition
from bank_vaults.telemetry.metrics import Metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
OLD = {"vault_sys_initialized", "vault_sys_sealed", "vault_sys_leader"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(metrics: Metrics, accept: str = "") -> Samples:
    body, _ = Exposition(metrics).render(accept)
    parse = parse_openmetrics if "openmetrics" in accept else parse_text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


def _plain(samples: Samples) -> dict[str, float]:
    return {name: value for (name, labels), value in samples.items() if not labels}


def _observe(
    metrics: Metrics, server: str, sealed: bool, leader: bool | None, initialized: bool = True
) -> None:
    metrics.observe_server(server, up=True, initialized=initialized, sealed=sealed, leader=leader)


def test_counting_does_not_load_prometheus_client() -> None:
    program = (
        "import sys;"
        "from bank_vaults.telemetry import endpoints, failpoints, health, logs, metrics, sdnotify;"
        "metrics.Metrics().count_init('success');"
        "sys.exit(bool({'prometheus_client', 'http.server', 'ssl', 'urllib.request'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_before_the_first_observation_only_the_configuration_counts_are_there() -> None:
    plain = _plain(_samples(Metrics()))
    assert not OLD & set(plain)
    assert (plain["vault_config_successful"], plain["vault_config_failed"]) == (0, 0)


def test_a_server_that_never_answered_has_no_old_samples_but_is_seen_down() -> None:
    metrics = Metrics()
    metrics.observe_server("a", up=False, initialized=None, sealed=None, leader=None)
    samples = _samples(metrics)
    assert not OLD & set(_plain(samples))
    assert samples["bank_vaults_server_up", (("server", "a"),)] == 0
    assert ("bank_vaults_server_sealed", (("server", "a"),)) not in samples


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("initialized", [False, True])
@pytest.mark.parametrize("leader", [False, True])
def test_the_old_names_tell_the_truth(initialized: bool, sealed: bool, leader: bool) -> None:
    metrics = Metrics()
    _observe(metrics, "a", sealed, leader, initialized)
    plain = _plain(_samples(metrics))
    assert (plain["vault_sys_initialized"], plain["vault_sys_sealed"], plain["vault_sys_leader"]) == (
        initialized,
        sealed,
        leader,
    )


def test_a_sealed_node_whose_leader_is_not_known_has_all_old_samples() -> None:
    metrics = Metrics()
    _observe(metrics, "a", sealed=True, leader=None)
    plain = _plain(_samples(metrics))
    assert (plain["vault_sys_sealed"], plain["vault_sys_leader"]) == (1, 0)


def test_a_leader_that_was_sealed_leads_no_more() -> None:
    metrics = Metrics()
    _observe(metrics, "a", sealed=False, leader=True)
    _observe(metrics, "a", sealed=True, leader=None)
    assert _plain(_samples(metrics))["vault_sys_leader"] == 0


def test_what_is_not_known_now_stays_as_it_was_last() -> None:
    metrics = Metrics()
    _observe(metrics, "a", sealed=False, leader=True)
    metrics.observe_server("a", up=False, initialized=None, sealed=None, leader=None)
    samples = _samples(metrics)
    plain = _plain(samples)
    assert (plain["vault_sys_initialized"], plain["vault_sys_sealed"], plain["vault_sys_leader"]) == (1, 0, 1)
    assert samples["bank_vaults_server_up", (("server", "a"),)] == 0
    assert samples["bank_vaults_server_leader", (("server", "a"),)] == 1


def test_several_servers_are_initialised_together_sealed_and_leading_alone() -> None:
    metrics = Metrics()
    _observe(metrics, "a", sealed=False, leader=True)
    _observe(metrics, "b", sealed=True, leader=False, initialized=False)
    plain = _plain(_samples(metrics))
    assert (plain["vault_sys_initialized"], plain["vault_sys_sealed"], plain["vault_sys_leader"]) == (0, 1, 1)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_all_own_series_are_there(accept: str) -> None:
    metrics = Metrics(wall=lambda: 1000.0)
    _observe(metrics, "a", sealed=False, leader=True)
    metrics.count_unseal("a", "success", 0.3)
    metrics.count_unseal("a", "success", 61.0)
    metrics.count_unseal("a", "wrong-keys", 5.0)
    metrics.count_init("success")
    metrics.count_store_error("file", "get")
    metrics.set_reason("a", "old")
    metrics.set_reason("a", "unsealed")
    metrics.cycle("a")
    samples = _samples(metrics, accept)
    server = ("server", "a")
    own = {key: value for key, value in samples.items() if key[0].startswith("bank_vaults_")}
    buckets = {labels: value for (name, labels), value in own.items() if name.endswith("_bucket")}
    assert {labels[0][1]: value for labels, value in buckets.items()} == {
        **dict.fromkeys(("0.005", "0.01", "0.025", "0.05", "0.1", "0.25"), 0),
        **dict.fromkeys(("0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0"), 1),
        "+Inf": 2,
    }
    assert {key: value for key, value in own.items() if not key[0].endswith("_bucket")} == {
        ("bank_vaults_server_up", (server,)): 1,
        ("bank_vaults_server_initialized", (server,)): 1,
        ("bank_vaults_server_sealed", (server,)): 0,
        ("bank_vaults_server_leader", (server,)): 1,
        ("bank_vaults_last_cycle_timestamp_seconds", (server,)): 1000,
        ("bank_vaults_unseal_last_success_timestamp_seconds", (server,)): 1000,
        ("bank_vaults_unseal_duration_seconds_count", (server,)): 2,
        ("bank_vaults_unseal_duration_seconds_sum", (server,)): 61.3,
        ("bank_vaults_decision_info", (("reason", "unsealed"), server)): 1,
        ("bank_vaults_unseal_attempts_total", (("result", "success"), server)): 2,
        ("bank_vaults_unseal_attempts_total", (("result", "wrong-keys"), server)): 1,
        ("bank_vaults_init_attempts_total", (("result", "success"),)): 1,
        ("bank_vaults_store_errors_total", (("mode", "file"), ("operation", "get"))): 1,
        ("bank_vaults_build_info", (("version", __version__),)): 1,
    }
    assert ("process_resident_memory_bytes", ()) in samples


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=nonsense, */*", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=x",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_the_format_follows_the_accept_header(accept: str, content_type: str) -> None:
    assert Exposition(Metrics()).render(accept)[1] == content_type


_label = st.text(st.characters(exclude_categories=["Cs"]))


@given(_label, _label, st.lists(st.floats(0, 1e6), max_size=20))
def test_any_label_survives_the_text_format(server: str, reason: str, durations: list[float]) -> None:
    metrics = Metrics()
    metrics.set_reason(server, reason)
    for seconds in durations:
        metrics.count_unseal(server, "success", seconds)
    samples = _samples(metrics)
    assert samples["bank_vaults_decision_info", (("reason", reason), ("server", server))] == 1
    assert samples["bank_vaults_unseal_duration_seconds_count", (("server", server),)] == len(durations)
    ordered = [value for (name, _), value in samples.items() if name.endswith("_bucket")]
    assert ordered == sorted(ordered)


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def work(number: int) -> None:
        for _ in range(200):
            metrics.count_unseal("a", "success", 0.1)
            metrics.count_unseal("a", f"error-{number}", 0.1)
            metrics.count_store_error("file", "get")
            metrics.count_init("error")
            metrics.snapshot()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    snapshot = metrics.snapshot()
    assert snapshot.unseals["a", "success"] == sum(snapshot.servers["a"].unseal_buckets) == 1600
    assert snapshot.store_errors["file", "get"] == snapshot.inits["error"] == 1600


def test_a_snapshot_does_not_change_any_more() -> None:
    metrics = Metrics()
    metrics.count_init("success")
    snapshot = metrics.snapshot()
    metrics.count_init("success")
    metrics.cycle("a")
    assert (snapshot.inits, snapshot.servers) == ({"success": 1}, {})
