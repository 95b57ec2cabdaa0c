"""What a server shows, read for many paths at once, each at most once.

Where many paths are under one parent, a listing of it tells which of them are not there, and policies come
in one answer where the server has one for all. A listing is believed only if reading one of the paths agrees
with it: what is wrongly held to be absent might be made a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bank_vaults.configure import parallel
from bank_vaults.configure.model import ABSENT, Shown
from bank_vaults.configure.session import Session

_MANY: Final = 8
"""Paths under one parent from which on a listing is worth asking for."""

_IN_ONE_ANSWER: Final = {"sys/policies/acl": "sys/policies/detailed/acl?list=true"}
"""Parents whose objects a listing shows as a whole, in OpenBao."""


class Reader:
    """Answers by path. Raises the VaultError family where the server does not answer."""

    def __init__(self, session: Session, parallelism: int) -> None:
        self._session = session
        self._parallelism = parallelism
        self._answers: dict[str, Shown] = {}

    def read(self, paths: Iterable[str]) -> None:
        """Read all paths that are not known yet."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._answers]
        families: dict[str, list[str]] = {}
        for path in wanted:
            if "?" not in path:
                families.setdefault(path.rpartition("/")[0], []).append(path)
        large = {parent: members for parent, members in families.items() if parent and len(members) >= _MANY}
        parallel.each(large.items(), self._list, self._parallelism)
        parallel.each(wanted, self._ask, self._parallelism)

    def shown(self, path: str) -> Shown:
        """The answer for a path; one that was not read before is read now."""
        self._ask(path)
        return self._answers[path]

    def _ask(self, path: str) -> None:
        if path not in self._answers:
            self._answers[path] = self._session.show(path)

    def _list(self, family: tuple[str, list[str]]) -> None:
        parent, members = family
        details = self._details(parent)
        names = _names(self._session.show(f"{parent}?list=true")) if details is None else set(details)
        if names is None:
            return
        absent = [path for path in members if path.rpartition("/")[2].lower() not in names]
        if absent:
            self._ask(absent[0])
            if self._answers[absent[0]] != ABSENT:
                return
            self._answers.update(dict.fromkeys(absent, ABSENT))
        if details:
            for path in members:
                if fields := details.get(path.rpartition("/")[2].lower()):
                    self._answers[path] = Shown(fields)

    def _details(self, parent: str) -> dict[str, Mapping[str, Any]] | None:
        """Everything under a parent by name in small letters; None where the server does not tell."""
        if parent not in _IN_ONE_ANSWER:
            return None
        found = (self._session.show(_IN_ONE_ANSWER[parent]).fields or {}).get("key_info")
        if not isinstance(found, Mapping):
            return None
        return {str(name).lower(): entry for name, entry in found.items() if isinstance(entry, Mapping)}


def _names(listing: Shown) -> set[str] | None:
    """The names in small letters, as some servers have them; None where this is no listing."""
    if listing.problem:
        return None
    if not listing.there:
        return set()
    keys = (listing.fields or {}).get("keys")
    return {str(name).lower() for name in keys} if isinstance(keys, list) else None
