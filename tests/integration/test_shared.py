"""A program that all processes of a run share is one program, and ends with the last of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import IMPORTS, gone
from tests.support.lifetime import Lifetime
from tests.support.shared import shared

SLEEPER = "tests.integration.test_shared:Sleeper"
USER = f"""
import sys
from pathlib import Path
from tests.support.shared import shared
with shared({SLEEPER!r}, Path(sys.argv[1])) as about:
    print(about["pid"], flush=True)
    sys.stdin.read()
"""


class Sleeper(Lifetime):
    """A program that does nothing."""

    def describe(self) -> dict[str, int]:
        """Its process id."""
        return {"pid": self._process.pid}

    def _start(self) -> None:
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "sleep", "1000"])

    def _close(self) -> None:
        self._process.kill()
        self._process.wait()


class Broken(Sleeper):
    """One that does not start."""

    def _start(self) -> None:
        super()._start()
        raise OSError("the disk of the test is full")


@contextlib.contextmanager
def user(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the program until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | IMPORTS,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def sleeper_of(process: subprocess.Popen[str]) -> int:
    """The program that a process has been given."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def leave(process: subprocess.Popen[str]) -> None:
    """End in good order."""
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


def test_processes_that_start_at_once_have_one_program_until_the_last_of_them_leaves(tmp_path: Path) -> None:
    with user(tmp_path) as first, user(tmp_path) as second, user(tmp_path) as third:
        (pid,) = {sleeper_of(process) for process in (first, second, third)}
        leave(first)
        second.kill()
        second.wait()
        assert not gone(pid)
        leave(third)
        assert gone(pid)


def test_who_comes_after_the_end_has_another_program(tmp_path: Path) -> None:
    with shared(SLEEPER, tmp_path) as before:
        assert not gone(before["pid"])
    assert gone(before["pid"])
    with shared(SLEEPER, tmp_path) as after:
        assert after != before
        assert not gone(after["pid"])


def test_another_run_has_a_program_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with shared(SLEEPER, tmp_path) as one, shared(SLEEPER, tmp_path / "other") as other:
        assert one != other


def test_a_program_that_does_not_start_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="the disk of the test is full"),
        shared("tests.integration.test_shared:Broken", tmp_path),
    ):
        pass
