"""Which kv engine a path of a secret belongs to, and of which version that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.config import Configuration, Secrets
from bank_vaults.configure.model import Fields
from bank_vaults.configure.server import MOUNTS, inner

TYPES: Final = frozenset({"kv", "kv-v1", "kv-v2", "generic"})
"""Types of engines in which every path may be data of a user."""


class Engine(NamedTuple):
    """A mount of any type; ``version`` is that of a kv engine."""

    path: str
    type: str
    version: int
    max_versions: int | None = None
    wanted: bool = False
    """Whether a document has it, so that it is there when secrets are written."""
    assumed: bool = False
    """Whether the version is that of a new mount, because the document does not say one."""

    def metadata(self, path: str) -> str | None:
        """Where the metadata of a secret are, if ``path`` is one of version 2."""
        kind, slash, rest = path[len(self.path) + 1 :].partition("/")
        return f"{self.path}/metadata/{rest}" if kind == "data" and slash and rest else None


def engines(configuration: Configuration) -> tuple[Engine, ...]:
    """Those of the documents."""
    return tuple(_of_document(engine) for engine in configuration.secrets)


def engine_of(path: str, wanted: tuple[Engine, ...], listed: Fields | None) -> Engine | None:
    """The engine under whose path this one is: the longest, first asked of the documents.

    ``listed`` are the entries of ``sys/mounts``, None where the server does not show them. Where the document
    does not say the version, that of a mount that is there counts. Raises UnreadableError.
    """
    found = [engine for engine in wanted if path.startswith(engine.path + "/")]
    if listed:
        known = {engine.path for engine in wanted}
        for name, entry in listed.items():
            mount = name.rstrip("/")
            if mount not in known and path.startswith(mount + "/") and isinstance(entry, Mapping):
                options = inner(entry, "options", MOUNTS)
                found.append(Engine(mount, str(entry.get("type", "")), version_of(options)))
    chosen = max(found, key=lambda engine: len(engine.path), default=None)
    if chosen is None or not chosen.assumed or listed is None:
        return chosen
    there = inner(listed, f"{chosen.path}/", MOUNTS)
    return chosen._replace(version=version_of(inner(there, "options", MOUNTS)), assumed=False)


def _of_document(engine: Secrets) -> Engine:
    options = engine.tune.options if engine.tune else {}
    version = 2 if engine.type == "kv-v2" else version_of(options)
    assumed = engine.type == "kv" and "version" not in options
    return Engine(engine.path, engine.type, version, engine.max_versions, wanted=True, assumed=assumed)


def version_of(options: Mapping[str, Any]) -> int:
    """Of a kv engine with these options of its mount."""
    return 2 if str(options.get("version")) == "2" else 1
