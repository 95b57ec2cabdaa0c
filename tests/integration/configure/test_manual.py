"""The examples of docs/configure.md, as they are typed, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.configured import Place

MANUAL = Path(__file__).parents[3] / "docs" / "configure.md"
LIMIT = 100.0
"""Seconds for all of them; hit only by a failure."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FIGURES = re.compile(r"\d+ reads|\d+\.\d\d s$", re.MULTILINE)


class Example(NamedTuple):
    """What is typed, and what is shown of the answer: nothing where that is left out."""

    command: str
    shown: str

    @property
    def runs_on(self) -> bool:
        """Whether it ends only when it is told to."""
        ends = ("--once", "--validate", "configure policy")
        return "bank-vaults configure" in self.command and not any(each in self.command for each in ends)


def examples(text: str) -> Iterator[Example]:
    for language, block in _BLOCK.findall(text):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                lines = part.splitlines(keepends=True)
                length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
                yield Example("".join(lines[:length]), "".join(lines[length:]))


def script(commands: list[Example]) -> str:
    """Each answer goes to a file of its own, and so does its exit code."""
    lines = []
    for number, example in enumerate(commands):
        if example.runs_on:
            lines.append(
                f"( exec setpriv --pdeathsig KILL -- {example.command}) >{number}.out 2>daemon.log &\n"
                "until grep -q 'successfully configured vault' daemon.log; do sleep 0.1; done\n"
                "kill -TERM $!\nwait $!"
            )
        else:
            lines.append(f"{{ {example.command}}} >{number}.out 2>{number}.err")
        lines.append(f"echo $? >{number}.code")
    return "\n".join(lines)


def without_figures(text: str) -> str:
    return _FIGURES.sub("…", text)


def test_the_examples_of_the_manual_do_what_it_says(place: Place, tmp_path: Path) -> None:
    if place.server.kind.flavour != "openbao":
        pytest.skip("the examples use the command of OpenBao")
    text = MANUAL.read_text()
    file = next(block for language, block in _BLOCK.findall(text) if block.startswith("# vault.yml\n"))
    (tmp_path / "vault.yml").write_text(file)
    commands = [each for each in examples(text) if not each.command.startswith("export VAULT_ADDR=")]
    assert len(commands) > 10
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{place.server.kind.path.parent}:{os.environ['PATH']}",
        "VAULT_ADDR": place.server.address,
        "BAO_ADDR": place.server.address,
        "BAO_TOKEN": place.keys.root_token,
        "BANK_VAULTS_MODE": "file",
        "BANK_VAULTS_FILE_PATH": str(place.store),
        "BANK_VAULTS_DISABLE_METRICS": "true",
        "STATE_DIRECTORY": str(tmp_path),
        "HOME": str(tmp_path),
    }
    subprocess.run(["bash", "-c", script(commands)], cwd=tmp_path, env=environment, timeout=LIMIT, check=True)
    for number, (command, shown) in enumerate(commands):
        answer = (tmp_path / f"{number}.out").read_text()
        code = int((tmp_path / f"{number}.code").read_text())
        errors = tmp_path / f"{number}.err"
        assert code == (2 if re.search(r"^\+ |^~ ", shown, re.MULTILINE) else 0), (
            command,
            answer,
            errors.read_text() if errors.exists() else "",
        )
        if shown:
            assert without_figures(answer) == without_figures(shown), command
