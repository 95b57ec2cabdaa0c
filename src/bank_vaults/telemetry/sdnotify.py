"""Messages to the service manager: ready, status, watchdog, stopping. Source: sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from bank_vaults.telemetry.logs import redact

_LONGEST_STATUS = 1024  # bytes; systemd drops a message of more than 4096 as a whole
_SEND_TIMEOUT = 1.0  # seconds; a service manager that does not read must not stop the loop


class Notifier:
    """The way to the service manager of ``environ``; every method does nothing where there is none.

    ``watchdog_interval`` is how often to call :meth:`watchdog`, in seconds: half of what the manager
    demands. None means that it does not watch this process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract address.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_interval = _watchdog_interval(environ) if address else None

    def ready(self) -> None:
        """The start is over."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; secrets are masked."""
        line = " ".join(redact(text).split())
        self._send("STATUS=" + line.encode(errors="replace")[:_LONGEST_STATUS].decode(errors="ignore"))

    def watchdog(self) -> None:
        """Still working: restart the watchdog's clock."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # Whoever listens may be gone or slow, and an address may be nonsense: none of it may stop the work.
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection,
        ):
            connection.settimeout(_SEND_TIMEOUT)
            connection.sendto(message.encode(), self._address)


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    watched = environ.get("WATCHDOG_PID", "")
    if watched and watched != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 2e6 if microseconds > 0 else None
