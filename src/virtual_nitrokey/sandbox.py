"""A pcscd in namespaces of its own: run as a child process, with the standard library alone.

    python -I -S sandbox.py CONTROL PARENT DIRECTORY DRIVER COUNT PCSCD ARGUMENT...

It lives exactly as long as one pcscd, which it starts as ``PCSCD ARGUMENT...``:

* In a mount namespace, DIRECTORY becomes /run/pcscd. There pcscd puts its socket, so that it appears in
  DIRECTORY, and the system's own pcscd is neither touched nor needed.
* In a network namespace, the driver listens on a loopback that nobody else is on: whoever connects to it
  is the card, without being asked who he is.
* /run/driver-0.so and so on are COUNT copies of DRIVER: vpcd keeps its state in one table for all readers
  of one library, so that each reader needs a library of its own.

An ordinary user gets both in a user namespace (user_namespaces(7)), in which he is root.

CONTROL is the descriptor of a SOCK_SEQPACKET socket. The first message on it is ``ready PID`` or ``failed``
with layer and text on lines of their own. From then on the message ``socket`` is answered by one with a fresh
TCP socket of the network namespace, and ``look`` has pcscd look into its readers at once, which it does
every 0.4 s otherwise. When CONTROL ends, or the process PARENT, or this process, then so does pcscd; when
pcscd ends, so does CONTROL.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000  # sched.h
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000  # sys/mount.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1  # net/if.h
_PR_SET_PDEATHSIG = 1  # sys/prctl.h
_RTM_NEWROUTE, _NLM_F_REQUEST, _NLM_F_REPLACE = 24, 0x001, 0x100  # linux/rtnetlink.h, linux/netlink.h
_RT_TABLE_LOCAL, _RTPROT_KERNEL, _RT_SCOPE_HOST, _RTN_LOCAL = 255, 2, 254, 2
_RTA_DST, _RTA_OIF, _RTA_PREFSRC, _RTA_METRICS, _RTAX_QUICKACK = 1, 4, 7, 8, 15

_LISTEN_LIMIT = 10.0  # seconds
_LISTEN_PAUSE = 0.001
_STOP_LIMIT = 3.0  # seconds from SIGTERM to SIGKILL; pcscd takes a few milliseconds
_MOST_LOG = 1 << 20  # bytes

_libc = ctypes.CDLL(None, use_errno=True)


class FailedError(Exception):
    """The namespaces or pcscd could not be had; ``layer`` tells which."""

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(message)
        self.layer = layer


def main(arguments: list[str]) -> int:
    """Run one pcscd to its end."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    directory, driver, count, command = arguments[2], arguments[3], int(arguments[4]), arguments[5:]
    try:
        parent = os.pidfd_open(int(arguments[1]))
        _enter_namespaces()
        _furnish(directory, driver, count)
        pcscd = _spawn(command)
    except ProcessLookupError:  # the parent is gone
        return 1
    except FailedError as error:
        control.send(f"failed\n{error.layer}\n{error}".encode())
        return 1
    process = os.pidfd_open(pcscd)
    try:
        _wait_listening(process)
        control.send(f"ready {pcscd}".encode())
        _serve(control, parent, process, pcscd)
    except FailedError as error:
        control.send(f"failed\n{error.layer}\n{error}".encode())
    except OSError:  # the parent hung up
        pass
    finally:
        _stop(pcscd, process)
    return 0


