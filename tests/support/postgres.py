"""A PostgreSQL of its own for a test: on loopback, in a temporary directory, gone with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.binaries import MissingBinary
from tests.support.lifetime import Lifetime
from tests.support.servers import Port

_START_LIMIT: Final = 60.0  # seconds
_ORDINARY_USER: Final = 65534  # it refuses to run as root

ADMIN: Final = "admin"


def find_postgres() -> Path | MissingBinary:
    """The directory of the newest PostgreSQL's programs: Debian has them outside the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return MissingBinary("postgresql", "run scripts/setup")
    return (found[-1] if found else Path(str(on_path))).parent


class Postgres(Lifetime):
    """A running server; ``ADMIN`` with ``password`` may do everything. Use it as a context manager."""

    def __init__(self, programs: Path, password: str) -> None:
        self._programs = programs
        self.password = password
        self._directory = Path(tempfile.mkdtemp(prefix="bv-postgres-"))
        self._port = Port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the ``connection_url`` of a database engine."""
        return f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self._port.number}/postgres?sslmode=disable"

    def can_log_in(self, user: str, password: str) -> bool:
        """Whether the server takes this password."""
        address = ["-h", "127.0.0.1", "-p", str(self._port.number), "-d", "postgres"]
        answer = subprocess.run(
            [self._programs / "psql", *address, "-U", user, "-tAc", "select 1"],
            env={**os.environ, "PGPASSWORD": password},
            capture_output=True,
            timeout=30,
            check=False,
        )
        return answer.returncode == 0

    def _start(self) -> None:
        password_file = self._directory / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            os.chown(self._directory, _ORDINARY_USER, _ORDINARY_USER)
            os.chown(password_file, _ORDINARY_USER, _ORDINARY_USER)
        data = self._directory / "data"
        subprocess.run(
            [*_as_ordinary_user(), self._programs / "initdb", "--no-sync", "--auth=scram-sha-256",
             "-U", ADMIN, f"--pwfile={password_file}", "-D", data],
            capture_output=True, timeout=60, check=True, cwd=self._directory,
        )  # fmt: skip
        with (self._directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_as_ordinary_user(), self._programs / "postgres", "-D", data, "-p", str(self._port.number),
                 "-c", "listen_addresses=127.0.0.1", "-k", self._directory, "-c", "fsync=off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._directory,
            )  # fmt: skip
        deadline = time.monotonic() + _START_LIMIT
        while not self.can_log_in(ADMIN, self.password):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self._directory / "server.log").read_text(errors="replace")[-4000:])
            time.sleep(0.05)

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._port.release()
        shutil.rmtree(self._directory, ignore_errors=True)


def _as_ordinary_user() -> list[str]:
    """Words in front of a command; it ends when the thread that started it ends."""
    words = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        words += [f"--reuid={_ORDINARY_USER}", f"--regid={_ORDINARY_USER}", "--clear-groups"]
    return [*words, "--"]
