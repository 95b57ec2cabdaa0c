"""The pages that users read say what the program does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bank_vaults.cli.arguments import Run, read
from bank_vaults.cli.options import OPTIONS
from bank_vaults.cli.reference import page
from bank_vaults.cli.resolve import resolve
from bank_vaults.domain.exitcodes import ExitCode

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


def test_the_reference_page_is_up_to_date() -> None:
    committed = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    assert committed == page(), "run: python -m bank_vaults.cli.reference > docs/reference/cli.md"


def test_the_generator_prints_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bank_vaults.cli.reference"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert done.stdout == page()


def test_the_page_has_every_flag_and_variable_once_for_each_meaning() -> None:
    rows = re.findall(r"^\| `--([a-z0-9-]+)` \|.*`(BANK_VAULTS_[A-Z0-9_]+)`", page(), re.MULTILINE)
    assert sorted(rows) == sorted((option.name, option.variable) for option in OPTIONS)


def test_every_exit_code_is_explained() -> None:
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    explained = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert explained == {*ExitCode, 130, 141, 143}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_command_lines_of_a_page_are_read_and_resolved(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    for block in re.findall(r"(?ms)^ *```\w+\n(.*?)^ *```$", text):
        for line in re.findall(r"(?m)^ *(?:\$ |ExecStart=)?(?:\S*/bin/)?bank-vaults ([^|>#\n]*)", block):
            found = read(shlex.split(line))
            if isinstance(found, Run):  # the files that it names are not here
                flags = {name: texts for name, texts in found.flags.items() if not name.endswith("-file")}
                resolve(found.command, flags, {})
