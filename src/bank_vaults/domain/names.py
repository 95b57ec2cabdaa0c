"""Names under which values are kept in a key store.

The first three groups are what Go Bank-Vaults wrote and every later version must read
(docs/storage.md). The journal names are ours; they exist only while an initialisation is unfinished.
"""

from __future__ import annotations

import re

PREFIX = "vault-"
"""How every name begins."""

ROOT = "vault-root"
"""The root token, ASCII, no newline."""

_JOURNAL = "vault-init-journal"

ANSWER = "vault-init-answer"
"""The complete answer of ``sys/init``, written in one piece before it is split into named keys."""

_CANARY = "vault-test"
_KEY = re.compile(r"vault-(?:root|unseal-(?:0|[1-9][0-9]*)|recovery-(?:0|[1-9][0-9]*))")


def unseal(index: int) -> str:
    """The name of unseal share ``index`` (from 0), a hexadecimal text."""
    return f"vault-unseal-{index}"


def recovery(index: int) -> str:
    """The name of recovery share ``index`` (from 0), a hexadecimal text."""
    return f"vault-recovery-{index}"


def journal(turn: int) -> str:
    """Who is initialising which server, written before the irreversible call. No secret inside.

    ``turn`` is 0 for the first node; each later one that takes over creates the next name, so that a
    turn is never taken by two.
    """
    return _JOURNAL if turn == 0 else f"{_JOURNAL}-{turn}"


def is_journal(name: str) -> bool:
    """Whether a name is one of the row of intents."""
    return name == _JOURNAL or name.startswith(_JOURNAL + "-")


def is_answer(name: str) -> bool:
    """Whether a name holds a complete answer of ``sys/init``: keys that may be nowhere else."""
    return name == ANSWER or name.startswith(ANSWER + "-")


def spare_answer(number: int) -> str:
    """Where a second answer goes if, against all rules, another one is there already: none may be lost."""
    return f"{ANSWER}-{number}"


def canary(nonce: str) -> str:
    """The name of a pre-flight test value: one of its own for each run, so that runs never collide."""
    return f"{_CANARY}-{nonce}"


def is_canary(name: str) -> bool:
    """Whether a name is a left-over of a pre-flight check of ours or of Go Bank-Vaults."""
    return name == _CANARY or name.startswith(_CANARY + "-")


def is_key(name: str) -> bool:
    """Whether a name is one of the precious ones: root token, unseal share or recovery share."""
    return _KEY.fullmatch(name) is not None


def keys_in(names: frozenset[str]) -> tuple[str, ...]:
    """The precious names among all names of a store, in a stable order."""
    return tuple(sorted(filter(is_key, names)))
