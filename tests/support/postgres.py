"""A PostgreSQL of its own for a test: on loopback, in a temporary directory, gone with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.binaries import MissingBinary
from tests.support.ownserver import START_LIMIT, OwnServer

_ORDINARY_USER: Final = 65534  # it refuses to run as root

ADMIN: Final = "admin"


def find_postgres() -> Path | MissingBinary:
    """The directory of the newest PostgreSQL's programs: Debian has them outside the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return MissingBinary("postgresql", "run scripts/setup")
    return (found[-1] if found else Path(str(on_path))).parent


class Postgres(OwnServer):
    """A running server; ``ADMIN`` with ``password`` may do everything. Use it as a context manager."""

    def __init__(self, programs: Path, password: str) -> None:
        super().__init__("bv-postgres-")
        self._programs = programs
        self.password = password

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
            ["setpriv", "--pdeathsig", "KILL", *_ordinary(), "--", self._programs / "initdb", "--no-sync",
             "--auth=scram-sha-256", "-U", ADMIN, f"--pwfile={password_file}", "-D", data],
            capture_output=True, timeout=START_LIMIT, check=True, cwd=self._directory,
        )  # fmt: skip
        self._run(
            [self._programs / "postgres", "-D", data, "-p", str(self._port.number),
             "-c", "listen_addresses=127.0.0.1", "-k", self._directory, "-c", "fsync=off"],
            lambda: self.can_log_in(ADMIN, self.password),
            identity=_ordinary(),
        )  # fmt: skip


def _ordinary() -> list[str]:
    """Options of setpriv(1) for a program that refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return [f"--reuid={_ORDINARY_USER}", f"--regid={_ORDINARY_USER}", "--clear-groups"]
