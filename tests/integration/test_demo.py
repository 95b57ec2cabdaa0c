"""The demonstration works and cleans up, also when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory with a short name: the socket of pcscd has room for 107 characters."""
    with tempfile.TemporaryDirectory(prefix="demo-test-") as name:
        yield Path(name)


def _start(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, DEMO],
        env=os.environ | {"TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _processes_in(directory: Path) -> list[str]:
    """The processes that have the directory in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in file.read_bytes():
                found.append(file.parent.name)
        except OSError:
            continue
    return found


def test_the_demo_unseals_three_times_with_a_stick_and_leaves_nothing(
    directory: Path,
) -> None:
    with _start(directory) as demo:
        output, errors = demo.communicate(timeout=100)
    assert (demo.returncode, errors) == (0, "")
    assert "Unsealed again" in output
    assert "Usage:      decrypt, sign" in output
    for name in ("vault-root", "vault-unseal-0", "vault-unseal-4"):
        assert f"label:          '{name}'" in output
    assert "after the stick came back" in output
    assert "\033" not in output
    assert list(directory.iterdir()) == []
    assert _processes_in(directory) == []


def test_an_interrupted_demo_leaves_nothing(directory: Path) -> None:
    with _start(directory) as demo:
        assert demo.stdout is not None
        while "$ bank-vaults unseal" not in (line := demo.stdout.readline()):
            assert line, "the demo ended too early"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=60) == 128 + signal.SIGINT
    assert list(directory.iterdir()) == []
    assert _processes_in(directory) == []
