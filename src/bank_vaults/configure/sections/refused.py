"""An object that a document describes in a way that cannot be carried out: the plan says so, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from bank_vaults.configure.model import Action, Change, Context, Identity, Place, Record, Shown

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Refused(NamedTuple):
    """Nothing is read or written for it; what needs it is not tried."""

    identity: Identity
    place: Place
    reason: str
    stage: int

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return ()

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del shown, context
        return Change(self.identity, Action.REFUSED, self.reason, self.place, stage=self.stage, record=record)


def unfit(name: str | None, *, slashes: bool = False) -> str:
    """Why a name cannot be part of a path, as a sentence; empty where it can.

    The client quotes what has to be quoted; what is left are names that would lead to another object.
    """
    if not name:
        return "it has no name"
    if "/" in name and not slashes:
        return f"the name {name!r} has a slash in it"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return f"the name {name!r} has an empty part, or dots for one"
    if _CONTROL.search(name) or "?" in name:
        return f"the name {name!r} has a character that a path cannot have"
    return ""
