"""Messages between the supervisor and the worker that owns the PKCS#11 module.

One JSON object a line over a socket pair; bytes are base64 text in an object of one member, "$". Not
pickle: the worker runs a vendor's code, and the supervisor should be able to doubt what it says.
"""

from __future__ import annotations

import base64
import binascii
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]

_BYTES = "$"
_LONGEST = 1 << 24  # bytes of one message
_READ = 1 << 16


class WireError(Exception):
    """The other side is gone, or does not speak as agreed."""


class Channel:
    """One end. Not for several threads at once."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._pending = b""

    def send(self, message: Message, limit: float | None = None) -> None:
        """Send one message, within ``limit`` seconds (None: for ever). Raises TimeoutError, WireError.

        A message that was not sent in time may have been sent in part: close the channel.
        """
        data = json.dumps(message, default=_encoded).encode() + b"\n"
        try:
            self._end.settimeout(limit)
            self._end.sendall(data)
        except TimeoutError:
            raise TimeoutError(f"not taken within {limit:g} s") from None
        except OSError as error:
            raise WireError(f"the other side is gone: {error.strerror}") from None

    def receive(self, limit: float | None) -> Message:
        """The next message, within ``limit`` seconds (None: for ever). Raises TimeoutError, WireError."""
        end = None if limit is None else time.monotonic() + limit
        while b"\n" not in self._pending:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"no answer within {limit:g} s")
            try:
                self._end.settimeout(left)
                received = self._end.recv(_READ)
            except TimeoutError:
                raise TimeoutError(f"no answer within {limit:g} s") from None
            except OSError as error:
                raise WireError(f"the other side is gone: {error.strerror}") from None
            if not received:
                raise WireError("the other side is gone")
            self._pending += received
            if len(self._pending) > _LONGEST:
                raise WireError("a message is too long")
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            message = json.loads(line, object_hook=_decoded)
        except (ValueError, RecursionError):
            raise WireError("a message is not JSON") from None
        if not isinstance(message, dict):
            raise WireError("a message is not an object")
        return message

    def close(self) -> None:
        """Close this end; the other side sees that."""
        self._end.close()


def _encoded(value: object) -> object:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} is not sent")


def _decoded(found: dict[str, Any]) -> object:
    if found.keys() != {_BYTES}:
        return found
    try:
        return base64.b64decode(found[_BYTES], validate=True)
    except (binascii.Error, TypeError):
        raise ValueError("bytes that are not base64") from None
