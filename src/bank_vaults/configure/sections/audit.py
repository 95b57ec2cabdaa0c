"""Audit devices: created where absent. A server cannot change one, so a different one is told, not replaced:
without the only device, or with a faulty one, a server answers nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.comparing import same
from bank_vaults.configure.config import Audit, Configuration
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
    Stage,
    Wanted,
)
from bank_vaults.configure.sections import steps
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.server import Server, inner, listing

LIST: Final = "sys/audit"

_OF_THE_SERVER: Final = "configuration-managed"
"""In the refusal of OpenBao to disable a device of its own configuration file, which no listing tells."""


class Device(NamedTuple):
    """What is wanted of one device."""

    identity: Identity
    place: Place
    type: str
    description: str | None
    options: Mapping[str, str]
    local: bool | None
    stage: int = Stage.AUDIT
    needs: frozenset[Identity] = frozenset()

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (LIST,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del record, context
        found = shown(LIST)
        if found.problem:
            return steps.change(self, Action.REFUSED, f"{LIST} cannot be read: {found.problem}")
        fields, name = found.fields or {}, f"{self.identity.name}/"
        return self._create() if fields.get(name) is None else self._compare(inner(fields, name, LIST))

    def _create(self) -> Change:
        body: dict[str, Any] = {
            "type": self.type,
            "description": self.description or "",
            "options": dict(self.options),
            "local": bool(self.local),
        }
        return steps.change(
            self,
            Action.CREATE,
            "it is not there",
            *(Difference(name, None, value) for name, value in body.items()),
        )._replace(requests=(Request("PUT", f"{LIST}/{self.identity.name}", body),))

    def _compare(self, entry: Fields) -> Change:
        options = inner(entry, "options", LIST)
        different = (
            [Difference("type", entry.get("type"), self.type)] if entry.get("type") != self.type else []
        )
        if self.local is not None and self.local != bool(entry.get("local")):
            different.append(Difference("local", entry.get("local"), self.local))
        different += [
            Difference(f"options.{name}", options.get(name), value)
            for name, value in self.options.items()
            if not same(value, options.get(name), strict=True)
        ]
        if different:
            names = ", ".join(each.field for each in different)
            return steps.change(
                self,
                Action.REFUSED,
                f"{names} of an audit device cannot be changed: give the new one another path, or disable "
                "the old one first",
                *different,
            )
        if self.description is not None and self.description != entry.get("description"):
            return steps.change(
                self, Action.KEEP, "as wanted but for its description, which cannot be changed"
            )
        return steps.change(self, Action.KEEP, "as wanted")


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The audit devices of the documents."""
    del server
    return tuple(_wanted(audit) for audit in configuration.audit)


def _wanted(audit: Audit) -> Wanted:
    identity = Identity("audit", "device", audit.path)
    why = unfit(audit.path, slashes=True)
    if why:
        return Refused(identity, audit.place, why, Stage.AUDIT)
    options = {name: str(value) for name, value in audit.options.items()}
    return Device(identity, audit.place, audit.type, audit.description, options, audit.local)


def listings(configuration: Configuration) -> tuple[str, ...]:
    """What has to be read for ``unmanaged``."""
    return (LIST,) if configuration.purge.covers("audit") else ()


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of devices that no document has. Raises UnreadableError."""
    if not configuration.purge.covers("audit"):
        return ()
    managed = {audit.path for audit in configuration.audit}
    paths = {key.rstrip("/"): str(entry.get("type", "")) for key, entry in listing(shown, LIST).items()}
    return tuple(
        steps.deletion(
            Identity("audit", "device", path),
            f"{LIST}/{path}",
            f"no document has it ({kind})",
            forgives=_OF_THE_SERVER,
        )
        for path, kind in paths.items()
        if path not in managed
    )
