"""The request to end, and waiting that such a request, or a closing connection, cuts short."""

from __future__ import annotations

import os
import select
import signal
from enum import Enum
from typing import Protocol

_LONGEST = 3600.0  # seconds; poll(2) counts milliseconds in an int


class Watched(Protocol):
    """Anything with a descriptor; a negative one is not waited for."""

    def fileno(self) -> int: ...


class Woken(Enum):
    """What ended a wait."""

    TIME = "time"
    STOP = "stop"
    SOCKET = "socket"


class Stop:
    """Shared by all threads. ``signal`` is the number of the signal that asked for the end, or 0.

    A pipe that gets a byte at the request, which nobody takes out: readable for every waiter from then on.
    (Closing the writing end would not do: a forked process keeps a copy of it open.)
    """

    def __init__(self) -> None:
        self.signal = 0
        self._restart = False
        self._reader, self._writer = os.pipe()
        self._requested = False

    def catch_signals(self) -> None:
        """Let SIGTERM and SIGINT ask for the end, from now on. Main thread only.

        Early in the start: the first process of a container has no default action for them.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self.request(number))

    def request(self, number: int = 0) -> None:
        """Ask everybody to end. May be called from a signal handler, and again."""
        if number:  # also one that comes late: a restart is not to win over it
            self.signal = number
        if not self._requested:
            self._requested = True
            os.write(self._writer, b"\0")  # a second one, from a thread that came here as well, does no harm

    def request_restart(self) -> None:
        """Ask everybody to end, for the program to start anew; an earlier wish to end stays one."""
        if not self._requested:
            self._restart = True
            self.request()

    @property
    def restart(self) -> bool:
        """Whether the program is to start anew in place of ending; no longer once a signal has come."""
        return self._restart and not self.signal

    @property
    def requested(self) -> bool:
        """Whether the end was asked for."""
        return self._requested

    def wait(self, seconds: float, watched: Watched | None = None) -> Woken:
        """Wait, at most ``seconds``; wake when ``watched`` becomes readable: a socket that closed, a file."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if watched is not None and watched.fileno() >= 0:
            poll.register(watched, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(min(max(0.0, seconds), _LONGEST) * 1000)}
        if self._reader in ready:
            return Woken.STOP
        return Woken.SOCKET if ready else Woken.TIME

    def close(self) -> None:
        """Release the pipe, once no thread waits any more."""
        self._requested = True
        os.close(self._writer)
        os.close(self._reader)
