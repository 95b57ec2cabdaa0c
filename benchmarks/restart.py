"""Server answering again to unsealed, after a SIGKILL. ``python -m benchmarks.restart [--peer COMMAND]``."""

from __future__ import annotations

import random
import statistics
import time

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
    """Kill and restart a raft server, with pauses of 0 to 3 s, one contender watching at a time."""
    options = arguments(__doc__ or "", rounds=20)
    heading("Server answering again to unsealed, seconds (file key store, raft storage)")
    found = contenders(options.peer)
    times: dict[str, list[float]] = {contender.name: [] for contender in found}
    chance = random.Random(1)
    with Server(server_kind(), storage="raft") as server, key_directory() as keys:
        look = Look(server)
        for _ in range(options.rounds):
            for contender in found:
                with running(contender, server, keys):
                    look.until(False)
                    time.sleep(0.3 + chance.random())
                    server.kill()
                    time.sleep(3 * chance.random())
                    server.start(wait=False)
                    answering = look.until(True, False)
                    times[contender.name].append(look.until(False) - answering)
    rows = [("", "restarts", "min", "median", "max", "median to peer")]
    peer = statistics.median(times["peer"]) if "peer" in times else None
    for name, values in times.items():
        rows.append((name, str(len(values)), *spread(values), ratio(statistics.median(values), peer)))
    table(rows)


if __name__ == "__main__":
    main()
