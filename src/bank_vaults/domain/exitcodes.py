"""Exit codes of the commands: one number, one meaning, the same everywhere (docs/exit-codes.md)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells its supervisor. Signals end one-shot commands with 128 + number."""

    OK = 0
    FAILURE = 1
    """Anything without a number of its own; for ``status``: the server does not answer."""
    SEALED = 2
    """The server is sealed (``status``), or still sealed (``unseal --once``)."""
    CHANGES = 2
    """Something is to be done (``plan``)."""
    NOT_INITIALISED = 3
    """The server is not initialised (``status``, ``unseal --once``)."""
    USAGE = 64
    """A flag, an environment variable or an argument is wrong. Nothing was done."""
    KEYS = 65
    """The keys are wrong, incomplete or of another cluster: a human has to decide. Restarting is no help."""
    STORE = 74
    """The key store cannot be used. Nothing was lost."""
    PIN_REFUSED = 77
    """The token refused the PIN. Never restart on this: each try costs one of few."""
