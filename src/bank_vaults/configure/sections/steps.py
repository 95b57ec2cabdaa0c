"""Changes as all sections make them: of an object that is wanted, and of one that no document has."""

from __future__ import annotations

from typing import Protocol

from bank_vaults.configure.model import Action, Change, Difference, Identity, Place, Request, Stage


class Described(Protocol):
    """What a change takes of the object that it is about."""

    @property
    def identity(self) -> Identity: ...

    @property
    def place(self) -> Place: ...

    @property
    def stage(self) -> int: ...

    @property
    def needs(self) -> frozenset[Identity]: ...


def change(item: Described, action: Action, reason: str, *differences: Difference) -> Change:
    """A change of a wanted object, without requests."""
    return Change(item.identity, action, reason, item.place, differences, stage=item.stage, needs=item.needs)


def deletion(
    identity: Identity, path: str, reason: str = "no document has it", *, forgives: str = ""
) -> Change:
    """The deletion of an object at a path."""
    return Change(
        identity,
        Action.DELETE,
        reason,
        requests=(Request("DELETE", path, forgives=forgives),),
        stage=Stage.PURGE,
    )
