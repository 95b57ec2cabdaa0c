"""Promises of the messages to the service manager."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.telemetry.sdnotify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@bank-vaults-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name[1:] if name.startswith("@") else name)
        server.settimeout(10)
        yield name, server


def test_the_manager_receives_every_message(manager: tuple[str, socket.socket]) -> None:
    name, server = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    secret = Secret("open sesame")
    notifier.ready()
    notifier.status("unsealed\nwith open sesame\x00")
    notifier.watchdog()
    notifier.stopping()
    received = [server.recv(4096) for _ in range(4)]
    assert secret
    assert received == [b"READY=1", b"STATUS=unsealed with ***\0", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_long_status_is_cut_between_characters(manager: tuple[str, socket.socket]) -> None:
    name, server = manager
    Notifier({"NOTIFY_SOCKET": name}).status("x" + "é" * 3000)
    received = server.recv(8192)
    assert len(received) < 1100
    assert received.decode().endswith("é")


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready()
    notifier.status("x")
    notifier.watchdog()
    notifier.stopping()
    assert notifier.watchdog_interval is None


@pytest.mark.parametrize("address", ["/nonexistent/notify", "vsock:2:1234", "/" + "x" * 300, "/a\0b", "@"])
def test_a_manager_that_cannot_be_reached_stops_nothing(address: str) -> None:
    Notifier({"NOTIFY_SOCKET": address}).ready()


def test_a_manager_that_went_away_stops_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
    notifier = Notifier({"NOTIFY_SOCKET": path})
    notifier.ready()
    notifier.watchdog()


def test_a_manager_that_does_not_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank_vaults.telemetry.sdnotify._SEND_TIMEOUT", 0.0)
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path})
        for _ in range(2000):  # more than any receive queue holds
            notifier.watchdog()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_demanded(
    environ: dict[str, str], interval: float | None
) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/x", **environ}).watchdog_interval == interval
    assert Notifier(environ).watchdog_interval is None


@given(st.text())
def test_any_status_and_any_interval_are_taken(text: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/nonexistent/notify", "WATCHDOG_USEC": text})
    notifier.status(text)
    assert notifier.watchdog_interval is None or notifier.watchdog_interval > 0
