"""A server of its own for a test: one program, on loopback, in a temporary directory, gone with the test."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.support.lifetime import Lifetime
from tests.support.servers import Port

START_LIMIT: Final = 60.0
"""Seconds."""

_LOG_SHOWN: Final = 4000


class OwnServer(Lifetime):
    """Has a directory and a port; what ``_run`` has started is ended on leaving the block."""

    def __init__(self, prefix: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix=prefix))
        self._port = Port()
        self._process: subprocess.Popen[bytes] | None = None

    def _run(
        self,
        command: Sequence[str | Path],
        ready: Callable[[], bool],
        *,
        identity: Sequence[str] = (),
    ) -> None:
        """Start the program, and wait until it is ready. ``identity``: options of setpriv(1)."""
        with (self._directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *identity, "--", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._directory,
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = (self._directory / "server.log").read_text(errors="replace")
                raise AssertionError(text[-_LOG_SHOWN:])
            time.sleep(0.05)

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._port.release()
        shutil.rmtree(self._directory, ignore_errors=True)
