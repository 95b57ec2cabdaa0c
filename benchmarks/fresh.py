"""Fresh server to unsealed. ``python -m benchmarks.fresh [--peer COMMAND]``."""

from __future__ import annotations

import statistics
import time
from typing import Literal

from benchmarks.common import (
    Look,
    arguments,
    contenders,
    heading,
    key_directory,
    ratio,
    running,
    server_kind,
    spread,
    table,
)
from tests.support.servers import Server


def main() -> None:
    """Start the command at a server that answers and is not initialised; the clock runs from the start."""
    options = arguments(__doc__ or "", rounds=10)
    heading("Fresh server to unsealed, seconds from the start of the process (file key store)")
    rows = [("storage", "", "rounds", "min", "median", "max", "median to peer")]
    storages: tuple[Literal["inmem", "raft"], ...] = ("inmem", "raft")
    for storage in storages:
        found = contenders(options.peer)
        times: dict[str, list[float]] = {contender.name: [] for contender in found}
        for _ in range(options.rounds):
            for contender in found:
                with Server(server_kind(), storage=storage) as server, key_directory() as keys:
                    look = Look(server)
                    look.until(True)
                    started = time.monotonic()
                    with running(contender, server, keys):
                        times[contender.name].append(look.until(False) - started)
        peer = statistics.median(times["peer"]) if "peer" in times else None
        for name, values in times.items():
            median = statistics.median(values)
            rows.append((storage, name, str(len(values)), *spread(values), ratio(median, peer)))
    table(rows)


if __name__ == "__main__":
    main()
