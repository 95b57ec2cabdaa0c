"""A pcscd of one's own: apart from all others, and gone with its owner."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.integration.virtual_nitrokey.conftest import Readers
from virtual_nitrokey import pcscd as module
from virtual_nitrokey.pcscd import MOST_READERS, Pcscd, PcscdError, Reader

pytestmark = pytest.mark.usefixtures("can_run_pcscd")

LIMIT = 20.0  # seconds; a loaded two-core machine needs a fraction of one
ONE, OTHER = Reader("DENK0100001"), Reader("DENK0100002")

# An owner in a process of its own: shows where its pcscd is, and stays until it is killed.
OWNER = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from virtual_nitrokey.pcscd import Pcscd, PcscdError, Reader
try:
    with tempfile.TemporaryDirectory(prefix="pcscd-") as directory:
        with Pcscd([Reader("DENK0100001")], Path(directory)) as pcscd:
            print(pcscd.pid, pcscd.environment()["PCSCLITE_CSOCK_NAME"], flush=True)
            sys.stdin.read()
except PcscdError as error:
    print("refused", error.layer, error, flush=True)
"""


# A user namespace in which no network namespace can be made any more.
NO_NETWORKS = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_net_namespaces || exit 77; exec "$@"',
    "sh",
)


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, because the name of a socket has room for 107 characters only."""
    with tempfile.TemporaryDirectory(prefix="pcscd-") as path:
        yield Path(path)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def alive(pid: int) -> bool:
    """Whether it runs: one that has ended and waits for its parent to hear of it does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def owner(source: Path, *prefix: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", OWNER, str(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_clients_find_the_readers_as_soon_as_it_has_started(directory: Path, readers: Readers) -> None:
    with Pcscd([ONE, OTHER], directory) as pcscd:
        assert readers(pcscd.environment()) == {ONE.name: False, OTHER.name: False}


def test_as_many_readers_as_pcscd_has_room_for(directory: Path, readers: Readers) -> None:
    wanted = [Reader(f"DENK{number:07d}") for number in range(MOST_READERS)]
    with Pcscd(wanted, directory) as pcscd:
        assert list(readers(pcscd.environment())) == [reader.name for reader in wanted]
        for index in range(MOST_READERS):
            pcscd.connect(index).close()


@pytest.mark.parametrize("count", [0, MOST_READERS + 1])
def test_more_or_fewer_readers_are_refused(directory: Path, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 8 virtual readers"):
        Pcscd([Reader(f"DENK{number:07d}") for number in range(count)], directory)


def test_readers_of_one_name_are_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="one name"):
        Pcscd([ONE, ONE], directory)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"),
    reason="looks into the namespace as root, with ip and nsenter",
)
def test_packets_are_acknowledged_before_the_card_is_woken(directory: Path) -> None:
    with Pcscd([ONE], directory) as pcscd:
        routes = subprocess.run(
            ["nsenter", "-t", str(pcscd.pid), "-n", "ip", "route", "show", "table", "local", "127.0.0.1"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "quickack 1" in routes.stdout


def test_two_at_once_do_not_meet(directory: Path, readers: Readers) -> None:
    with Pcscd([ONE], directory / "1") as one, Pcscd([OTHER], directory / "2") as other:
        assert readers(one.environment()) == {ONE.name: False}
        assert readers(other.environment()) == {OTHER.name: False}
        with one.connect(0), other.connect(0):
            pass


def test_no_other_program_gets_hold_of_the_card_in_its_reader(directory: Path) -> None:
    with Pcscd([ONE], directory) as pcscd, pcscd.connect(0) as connection:
        assert not connection.get_inheritable()


def test_the_systems_own_pcscd_is_not_touched(directory: Path) -> None:
    def seen() -> list[str] | None:
        try:
            return sorted(os.listdir("/run/pcscd"))
        except FileNotFoundError:
            return None

    before = seen()
    with Pcscd([ONE], directory):
        assert seen() == before


def test_it_leaves_nothing_when_it_stops_and_can_start_again(directory: Path, readers: Readers) -> None:
    pcscd = Pcscd([ONE], directory)
    pcscd.stop()
    for _ in range(2):
        pcscd.start()
        pid = pcscd.pid
        assert pid is not None
        assert alive(pid)
        assert readers(pcscd.environment())
        pcscd.stop()
        assert not alive(pid)
        assert (pcscd.running, pcscd.pid) == (False, None)
        assert not (directory / "pcscd.comm").exists()
    with pytest.raises(ConnectionRefusedError):
        pcscd.connect(0)


def test_it_restarts_under_the_same_name(directory: Path, readers: Readers) -> None:
    with Pcscd([ONE], directory) as pcscd:
        before = pcscd.pid, pcscd.environment()
        pcscd.restart(down_for=0.05)
        assert pcscd.pid != before[0]
        assert pcscd.environment() == before[1]
        assert readers(pcscd.environment()) == {ONE.name: False}


def test_it_does_not_start_twice(directory: Path) -> None:
    with Pcscd([ONE], directory) as pcscd:
        with pytest.raises(PcscdError, match="runs already"):
            pcscd.start()
        assert pcscd.running


def test_one_that_was_killed_is_noticed_and_can_be_started_again(directory: Path, readers: Readers) -> None:
    with Pcscd([ONE], directory) as pcscd:
        assert pcscd.pid is not None
        os.kill(pcscd.pid, signal.SIGKILL)
        assert eventually(lambda: not pcscd.running)
        pcscd.look()
        with pytest.raises(OSError, match=r"pcscd ended|Broken pipe"):
            pcscd.connect(0)
        pcscd.start()
        assert readers(pcscd.environment()) == {ONE.name: False}


def test_it_does_not_outlive_its_sandbox(directory: Path) -> None:
    with Pcscd([ONE], directory) as pcscd:
        pid = pcscd.pid
        assert pid is not None
        assert pcscd._process is not None
        pcscd._process.kill()
        assert eventually(lambda: not alive(pid))


def test_it_does_not_outlive_a_killed_owner(source: Path) -> None:
    with owner(source) as process:
        assert process.stdout is not None
        pid, name = process.stdout.readline().split()
        assert alive(int(pid))
        process.kill()
        assert eventually(lambda: not alive(int(pid)))
    Path(name).parent.joinpath("pcscd.log").unlink()
    for left in sorted(Path(name).parent.rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    Path(name).parent.rmdir()


def test_what_a_killed_one_left_does_not_keep_a_new_one_away(directory: Path, readers: Readers) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(directory / "pcscd.comm"))
    (directory / "pcscd.pid").write_text(f"{os.getpid()}\n")
    with Pcscd([ONE], directory) as pcscd:
        assert readers(pcscd.environment()) == {ONE.name: False}


def test_an_ordinary_user_can_run_it(source: Path) -> None:
    if os.getuid():
        pytest.skip("an ordinary user runs all these tests")
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/")
    probe = [
        *user,
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(source)!r}); import virtual_nitrokey",
    ]
    if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("other users cannot read this checkout or its interpreter")
    with owner(source, *user) as process:
        out, _ = process.communicate("", LIMIT)
    if out.startswith("refused namespaces a user namespace was refused"):
        pytest.skip(out.strip())
    pid, name = out.split()
    assert name.endswith("/pcscd.comm")
    assert not alive(int(pid))


