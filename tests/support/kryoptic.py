"""kryoptic, a software token in Rust: it takes ten wrong PINs, and says that a PIN has 8 to 0 bytes.

``scripts/setup`` builds it where there is Rust; ``KRYOPTIC_MODULE`` names another build.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.binaries import MissingBinary, cached

SO_PIN = "12345678"

_MANIFEST = Path(__file__).parent / "kryoptic_module" / "Cargo.toml"


def module() -> Path:
    """Where it is, or would be."""
    version = re.search(r'(?m)^version = "=(.*)"', _MANIFEST.read_text())
    assert version is not None
    return Path(os.environ.get("KRYOPTIC_MODULE") or cached(f"kryoptic-{version[1]}.so"))


def missing() -> MissingBinary | None:
    """What is missing for it; excused where there is no Rust to build it with."""
    if module().exists():
        return None
    return MissingBinary("kryoptic", "run scripts/setup, with cargo", excused=not _has_rust())


def _has_rust() -> bool:
    """A cargo that only stands for a toolchain that is not there is none."""
    try:
        return subprocess.run(["cargo", "--version"], capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        return False


def environment(directory: Path, count: int) -> Mapping[str, str]:
    """That of processes which find so many blank tokens, in slots 0 and up, kept in ``directory``."""
    directory.mkdir(parents=True)
    slots = (
        f'[[slots]]\nslot = {slot}\ndbtype = "sqlite"\ndbargs = "{directory / f"token-{slot}.sql"}"\n'
        for slot in range(count)
    )
    configuration = directory / "token.conf"
    configuration.write_text("\n".join(slots))
    return {"KRYOPTIC_CONF": str(configuration)}
