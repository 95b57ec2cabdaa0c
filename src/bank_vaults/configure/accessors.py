"""Placeholders ``__accessor__PATH``: texts in which the accessor of an auth method is to stand.

The accessor is known once the method exists, and another one after it was created anew. So the text stays a
text with references inside until it is compared or sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.model import Identity, Joined, Reference

MARK: Final = "__accessor__"

_WORD: Final = re.compile(r"[\w-]")
"""What cannot follow a path: the placeholder would be one of a longer path, which does not exist."""

_NAME: Final = re.compile(r"[\w./-]*")


class Placed(NamedTuple):
    """A JSON value whose placeholders have become references."""

    value: Any
    paths: frozenset[str]
    """Of the auth methods that it needs."""
    unknown: tuple[str, ...]
    """Placeholders that no auth method fits, as they stand in the text."""

    @property
    def needs(self) -> frozenset[Identity]:
        """The mounts without which the value cannot be sent."""
        return frozenset(Identity("auth", "mount", path) for path in self.paths)

    @property
    def complaint(self) -> str:
        """A sentence about the unknown placeholders; empty where there are none."""
        if not self.unknown:
            return ""
        names = ", ".join(dict.fromkeys(self.unknown))
        return f"there is no auth method for {names}, neither in a document nor on the server"


def placed(value: Any, known: Collection[str]) -> Placed:
    """Find the placeholders in every text of a value; ``known`` are paths of auth methods without slashes at
    their ends. The longest path that fits is meant.
    """
    paths: set[str] = set()
    unknown: list[str] = []
    ordered: list[str] = []

    def walk(each: Any) -> Any:
        if isinstance(each, str):
            if MARK not in each:
                return each
            if not ordered:
                ordered.extend(sorted((path for path in known if path), key=len, reverse=True))
            parts = tuple(_parts(each, ordered, unknown))
            paths.update(part.name for part in parts if isinstance(part, Reference))
            return Joined(parts) if any(isinstance(part, Reference) for part in parts) else each
        if isinstance(each, Mapping):
            return {name: walk(inner) for name, inner in each.items()}
        if isinstance(each, (list, tuple)):
            return [walk(inner) for inner in each]
        return each

    found = walk(value)
    return Placed(found, frozenset(paths), tuple(unknown))


def resolved(value: Any, accessors: Mapping[str, str]) -> Any:
    """The value with the accessors that are known; a text of which one is missing stays as it is."""
    if isinstance(value, Joined):
        parts = [
            accessors.get(part.name, part) if isinstance(part, Reference) else part for part in value.parts
        ]
        return value if any(isinstance(part, Reference) for part in parts) else "".join(map(str, parts))
    if isinstance(value, Reference):
        return accessors.get(value.name, value) if value.kind == "accessor" else value
    if isinstance(value, Mapping):
        return {name: resolved(inner, accessors) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(inner, accessors) for inner in value]
    return value


def _parts(text: str, known: list[str], unknown: list[str]) -> Iterator[str | Reference]:
    before, *rest = text.split(MARK)
    if before:
        yield before
    for piece in rest:
        path = next((path for path in known if _fits(path, piece)), None)
        if path is None:
            unknown.append(MARK + _match(piece))
            yield MARK + piece
            continue
        yield Reference("accessor", path)
        if piece != path:
            yield piece[len(path) :]


def _fits(path: str, piece: str) -> bool:
    return piece.startswith(path) and not _WORD.match(piece, len(path))


def _match(piece: str) -> str:
    match = _NAME.match(piece)
    return match[0] if match else ""
