"""``configure`` on a server: first and second run, and a changed policy in a watched file.

``python -m benchmarks.configure [--peer COMMAND] [--rounds N] [--storage raft]``

Beside it, in turns, the bare minimum of a program that writes everything one by one in every run: the same
requests on one kept connection, with nothing read, parsed or compared.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import Contender, contenders, environment, heading, ratio, server_kind, spread, table
from tests.support.servers import Keys, Server, Storage, api, initialise, unseal, wait_active

_LIMIT = 60.0


def policies(count: int, text: str = "secret") -> dict[str, Any]:
    """So many policies; the last one has another text where that is asked for."""
    rules = 'path "{}/data/team-{}/*" {{\n  capabilities = ["create", "read", "update", "list"]\n}}\n'
    return {
        "policies": [
            {"name": f"policy-{n}", "rules": rules.format(text if n == count - 1 else "secret", n)}
            for n in range(count)
        ]
    }


def large() -> dict[str, Any]:
    """1,000 policies, 1,000 AppRole roles, 200 KV mounts, 200 start-up secrets."""
    role = {"secret_id_ttl": "10m", "token_ttl": "20m", "token_max_ttl": "30m"}
    return {
        **policies(1000),
        "auth": [
            {
                "type": "approle",
                "roles": [{"name": f"role-{n}", "policies": f"policy-{n}", **role} for n in range(1000)],
            }
        ],
        "secrets": [
            {"path": f"kv-{n}", "type": "kv", "description": f"kv {n}", "options": {"version": 2}}
            for n in range(200)
        ],
        "startupSecrets": [
            {"type": "kv", "path": f"kv-{n}/data/app", "data": {"data": {"USER": "u", "PASSWORD": f"p{n}"}}}
            for n in range(200)
        ],
    }


class Bench:
    """A fresh server with its root token in a directory, and a file."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        self.keys: Keys = initialise(server)
        unseal(server, self.keys)
        wait_active(server)
        self._directory = directory
        self.file = directory / "vault-config.yml"
        (directory / "vault-root").write_text(self.keys.root_token)
        os.chmod(directory, 0o700)

    def write(self, document: dict[str, Any], *, rename: bool = False) -> None:
        """In place, or as another file that takes its name."""
        target = self._directory / "new" if rename else self.file
        target.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
        if rename:
            os.rename(target, self.file)

    def command(self, contender: Contender, *more: str) -> list[str]:
        """The call."""
        return [
            *(*contender.command, "configure", "--mode", "file", "--file-path", str(self._directory)),
            *("--vault-config-file", str(self.file), "--disable-metrics", *more),
        ]

    def once(self, contender: Contender) -> float:
        """Seconds of one run."""
        begun = time.monotonic()
        subprocess.run(
            self.command(contender, "--once"),
            env=environment(self.server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.monotonic() - begun

    def one_by_one(self, document: dict[str, Any]) -> float:
        """Seconds of the bare requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        begun = time.monotonic()
        for method, path, body in _requests(document):
            while True:
                connection.request(
                    method, f"/v1/{path}", json.dumps(body), {"X-Vault-Token": self.keys.root_token}
                )
                answer = connection.getresponse()
                said = answer.read()
                if answer.status < 300 or b"already in use" in said:
                    break
                if b"Upgrading" not in said:
                    raise RuntimeError(f"{method} {path}: {answer.status}")
        connection.close()
        return time.monotonic() - begun

    def peak(self, contender: Contender) -> float:
        """The most memory of one run, MiB resident, as the kernel tells it from time to time."""
        process = subprocess.Popen(
            self.command(contender, "--once"),
            env=environment(self.server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        most = 0
        while process.poll() is None:
            with suppress(OSError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                most = max(
                    most, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0
                )
            time.sleep(0.01)
        return most / 1024

    def policy(self, name: str) -> str:
        """The text of a policy on the server."""
        answer = api(self.server, "GET", f"sys/policies/acl/{name}", token=self.keys.root_token)
        return str((answer.body.get("data") or {}).get("policy", ""))

    def visible(self, contender: Contender, count: int, *, rename: bool) -> float | None:
        """Seconds from the change of a file to the changed policy in the server; None: never."""
        self.write(policies(count))
        process = subprocess.Popen(
            self.command(contender),
            env=environment(self.server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            last = f"policy-{count - 1}"
            _until(lambda: bool(self.policy(last)))
            time.sleep(max(1.5, count / 1000))  # the whole file is applied, and the process is at rest
            self.write(policies(count, "changed"), rename=rename)
            begun = time.monotonic()
            try:
                _until(lambda: "changed/" in self.policy(last), 5.0)
            except TimeoutError:
                return None
            return time.monotonic() - begun
        finally:
            process.terminate()
            process.wait()


def _requests(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of the documents above."""
    for auth in document.get("auth", ()):
        yield "POST", f"sys/auth/{auth['type']}", {"type": auth["type"]}
        for role in auth["roles"]:
            yield "PUT", f"auth/{auth['type']}/role/{role['name']}", role
    for policy in document["policies"]:
        yield "PUT", f"sys/policies/acl/{policy['name']}", {"policy": policy["rules"]}
    for engine in document.get("secrets", ()):
        yield "POST", f"sys/mounts/{engine['path']}", engine
    for secret in document.get("startupSecrets", ()):
        yield "PUT", secret["path"], secret["data"]


def _until(condition: Any, limit: float = _LIMIT) -> None:
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.004)


@contextmanager
def bench(storage: Storage) -> Iterator[Bench]:
    """For one contender."""
    with (
        tempfile.TemporaryDirectory(prefix="bv-bench-") as directory,
        Server(server_kind(), storage=storage) as server,
    ):
        yield Bench(server, Path(directory))


def main() -> None:
    """All figures, contenders in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", metavar="COMMAND", help="another implementation, measured in turns with ours"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--storage", choices=("inmem", "raft"), default="inmem")
    options = parser.parse_args()
    heading(f"configure, seconds ({options.storage})")
    found = contenders(options.peer)
    times: dict[tuple[str, str], list[float]] = {}
    never: set[tuple[str, str]] = set()

    def took(what: str, name: str, seconds: float) -> None:
        times.setdefault((what, name), []).append(seconds)

    for number in range(options.rounds):
        in_turns = found if number % 2 == 0 else found[::-1]
        for what, document in (("1,000 policies", policies(1000)), ("the large set", large())):
            for contender in in_turns:
                with bench(options.storage) as one:
                    one.write(document)
                    for run in ("first", "second"):
                        took(f"{what}, {run}", contender.name, one.once(contender))
            with bench(options.storage) as one:
                took(f"{what}, bare requests one by one", "", one.one_by_one(document))
        for contender in in_turns:
            for count in (5, 1000, 10_000):
                for way, rename in (("written", False), ("renamed", True)):
                    with bench(options.storage) as one:
                        seconds = one.visible(contender, count, rename=rename)
                    what = f"a change among {count}, {way}"
                    if seconds is None:
                        never.add((what, contender.name))
                    took(what, contender.name, 5.0 if seconds is None else seconds)
    rows = [("", "", "min", "median", "max", "median to peer")]
    for (what, name), values in times.items():
        peer = times.get((what, "peer"))
        middle = statistics.median(peer) if peer else None
        words = ("never",) * 3 if (what, name) in never else spread(values)
        rows.append((what, name, *words, ratio(statistics.median(values), middle)))
    table(rows)
    for contender in found:
        with bench(options.storage) as one:
            one.write(large())
            print(f"{contender.name}, memory with the large set: {one.peak(contender):.0f} MiB")


if __name__ == "__main__":
    main()
