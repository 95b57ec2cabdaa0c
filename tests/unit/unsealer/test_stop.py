"""Promises of the request to end: everybody wakes, whoever holds copies of the pipe, whoever asks twice."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from bank_vaults.unsealer.stop import Stop, Woken

_LONG = 60.0  # never waited for: a failing test runs into the time limit of the suite instead


@pytest.fixture
def stop() -> Iterator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


def test_nothing_is_asked_for_at_first(stop: Stop) -> None:
    assert (stop.requested, stop.signal, stop.restart) == (False, 0, False)
    assert stop.wait(0) is Woken.TIME


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
def test_a_wait_without_a_request_ends_with_its_time(stop: Stop, seconds: float) -> None:
    assert stop.wait(seconds) is Woken.TIME


def test_a_request_wakes_every_waiter_and_every_later_one(stop: Stop) -> None:
    woken: list[Woken] = []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(_LONG))) for _ in range(5)]
    for thread in threads:
        thread.start()
    stop.request(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert woken == [Woken.STOP] * 5
    assert stop.wait(_LONG) is Woken.STOP
    assert (stop.requested, stop.signal) == (True, signal.SIGTERM)


def test_a_process_that_holds_a_copy_of_the_pipe_does_not_hold_up_the_end(stop: Stop) -> None:
    # As the process for sys/init does, which is forked while the pipe exists.
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[stop._writer])
    try:
        stop.request()
        assert stop.wait(_LONG) is Woken.STOP
    finally:
        child.communicate()


def test_asking_again_from_many_threads_does_no_harm(stop: Stop) -> None:
    threads = [threading.Thread(target=stop.request) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stop.wait(_LONG) is Woken.STOP


def test_the_signal_is_known_although_a_thread_asked_for_the_end_first(stop: Stop) -> None:
    stop.request()
    stop.request(signal.SIGINT)
    stop.request()
    assert stop.signal == signal.SIGINT


def test_a_restart_is_an_end_as_well(stop: Stop) -> None:
    stop.request_restart()
    assert stop.requested
    assert stop.restart
    assert stop.wait(_LONG) is Woken.STOP


def test_several_loops_may_ask_for_the_restart(stop: Stop) -> None:
    stop.request_restart()
    stop.request_restart()
    stop.request()
    assert stop.restart


@pytest.mark.parametrize("late", [False, True])
def test_a_signal_goes_before_a_restart(stop: Stop, late: bool) -> None:
    if not late:
        stop.request(signal.SIGTERM)
    stop.request_restart()
    if late:
        stop.request(signal.SIGTERM)
    assert not stop.restart
    assert stop.signal == signal.SIGTERM


def test_no_restart_after_a_loop_has_ended_for_good(stop: Stop) -> None:
    stop.request()
    stop.request_restart()
    assert not stop.restart


def test_a_signal_handler_may_ask_in_the_middle_of_a_wait(stop: Stop) -> None:
    previous = signal.signal(signal.SIGUSR1, lambda number, _frame: stop.request(number))
    try:
        timer = threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
        timer.start()
        assert stop.wait(_LONG) is Woken.STOP
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert stop.signal == signal.SIGUSR1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_signals_that_end_programs_ask_for_the_end(stop: Stop, number: signal.Signals) -> None:
    previous = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop.catch_signals()
        signal.raise_signal(number)
        assert stop.wait(_LONG) is Woken.STOP
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
    assert stop.signal == number


def test_a_wait_may_be_longer_than_the_kernel_counts(stop: Stop) -> None:
    stop.request()
    assert stop.wait(float("inf")) is Woken.STOP


def test_a_closing_connection_ends_the_wait(stop: Stop) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        assert stop.wait(_LONG, ours) is Woken.SOCKET


def test_a_quiet_connection_does_not_end_the_wait(stop: Stop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert stop.wait(0.001, ours) is Woken.TIME


def test_a_connection_that_is_closed_already_is_not_watched(stop: Stop) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        assert stop.wait(0.001, ours) is Woken.TIME


def test_the_request_goes_before_the_closing_connection(stop: Stop) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        stop.request()
        assert stop.wait(_LONG, ours) is Woken.STOP


def test_a_request_after_the_release_does_no_harm() -> None:
    stop = Stop()
    stop.close()
    stop.request(signal.SIGTERM)
    assert stop.requested
