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
main.run("bank-vaults", sys.argv[1:])
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = {
    "asyncio",
    "click",
    "dataclasses",
    "difflib",
    "dns",
    "http.client",
    "inspect",
    "pathlib",
    "prometheus_client",
    "ssl",
    "subprocess",
}


def loaded(code: str, *arguments: str) -> set[str]:
    """The modules that a run imports, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version_imports_no_other_command_and_nothing_heavy(arguments: list[str]) -> None:
    found = loaded(CODE, *arguments)
    assert "bank_vaults.cli.version" in found
    assert not found & HEAVY
    others = {"init", "unseal", "status", "configure", "template", "completion", "help", "reference"}
    assert not found & {f"bank_vaults.cli.{name}" for name in others}
    for room in ("unsealer", "vault", "keystores"):
        assert not any(name.startswith(f"bank_vaults.{room}") for name in found)


def test_a_run_that_is_refused_imports_no_click() -> None:
    assert "click" not in loaded(CODE, "unseal", "--mode", "nonsense")


@pytest.mark.parametrize("command", ["init", "unseal", "status"])
def test_no_command_on_servers_imports_click(command: str) -> None:
    code = f"import json, sys\nimport bank_vaults.cli.main, bank_vaults.cli.{command}\n"
    assert "click" not in loaded(code + "print(json.dumps(sorted(sys.modules)))")


def test_a_plain_template_needs_no_yaml_no_regular_expressions_of_go_and_no_cloud() -> None:
    code = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        "import bank_vaults.cli.main, bank_vaults.cli.template\n"
        "from bank_vaults.templating.own.sources import Sources\n"
        "from bank_vaults.templating.render import render\n"
        "render('${ .Env.A | upper }${ env `A` }', Sources({'A': 'a'}))\n"
    )
    found = loaded(code + "print(json.dumps(sorted(set(sys.modules) - before)))")
    assert not found & HEAVY
    assert not found & {"yaml", "re2", "cryptography", "bcrypt", "zoneinfo", "urllib.parse", "socket"}


def test_only_help_and_completion_import_click() -> None:
    assert "click" in loaded(CODE, "help")
    assert "click" in loaded(CODE, "completion", "bash")


def test_garbage_is_collected_again_once_the_command_is_imported_and_not_looked_for_in_what_is() -> None:
    code = (
        "import gc, json, sys, types\n"
        "body = types.ModuleType('bank_vaults.cli.unseal')\n"
        "state = lambda: [str(gc.isenabled()), str(gc.get_freeze_count() > 0)]\n"
        "body.run = lambda settings: print(json.dumps(state())) or 0\n"
        "sys.modules[body.__name__] = body\n"
        "sys.argv[1:] = ['unseal']\n"
        "import bank_vaults.cli.execution\n"
        "real = bank_vaults.cli.execution.import_module\n"
        "def watched(name):\n"
        "    assert not gc.isenabled()\n"
        "    return real(name)\n"
        "bank_vaults.cli.execution.import_module = watched\n"
        "from bank_vaults.cli.main import main\n"
        "main()\n"
    )
    assert loaded(code) == {"True"}
