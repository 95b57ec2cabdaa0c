"""The request to end, and waiting that such a request, or a closing connection, cuts short."""

from __future__ import annotations

import os
import select
import socket
from enum import Enum


class Woken(Enum):
    """What ended a wait."""

    TIME = "time"
    STOP = "stop"
    SOCKET = "socket"


class Stop:
    """Shared by all threads. ``signal`` is the number of the signal that asked for the end, or 0.

    A pipe whose writing end is closed at the request: readable for every waiter from then on.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._reader, self._writer = os.pipe()
        self._requested = False

    def request(self, signal: int = 0) -> None:
        """Ask everybody to end. May be called from a signal handler, and again."""
        if not self._requested:
            self._requested = True
            self.signal = signal
            os.close(self._writer)

    @property
    def requested(self) -> bool:
        """Whether the end was asked for."""
        return self._requested

    def wait(self, seconds: float, watched: socket.socket | None = None) -> Woken:
        """Wait, at most ``seconds``; wake when ``watched`` becomes readable, which means that it closed."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if watched is not None and watched.fileno() >= 0:
            poll.register(watched, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        if self._reader in ready:
            return Woken.STOP
        return Woken.SOCKET if ready else Woken.TIME

    def close(self) -> None:
        """Release the pipe, once no thread waits any more."""
        self.request()
        os.close(self._reader)
