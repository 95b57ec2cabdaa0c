"""Promises of the systemd unit that we deliver."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bank_vaults.domain.exitcodes import ExitCode

UNIT = Path(__file__).parents[3] / "deploy/systemd/bank-vaults-unseal.service"


def _settings() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def test_the_unit_never_restarts_on_what_a_restart_makes_worse() -> None:
    never = (ExitCode.USAGE, ExitCode.KEYS, ExitCode.PIN_REFUSED)
    assert _settings()["RestartPreventExitStatus"] == [" ".join(f"{code:d}" for code in never)]


def test_the_unit_never_kills_the_process_that_holds_the_only_copy_of_the_keys() -> None:
    settings = _settings()
    # systemd.kill(5): with "mixed" all but the main process get SIGKILL at once.
    assert settings["KillMode"] == ["control-group"]
    assert settings["TimeoutStopSec"] == ["infinity"]


def test_the_unit_is_watched_by_the_protocol_that_the_program_speaks() -> None:
    settings = _settings()
    assert settings["Type"] == ["notify"]
    assert int(settings["WatchdogSec"][0]) > 30  # fed by the main thread, whatever the loops wait for


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("ExecStart=/usr/bin/bank-vaults ", "ExecStart=/bin/true "))
    command = [analyze, "verify", "--man=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, complaints) == (0, [])
