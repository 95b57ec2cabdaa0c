"""Promises of the health verdicts."""

from __future__ import annotations

import pytest

from bank_vaults.telemetry.health import Health, cycle_limit
from bank_vaults.telemetry.metrics import Metrics


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def metrics(clock: _Clock) -> Metrics:
    return Metrics(monotonic=clock)


@pytest.fixture
def health(metrics: Metrics, clock: _Clock) -> Health:
    return Health(metrics, clock)


def _usable(metrics: Metrics, server: str) -> None:
    metrics.observe_server(server, up=True, initialized=True, sealed=False, leader=None)


@pytest.mark.parametrize(("period", "limit"), [(0.5, 180.0), (5.0, 180.0), (60.0, 180.0), (100.0, 300.0)])
def test_the_limit_is_three_periods_but_not_below_half_a_minute(period: float, limit: float) -> None:
    assert cycle_limit(period) == limit


def test_without_a_loop_all_is_well(health: Health) -> None:
    assert health.alive() == health.ready() == (True, ())


def test_a_loop_has_its_limit_from_registration_to_the_first_cycle(health: Health, clock: _Clock) -> None:
    health.register("a", 30)
    clock.now = 130.0
    assert health.alive() == (True, ())
    clock.now = 130.1
    assert health.alive() == (False, ("a: no cycle completed for 30 s, the limit is 30 s",))


def test_a_loop_that_hangs_is_named_and_one_that_goes_on_is_not(
    health: Health, metrics: Metrics, clock: _Clock
) -> None:
    health.register("a", 30)
    health.register("b", 30)
    clock.now = 120.0
    metrics.cycle("a")
    metrics.cycle("b")
    clock.now = 145.0
    metrics.cycle("b")
    assert health.alive(150.0)[0]
    assert health.alive(155.0) == (False, ("a: no cycle completed for 35 s, the limit is 30 s",))
    clock.now = 155.0
    metrics.cycle("a")
    assert health.alive() == (True, ())


def test_a_cycle_before_a_new_registration_does_not_count_against_it(
    health: Health, metrics: Metrics, clock: _Clock
) -> None:
    metrics.cycle("a")
    clock.now = 1000.0
    health.register("a", 30)
    assert health.alive() == (True, ())


def test_ready_names_what_is_missing(health: Health, metrics: Metrics) -> None:
    for server in "abcdef":
        health.register(server, 30)
    metrics.observe_server("b", up=False, initialized=None, sealed=None, leader=None)
    metrics.observe_server("c", up=True, initialized=False, sealed=True, leader=None)
    metrics.observe_server("d", up=True, initialized=True, sealed=True, leader=None)
    metrics.observe_server("e", up=True, initialized=True, sealed=None, leader=None)
    _usable(metrics, "f")
    assert health.ready() == (
        False,
        ("a: not yet seen", "b: does not answer", "c: not initialised", "d: sealed", "e: sealed"),
    )


def test_ready_when_every_server_can_be_used(health: Health, metrics: Metrics) -> None:
    health.register("a", 30)
    _usable(metrics, "a")
    assert health.ready() == (True, ())


def test_an_observation_of_a_loop_that_hangs_is_no_readiness(health: Health, metrics: Metrics) -> None:
    health.register("a", 30)
    _usable(metrics, "a")
    assert health.ready(131.0) == (False, ("a: no cycle completed for 31 s, the limit is 30 s",))


def test_a_server_that_went_away_is_not_ready(health: Health, metrics: Metrics) -> None:
    health.register("a", 30)
    _usable(metrics, "a")
    metrics.observe_server("a", up=False, initialized=None, sealed=None, leader=None)
    assert health.ready() == (False, ("a: does not answer",))
