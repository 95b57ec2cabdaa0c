"""What all fault tests share: the program with its detached process, and the proof that no key is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from types import TracebackType

from tests.support.configured import Place, is_write
from tests.support.faultproxy import CUT, Fault, FaultProxy
from tests.support.program import Program, eventually, stored
from tests.support.servers import Server, api, unseal, wait_active

VARIABLE = "FAULTY_STORE"
FAILPOINT = "BANK_VAULTS_FAILPOINT"
SHARES = tuple(f"vault-unseal-{number}" for number in range(5))
KEYS = sorted([*SHARES, "vault-root"])
LOST = "the answer with its keys was lost before it could be stored"
WANTED = "wanted-by-the-operator"
NOBODY = "http://127.0.0.1:9"
"""Nobody answers there, and the kernel gives so low a port to nobody."""
IMPORTS = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
"""The environment in which a program finds the drivers of these tests."""


class HookedProxy(FaultProxy):
    """A fault proxy that calls ``hook(method, path)`` before it looks at a request."""

    def __init__(self, server: Server, hook: Callable[[str, str], None]) -> None:
        super().__init__(server)
        self._hook = hook

    def arrived(self, method: str, path: str) -> Fault | None:
        """Call the hook first."""
        self._hook(method, path)
        return super().arrived(method, path)


def apply_killed_when(place: Place, is_due: Callable[[str], bool], *, carried_out: bool) -> int:
    """Apply, with the program killed at each write, by its path, of which ``is_due`` says so; the server gets
    that all the same or does not. The exit code.
    """

    def kill(method: str, path: str) -> None:
        if is_write(method, path) and is_due(path):
            program.signal(signal.SIGKILL)
            if not carried_out:
                proxy.on("*", "*", CUT, times=None)

    with HookedProxy(place.server, kill) as proxy:
        program = place.program("--parallelism=1", address=proxy.address)
        with program:
            return program.wait().code


def children(pid: int) -> list[int]:
    """The living children of a process. Source: proc(5), the fields after the name."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def init_process(program: Program) -> int:
    """The detached process that calls sys/init. Waits until it has a session of its own."""
    found: list[int] = []

    def there() -> bool:
        assert not program.ended, program.log()
        for child in children(program.pid):
            with contextlib.suppress(ProcessLookupError):  # another one, that has just ended
                found.extend([child] if os.getsid(child) == child else [])
        return bool(found)

    eventually(there, "the init process is there")
    (child,) = found
    return child


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_gone(pid: int) -> None:
    """Wait until a process has ended."""
    eventually(lambda: gone(pid), f"process {pid} has ended")


def wait_killed(program: Program) -> None:
    """Wait until the program died by SIGKILL, as a failpoint does it; any other end fails."""
    assert program.wait(30).code == -signal.SIGKILL, program.log()


def names_in(store: Path) -> list[str]:
    """The names of all values in the store, also what is hidden."""
    return sorted(file.name for file in store.iterdir())


def wait_finished(store: Path, names: Sequence[str] = KEYS) -> None:
    """Wait until exactly these values are in the store: every key, no journal, answer or canary."""
    eventually(lambda: names_in(store) == sorted(names), f"the store holds {names} and nothing else", 30)


def wait_unsealed(server: Server) -> None:
    """Wait until a server says that it is unsealed; in between it may say anything, or nothing."""

    def unsealed() -> bool:
        with contextlib.suppress(OSError, HTTPException):
            return api(server, "GET", "sys/seal-status", timeout=2.0).body.get("sealed") is False
        return False

    eventually(unsealed, f"{server.name} is unsealed", 40)


def assert_every_key_is_safe(server: Server, store: Path, *, root: str | None = None) -> None:
    """The store holds what the server accepts, and nothing else; see :func:`assert_keys_open`.

    ``root``: the token that vault-root has to hold.
    """
    found = {name: value.decode() for name, value in stored(store).items()}
    assert root is None or found["vault-root"] == root
    assert_keys_open(server, found)


def assert_keys_open(server: Server, found: Mapping[str, str]) -> None:
    """The keys are what the server accepts: any three of five shares, and the root token.

    The server has to be unsealed; it is so afterwards.
    """
    assert api(server, "GET", "sys/seal-status").body["sealed"] is False
    assert sorted(found) == KEYS
    wait_active(server)
    for chosen in (SHARES[:3], SHARES[2:], (SHARES[0], SHARES[3], SHARES[1])):
        assert api(server, "PUT", "sys/seal", token=found["vault-root"]).status == 204
        unseal(server, [found[name] for name in chosen])
        wait_active(server)
    assert api(server, "GET", "auth/token/lookup-self", token=found["vault-root"]).body["data"][
        "policies"
    ] == ["root"]


def root_tokens(server: Server, token: str) -> int:
    """How many root tokens the server knows: ours, and whatever was not revoked."""
    answer = api(server, "LIST", "auth/token/accessors", token=token)
    count = 0
    for accessor in answer.body["data"]["keys"]:
        data = api(server, "POST", "auth/token/lookup-accessor", {"accessor": accessor}, token).body
        count += "root" in data["data"]["policies"]
    return count


class GroupProgram(Program):
    """The program as the leader of a process group of its own, as a shell or a service manager starts it."""

    module = "bank_vaults"

    def start(self) -> None:
        """Start it."""
        # Whoever starts the tests with nohup has all of their processes ignore SIGHUP.
        command = ["env", "--default-signal=HUP", "setpriv", "--pdeathsig", "KILL", "--"]
        command += [sys.executable, "-m", self.module]
        with self._log_file.open("ab") as log, self._output_file.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as Ctrl-C does."""
        os.killpg(self.pid, number)


class FaultyProgram(GroupProgram):
    """The program on a store that fails as ``fault`` says (tests/support/faulty_cli.py), until healed."""

    module = "tests.support.faulty_cli"

    def __init__(
        self,
        fault: str,
        *flags: str,
        server: Server,
        store: Path,
        address: str | None = None,
        metrics: bool = False,
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="bv-plan-")
        self._plan = Path(self._scratch.name) / "plan"
        self._plan.write_text(fault)
        super().__init__(
            "unseal",
            *flags,
            server=server,
            store=store,
            address=address,
            metrics=metrics,
            environment={VARIABLE: str(self._plan), **IMPORTS},
        )

    def heal(self) -> None:
        """The store works from now on."""
        self._plan.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plan.unlink(missing_ok=True)  # so that an init process that still holds an answer ends
        super().__exit__(kind, error, trace)
        self._scratch.cleanup()


class HesitatingProgram(GroupProgram):
    """The program held at one call of its store (tests/faults/hesitating_cli.py), until told to go on.

    ``at`` is the operation and the name, for example ``"create vault-init-journal"``; empty: nowhere.
    """

    module = "tests.faults.hesitating_cli"

    def __init__(self, at: str, *flags: str, server: Server, store: Path, address: str | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="bv-hold-")
        self._place = Path(self._scratch.name)
        super().__init__(
            "unseal",
            *flags,
            server=server,
            store=store,
            address=address,
            environment=({"HESITATING": f"{at} {self._place}"} if at else {}) | IMPORTS,
        )

    def wait_held(self) -> None:
        """Wait until it stands there."""
        eventually(lambda: (self._place / "reached").exists() or self.ended, "the program is held")
        assert not self.ended, self.log()

    def go(self) -> None:
        """Let it go on."""
        (self._place / "go").touch()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go()
        super().__exit__(kind, error, trace)
        self._scratch.cleanup()
