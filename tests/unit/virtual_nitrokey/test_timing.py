"""How long cards take, and what happens to a wait when the plug is pulled."""

from __future__ import annotations

import threading

import pytest

from virtual_nitrokey.card import Work
from virtual_nitrokey.timing import (
    INSTANT,
    LARGEST_SCALE,
    LONGEST_WAIT,
    NITROKEY_HSM,
    PROFILES,
    Clock,
    PowerLostError,
    Profile,
)

FOREVER = 3600.0
SLOW = Profile("slow", lambda work, bits: 0.0 if work is Work.APDU else FOREVER)


@pytest.mark.parametrize("work", Work)
def test_the_instant_profile_costs_nothing(work: Work) -> None:
    assert INSTANT.seconds(work, 4096) == 0


@pytest.mark.parametrize(
    ("work", "bits", "seconds"),
    [
        (Work.RSA_PRIVATE, 2048, 0.6),
        (Work.RSA_PRIVATE, 4096, 4.8),
        (Work.RSA_GENERATE, 2048, 30),
        (Work.EC_AGREE, 256, 0.2),
        (Work.EC_SIGN, 256, 1 / 6),
        (Work.EC_GENERATE, 256, 6),
        (Work.APDU, 40, 0.028),
        (Work.INITIALISE, 0, 2),
    ],
)
def test_the_profile_of_the_nitrokey_has_the_published_figures(work: Work, bits: int, seconds: float) -> None:
    assert NITROKEY_HSM.seconds(work, bits) == pytest.approx(seconds)


def test_a_longer_write_takes_longer() -> None:
    assert 0 < NITROKEY_HSM.seconds(Work.FILE_WRITE, 8) < NITROKEY_HSM.seconds(Work.FILE_WRITE, 2048)


def test_profiles_are_found_by_their_names() -> None:
    assert PROFILES == {"instant": INSTANT, "nitrokey-hsm": NITROKEY_HSM}


def test_time_is_scaled() -> None:
    Clock(SLOW, time_scale=0).spend(Work.RSA_GENERATE, 2048)


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf"), 2 * LARGEST_SCALE])
def test_a_scale_that_is_no_scale_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="time scale"):
        Clock(time_scale=scale)


def test_the_longest_wait_is_one_that_can_be_waited_for() -> None:
    assert LONGEST_WAIT < threading.TIMEOUT_MAX
    for work in Work:
        bits = 521 if work.value.startswith("ec-") else 4096
        assert NITROKEY_HSM.seconds(work, bits) * LARGEST_SCALE <= LONGEST_WAIT


def test_pulling_the_plug_ends_a_wait() -> None:
    clock = Clock(SLOW)
    ended = threading.Event()

    def work() -> None:
        with pytest.raises(PowerLostError):
            clock.spend(Work.RSA_GENERATE, 2048)
        ended.set()

    working = threading.Thread(target=work)
    working.start()
    clock.unplug()
    working.join(FOREVER)
    assert ended.is_set()


def test_without_power_nothing_is_done_until_it_is_back() -> None:
    clock = Clock()
    clock.unplug()
    for _ in range(2):
        with pytest.raises(PowerLostError):
            clock.spend(Work.APDU, 40)
    clock.plug()
    clock.spend(Work.APDU, 40)


def test_power_that_is_to_fail_fails_in_the_work_and_not_before() -> None:
    clock = Clock()
    clock.fail()
    clock.spend(Work.APDU, 40)
    with pytest.raises(PowerLostError):
        clock.spend(Work.RSA_PRIVATE, 2048)
    clock.plug()
    clock.spend(Work.RSA_PRIVATE, 2048)


def test_a_loss_of_power_is_no_error_that_a_card_could_answer() -> None:
    assert not issubclass(PowerLostError, Exception)