@contextmanager
def _needed(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FailedError("namespaces", f"{what} was refused: {error.strerror}") from error


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_namespaces() -> None:
    """For mounts and network; in a user namespace where the process may not do without."""
    wanted = _CLONE_NEWNS | _CLONE_NEWNET
    uid, gid = os.getuid(), os.getgid()
    try:
        _check(_libc.unshare(wanted))
    except PermissionError:
        with _needed("a user namespace"):
            _check(_libc.unshare(wanted | _CLONE_NEWUSER))
            # Without privileges a process may map its own user and group only, and this one only after
            # it gave up setgroups (user_namespaces(7)).
            for name, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(line)
    except OSError as error:
        raise FailedError("namespaces", f"a namespace was refused: {error.strerror}") from error


def _furnish(directory: str, driver: str, count: int) -> None:
    """Give the namespaces a /run with what pcscd needs, and a loopback."""
    # Before /run is covered: the directory may be in it.
    os.chdir(directory)
    with _needed("keeping mounts to oneself"):
        _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    with open(driver, "rb") as shared:
        library = shared.read()
    with _needed("mounting on /run"):
        _check(_libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755"))
        os.mkdir("/run/pcscd")
        _check(_libc.mount(b".", b"/run/pcscd", None, _MS_BIND, None))
        for number in range(count):
            with open(f"/run/driver-{number}.so", "wb") as copy:
                copy.write(library)
    with _needed("a network of its own"), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
    _acknowledge_at_once()


def _acknowledge_at_once() -> None:
    """Have the kernel acknowledge each packet on the loopback when it comes (rtnetlink(7), quickack of
    ip-route(8)).

    The driver sends the length of a command, and the command itself when that is acknowledged: with this, it
    does not wait until the card has been woken, and the card is woken once. Refused, all is but slower.
    """
    address = socket.inet_aton("127.0.0.1")
    attributes = b"".join(
        struct.pack("=HH", 4 + len(value), kind) + value
        for kind, value in (
            (_RTA_DST, address),
            (_RTA_OIF, struct.pack("=I", socket.if_nametoindex("lo"))),
            (_RTA_PREFSRC, address),
            (_RTA_METRICS, struct.pack("=HHI", 8, _RTAX_QUICKACK, 1)),
        )
    )
    route = struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET, 32, 0, 0, _RT_TABLE_LOCAL, _RTPROT_KERNEL, _RT_SCOPE_HOST, _RTN_LOCAL, 0,
    )  # fmt: skip
    message = route + attributes
    header = struct.pack("=IHHII", 16 + len(message), _RTM_NEWROUTE, _NLM_F_REQUEST | _NLM_F_REPLACE, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(header + message)  # answered before this returns, and only if it was refused


def _spawn(command: list[str]) -> int:
    """Start pcscd; it does not outlive this process. Its output goes where ours goes."""
    ours = os.getpid()
    child = os.fork()
    if not child:
        try:
            _become(command, ours)
        finally:
            os._exit(127)
    return child


def _become(command: list[str], parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:  # else it died before the line above
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full log stops nothing
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_LOG, _MOST_LOG))
        os.execv(command[0], command)  # noqa: S606  without one we know what runs


def _wait_listening(process: int) -> None:
    """Until pcscd takes connections; its readers are there by then."""
    deadline = time.monotonic() + _LISTEN_LIMIT
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as attempt:
            if attempt.connect_ex("/run/pcscd/pcscd.comm") == 0:
                return
        if _ended(process, _LISTEN_PAUSE):
            raise FailedError("pcscd", "pcscd ended at once")
    raise FailedError("pcscd", f"pcscd does not listen after {_LISTEN_LIMIT:g} s")


def _serve(control: socket.socket, parent: int, process: int, pcscd: int) -> None:
    """Do what is asked until one of the three ends."""
    while _readable([control.fileno(), parent, process]) == [control.fileno()]:
        match control.recv(16):
            case b"socket":
                with socket.socket() as gift:
                    socket.send_fds(control, [b"socket"], [gift.fileno()])
            case b"look":
                _hurry(pcscd)
            case _:
                return


def _hurry(pcscd: int) -> None:
    """Wake the threads of pcscd that sleep between two looks into their readers.

    Each looks and sleeps 0.4 s, in turns, and looks again whatever has ended its sleep (EHStatusHandlerThread
    and SYS_USleep of pcsc-lite). A signal that is handled ends it, such as SIGUSR1: that is how a pcscd is
    told of new readers, and one that hears of them from udev does nothing else. Threads that do something
    other than sleep are left alone. Where they cannot be told apart, or the C library has no tgkill, all is
    but slower.
    """
    with suppress(OSError, AttributeError):
        for thread in os.listdir(f"/proc/{pcscd}/task"):
            with open(f"/proc/{pcscd}/task/{thread}/wchan") as waits_in:
                if "nanosleep" in waits_in.read():
                    _libc.tgkill(pcscd, int(thread), signal.SIGUSR1)


def _stop(pcscd: int, process: int) -> None:
    for number, limit in ((signal.SIGTERM, _STOP_LIMIT), (signal.SIGKILL, None)):
        signal.pidfd_send_signal(process, number)
        if _ended(process, limit):
            break
    os.waitpid(pcscd, 0)


def _ended(process: int, limit: float | None) -> bool:
    return bool(_readable([process], limit))


def _readable(descriptors: list[int], limit: float | None = None) -> list[int]:
    """Which of these have something to say, at once or within so many seconds; None: without limit."""
    poll = select.poll()  # select takes no descriptors above 1023, and some are as high as our parent's
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if limit is None else limit * 1000)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
