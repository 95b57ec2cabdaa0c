"""A PKCS#11 module that misbehaves on order, in front of a real one (``pkcs11/faulty.c``).

    module.plan("C_Decrypt 1 1 crash")
    ... a process with module.environment that loads module.path ...
    assert module.count("C_Decrypt") == 2

Its calls are counted over all processes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.binaries import MissingBinary

SOURCE = Path(__file__).parent / "pkcs11" / "faulty.c"
EVER = 1_000_000
"""The number of a call that no test reaches: ``f"C_Login 1 {EVER} sleep"``."""


def compiled(directory: Path) -> Path | MissingBinary:
    """The library, built in ``directory`` by the first of several processes."""
    if shutil.which("cc") is None:
        return MissingBinary("cc", "install a C compiler, for example the package gcc")
    library = directory / "faulty.so"
    with (directory / "faulty.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
            unfinished = library.with_suffix(".unfinished")
            subprocess.run([*command, "-o", unfinished, SOURCE, "-ldl"], check=True, timeout=60)
            unfinished.rename(library)
    return library


class FaultyModule:
    """The library with a plan and a record of calls of its own, in ``directory``."""

    def __init__(self, library: Path, real: str, directory: Path) -> None:
        self.path = str(library)
        self._plan = directory / "pkcs11-plan"
        self._calls = directory / "pkcs11-calls"
        self.environment: Mapping[str, str] = {
            "PKCS11_REAL": real,
            "PKCS11_PLAN": str(self._plan),
            "PKCS11_CALLS": str(self._calls),
        }

    def plan(self, *lines: str) -> None:
        """From now on misbehave as these lines say (see ``faulty.c``), and in no other way."""
        unfinished = self._plan.with_suffix(".unfinished")
        unfinished.write_text("".join(f"{line}\n" for line in lines))
        os.replace(unfinished, self._plan)

    def plan_next(self, function: str, what: str) -> None:
        """The next call of a function misbehaves, and only that, whoever is calling at this moment."""
        with self._calls.open("a") as calls:
            fcntl.flock(calls, fcntl.LOCK_EX)
            number = self.count(function) + 1
            self.plan(f"{function} {number} {number} {what}")

    def calls(self) -> tuple[tuple[str, int], ...]:
        """Function and process id of each call so far, of all processes."""
        if not self._calls.exists():
            return ()
        lines = [line.split() for line in self._calls.read_text().splitlines()]
        return tuple((name, int(pid)) for name, pid in lines)

    def count(self, function: str) -> int:
        """How often a function was called."""
        return sum(name == function for name, _ in self.calls())

    def processes(self) -> frozenset[int]:
        """The processes that ever loaded the library."""
        return frozenset(pid for _, pid in self.calls())
