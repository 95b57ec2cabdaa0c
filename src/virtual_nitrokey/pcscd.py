"""A pcscd of one's own: a real one, apart from the system's, with a reader for each stick.

Clients find it through the environment variable ``PCSCLITE_CSOCK_NAME`` (pcscd(8)).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

MOST_READERS = 8
"""pcscd has room for 16 (PCSCLITE_MAX_READERS_CONTEXTS), and each of vpcd takes two."""
SEEN_BY_OPENSC = 2
"""The PKCS#11 module of OpenSC takes notice of four readers and no more: it has 16 slots and keeps four for
each reader, unless its configuration says otherwise (opensc.conf(5)). The environment of more sticks names
one that does.
"""

Layer = Literal["installation", "directory", "namespaces", "pcscd"]

_DRIVERS = tuple(
    Path(library, "pcsc/drivers/serial/libifdvpcd.so")
    for library in ("/usr/lib", "/usr/lib64", "/usr/local/lib")
)
_ENOUGH_SLOTS = "app opensc-pkcs11 { pkcs11 { max_virtual_slots = 64; } }\n"
_FIRST_PORT, _PORT_STEP = 0x8C7B, 0x10  # vpcd's usual one; a reader takes its own and the next
_START_LIMIT = 15.0  # seconds; a little more than the sandbox itself waits
_STOP_LIMIT = 5.0
_ANSWER_LIMIT = 5.0
_CONNECT_LIMIT = 0.25  # seconds; a driver with two connections to get rid of lets further ones wait
_LONGEST_PATH = 107  # bytes of a socket's name (unix(7))
_LOG_TAIL = 2000  # characters
_REMEDIES: Mapping[str, str] = {
    "namespaces": (
        "run it as root, or let ordinary users have user namespaces (sysctl user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone, on Ubuntu kernel.apparmor_restrict_unprivileged_userns); "
        "a container needs CAP_SYS_ADMIN, or seccomp and AppArmor profiles that allow unshare and mount"
    ),
}


class PcscdError(Exception):
    """pcscd cannot be had; the message tells the reason and what to do. ``layer`` is where it failed."""

    def __init__(self, layer: Layer, message: str) -> None:
        super().__init__(message)
        self.layer = layer


class Reader(NamedTuple):
    """The reader of one stick."""

    serial: str

    @property
    def name(self) -> str:
        """As clients see it, like that of a real Nitrokey HSM."""
        return f"{self.friendly_name} 00 00"

    @property
    def friendly_name(self) -> str:
        """Without the numbers that pcscd appends."""
        return f"Nitrokey Nitrokey HSM ({self.serial:<20})"


def port(index: int) -> int:
    """Where the driver of the reader with this index listens."""
    return _FIRST_PORT + index * _PORT_STEP


def configuration(readers: Sequence[Reader]) -> str:
    """The readers in pcscd's notation (reader.conf(5))."""
    return "\n".join(
        f'FRIENDLYNAME "{reader.friendly_name}"\n'
        f"DEVICENAME /dev/null:0x{port(index):X}\n"
        f"LIBPATH /run/driver-{index}.so\n"
        f"CHANNELID 0x{port(index):X}\n"
        for index, reader in enumerate(readers)
    )


