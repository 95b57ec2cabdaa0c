"""Several documents as one configuration: their union, element by element.

An element is known by its identity; where two documents have it, the later one has it as a whole. Nothing is
inherited from element to element, and what a document no longer has is gone. The order in which the documents
are given decides nothing else than that, and the order of the elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.config import Configuration, Purge
from bank_vaults.configure.model import Place

Key = tuple[str, ...]

IDENTITIES: Final[Mapping[str, Callable[[Any], Key]]] = {
    "audit": lambda element: (element.path,),
    "plugins": lambda element: (element.type, element.name, element.body.get("version") or ""),
    "auth": lambda element: (element.path,),
    "groups": lambda element: (element.name,),
    "group_aliases": lambda element: (element.name, element.mountpath),
    "policies": lambda element: (element.name,),
    "secrets": lambda element: (element.path,),
    "startup_secrets": lambda element: (element.path,),
}
"""By field of Configuration: what an element is known by, in its section."""


class Replacement(NamedTuple):
    """An element that two documents have."""

    section: str
    """As in the document."""
    name: str
    place: Place
    """Of the one that counts."""
    replaced: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.section} {self.name!r} replaces as a whole the one at {self.replaced}"


def merge(configurations: Iterable[Configuration]) -> Configuration:
    """The union of the documents, which are given in the order of the command line.

    An element that is replaced keeps its position. No documents make an empty configuration.
    """
    documents = tuple(configurations)
    sections = {
        section: tuple(
            {
                identity(element): element for document in documents for element in getattr(document, section)
            }.values()
        )
        for section, identity in IDENTITIES.items()
    }
    return Configuration(**sections, purge=_united(document.purge for document in documents))


def replacements(configurations: Iterable[Configuration]) -> Iterator[Replacement]:
    """The elements that are in more than one document, each with its next one."""
    documents = tuple(configurations)
    for section, identity in IDENTITIES.items():
        known: dict[Key, Place] = {}
        for document in documents:
            for element in getattr(document, section):
                key = identity(element)
                if key in known:
                    yield Replacement(
                        section_name(section), "/".join(filter(None, key)), element.place, known[key]
                    )
                known[key] = element.place


def section_name(section: str) -> str:
    """The name in a document of a field of Configuration."""
    return {"group_aliases": "group-aliases", "startup_secrets": "startupSecrets"}.get(section, section)


def _united(purges: Iterable[Purge]) -> Purge:
    united = Purge()
    for purge in purges:
        united = Purge(
            united.enabled or purge.enabled, united.exclude | purge.exclude, united.within or purge.within
        )
    return united
