"""The real command as a process of its own: started, watched by its log, ended, and never left behind.

    with Program("unseal", "--init", server=server, store=tmp_path) as program:
        program.wait_for("successfully unsealed vault")
        assert program.stop() == 0

    assert run("unseal", "--once", server=server, store=tmp_path).code == 0

The key store is a directory (``--mode file``). The environment holds no variable of ours or of the servers
but those given.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.servers import Port, Server, api

LIMIT = 30.0
"""Seconds for anything that a test waits for; hit only by a failure."""

_OURS = ("VAULT_", "BAO_", "BANK_VAULTS_", "POD_NAME", "NOTIFY_SOCKET", "WATCHDOG_")


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended: exit code, standard output, and the log (standard error)."""

    code: int
    output: str
    log: str


class Program:
    """One ``bank-vaults`` process. Use it as a context manager; it ends with the block.

    ``server`` gives ``VAULT_ADDR`` and, where it speaks TLS, the files for it; ``address`` overrules the
    address. ``metrics`` serves ``/metrics`` and health on a port of its own. ``prefix`` is a command that
    becomes the program, such as nsenter.
    """

    def __init__(
        self,
        command: str,
        *flags: str,
        store: Path,
        server: Server | None = None,
        address: str | None = None,
        metrics: bool = False,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self._prefix = prefix
        self._arguments = [command, "--mode", "file", "--file-path", str(store), *flags]
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        self._environment |= _variables(server, address) | dict(environment or {})
        self._port = Port() if metrics else None
        if self._port is not None:
            self._arguments += ["--metrics-address", f"127.0.0.1:{self._port.number}"]
        elif command == "unseal" and "--metrics-address" not in flags:
            self._arguments += ["--disable-metrics"]
        self._directory = tempfile.TemporaryDirectory(prefix="bv-program-")
        self._log_file = Path(self._directory.name) / "stderr"
        self._output_file = Path(self._directory.name) / "stdout"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Everything logged so far."""
        return self._log_file.read_text(errors="replace")

    def output(self) -> str:
        """Everything on standard output so far."""
        return self._output_file.read_text(errors="replace")

    def start(self) -> None:
        """Start it. It dies with the thread that started it."""
        command = ["setpriv", "--pdeathsig", "KILL", "--", *self._prefix, sys.executable, "-m", "bank_vaults"]
        with self._log_file.open("ab") as log, self._output_file.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
            )

    def wait_for(self, pattern: str, *, times: int = 1, limit: float = LIMIT) -> None:
        """Wait until the log has a regular expression so many times. Fails at once if the process ends."""
        deadline = time.monotonic() + limit
        while True:
            ended = self.ended
            found = len(re.findall(pattern, self.log()))
            if found >= times:
                return
            assert not ended, f"the program ended without logging {pattern!r}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {limit:.0f} s:\n{self.log()}"
            time.sleep(0.01)

    @property
    def ended(self) -> bool:
        """Whether the process has ended by itself or by a signal."""
        assert self._process is not None
        return self._process.poll() is not None

    def wait(self, limit: float = LIMIT) -> Finished:
        """Wait for the end."""
        assert self._process is not None
        try:
            code = self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program did not end within {limit:.0f} s:\n{self.log()}") from None
        return Finished(code, self.output(), self.log())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, limit: float = LIMIT) -> int:
        """Ask it to end (SIGTERM) and wait for that; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(limit).code

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.signal(signal.SIGKILL)
        self.wait()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the metrics port."""
        assert self._port is not None
        with closing(http.client.HTTPConnection("127.0.0.1", self._port.number, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def samples(self) -> dict[str, float]:
        """The samples of ``/metrics``: name with labels, as written, to value. Empty before it listens."""
        with suppress(ConnectionRefusedError):
            status, body = self.get("/metrics")
            assert status == 200
            lines = (line for line in body.splitlines() if not line.startswith("#"))
            return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
        return {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"the log of bank-vaults {self._arguments[0]}:\n{self.log()}")
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        if self._port is not None:
            self._port.release()
        self._directory.cleanup()


def run(
    command: str,
    *flags: str,
    store: Path,
    server: Server | None = None,
    address: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command to its end."""
    with Program(
        command, *flags, store=store, server=server, address=address, environment=environment
    ) as program:
        return program.wait()


def stored(store: Path) -> dict[str, bytes]:
    """What is in the key store, also what is hidden."""
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):  # removed between the listing and the reading
            return {file.name: file.read_bytes() for file in sorted(store.iterdir())}
    raise AssertionError(f"the files of {store} never stand still")


def eventually(condition: Callable[[], bool], what: str, limit: float = LIMIT) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:.0f} s: {what}"
        time.sleep(0.02)


def seal_status(server: Server) -> dict[str, object]:
    """What the server says of itself."""
    answer = api(server, "GET", "sys/seal-status")
    assert answer.status == 200, answer
    return answer.body


def wait_unsealed(server: Server) -> None:
    """Wait until a server is unsealed."""
    eventually(lambda: seal_status(server)["sealed"] is False, f"{server.name} is unsealed")


def _variables(server: Server | None, address: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if server is not None:
        found["VAULT_ADDR"] = server.address
        if server.ca_file is not None:
            found["VAULT_CACERT"] = str(server.ca_file)
        if server.tls == "mutual":
            found |= {
                "VAULT_CLIENT_CERT": str(server.client_cert_file),
                "VAULT_CLIENT_KEY": str(server.client_key_file),
            }
    if address is not None:
        found["VAULT_ADDR"] = address
    return found
