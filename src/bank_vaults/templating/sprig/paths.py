"""sprig's functions for paths: Go's ``path``, and ``path/filepath``, which is the same on Linux."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.golang.values import Value


def clean(path: str) -> str:
    """The shortest path that means the same, by its text alone: no ``.``, no ``..`` but in front.

    Raises FunctionError for a path of too many parts.
    """
    limits.items_of(path.count("/"))
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part == "..":
            if parts and parts[-1] != "..":
                parts.pop()
            elif not rooted:
                parts.append(part)
        elif part not in ("", "."):
            parts.append(part)
    joined = "/".join(parts)
    return f"/{joined}" if rooted else joined or "."


def base(path: str) -> str:
    """The last part, slashes at the end left out; ``/`` where there are only slashes, ``.`` for nothing."""
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def directory(path: str) -> str:
    """All but the last part, cleaned."""
    parent, slash, _ = path.rpartition("/")
    return clean(parent + slash)


def extension(path: str) -> str:
    """The last part from its last dot on; empty where it has none."""
    _, dot, after = path.rpartition("/")[2].rpartition(".")
    return dot + after if dot else ""


def is_absolute(path: str) -> bool:
    """Whether it begins at the root."""
    return path.startswith("/")


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "base": base,
    "dir": directory,
    "ext": extension,
    "clean": clean,
    "isAbs": is_absolute,
    "osBase": base,
    "osDir": directory,
    "osExt": extension,
    "osClean": clean,
    "osIsAbs": is_absolute,
}
