"""Each OpenSC that the suite runs with is the one it says it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.binaries import MissingBinary
from tests.support.opensc import OpenSC, all_opensc, installation, locked_versions


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """No smart card service is asked."""
    return {"PCSCLITE_CSOCK_NAME": str(tmp_path / "pcscd.comm")}


def test_the_tools_run_with_their_own_library(opensc: OpenSC, nowhere: dict[str, str]) -> None:
    answer = opensc.run("pkcs11-tool", "--show-info", env=nowhere)
    major, minor, _ = opensc.version.split(".")
    assert f"OpenSC smartcard framework (ver {major}.{minor})" in answer.stdout
    for name in ("opensc-tool", "pkcs11-tool", "pkcs15-tool", "sc-hsm-tool"):
        assert os.access(opensc.tool(name), os.X_OK)


def test_the_module_can_be_loaded_into_a_process_with_its_own_library(
    opensc: OpenSC, nowhere: dict[str, str]
) -> None:
    program = (
        "import ctypes, pathlib, sys\n"
        "ctypes.CDLL(sys.argv[1])\n"
        "print(*{line.split()[-1] for line in pathlib.Path('/proc/self/maps').read_text().splitlines()\n"
        "        if '/libopensc.so' in line})\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program, opensc.module],
        env={**os.environ, **opensc.environment, **nowhere},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert [Path(path).parent for path in loaded] == [opensc.module.resolve().parent]


def test_the_environment_of_the_tests_does_not_reach_the_tools(
    opensc: OpenSC, nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSC_DEBUG", "9")
    quiet = opensc.run("pkcs11-tool", "--show-info", env=nowhere)
    loud = opensc.run("pkcs11-tool", "--show-info", env={**nowhere, "OPENSC_DEBUG": "9"})
    assert len(quiet.stderr.splitlines()) <= 1 < len(loud.stderr.splitlines())


def test_a_named_installation_takes_the_place_of_the_newer_ones(
    opensc: OpenSC, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSC_NEWER", str(opensc.prefix))
    *_, named = all_opensc.__wrapped__()
    assert named == opensc


def test_a_directory_without_opensc_is_no_installation(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no opensc-pkcs11\.so"):
        installation(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "opensc-pkcs11.so").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "opensc-tool").symlink_to("/bin/true")
    with pytest.raises(ValueError, match="does not tell its version"):
        installation(tmp_path)


def test_what_no_mirror_has_is_excused_and_what_was_not_built_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENSC_NEWER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "bank-vaults").mkdir()
    oldest, *others = locked_versions()
    (tmp_path / "bank-vaults" / f"opensc-{oldest}.unavailable").write_text("the mirror is gone\n")
    missing = all_opensc.__wrapped__()
    assert all(isinstance(kind, MissingBinary) for kind in missing)
    assert [(kind.name, kind.excused) for kind in missing if isinstance(kind, MissingBinary)] == [
        ("opensc", False),
        (f"opensc-{oldest}", True),
        *((f"opensc-{version}", False) for version in others),
    ]
    assert missing[1] == MissingBinary(f"opensc-{oldest}", "the mirror is gone", excused=True)
