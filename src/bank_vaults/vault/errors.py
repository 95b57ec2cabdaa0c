"""What can go wrong on the way to a server and back: one tree, sorted by what the caller should do.

Try again later: :class:`TransientError`. Unseal: :class:`SealedError`. Initialise:
:class:`NotInitialisedError`. Other credentials: :class:`DeniedError`. A human or another request:
:class:`FatalError`.
"""

from __future__ import annotations


class VaultError(Exception):
    """A call failed.

    ``method`` and ``path`` name the call, ``status`` is the HTTP status or None when no answer came,
    ``messages`` are the server's own words or the cause. ``outcome_unknown`` is True when the server may
    have carried out the request, or an earlier try of it, although this error came back; it is False
    when the request certainly was not sent, or the server said that it refused it.

    The text form never has a body, a header or a token in it.
    """

    def __init__(
        self,
        method: str,
        path: str,
        status: int | None = None,
        messages: tuple[str, ...] = (),
        *,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(method, path, status, messages)
        self.method = method
        self.path = path
        self.status = status
        self.messages = messages
        self.outcome_unknown = outcome_unknown

    def __str__(self) -> str:
        parts = [f"{self.method} {self.path}"]
        if self.status is not None:
            parts.append(str(self.status))
        if self.messages:
            parts.append("; ".join(self.messages))
        return ": ".join(parts)


class TransientError(VaultError):
    """Try again later: no connection, no answer in time, 412, 429, or a 5xx that is no other class.

    ``retry_after`` is the number of seconds that the server asked to wait, None when it did not ask.
    """

    retry_after: float | None = None


class SealedError(VaultError):
    """The server says that it is sealed."""


class NotInitialisedError(VaultError):
    """The server says that it is not initialised."""


class DeniedError(VaultError):
    """401 or 403: the token is missing, expired, or may not do this."""


class FatalError(VaultError):
    """Repeating does not mend it: a wrong request, a wrong server, a wrong certificate, no JSON."""


class NotFoundError(FatalError):
    """404: there is nothing at this path."""


class UnsupportedError(FatalError):
    """405, or 404 "unsupported path": this server, or its configuration, has no such function."""
