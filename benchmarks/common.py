"""What all benchmarks share: contenders, a machine line, a table, an exact look at a server.

A contender is a command line prefix: ours, and with ``--peer COMMAND`` another implementation with the
same arguments (``unseal --init --mode file --file-path DIR``). They are measured in turns within one run,
so that the load of the machine falls on both.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.binaries import ServerKind, all_kinds
from tests.support.servers import Server

STEP = 0.004
"""Seconds between two looks at a server: the figures are as exact as this.

Looking every millisecond keeps one of two cores busy and doubles what it measures.
"""

_LIMIT = 60.0


@dataclass(frozen=True)
class Contender:
    """An implementation. ``free_port``: it takes ``--metrics-address``; the others use port 9091."""

    name: str
    command: tuple[str, ...]
    free_port: bool


def arguments(description: str, rounds: int, *, peer: bool = True) -> argparse.Namespace:
    """Parse the command line of a benchmark; not all can be done by another implementation."""
    parser = argparse.ArgumentParser(description=description)
    if peer:
        words = "another implementation, measured in turns with ours"
        parser.add_argument("--peer", metavar="COMMAND", help=words)
    parser.add_argument("--rounds", type=int, default=rounds, help="default: %(default)s")
    return parser.parse_args()


def contenders(peer: str | None) -> list[Contender]:
    """Ours, as installed with its byte code, and the peer."""
    program = Path(sysconfig.get_path("scripts")) / "bank-vaults"
    subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], check=False)
    found = [Contender("ours", (str(program),), free_port=True)]
    if peer:
        found.append(Contender("peer", tuple(shlex.split(peer)), free_port=False))
    return found


def server_kind() -> ServerKind:
    """The newest server that is present."""
    return next(kind for kind in all_kinds() if isinstance(kind, ServerKind))


@contextmanager
def running(
    contender: Contender, server: Server, keys: Path, *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``unseal --init`` of a contender, its log thrown away; ended by SIGTERM."""
    command = [*contender.command, "unseal", "--init", "--mode", "file", "--file-path", str(keys), *more]
    if contender.free_port:
        command += ["--metrics-address", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, env=environment(server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def environment(server: Server) -> Mapping[str, str]:
    """A clean environment that names the server."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_", "BANK_VAULTS_"))}
    return clean | {"VAULT_ADDR": server.address}


class Look:
    """Cheap, exact looks at a server over one kept-alive connection, independent of the project's client."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._connection: http.client.HTTPConnection | None = None

    def sealed(self) -> bool | None:
        """Whether the server is sealed; None if it does not answer."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            self._connection.request("GET", "/v1/sys/seal-status")
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            return None
        return bool(answer["sealed"]) if "sealed" in answer else None  # errors for a moment after sys/init

    def until(self, *wanted: bool) -> float:
        """Wait until ``sealed()`` is one of these; the moment at which it was seen (monotonic)."""
        end = time.monotonic() + _LIMIT
        while time.monotonic() < end:
            if self.sealed() in wanted:
                return time.monotonic()
            time.sleep(STEP)
        raise TimeoutError(f"the server was not seen with sealed in {wanted} within {_LIMIT} s")


@contextmanager
def key_directory() -> Iterator[Path]:
    """A fresh directory for keys."""
    with tempfile.TemporaryDirectory(prefix="bv-bench-") as name:
        yield Path(name)


def heading(title: str) -> None:
    """Say what is measured, on which machine and under which load."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(title)
    python = sys.version.split()[0]
    print(f"{os.cpu_count()} cores ({model}), Python {python}, {server_kind().name}, load {load}\n")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text in columns; the first is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def spread(values: Sequence[float]) -> tuple[str, str, str]:
    """Minimum, median and maximum in seconds, as text."""
    return (f"{min(values):.3f}", f"{statistics.median(values):.3f}", f"{max(values):.3f}")


def ratio(ours: float, theirs: float | None) -> str:
    """Ours to theirs, as text."""
    return "-" if not theirs else f"{ours / theirs:.2f}"


class Relay:
    """A TCP relay that notes when the first answer of the server passes it."""

    def __init__(self, server: Server) -> None:
        self._upstream = server.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def first_answer(self) -> float:
        """Serve one connection until the first bytes come back; the moment (monotonic)."""
        self._listener.settimeout(_LIMIT)
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            client.settimeout(_LIMIT)
            upstream.sendall(client.recv(65536))
            client.sendall(upstream.recv(65536))
            return time.monotonic()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
