"""The plan: for every object what is to be done and why. Pure; the same input gives the same plan."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Change, Context, Record, Shown, Wanted, WriteOnly
from bank_vaults.configure.server import UnreadableError


class Plan(NamedTuple):
    """All changes in the order in which they are made: by stage, then as the documents have them."""

    changes: tuple[Change, ...]

    @property
    def todo(self) -> tuple[Change, ...]:
        """Those that do something, or would have to and cannot."""
        return tuple(change for change in self.changes if change.action is not Action.KEEP)

    def counts(self) -> Counter[Action]:
        """How many of each kind."""
        return Counter(change.action for change in self.changes)

    def fingerprint(self, digest: Callable[[object], str]) -> str:
        """Equal for equal plans: what a saved plan is compared with before it is applied.

        Everything that decides what is sent is in it, and what a deletion would take along, values as keyed
        digests, so it can be shown.
        """
        steps = [
            [
                *change.identity,
                change.action.value,
                digest(change.requests),
                digest(change.differences),
                digest([change.contents, change.reason if change.action is Action.DELETE else ""]),
            ]
            for change in self.todo
        ]
        return hashlib.sha256(json.dumps(steps).encode()).hexdigest()


def make(
    wanted: Sequence[Wanted],
    shown: Callable[[str], Shown],
    memory: Memory,
    write_only: WriteOnly,
    deletions: Iterable[Change] = (),
) -> Plan:
    """Plan for objects whose ``reads`` have been read; ``deletions`` come last in their stages.

    An object of which the server shows something that cannot be understood is refused by itself.
    """
    context = Context(memory.digest, write_only, memory.pending)
    changes = [_planned(item, shown, memory.records.get(item.identity), context) for item in wanted]
    changes += deletions
    return Plan(tuple(sorted(changes, key=lambda change: (change.stage, change.action is Action.DELETE))))


def _planned(item: Wanted, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
    try:
        return item.plan(shown, record, context)
    except UnreadableError as error:
        return Change(item.identity, Action.REFUSED, str(error), item.place, record=record)


def paths(wanted: Collection[Wanted]) -> tuple[str, ...]:
    """What has to be read for a plan, each path once, in the order in which objects ask for it."""
    return tuple(dict.fromkeys(path for item in wanted for path in item.reads))
