"""A rendered file on bad days: the old one stays as it was, or the new one is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _template(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("BANK_", "VAULT_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "bank_vaults", "template", *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_disk_that_is_really_full_leaves_the_old_file(small_disk: Path) -> None:
    target = small_disk / "vault.json"
    target.write_text("old")
    environment = {"VAULT_LOCAL_CONFIG": "${ repeat 100000 `x` }"}
    done = _template("--file", str(target), **environment)
    assert done.returncode == 1
    assert f"ERROR the file '{target}' cannot be written: No space left on device" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["vault.json"]
    assert target.read_text() == "old"
    environment["VAULT_LOCAL_CONFIG"] = "${ repeat 1000 `x` }"
    assert _template("--file", str(target), **environment).returncode == 0
    assert target.read_text() == "x" * 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting is for root")
def test_a_file_that_is_a_mount_of_its_own_is_named_as_such(tmp_path: Path) -> None:
    source, target = tmp_path / "other", tmp_path / "vault.json"
    for path in (source, target):
        path.write_text("old")
    mounted = subprocess.run(["mount", "--bind", source, target], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a file: {mounted.stderr.strip()}")
    try:
        done = _template("--file", str(target), VAULT_LOCAL_CONFIG="new")
        assert done.returncode == 1
        assert "it is a mount of its own and cannot be replaced: mount its directory" in done.stderr
        assert target.read_text() == "old"
    finally:
        subprocess.run(["umount", target], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "vault.json"]


def test_a_read_only_directory_leaves_the_old_file(small_disk: Path) -> None:
    target = small_disk / "vault.json"
    target.write_text("old")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = _template("--file", str(target), VAULT_LOCAL_CONFIG="new")
    assert done.returncode == 1
    assert "cannot be written: Read-only file system" in done.stderr
    assert target.read_text() == "old"
