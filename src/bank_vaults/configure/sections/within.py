"""Deletions of objects inside mounts that a document manages: ``purgeUnmanagedConfig.within``.

Only lists are looked at that the document has, if only as empty ones, so that what is of other kinds stays.
Nothing is ever deleted that is data, or without which data cannot be read: secrets of kv engines, keys,
certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from bank_vaults.configure.config import Configuration, Secrets
from bank_vaults.configure.model import Change, Identity, Shown
from bank_vaults.configure.sections import kv, steps
from bank_vaults.configure.server import keys

_DATA: Final = frozenset({"keys", "key", "issuers", "issuer", "certs", "cert", "data", "metadata"})
"""Options of secrets engines that list what is not configuration."""


class Inside(NamedTuple):
    """A list of objects, and those of them that are wanted."""

    section: str
    kind: str
    root: str
    """The path without the name of an object: ``database/roles``."""
    names: frozenset[str]

    @property
    def listing(self) -> str:
        """The path that lists them."""
        return f"{self.root}?list=true"


def listings(insides: Iterable[Inside]) -> tuple[str, ...]:
    """What has to be read for ``unmanaged``."""
    return tuple(dict.fromkeys(inside.listing for inside in insides))


def unmanaged(insides: Iterable[Inside], shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of what is listed and not wanted. Raises UnreadableError.

    Names are compared without regard to capitals, which some engines change. Folders are left alone, and so
    is what the server has no list of.
    """
    return tuple(change for inside in insides for change in _unmanaged(inside, shown))


def _unmanaged(inside: Inside, shown: Callable[[str], Shown]) -> Iterator[Change]:
    if "unsupported" in shown(inside.listing).problem:
        return
    managed = {name.lower() for name in inside.names}
    for name in keys(shown, inside.listing):
        if name.lower() in managed or name.endswith("/"):
            continue
        path = f"{inside.root}/{name}"
        yield steps.deletion(Identity(inside.section, inside.kind, path), path)


def of_engines(configuration: Configuration) -> tuple[Inside, ...]:
    """The lists of all secrets engines that a document manages in part at least."""
    return tuple(inside for engine in configuration.secrets for inside in _of_engine(engine))


def _of_engine(engine: Secrets) -> Iterator[Inside]:
    if engine.type in kv.TYPES or engine.plugin_name in kv.TYPES:
        return
    for option, items in engine.configuration.items():
        names = frozenset(item.name for item in items if item.name and "/" not in item.name)
        if (names or not items) and _DATA.isdisjoint(option.split("/")):
            yield Inside("secrets", "item", f"{engine.path}/{option}", names)
