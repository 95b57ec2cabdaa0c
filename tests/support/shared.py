"""One outside program for all processes of a run of tests, ended when the last of them has left.

    with shared("tests.support.kubernetes:ApiServer", directory) as about:
        ...  # what ApiServer.describe() gave

Who comes first starts a keeper, a process that runs the program and outlives its starter. Everybody who uses
the program has a connection to the keeper, which the kernel closes whichever way a process ends: also those
that are killed leave nothing behind. After the last user the keeper ends the program and then itself; who
leaves last waits for that.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_LIMIT: Final = 120.0  # seconds for the start, or the end, of a program


@contextlib.contextmanager
def shared(program: str, directory: Path) -> Iterator[Any]:
    """What a program says of itself, which runs until the end of the block at least.

    ``program`` is the ``module:Class`` of a Lifetime with a method ``describe``, whose answer goes through
    JSON. It is the same one for all who name the same directory.
    """
    with (directory / f"{program.replace(':', '.')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection, about = _joined(_address(program, directory)) or _started(program, directory)
    with connection:
        try:
            yield json.loads(about)
        finally:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


def _address(program: str, directory: Path) -> str:
    """Of the keeper: an abstract one (unix(7)), which is gone with its process and has no limit of length."""
    return "\0bv-shared-" + hashlib.sha256(f"{directory.resolve()} {program}".encode()).hexdigest()


def _joined(address: str) -> tuple[socket.socket, bytes] | None:
    """A connection and what the keeper says first; None where there is no keeper, or one about to end."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_LIMIT)
    about = b""
    try:
        connection.connect(address)
        while not about.endswith(b"\n"):
            received = connection.recv(65536)
            if not received:
                raise ConnectionResetError
            about += received
    except (ConnectionRefusedError, ConnectionResetError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection, about


def _started(program: str, directory: Path) -> tuple[socket.socket, bytes]:
    """Start a keeper, in a session of its own and nobody's child, and be its first user."""
    log = directory / f"{program.replace(':', '.')}.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    address = _address(program, directory)
    with log.open("wb") as output:
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-m", "tests.support.shared", program, address[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            check=True,
        )
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        joined = _joined(address)
        if joined is not None:
            return joined
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            raise AssertionError(f"{program} did not start:\n{said}")
        time.sleep(0.02)
    raise AssertionError(f"{program} did not start within {_LIMIT:.0f} s")


def _keep(program: str, name: str) -> None:
    """Run a program as long as somebody is connected."""
    module, _, kind = program.partition(":")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("\0" + name)
        listener.listen()
        listener.settimeout(_LIMIT)  # for the starter may have been killed
        users = [listener.accept()[0]]
        with getattr(importlib.import_module(module), kind)() as running:
            about = json.dumps(running.describe()).encode() + b"\n"
            users[0].sendall(about)
            _serve(listener, users, about)
            listener.close()  # who comes now starts another keeper
    users[0].detach()  # closed with this process, when really nothing is left


def _serve(listener: socket.socket, users: list[socket.socket], about: bytes) -> None:
    """Take users and let them go, until the last one leaves; that one stays in ``users``."""
    while True:
        ready, _, _ = select.select([listener, *users], [], [])
        if listener in ready:
            user = listener.accept()[0]
            with contextlib.suppress(OSError):  # it may have gone already
                user.sendall(about)
            users.append(user)
        for user in users:
            if user in ready:
                if len(users) == 1:
                    return
                users.remove(user)
                user.close()
                break


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2])
