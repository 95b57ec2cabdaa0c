"""Root credentials that the server replaces by ones that nobody else knows: ``rotate``.

From then on what the document says of them is out of date, so it is not written any more, until the document
has other ones. Rotating is remembered; the configuration is remembered durably before anything is sent. So a
run that is killed on the way costs one more rotation at most, in which nothing is lost: the server has the
credentials. The same goes for a lost memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

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
    WriteOnly,
)
from bank_vaults.configure.sections.item import Verdict, change_of, judge, resets

ROTATED: Final = "rotated"
_CREDENTIALS: Final = "credentials "
_RESETS: Final = (list, dict)


class Rotation(NamedTuple):
    """How an engine rotates the credentials of one of its objects."""

    path: str
    """Below the mount; ``{name}`` is that of the item."""
    replaced: frozenset[str]
    """Fields that the server replaces."""
    partial: bool
    """Whether the other fields can be written without them."""
    belongs: frozenset[str] = frozenset()
    """Fields that are new credentials together with the replaced ones."""


_ROTATIONS: Final[dict[tuple[str, str], Rotation]] = {
    ("database", "config"): Rotation(
        "rotate-root/{name}", frozenset({"password"}), partial=True, belongs=frozenset({"username"})
    ),
    ("aws", "config/root"): Rotation(
        "config/rotate-root", frozenset({"access_key", "secret_key"}), partial=False
    ),
    ("ldap", "config"): Rotation("rotate-root", frozenset({"bindpass"}), partial=True),
    ("openldap", "config"): Rotation("rotate-root", frozenset({"bindpass"}), partial=True),
    ("ad", "config"): Rotation("rotate-root", frozenset({"bindpass"}), partial=False),
    ("azure", "config"): Rotation("rotate-root", frozenset({"client_secret"}), partial=True),
    ("gcp", "config"): Rotation("config/rotate-root", frozenset({"credentials"}), partial=True),
}
"""By type of the engine and path of the object below the mount, without the name where several have one."""


def rotation_of(engine_type: str, option: str, name: str | None) -> Rotation | None:
    """How the object at ``option``/``name`` is rotated; None where its engine has no way to."""
    whole = option if name is None else f"{option}/{name}"
    found = _ROTATIONS.get((engine_type, whole))
    if found is None and name is not None:
        found = _ROTATIONS.get((engine_type, option))
        if found is not None and "{name}" not in found.path:
            return None
    return found and found._replace(path=found.path.replace("{name}", name or ""))


class Rotated(NamedTuple):
    """What is wanted of an object whose credentials are rotated once they have been written."""

    identity: Identity
    place: Place
    path: str
    fields: Fields
    stage: int
    needs: frozenset[Identity]
    rotation: Rotation
    """With the whole path."""
    secret: frozenset[str] = frozenset()

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (self.path,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        found = shown(self.path)
        rest = {name: value for name, value in self.fields.items() if name not in self.rotation.replaced}
        mark = _CREDENTIALS + context.digest(
            {name: self.fields.get(name) for name in self.rotation.replaced | self.rotation.belongs}
        )
        before = Record(context.digest(rest), done=(mark,), names=tuple(rest))
        if not found.there and not found.problem:
            added = tuple(Difference(name, None, value) for name, value in self.fields.items())
            verdict = Verdict(Action.CREATE, "it is not there", added, None)
            return self._change(verdict, before, (self.fields,))
        if record is None and found.problem:
            reason = f"its credentials are rotated, and the server does not show it ({found.problem})"
            return self._change(Verdict(Action.REFUSED, reason, (), None), None, ())
        if record is not None and not self._has(record, mark):
            reason = "its credentials have changed in the document"
            names = sorted(self.rotation.replaced & self.fields.keys())
            changed = tuple(Difference(name, None, None, secret=True) for name in names)
            verdict = judge(rest, found, record, context)
            taken = tuple(each for each in verdict.differences if each.field in verdict.gone)
            body = {**self.fields, **resets(verdict.gone, _RESETS)}
            return self._change(Verdict(Action.UPDATE, reason, (*changed, *taken), None), before, (body,))
        return self._compare(found, rest, record, before, context)

    def _compare(
        self, found: Shown, rest: dict[str, Any], record: Record | None, before: Record, context: Context
    ) -> Change:
        """Of an object that has the credentials of the document, or newer ones."""
        if record is None:  # what is not shown is taken as it is
            verdict = judge(rest, found, None, context._replace(write_only=WriteOnly.CREATE))
        else:
            verdict = judge(rest, found, record, context)
        if verdict.action is Action.KEEP:
            if record is not None and ROTATED in record.done:
                return self._change(verdict, None, ())
            why = "no record that" if record is None else "it is not known whether"
            reason = f"{why} its credentials were rotated"
            return self._change(Verdict(Action.UPDATE, reason, (), None), before, ())
        if self.rotation.partial:
            rotate = record is None or ROTATED not in record.done
            body = {**rest, **resets(verdict.gone, _RESETS)}
            return self._change(verdict, before, (body,), rotate=rotate)
        reason = (
            f"{verdict.reason}; it is only written with credentials, and those of the document are rotated"
        )
        verdict = verdict._replace(action=Action.REFUSED, reason=reason)
        return self._change(verdict, None, ())._replace(record=record)

    def _has(self, record: Record, mark: str) -> bool:
        return mark in record.done or not any(each.startswith(_CREDENTIALS) for each in record.done)

    def _change(
        self, verdict: Verdict, before: Record | None, bodies: tuple[Fields, ...], *, rotate: bool = True
    ) -> Change:
        change = change_of(self, verdict, self.secret | self.rotation.replaced)
        if before is None:
            return change
        requests = tuple(Request("PUT", self.path, body) for body in bodies)
        if rotate:
            requests = (*requests, Request("PUT", self.rotation.path, {}))
            change = change._replace(reason=f"{change.reason}; the server replaces its credentials")
        done = (*before.done, ROTATED)
        return change._replace(
            requests=requests,
            before=before if rotate else None,
            record=before._replace(done=done),
            look=self.path,
        )
