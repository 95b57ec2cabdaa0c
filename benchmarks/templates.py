"""A large configuration file with many actions, with Go beside it. ``python -m benchmarks.templates``."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.common import arguments, heading, ratio, table
from tests.support.templates import NoOracle, oracle

_SIZE = 200_000
"""Characters of the file."""
_ACTIONS = 2_000
_ENV = {f"NAME_{number}": f"value-{number}" for number in range(50)}

_OURS = """
import json, sys, time
case = json.load(sys.stdin)
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import render
for _ in range(int(sys.argv[1])):
    started = time.perf_counter()
    render(case["template"], Sources(case["env"]))
    print(time.perf_counter() - started)
"""
_IMPORT = """
import os, time
import bank_vaults.cli.main, bank_vaults.cli.execution
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before, started = resident(), time.perf_counter()
import bank_vaults.templating.render
print(time.perf_counter() - started)
print((resident() - before) / 1024 / 1024)
"""


def main() -> None:
    """The same file rendered by both; ours also for the first time in a process, and the import alone."""
    options = arguments(__doc__ or "", rounds=10, peer=False)
    document = _document()
    case = {"template": document, "env": _ENV}
    text = json.dumps(case)
    heading(
        f"A file of {len(case['template']) // 1000} KB with {_ACTIONS} actions: parsed and rendered, seconds"
    )
    first = [_seconds([sys.executable, "-c", _OURS, "1"], text)[0] for _ in range(options.rounds)]
    later = _seconds([sys.executable, "-c", _OURS, "20"], text)[1:]
    imports = [_seconds([sys.executable, "-c", _IMPORT], "") for _ in range(options.rounds)]
    rows = [("what", "samples", "min", "median", "max", "median to Go")]
    try:
        go: list[float] | None = _seconds([str(oracle()), "measure"], text)
    except NoOracle as reason:
        print(f"without Go: {reason}")
        go = None
    if go is not None:
        rows.append(("Go, first in a process", *_row(go[:1]), "1.00"))
        rows.append(("Go, later", *_row(go[1:]), "1.00"))
    rows.append(
        ("ours, first in a process", *_row(first), ratio(statistics.median(first), go[0] if go else None))
    )
    base = statistics.median(go[1:]) if go else None
    rows.append(("ours, later", *_row(later), ratio(statistics.median(later), base)))
    rows.append(("ours, import alone", *_row([seconds for seconds, _ in imports]), "-"))
    rows.append(("ours, import alone, MiB", *_row([mebibytes for _, mebibytes in imports]), "-"))
    table(rows)


def _document() -> str:
    """Policies and roles as configuration files have them; a third of the actions decide or repeat."""
    kinds = (
        "password: ${ env `NAME_7` | quote }",
        "user: ${ .Env.NAME_3 }-${/* the team */}x",
        "path: ${ if eq (env `NAME_1`) `x` }a${ else }b${ end }",
        "hosts: [${ range $i, $e := list 1 2 3 }${ if $i }, ${ end }h${ $e }${ end }]",
        "ttl: ${ default `1h` (env `NOPE`) | trim | lower }",
        "name: ${ printf `%s-%03d` (env `NAME_9`) 7 }",
    )
    actions = [text.count("${") for text in kinds]
    lines, written, number = [], 0, 0
    while written < _ACTIONS:
        lines.append(f"  - {kinds[number % len(kinds)]}\n")
        written += actions[number % len(kinds)]
        number += 1
    filling = "    # a line of text that has no action in it, as most lines have none\n"
    free = (_SIZE - sum(map(len, lines))) // len(lines)
    return "".join(line + (filling * 3)[:free].rstrip("\n") + "\n" for line in lines)


def _seconds(command: Sequence[str], given: str) -> list[float]:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def _row(values: Sequence[float]) -> tuple[str, str, str, str]:
    low, median, high = (f"{each:.3f}" for each in (min(values), statistics.median(values), max(values)))
    return str(len(values)), low, median, high


if __name__ == "__main__":
    main()
