"""Places where a test may end the process, so that crash safety is proved on the shipped code.

``BANK_VAULTS_FAILPOINT`` names one of :data:`FAILPOINTS`. When the program passes that place it kills
itself with SIGKILL: nothing is flushed, no handler runs, as with a power cut. Options follow the name,
each after a colon:

``init.key-stored:3``
    fire at the third passage;
``init.call-sent:exit-group``
    kill the parent process first, as the end of a container does.

A place that is not armed costs one dictionary look-up. The variable is read once, at import.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator

VARIABLE = "BANK_VAULTS_FAILPOINT"

FAILPOINTS: tuple[str, ...] = (
    "init.before-canary",
    "init.before-intent",
    "init.intent-recorded",
    "init.call-sent",
    "init.answer-received",
    "init.answer-stored",
    "init.key-stored",
    "init.keys-verified",
    "init.root-stored",
    "init.token-created",
    "init.token-stored",
    "init.token-revoked",
    "init.answer-deleted",
    "init.journal-closed",
    "unseal.before-share",
    "unseal.share-sent",
    "unseal.done",
    "raft.before-join",
    "raft.joined",
    "configure.before-change",
    "configure.change-sent",
    "configure.secret-kept",
    "configure.secret-saved",
    "configure.state-written",
)


_Armed = tuple[int, Iterator[int], bool]
"""At which passage to fire, the passages so far, whether to kill the parent too."""


def _arm(setting: str) -> dict[str, _Armed | None]:
    """All failpoints, the one named by ``setting`` armed. Raises ValueError."""
    places: dict[str, _Armed | None] = dict.fromkeys(FAILPOINTS)
    if not setting:
        return places
    name, *options = setting.split(":")
    if name not in places:
        raise ValueError(f"{VARIABLE}: no failpoint {name!r}; there are: {', '.join(FAILPOINTS)}")
    passage, exit_group = 1, False
    for option in options:
        if option == "exit-group":
            exit_group = True
        elif option.isascii() and option.isdigit() and len(option) < 10 and int(option) > 0:
            passage = int(option)
        else:
            raise ValueError(f"{VARIABLE}: {option!r} is neither 'exit-group' nor a count from 1")
    places[name] = (passage, itertools.count(1), exit_group)
    return places


_places = _arm(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Kill the process here if this place is armed. Raises KeyError for a name not in FAILPOINTS."""
    armed = _places[name]
    if armed is None:
        return
    passage, passages, exit_group = armed
    if next(passages) != passage:
        return
    if exit_group:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
