"""Values that must never be seen.

A :class:`Secret` masks itself in every text form, and every living secret is known to the redactor of
the logs from its birth (:func:`living_texts`), so that a secret that reaches a message by another road,
for example inside a server's error, is still masked there.
"""

from __future__ import annotations

import threading
import weakref

_SHORTEST_REDACTED = 4  # shorter texts would mask half of every log line
_living: weakref.WeakSet[Secret] = weakref.WeakSet()
_births = threading.RLock()  # a WeakSet that grows while it is read raises; reentrant for signal handlers


class Secret:
    """A secret text: a share, a token, a PIN. Comparable, never printed.

    The value is held in a buffer that :meth:`wipe` overwrites. Python copies strings freely, so wiping
    is best effort: it shortens the life of the value, it does not prove its absence.
    """

    __slots__ = ("__weakref__", "_buffer")

    def __init__(self, value: str | bytes) -> None:
        self._buffer = bytearray(value.encode() if isinstance(value, str) else value)
        with _births:
            _living.add(self)

    def reveal(self) -> str:
        """The value as text. Raises UnicodeDecodeError, without the value in it, if it is not UTF-8."""
        try:
            return self._buffer.decode()
        except UnicodeDecodeError as error:
            reason = error.reason
        # Raised outside of the handler: the decoder's own exception shows the whole value in its repr.
        raise UnicodeDecodeError("utf-8", b"", 0, 1, reason)

    def reveal_bytes(self) -> bytes:
        """The value as bytes."""
        return bytes(self._buffer)

    def wipe(self) -> None:
        """Overwrite the buffer with zeroes and empty it."""
        for position in range(len(self._buffer)):
            self._buffer[position] = 0
        self._buffer.clear()

    def __bool__(self) -> bool:
        return bool(self._buffer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._buffer == other._buffer

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled: hand over its source instead")


def living_texts() -> list[str]:
    """The texts to mask in output, longest first, so that a part never hides the whole."""
    with _births:
        living = list(_living)
    texts = {secret._buffer.decode(errors="ignore") for secret in living}  # noqa: SLF001
    return sorted((text for text in texts if len(text) >= _SHORTEST_REDACTED), key=len, reverse=True)
