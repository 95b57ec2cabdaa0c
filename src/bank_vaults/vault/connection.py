"""One connection to a server: bytes of a request out, an HTTP/1.1 answer in, within a time limit."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Final

from bank_vaults.vault import http1
from bank_vaults.vault.http1 import Answer

Clock = Callable[[], float]

_SLACK: Final = 0.01
"""Seconds by which a time limit may be exceeded: to set the one of the socket is a call of the system."""


class ConnectError(Exception):
    """No connection: the request was certainly not sent. ``permanent``: repeating does not mend it."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class ExchangeError(Exception):
    """The connection was there, the answer was not: the request may have reached the server.

    ``permanent``: repeating does not mend it. ``untouched``: the connection had been idle, and not one
    byte of an answer came, so that most likely the server had closed it just before.
    """

    def __init__(self, message: str, *, permanent: bool = False, untouched: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.untouched = untouched


class Connection:
    """A connection, used by one thread at a time. ``reused`` is whether it has been idle in a pool.

    A subclass for another kind of socket finds out by itself whether it is stale, and what its errors mean.
    """

    def __init__(self, connected: socket.socket, clock: Clock) -> None:
        self.socket = connected
        self.reused = False
        self.last_used = clock()
        self._clock = clock
        self._limited_to = -1.0
        """Seconds that the socket waits at most, as far as known here."""
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def is_stale(self) -> bool:
        """Whether the server closed the connection, or sent what nobody asked for, while it was idle."""
        return bool(self._poll.poll(0))

    def exchange(self, method: str, request: bytes, deadline: float) -> tuple[Answer, bool]:
        """Send the bytes of a request, read the answer, and say whether the connection can be kept.

        Raises ExchangeError.
        """

        def receive(size: int) -> bytes:
            # A time limit on each read alone would let a server that drips bytes hold a call for ever.
            self._limit(deadline)
            return self.socket.recv(size)

        reader = http1.Reader(receive)
        try:
            self._send(request, deadline)
            result = reader.answer(method)
        except http1.MalformedError as cause:
            raise ExchangeError(
                f"the answer is not HTTP: {cause}: is this a Vault or OpenBao server?", permanent=True
            ) from None
        except http1.TooLargeError:
            raise ExchangeError(
                f"the answer is larger than {http1.MAX_BODY >> 20} MiB", permanent=True
            ) from None
        except TimeoutError:
            raise ExchangeError("no complete answer within the time limit") from None
        except (EOFError, OSError) as cause:
            why, permanent = self.explain(cause)
            untouched = self.reused and not reader.received
            raise ExchangeError(why, permanent=permanent, untouched=untouched and not permanent) from None
        self.last_used = self._clock()
        return result

    def explain(self, cause: EOFError | OSError) -> tuple[str, bool]:
        """Why an exchange failed, and whether repeating does not mend it."""
        if isinstance(cause, EOFError):
            return "the connection broke: it ended before the answer was complete", False
        return f"the connection broke: {os_reason(cause)}", False

    def _limit(self, deadline: float) -> None:
        """Set the socket's time limit to what is left, unless it is so already. Raises TimeoutError."""
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError
        if not 0 <= self._limited_to - remaining <= _SLACK:
            self._limit_to(remaining)

    def _limit_to(self, seconds: float) -> None:
        self.socket.settimeout(seconds)
        self._limited_to = seconds

    def _send(self, request: bytes, deadline: float) -> None:
        view = memoryview(request)
        while view:
            self._limit(deadline)
            view = view[self.socket.send(view) :]

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def os_reason(cause: OSError) -> str:
    """What the system says."""
    return cause.strerror or str(cause) or type(cause).__name__
