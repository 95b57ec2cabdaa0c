"""The pages that users read say what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bank_vaults.cli.options import OPTIONS
from bank_vaults.cli.reference import page
from bank_vaults.domain.exitcodes import ExitCode

DOCS = Path(__file__).parents[3] / "docs"


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