class Pcscd:
    """One pcscd with its socket in ``directory``, which is made if need be. Use it as a context manager.

    Any thread may call it. ValueError for no readers, more than MOST_READERS, or two of one name.
    """

    def __init__(self, readers: Sequence[Reader], directory: Path) -> None:
        self.equip(readers)
        self._directory = directory.absolute()
        self._lock = threading.Lock()
        self._claim: int | None = None
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    # -- what can be asked ---------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether pcscd runs."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id of pcscd while it runs."""
        return self._pid if self.running else None

    def environment(self) -> dict[str, str]:
        """What makes a client use this pcscd and no other, and OpenSC see all of its readers."""
        seen = {"OPENSC_CONF": str(self._opensc_conf)} if len(self._readers) > SEEN_BY_OPENSC else {}
        return {"PCSCLITE_CSOCK_NAME": str(self._socket_path), **seen}

    def log(self) -> str:
        """The end of what pcscd wrote since its last start."""
        try:
            return self._log_path.read_text(errors="replace")[-_LOG_TAIL:].strip()
        except OSError:
            return ""

    # -- what can be done to it ----------------------------------------------------------------------

    def start(self) -> None:
        """Start it; it accepts clients when this returns. Raises PcscdError."""
        with self._lock:
            if self.running:
                raise PcscdError("pcscd", "it runs already")
            self._end()  # what is left of one that ended by itself
            self._prepare()
            try:
                self._launch()
            except BaseException:
                self._end()
                raise

    def equip(self, readers: Sequence[Reader]) -> None:
        """Let it have these readers from its next start on: it reads its configuration once.

        ValueError as for the class.
        """
        if not 1 <= len(readers) <= MOST_READERS:
            raise ValueError(f"pcscd takes 1 to {MOST_READERS} virtual readers, not {len(readers)}")
        if len(set(readers)) < len(readers):
            raise ValueError("two readers have one name")
        self._readers = tuple(readers)

    def look(self) -> None:
        """Have it look into its readers now, if it runs; it does so every 0.4 s by itself."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(b"look")

    def stop(self) -> None:
        """Stop it, if it runs."""
        with self._lock:
            self._end()

    def restart(self, down_for: float = 0.0) -> None:
        """Stop it and start it after so many seconds. Raises PcscdError."""
        self.stop()
        time.sleep(down_for)
        self.start()

    def connect(self, index: int) -> socket.socket:
        """A connection to the driver of the reader with this index: put a card at its other end.

        Raises OSError if pcscd is away, or the driver is busy with former connections.
        """
        with self._lock:
            if self._control is None:
                raise ConnectionRefusedError("pcscd does not run")
            self._control.send(b"socket")
            _, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        if not descriptors:
            raise ConnectionRefusedError("pcscd ended")
        connection = socket.socket(fileno=descriptors[0])
        try:
            connection.set_inheritable(False)  # a program that somebody starts shall not hold the card
            connection.settimeout(_CONNECT_LIMIT)
            connection.connect(("127.0.0.1", port(index)))
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return connection

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- how -----------------------------------------------------------------------------------------

    @property
    def _socket_path(self) -> Path:
        return self._directory / "pcscd.comm"

    @property
    def _opensc_conf(self) -> Path:
        return self._directory / "opensc.conf"

    @property
    def _log_path(self) -> Path:
        return self._directory / "pcscd.log"

    def _prepare(self) -> None:
        """Make the directory, keep it to ourselves, and fill it."""
        if len(os.fsencode(self._socket_path)) > _LONGEST_PATH:
            raise PcscdError(
                "directory", f"{self._directory} is too long a path for a socket: take a shorter one"
            )
        try:
            for path in (self._directory, self._directory / "readers", self._directory / "usb-drivers"):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in ("pcscd.comm", "pcscd.pid"):  # of one that was killed; it would keep a new one away
                (self._directory / name).unlink(missing_ok=True)
            (self._directory / "readers" / "sticks").write_text(configuration(self._readers))
            self._opensc_conf.write_text(_ENOUGH_SLOTS)
        except BlockingIOError:
            self._release()
            raise PcscdError("directory", f"another pcscd runs in {self._directory}") from None
        except OSError as error:
            self._release()
            raise PcscdError("directory", f"cannot use {self._directory}: {error}") from error

    def _launch(self) -> None:
        pcscd, driver = _pcscd(), _driver()
        command = [pcscd, "--foreground", "-c", "/run/pcscd/readers", *_options(pcscd)]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        sandbox = [sys.executable, "-I", "-S", str(Path(__file__).with_name("sandbox.py"))]
        with theirs, open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  paths and numbers of our own
                [
                    *(*sandbox, str(theirs.fileno()), str(os.getpid())),
                    *(str(self._directory), str(driver), str(len(self._readers)), *command),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Away from hot-plugged USB devices: their drivers would be looked for here.
                env={"PCSCLITE_HP_DROPDIR": "/run/pcscd/usb-drivers"},
                start_new_session=True,  # an interrupt from the terminal is ours to handle
            )
        self._control.settimeout(_START_LIMIT)
        try:
            verdict, *details = self._control.recv(4096).decode().split("\n")
        except TimeoutError:
            verdict, details = "", []
        self._control.settimeout(_ANSWER_LIMIT)
        if verdict.startswith("ready "):
            self._pid = int(verdict.removeprefix("ready "))
            return
        layer: Layer = "namespaces" if details[:1] == ["namespaces"] else "pcscd"
        parts = [
            details[1] if details else "pcscd could not be started",
            _REMEDIES.get(layer, ""),
            self.log(),
        ]
        raise PcscdError(layer, "; ".join(part for part in parts if part))

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._release()

    def _release(self) -> None:
        if self._claim is not None:
            with contextlib.suppress(OSError):
                os.close(self._claim)
            self._claim = None


def _pcscd() -> str:
    found = shutil.which("pcscd") or shutil.which("pcscd", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PcscdError("installation", "pcscd is not installed: install the package pcscd")
    return found


def _driver() -> Path:
    for path in _DRIVERS:
        if path.is_file():
            return path
    raise PcscdError(
        "installation", "the driver libifdvpcd.so is not installed: install the package vsmartcard-vpcd"
    )


@functools.cache
def _options(pcscd: str) -> tuple[str, ...]:
    """What this version wants besides: from 2.0 on it asks polkit about each client, if it may."""
    try:
        usage = subprocess.run(  # noqa: S603  found in PATH, or where the system has it
            [pcscd, "--help"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PcscdError("installation", f"{pcscd} cannot be run: {error}") from error
    return ("--disable-polkit",) if "--disable-polkit" in usage.stdout + usage.stderr else ()
