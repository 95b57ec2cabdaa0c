"""Three raft nodes unsealed by one process. ``python -m benchmarks.parallel``."""

from __future__ import annotations

import subprocess
import threading
import time

from benchmarks.common import (
    Look,
    arguments,
    contenders,
    environment,
    heading,
    key_directory,
    server_kind,
    spread,
    table,
)
from tests.support.servers import RaftCluster, Server, api


def main() -> None:
    """Kill all three nodes, start them at once; the time from the last one answering to all unsealed."""
    options = arguments(__doc__ or "", rounds=10, peer=False)
    heading("Three nodes, one process: last node answering to all unsealed, seconds")
    ours = contenders(None)[0]
    times: list[float] = []
    with RaftCluster(server_kind(), 3) as nodes, key_directory() as keys:
        command = [*ours.command, "unseal", "--init", "--raft", "--mode", "file", "--file-path", str(keys)]
        command += ["--metrics-address", "127.0.0.1:0"]
        for node in nodes:
            command += ["--server-addr", node.address]
        process = subprocess.Popen(
            command, env=environment(nodes[0]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for node in nodes:
                Look(node).until(False)
            _wait_for_voters(nodes[0], (keys / "vault-root").read_text())
            times = [_round(nodes) for _ in range(options.rounds)]
        finally:
            process.terminate()
            process.wait(30)
    table([("rounds", "min", "median", "max"), (str(len(times)), *spread(times))])


def _wait_for_voters(leader: Server, token: str) -> None:
    """A new raft node votes only after autopilot's stabilisation time of about 10 s."""
    for _ in range(600):
        answer = api(leader, "GET", "sys/storage/raft/configuration", token=token)
        peers = answer.body["data"]["config"]["servers"]
        if len(peers) == 3 and all(peer["voter"] for peer in peers):
            return
        time.sleep(0.1)
    raise TimeoutError("the nodes did not become voters")


def _round(nodes: list[Server]) -> float:
    for node in nodes:
        node.kill()
    time.sleep(0.5)
    for node in nodes:
        node.start(wait=False)
    moments: list[tuple[float, float]] = []

    def watch(node: Server) -> None:
        look = Look(node)
        answering = look.until(True, False)
        moments.append((answering, look.until(False)))

    threads = [threading.Thread(target=watch, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(2)  # let raft settle before the next blow
    return max(unsealed for _, unsealed in moments) - max(answering for answering, _ in moments)


if __name__ == "__main__":
    main()