# -- errors ----------------------------------------------------------------------------------------------


def refused(readers: list[Reader], directory: Path) -> PcscdError:
    with pytest.raises(PcscdError) as error:
        Pcscd(readers, directory).start()
    return error.value


def test_refused_namespaces_are_told_with_the_way_out(source: Path) -> None:
    with owner(source, *NO_NETWORKS) as process:
        out, _ = process.communicate("", LIMIT)
    if not out:
        pytest.skip("this machine grants no user namespaces, or no way to limit them")
    assert out.startswith(
        "refused namespaces a namespace was refused: No space left on device; run it as root"
    )


def test_one_directory_is_for_one_pcscd(directory: Path, readers: Readers) -> None:
    with Pcscd([ONE], directory) as pcscd:
        error = refused([OTHER], directory)
        assert (error.layer, str(error)) == ("directory", f"another pcscd runs in {directory}")
        assert readers(pcscd.environment()) == {ONE.name: False}


def test_a_directory_with_too_long_a_path_is_told(directory: Path) -> None:
    error = refused([ONE], directory / ("x" * 100))
    assert error.layer == "directory"
    assert "too long" in str(error)


def test_a_directory_that_is_none_is_told(directory: Path) -> None:
    (directory / "file").touch()
    error = refused([ONE], directory / "file")
    assert error.layer == "directory"
    assert "cannot use" in str(error)


