"""What is deleted of mounts and inside of them, the same for auth methods and secrets engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bank_vaults.configure.config import Purge
from bank_vaults.configure.model import Change, Shown
from bank_vaults.configure.sections import mount, within
from bank_vaults.configure.sections.within import Inside


class MountPurge(NamedTuple):
    """The mounts of a section and what the documents have of them."""

    section: str
    area: mount.Area
    managed: frozenset[str]
    """Paths of the mounts that a document has."""
    purge: Purge
    insides: Callable[[], tuple[Inside, ...]]
    """The lists inside of these mounts; asked for where they are purged as well."""

    def listings(self) -> tuple[str, ...]:
        """What has to be read for ``details`` and ``unmanaged``."""
        if not self.purge.covers(self.section):
            return ()
        inside = within.listings(self.insides()) if self.purge.within else ()
        return (*mount.reads_of_deletions(self.area), *inside)

    def details(self, shown: Callable[[str], Shown]) -> tuple[str, ...]:
        """What has to be read for ``unmanaged`` once the listings are known. Raises UnreadableError."""
        return tuple(path for change in self._doomed(shown) for path in mount.contents_reads(change, shown))

    def unmanaged(self, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
        """Deletions of mounts that no document has, never of the server's own; where it is asked for, also of
        what is inside the others. Raises UnreadableError.
        """
        doomed = tuple(mount.with_contents(change, shown) for change in self._doomed(shown))
        if not (self.purge.covers(self.section) and self.purge.within):
            return doomed
        return (*doomed, *within.unmanaged(self.insides(), shown))

    def _doomed(self, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
        if not self.purge.covers(self.section):
            return ()
        return mount.unmanaged(self.section, self.area, self.managed, shown)
