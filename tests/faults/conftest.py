"""Fixtures of the fault tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind, all_kinds
from tests.support.servers import Server


@pytest.fixture(scope="session")
def one_kind() -> ServerKind:
    """The first server there is: where every server does the same, one is enough for a long table."""
    return next(kind for kind in all_kinds() if isinstance(kind, ServerKind))


@pytest.fixture(scope="session")
def file_kind() -> ServerKind:
    """A server whose data in files survives a kill, and which starts in no time."""
    for kind in all_kinds():
        if isinstance(kind, ServerKind) and kind.has_file_storage:
            return kind
    pytest.skip("no server with file storage is installed: run scripts/setup")


@pytest.fixture
def server(one_kind: ServerKind) -> Iterator[Server]:
    """A running server that is not initialised and keeps its data in memory: a restart empties it."""
    with Server(one_kind) as running:
        yield running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB. Skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)