def test_missing_packages_are_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRIVERS", ())
    error = refused([ONE], directory)
    assert error.layer == "installation"
    assert "install the package vsmartcard-vpcd" in str(error)
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    assert "install the package pcscd" in str(refused([ONE], directory))


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_a_pcscd_that_ends_at_once_is_told_with_its_log(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = script(directory / "broken", '[ "$1" = --help ] && exit; echo no smart cards today; exit 1')
    monkeypatch.setattr("shutil.which", lambda name, path=None: broken)
    error = refused([ONE], directory)
    assert (error.layer, str(error)) == ("pcscd", "pcscd ended at once; no smart cards today")


def test_a_pcscd_that_cannot_be_run_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: str(directory))
    error = refused([ONE], directory)
    assert error.layer == "installation"
    assert "cannot be run" in str(error)


def test_a_sandbox_that_hangs_is_given_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", script(directory / "hangs", "exec sleep 60"))
    monkeypatch.setattr(module, "_START_LIMIT", 0.1)
    monkeypatch.setattr(module, "_STOP_LIMIT", 0.1)
    assert str(refused([ONE], directory)) == "pcscd could not be started"


def test_polkit_is_left_out_of_it_where_pcscd_would_ask(directory: Path) -> None:
    new = script(directory / "new", "echo '  --disable-polkit   do not use polkit'")
    old = script(directory / "old", "echo '  --help'")
    assert module._options(new) == ("--disable-polkit",)
    assert module._options(old) == ()


# -- the protocol of the sandbox -------------------------------------------------------------------------


IMPATIENT = """
import sys
from virtual_nitrokey import sandbox
sandbox._STOP_LIMIT = 0.1
sandbox._LISTEN_LIMIT = {listen_limit}
sys.exit(sandbox.main(sys.argv[1:]))
"""


