"""Keys of a transit engine: made once, and configured as far as a key can be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bank_vaults.configure.comparing import differences
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Difference,
    Fields,
    Identity,
    Place,
    Record,
    Request,
    Shown,
)
from bank_vaults.configure.sections import steps

_LATER: Final = frozenset({"min_decryption_version", "min_encryption_version", "deletion_allowed"})
"""Fields that are taken by the configuration of a key only."""

_CHANGEABLE: Final = _LATER | {"exportable", "allow_plaintext_backup", "auto_rotate_period"}

_FOR_GOOD: Final = frozenset({"exportable", "allow_plaintext_backup"})
"""What is allowed once cannot be taken back."""


class TransitKey(NamedTuple):
    """What is wanted of a key; the server shows everything that can be changed."""

    identity: Identity
    place: Place
    path: str
    fields: Fields
    stage: int
    needs: frozenset[Identity]

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (self.path,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del record, context
        found = shown(self.path)
        if found.problem:
            return steps.change(self, Action.REFUSED, f"the key cannot be read ({found.problem})")
        if found.fields is None:
            return self._create()
        changed = differences(self.fields, found.fields)
        fixed = [each.field for each in changed if not _can_change(each)]
        if fixed:
            reason = f"{', '.join(fixed)} of a key cannot be changed"
            return steps.change(self, Action.REFUSED, reason, *changed)
        if not changed:
            return steps.change(self, Action.KEEP, "as wanted")
        body = {each.field: each.after for each in changed}
        return steps.change(self, Action.UPDATE, f"{', '.join(body)} differ", *changed)._replace(
            requests=(Request("PUT", f"{self.path}/config", body),)
        )

    def _create(self) -> Change:
        first = {name: value for name, value in self.fields.items() if name not in _LATER}
        later = {name: value for name, value in self.fields.items() if name in _LATER}
        requests = [Request("PUT", self.path, first)]
        if later:
            requests.append(Request("PUT", f"{self.path}/config", later))
        added = tuple(Difference(name, None, value) for name, value in self.fields.items())
        return steps.change(self, Action.CREATE, "it is not there", *added)._replace(requests=tuple(requests))


def _can_change(difference: Difference) -> bool:
    return difference.field in _CHANGEABLE and not (difference.field in _FOR_GOOD and difference.before)
