"""Promises of the failpoints: they fire where and when they were told, and a typing error is no silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.telemetry import failpoints

_PROGRAM = """
from bank_vaults.telemetry.failpoints import failpoint
for passage in (1, 2, 3):
    failpoint("init.call-sent")
    failpoint("init.key-stored")
    print(passage, flush=True)
"""
_PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
print("the parent goes on", flush=True)
"""


def _run(setting: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, failpoints.VARIABLE: setting}
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("setting", "output", "code"),
    [
        ("", "1\n2\n3\n", 0),
        ("init.root-stored", "1\n2\n3\n", 0),
        ("init.call-sent", "", -signal.SIGKILL),
        ("init.key-stored:3", "1\n2\n", -signal.SIGKILL),
        ("init.key-stored:4", "1\n2\n3\n", 0),
    ],
)
def test_the_process_is_killed_at_the_named_passage(setting: str, output: str, code: int) -> None:
    done = _run(setting, _PROGRAM)
    assert (done.stdout, done.returncode) == (output, code)


def test_exit_group_kills_the_parent_first() -> None:
    done = _run("init.key-stored:exit-group:2", _PARENT, _PROGRAM)
    assert (done.stdout, done.returncode) == ("1\n", -signal.SIGKILL)


def test_without_exit_group_the_parent_goes_on() -> None:
    done = _run("init.key-stored:2", _PARENT, _PROGRAM)
    assert (done.stdout, done.returncode) == ("1\nthe parent goes on\n", 0)


def test_an_unknown_name_ends_the_start_with_the_list() -> None:
    done = _run("init.typo", _PROGRAM)
    assert done.returncode == 1
    assert "no failpoint 'init.typo'" in done.stderr
    assert ", ".join(failpoints.FAILPOINTS) in done.stderr


@pytest.mark.parametrize("option", ["", "0", "-1", "x", "1.5", "²", "1" * 4500])
def test_an_unknown_option_ends_the_start(option: str) -> None:
    with pytest.raises(ValueError, match="neither 'exit-group' nor a count"):
        failpoints._arm(f"raft.joined:{option}")


@given(st.text())
def test_any_setting_arms_one_place_or_raises_value_error(setting: str) -> None:
    try:
        places = failpoints._arm(setting)
    except ValueError:
        return
    assert sum(armed is not None for armed in places.values()) == bool(setting)


def test_a_place_that_is_not_registered_is_found_by_its_first_passage() -> None:
    with pytest.raises(KeyError):
        failpoints.failpoint("init.typo")