class Sandbox:
    """The program, run as its parent does but with less patience. A context manager."""

    def __init__(
        self,
        directory: Path,
        *command: str,
        parent: int | None = None,
        prefix: tuple[str, ...] = (),
        listen_limit: float = LIMIT,
    ) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(LIMIT)
        (directory / "readers").mkdir(exist_ok=True)
        (directory / "readers" / "sticks").write_text(module.configuration([ONE]))
        numbers = [str(theirs.fileno()), str(parent or os.getpid())]
        program = IMPATIENT.format(listen_limit=listen_limit)
        places = [str(directory), str(module._driver())]
        with theirs:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-c", program, *numbers, *places, "1", *command],
                pass_fds=[theirs.fileno()],
                stderr=subprocess.DEVNULL,
            )

    def ready(self) -> int:
        verdict, pid = self.control.recv(1000).decode().split()
        assert verdict == "ready"
        return int(pid)

    def end(self) -> int:
        self.control.close()
        return self.process.wait(LIMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait(LIMIT)


Sandboxes = Callable[..., Sandbox]


@pytest.fixture
def sandbox(directory: Path) -> Iterator[Sandboxes]:
    """Makes them. However a test ends, also when it is skipped, none outlives it."""
    with ExitStack() as stack:
        yield lambda *command, **options: stack.enter_context(Sandbox(directory, *command, **options))


def pcscd_command() -> list[str]:
    return [module._pcscd(), "--foreground", "-c", "/run/pcscd/readers"]


def test_the_sandbox_gives_sockets_of_its_network_until_it_is_hung_up_on(sandbox: Sandboxes) -> None:
    run = sandbox(*pcscd_command())
    pid = run.ready()
    for slot in range(2):
        run.control.send(b"socket")
        _, (descriptor,), _, _ = socket.recv_fds(run.control, 16, 1)
        with socket.socket(fileno=descriptor) as connection:
            connection.connect(("127.0.0.1", module.port(0) + slot))
    assert run.end() == 0
    assert not alive(pid)


def test_the_sandbox_ends_with_pcscd(sandbox: Sandboxes) -> None:
    run = sandbox(*pcscd_command())
    os.kill(run.ready(), signal.SIGKILL)
    assert run.control.recv(1000) == b""
    assert run.end() == 0


def test_the_sandbox_ends_with_its_parent_whoever_holds_its_control(sandbox: Sandboxes) -> None:
    with subprocess.Popen(["sleep", "60"]) as parent:
        run = sandbox(*pcscd_command(), parent=parent.pid)
        pid = run.ready()
        parent.kill()
    assert run.process.wait(LIMIT) == 0
    assert not alive(pid)
    assert run.end() == 0


def test_the_sandbox_does_not_begin_without_its_parent(sandbox: Sandboxes) -> None:
    with subprocess.Popen(["true"]) as parent:
        pass
    run = sandbox(*pcscd_command(), parent=parent.pid)
    assert run.control.recv(1000) == b""
    assert run.end() == 1


@pytest.mark.parametrize("command", ["/nowhere/pcscd", "/bin/false"])
def test_the_sandbox_tells_that_pcscd_does_not_run(sandbox: Sandboxes, command: str) -> None:
    run = sandbox(command)
    assert run.control.recv(1000) == b"failed\npcscd\npcscd ended at once"
    assert run.end() == 0


def test_the_sandbox_tells_that_pcscd_does_not_listen(sandbox: Sandboxes) -> None:
    run = sandbox("/bin/sleep", "60", listen_limit=0.1)
    assert run.control.recv(1000) == b"failed\npcscd\npcscd does not listen after 0.1 s"
    assert run.end() == 0


def test_the_sandbox_tells_which_namespace_was_refused(sandbox: Sandboxes) -> None:
    run = sandbox(*pcscd_command(), prefix=NO_NETWORKS)
    verdict = run.control.recv(1000)
    if not verdict and run.end() in (1, 77):
        pytest.skip("this machine grants no user namespaces, or no way to limit them")
    assert verdict == b"failed\nnamespaces\na namespace was refused: No space left on device"
    assert run.end() == 1


def test_a_root_without_the_capability_gets_a_user_namespace(sandbox: Sandboxes) -> None:
    if os.getuid():
        pytest.skip("an ordinary user gets one in all these tests")
    limited = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--")
    run = sandbox(*pcscd_command(), prefix=limited)
    verdict = run.control.recv(1000).decode()
    if verdict.startswith("failed\nnamespaces\na user namespace"):
        pytest.skip("this machine grants no user namespaces")
    assert verdict.startswith("ready ")
    assert Path(f"/proc/{run.process.pid}/uid_map").read_text().split() == ["0", "0", "1"]
    assert run.end() == 0


DEAF = """
import signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind("/run/pcscd/pcscd.comm")
    listener.listen()
    signal.pause()
"""


WAITS = """
import pathlib, signal, socket, time
signal.signal(signal.SIGUSR1, lambda *_: pathlib.Path("/run/pcscd/woken").touch())
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind("/run/pcscd/pcscd.comm")
    listener.listen()
    listener.accept()  # the sandbox, which finds out whether anybody listens
    {how}
"""


@pytest.mark.parametrize(("how", "woken"), [("time.sleep(3600)", True), ("listener.accept()", False)])
def test_who_sleeps_until_the_next_look_is_woken_and_nobody_else(
    sandbox: Sandboxes, directory: Path, how: str, woken: bool
) -> None:
    run = sandbox(sys.executable, "-c", WAITS.format(how=how))
    waits_in = Path(f"/proc/{run.ready()}/wchan")
    if woken and not eventually(lambda: "nanosleep" in waits_in.read_text()):
        pytest.skip("this kernel does not tell what a thread waits for")

    def looked() -> bool:
        run.control.send(b"look")
        run.control.send(b"socket")  # answered when the look is over
        _, (descriptor,), _, _ = socket.recv_fds(run.control, 16, 1)
        os.close(descriptor)
        return (directory / "woken").exists()

    assert eventually(looked) if woken else not any(looked() for _ in range(3))


def test_a_pcscd_that_does_not_end_by_itself_is_killed(sandbox: Sandboxes) -> None:
    run = sandbox(sys.executable, "-c", DEAF)
    pid = run.ready()
    assert run.end() == 0
    assert not alive(pid)
