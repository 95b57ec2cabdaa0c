"""openCryptoki's token in software, which locks its PIN after three wrong ones and says so in its flags.

Its daemon, its configuration, its token and its shared memory are in namespaces of their own, so that any
number of them run at once. Whatever uses the token has to run in there: ``prefix`` puts a command into it.
That takes root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.support.binaries import MissingBinary
from tests.support.lifetime import Lifetime

SO_PIN = "87654321"
"""Of every token as it is delivered."""

_TOKENS = Path("/var/lib/opencryptoki")
_CONFIGURATION = "version opencryptoki-3.1\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n"
_START_LIMIT = 20.0  # seconds

# The shell becomes the daemon, so that its process id stays that of the namespaces.
_INSIDE = """
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
mkdir -p /run/opencryptoki /run/lock/opencryptoki/swtok
mount --bind "$1/tokens" /var/lib/opencryptoki
mount --bind "$1/configuration" /etc/opencryptoki
exec pkcsslotd -f
"""


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout


class OpencryptokiError(AssertionError):
    """The daemon does not run; the message has its output."""


def missing() -> MissingBinary | None:
    """Why there can be none here."""
    if module() is None or shutil.which("pkcsslotd") is None:
        return MissingBinary("opencryptoki", "run scripts/setup")
    if os.geteuid() != 0:
        return MissingBinary("root", "openCryptoki's daemon needs it", excused=True)
    return None


def module() -> Path | None:
    """The PKCS#11 library."""
    return next(Path("/usr/lib").glob("*/pkcs11/libopencryptoki.so"), None)


class Opencryptoki(Lifetime):
    """The daemon with one token, which is not initialised, in ``directory``. A context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "pkcsslotd.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """A command after this runs where the token is."""
        assert self._process is not None
        return ("nsenter", "--target", str(self._process.pid), "--mount", "--ipc", "--")

    def _start(self) -> None:
        (self._directory / "configuration").mkdir(parents=True)
        (self._directory / "configuration" / "opencryptoki.conf").write_text(_CONFIGURATION)
        subprocess.run(["cp", "--archive", _TOKENS, self._directory / "tokens"], check=True, timeout=30)
        namespaces = ["unshare", "--mount", "--ipc", "--propagation", "private", "--"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--", *namespaces),
                    *("sh", "-e", "-c", _INSIDE, "sh", str(self._directory)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_ready()

    def _wait_ready(self) -> None:
        """Until a client sees the slot. Before the shell has become the daemon it would see the system's."""
        assert self._process is not None
        name = Path(f"/proc/{self._process.pid}/comm")
        deadline = time.monotonic() + _START_LIMIT
        look = [*self.prefix, "pkcs11-tool", "--module", str(module()), "--list-slots"]
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if name.read_text() == "pkcsslotd\n" and "Slot 0" in _output(look):
                    return
            time.sleep(0.02)
        raise OpencryptokiError(f"pkcsslotd does not serve: {self._log.read_text(errors='replace')}")

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
