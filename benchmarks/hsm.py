"""Unsealing with the keys on a (virtual) Nitrokey HSM. ``python -m benchmarks.hsm``."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import Contender, Look, arguments, contenders, environment, heading, server_kind, table
from benchmarks.nitrokey import LABEL, MODULE, PIN, fill, prepare
from tests.support.servers import Server
from virtual_nitrokey.card import Work
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig
from virtual_nitrokey.timing import INSTANT, NITROKEY_HSM, Profile

_SETTLED = 4.0
"""Seconds in which a card that is done with has nothing to do, and the data key is forgotten."""

_NEVER_SETTLED = 120.0


class Place:
    """A server and a stick with its keys, and the ways to watch an unsealer at work between them."""

    def __init__(self, command: Sequence[str], server: Server, rig: Rig, state: Path) -> None:
        self._rig = rig
        self._server = server
        self._look = Look(server)
        self._command = [*command, "unseal", "--init", "--mode", "hsm", "--hsm-module-path", MODULE,
                         "--hsm-token-label", LABEL, "--hsm-state-dir", str(state),
                         "--metrics-address", "127.0.0.1:0"]  # fmt: skip
        self._environment = {**environment(server), "BANK_VAULTS_HSM_PIN": PIN}
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """An unsealer at work; the server is unsealed and the process idle when this begins."""
        self._start()
        try:
            self._look.until(False)
            self._settle()
            yield
        finally:
            self._stop()

    def starts(self, rounds: int) -> tuple[str, ...]:
        """Process start to the log line that tells of the key pair."""
        times = []
        for _ in range(rounds):
            started = time.monotonic()
            process = self._start()
            assert process.stderr is not None
            for line in process.stderr:
                if "found objects" in line:
                    times.append(time.monotonic() - started)
                    break
            self._stop()
        return _row(times)

    def returns(self, rounds: int) -> tuple[str, ...]:
        """The stick is away when the server comes back sealed; from its insertion to unsealed."""
        times = []
        for _ in range(rounds):
            self._rig.remove()
            self._restart_server()
            self._look.until(True)
            time.sleep(_SETTLED)
            self._rig.insert()
            started = time.monotonic()
            times.append(self._look.until(False) - started)
            self._settle()
        return _row(times)

    def restarts(self, rounds: int) -> tuple[tuple[str, ...], list[int]]:
        """The server is killed and comes back; also the private-key operations of each unseal."""
        times, operations = [], []
        for _ in range(rounds):
            before = self._operations()
            self._restart_server()
            answering = self._look.until(True, False)
            times.append(self._look.until(False) - answering)
            self._settle()
            operations.append(self._operations() - before)
        return _row(times), operations

    def memory(self) -> float:
        """MiB of the process and its worker: private pages of both, and the larger shared part once.

        Only root may look into the worker (prctl(2), PR_SET_DUMPABLE).
        """
        assert self._process is not None
        supervisor = Path(f"/proc/{self._process.pid}")
        children = [pid for task in supervisor.glob("task/*/children") for pid in task.read_text().split()]
        private, shared = 0, 0
        for pid in (supervisor.name, *children):
            found = dict.fromkeys(("Private_Clean", "Private_Dirty", "Shared_Clean", "Shared_Dirty"), 0)
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in found:
                    found[name] = int(rest.split()[0])
            private += found["Private_Clean"] + found["Private_Dirty"]
            shared = max(shared, found["Shared_Clean"] + found["Shared_Dirty"])
        return (private + shared) / 1024

    def _settle(self) -> None:
        """Wait until the process is idle.

        After an initialisation that is long after the unsealing: a slow stick takes seconds to store the
        keys, and until then the data key is at hand.
        """
        end, quiet_since, seen = time.monotonic() + _NEVER_SETTLED, 0.0, None
        while seen is None or time.monotonic() - quiet_since < _SETTLED:
            now = self._rig.stick().card.counters
            if now != seen:
                seen, quiet_since = now, time.monotonic()
            if time.monotonic() > end:
                raise TimeoutError(f"the card still has work to do after {_NEVER_SETTLED:g} s")
            time.sleep(0.1)

    def _operations(self) -> int:
        return self._rig.stick().card.counters.work[Work.RSA_PRIVATE]

    def _restart_server(self) -> None:
        self._server.kill()
        self._server.start(wait=False)

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            self._command, env=self._environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=30)
            self._process = None


@contextmanager
def _place(ours: Contender, profile: Profile) -> Iterator[Place]:
    """A stick with a key pair, a fresh server, and nothing done yet."""
    with Rig([Image.new()], profile=profile) as rig, tempfile.TemporaryDirectory(prefix="bv-bench-") as state:
        os.environ.update(rig.environment())
        prepare()
        with Server(server_kind(), storage="raft") as server:
            Look(server).until(True)
            yield Place(ours.command, server, rig, Path(state))


def _row(values: Sequence[float]) -> tuple[str, ...]:
    figures = (min(values), statistics.median(values), max(values))
    return (str(len(values)), *(f"{value:.3f}" for value in figures))


def main() -> None:
    """Start to a bound token, a stick that comes back, a restarted server, memory."""
    options = arguments(__doc__ or "", rounds=5, peer=False)
    ours = contenders(None)[0]
    heading("Keys on a virtual Nitrokey HSM through OpenSC and pcscd, seconds (raft storage)")
    rows: list[tuple[str, ...]] = [("what", "profile", "rounds", "min", "median", "max")]
    with _place(ours, INSTANT) as place:
        fill(5)
        bound = place.starts(options.rounds)
        with place.running():
            back = place.returns(options.rounds)
            restarted, _ = place.restarts(options.rounds)
            memory = place.memory()
    rows.append(("process start to bound token, a key pair and five objects", "instant", *bound))
    rows.append(("stick inserted to unsealed", "instant", *back))
    rows.append(("server answering to unsealed", "instant", *restarted))
    with _place(ours, NITROKEY_HSM) as place, place.running():
        restarted, operations = place.restarts(options.rounds)
    rows.append(("server answering to unsealed", "nitrokey-hsm", *restarted))
    table(rows)
    counted = ", ".join(map(str, operations))
    print(f"\nPrivate-key operations of each unseal, counted on the card: {counted}")
    print(f"Memory of supervisor and worker, what they share counted once: {memory:.1f} MiB")


if __name__ == "__main__":
    main()
