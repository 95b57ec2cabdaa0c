"""A command imports what it needs and no more: the start is part of the time to the first unseal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
before = set(sys.modules)
from bank_vaults.cli import main
from bank_vaults.cli.app import Root
main.run(Root(), "bank-vaults", sys.argv[1:])
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = {"ssl", "http.client", "prometheus_client", "asyncio", "subprocess", "pathlib", "difflib", "dns"}


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version_imports_no_other_command_and_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "bank_vaults.cli.version" in loaded
    assert not loaded & HEAVY
    others = {"init", "unseal", "status", "configure", "template", "completion", "reference"}
    assert not loaded & {f"bank_vaults.cli.{name}" for name in others}
    for room in ("unsealer", "vault", "keystores"):
        assert not any(name.startswith(f"bank_vaults.{room}") for name in loaded)
