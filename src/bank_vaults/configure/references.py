"""Values that the server gives to objects, put in where requests refer to them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from bank_vaults.configure.model import Joined, Reference
from bank_vaults.configure.sections.members import group_path
from bank_vaults.configure.server import AUTH, accessors_of
from bank_vaults.configure.session import Session


class UnresolvedError(Exception):
    """What a request refers to is not there. The text names it."""


class Resolver:
    """Looks references up when they are needed, each once. Safe under threads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._known: dict[Reference, str] = {}

    def resolve(self, value: Any) -> Any:
        """The value with all references replaced. Raises UnresolvedError, VaultError."""
        if isinstance(value, Reference):
            return self._value_of(value)
        if isinstance(value, Joined):
            return "".join(str(self.resolve(part)) for part in value.parts)
        if isinstance(value, Mapping):
            return {name: self.resolve(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.resolve(each) for each in value]
        return value

    def _value_of(self, reference: Reference) -> str:
        with self._lock:
            if reference not in self._known:
                if reference.kind == "accessor":
                    found = accessors_of(self._session.show(AUTH).fields or {})
                    self._known |= {Reference("accessor", path): value for path, value in found.items()}
                else:
                    self._known |= _group(reference, self._session)
            value = self._known.get(reference)
        if not value:
            what = "auth method" if reference.kind == "accessor" else reference.kind
            raise UnresolvedError(f"there is no {what} {reference.name!r}")
        return value


def _group(reference: Reference, session: Session) -> dict[Reference, str]:
    found = (session.show(group_path(reference.name)).fields or {}).get("id")
    return {reference: found if isinstance(found, str) else ""}
