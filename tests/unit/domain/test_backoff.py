"""Promises of the pauses: they grow, they end, they never spin and never come all at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.backoff import ask_pause, delay, probe_pause

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_the_pause_doubles_up_to_the_longest() -> None:
    pauses = [delay(n, first=0.5, longest=60, chance=0.9999999) for n in range(1, 10)]
    assert [round(pause, 3) for pause in pauses] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(), chances)
def test_a_pause_is_between_half_a_step_and_the_longest(failures: int, chance: float) -> None:
    pause = delay(failures, first=0.5, longest=60, chance=chance)
    assert 0.25 <= pause <= 60


@given(st.integers(min_value=1, max_value=10**9), chances)
def test_no_number_of_failures_makes_the_pause_shrink(failures: int, chance: float) -> None:
    assert delay(failures, first=0.5, longest=60, chance=chance) <= delay(
        failures + 1, first=0.5, longest=60, chance=chance
    )


def test_waiting_processes_drift_apart() -> None:
    assert delay(3, first=0.5, longest=60, chance=0.1) != delay(3, first=0.5, longest=60, chance=0.2)


@given(st.floats(min_value=-10, max_value=1e9), st.booleans())
def test_a_probe_never_spins_and_never_sleeps_long(down: float, local: bool) -> None:
    assert 0.02 <= probe_pause(down, local=local) <= (0.05 if local else 1.0)


@given(st.floats(min_value=-10, max_value=1e9))
def test_a_server_that_answers_wrongly_is_not_flooded_and_not_forgotten(failing: float) -> None:
    assert 0.05 <= ask_pause(failing) <= 5.0


def test_a_server_on_this_host_is_probed_without_growing_pauses() -> None:
    assert probe_pause(3600, local=True) == 0.05
    assert probe_pause(3600, local=False) == 1.0
    assert probe_pause(4, local=False) == 0.2
