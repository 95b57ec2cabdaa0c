"""Start-up, memory and steady load. ``python -m benchmarks.steady [--peer COMMAND]``."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.common import (
    Contender,
    Look,
    Relay,
    arguments,
    contenders,
    environment,
    heading,
    key_directory,
    running,
    server_kind,
    table,
)
from tests.support.servers import Server

_WATCHED = 30.0
"""Seconds over which the steady load is taken."""


def main() -> None:
    """Against one unsealed server: first poll, resident memory after a scrape, processor time when idle."""
    options = arguments(__doc__ or "", rounds=10)
    heading("Start-up, memory, steady load at one poll a second")
    rows = [("", "start to first answered poll, s", "resident, MiB", "after a scrape, MiB", "% of a core")]
    with Server(server_kind()) as server, key_directory() as keys:
        for contender in contenders(options.peer):
            with running(contender, server, keys):
                Look(server).until(False)
            first = statistics.median(_first_poll(contender, server, keys) for _ in range(options.rounds))
            resident, scraped, load = _steady(contender, server, keys)
            rows.append((contender.name, f"{first:.3f}", f"{resident:.1f}", f"{scraped:.1f}", f"{load:.2f}"))
    table(rows)


def _first_poll(contender: Contender, server: Server, keys: Path) -> float:
    relay = Relay(server)
    found: list[float] = []

    def serve() -> None:
        found.append(relay.first_answer())

    thread = threading.Thread(target=serve)
    thread.start()
    command = [*contender.command, "unseal", "--mode", "file", "--file-path", str(keys)]
    if contender.free_port:
        command += ["--metrics-address", "127.0.0.1:0"]
    variables = dict(environment(server)) | {"VAULT_ADDR": f"http://127.0.0.1:{relay.port}"}
    started = time.monotonic()
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    thread.join(30)
    process.terminate()
    process.wait(30)
    relay.close()
    return found[0] - started


def _steady(contender: Contender, server: Server, keys: Path) -> tuple[float, float, float]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    more = ("--metrics-address", f"127.0.0.1:{port}") if contender.free_port else ()
    if not contender.free_port:
        port = 9091
    plain = Contender(contender.name, contender.command, free_port=False)
    with running(plain, server, keys, *more) as process:
        time.sleep(3)
        resident = _resident(process.pid)
        before, began = _processor_seconds(process.pid), time.monotonic()
        time.sleep(_WATCHED)
        load = (_processor_seconds(process.pid) - before) / (time.monotonic() - began) * 100
        _scrape(port)
        return resident, _resident(process.pid), load


def _scrape(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        receive: Callable[[int], bytes] = connection.recv
        while receive(65536):
            pass


def _resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
