"""The files of a configuration over time: what of them can be used, and what is kept of them.

Documents hold passwords, so they are kept only until they have been applied. What stays are the names of
their elements. A file that is broken later keeps its last good version by that: as long as the document is
there, it is used; afterwards its objects are left as they are on the server, also where another file has an
element of the same name, and nothing is deleted. Also kept is by what a later change is found
(``configure.excerpt``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from bank_vaults.configure import documents
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.documents import Document, Rendered
from bank_vaults.configure.excerpt import Outline
from bank_vaults.configure.merge import IDENTITIES, Key, merge, replacements
from bank_vaults.configure.problems import DocumentError
from bank_vaults.templating.own.sources import Sources

log = logging.getLogger(__name__)

_Names = Mapping[str, frozenset[Key]]


class Union(NamedTuple):
    """All files as one configuration. ``complete``: every file is as it stands on the disk."""

    configuration: Configuration
    complete: bool

    def __repr__(self) -> str:
        return "Union(…)"


class Library:
    """The files in their order. ``sources`` are opened for each load. ``watched``: they will change."""

    def __init__(
        self,
        files: Iterable[str],
        sources: Callable[[], AbstractContextManager[Sources]],
        mode: str,
        *,
        watched: bool = False,
    ) -> None:
        self.files = tuple(dict.fromkeys(files))
        self._sources = sources
        self._mode = mode
        self._watched = watched
        self._rendered: dict[str, Rendered] = {}
        self._outlines: dict[str, Outline | None] = {}
        self._documents: dict[str, Document] = {}
        self._names: dict[str, _Names] = {}
        self._told: frozenset[str] = frozenset()
        """Which elements replace others, as it was logged last."""
        self.broken: dict[str, DocumentError] = {}

    def load(self, files: Iterable[str]) -> tuple[str, ...]:
        """Load these files again. Gives those that are good; for the others see ``broken``."""
        good = []
        with self._sources() as sources:
            for file in files:
                try:
                    rendered = self._rendered.pop(file, None) or self._render(file, sources)
                    document = documents.document(rendered, outlined=self._watched)
                except DocumentError as error:
                    self.broken[file] = error
                    continue
                for warning in document.warnings:
                    log.warning(str(warning))
                self.broken.pop(file, None)
                self._documents[file] = document
                self._names[file] = _names(document.configuration)
                self._outlines[file] = document.outline
                good.append(file)
        return tuple(good)

    def excerpt(self, files: Iterable[str]) -> Configuration:
        """What has changed in these files, as far as that can be told without reading all of them.

        They are to be loaded next: what is rendered here is kept for that.
        """
        parts: list[Configuration] = []
        with self._sources() as sources:
            for file in reversed(self.files):
                if file not in files:
                    continue
                try:
                    self._rendered[file] = rendered = self._render(file, sources)
                except DocumentError:
                    continue  # whoever loads it is told
                known = self._outlines.get(file)
                found = None if known is None else documents.changed(rendered, known)
                if found is None:
                    break  # it may have elements now that replace those of earlier files
                later = self.files[self.files.index(file) + 1 :]
                parts.append(_without(found, map(self._names.get, later)))
        return merge(reversed(parts))

    def _render(self, file: str, sources: Sources) -> Rendered:
        return documents.rendered(file, documents.read(file), sources, mode=self._mode)

    def union(self) -> Union:
        """Everything that can be used. Files that were let go are loaded again."""
        self.load([file for file in self.files if file not in self._documents and file not in self.broken])
        parts: list[Configuration] = []
        for position, file in enumerate(self.files):
            if file in self._documents:
                later = [each for each in self.files[position + 1 :] if each not in self._documents]
                parts.append(
                    _without(self._documents[file].configuration, [self._names.get(each) for each in later])
                )
        replaced = frozenset(map(str, replacements(parts)))
        for each in sorted(replaced - self._told):
            log.info(each)
        self._told = replaced
        return Union(merge(parts), not self.broken)

    def let_go(self) -> None:
        """Forget the contents of all documents: they have been applied."""
        self._documents.clear()


def _names(configuration: Configuration) -> _Names:
    return {
        section: frozenset(map(identity, getattr(configuration, section)))
        for section, identity in IDENTITIES.items()
    }


def _without(configuration: Configuration, others: Iterable[_Names | None]) -> Configuration:
    """Without the elements that a later file has, whose content is not known any more."""
    found = configuration
    for names in filter(None, others):
        kept: dict[str, Any] = {
            section: tuple(each for each in getattr(found, section) if identity(each) not in names[section])
            for section, identity in IDENTITIES.items()
        }
        found = found._replace(**kept)
    return found
