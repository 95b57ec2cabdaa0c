"""The command line: which sticks are run, what is printed, and what the other commands ask of a rig."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from tests.unit.virtual_nitrokey.terminal import APPLET, FACTORY
from virtual_nitrokey.apdu import Command as Apdu
from virtual_nitrokey.cli import run as run_module
from virtual_nitrokey.cli.commands import cli
from virtual_nitrokey.cli.images import Choice, choose, find, opened
from virtual_nitrokey.cli.status import beginning, environment, table
from virtual_nitrokey.control import Control, request
from virtual_nitrokey.faults import Kind
from virtual_nitrokey.image import Image, ImageError, locked
from virtual_nitrokey.pcscd import PcscdError
from virtual_nitrokey.rig import Rig
from virtual_nitrokey.timing import NITROKEY_HSM

SELECT = Apdu(0x00, 0xA4, 0x04, 0x00, APPLET).encode()
A, B, C = (Path("/sticks", name) for name in "ABC")


# -- which sticks are run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "found", "count", "choice"),
    [
        ([], [], None, Choice((), 1)),
        ([], [B, A], None, Choice((A, B))),
        ([C], [A, B], None, Choice((C,))),
        ([C, A], [A, B], None, Choice((C, A))),
        ([], [], 2, Choice((), 2)),
        ([], [B, A, C], 2, Choice((A, B))),
        ([C], [B, A], 2, Choice((C, A))),
        ([B], [B, A], 3, Choice((B, A), 1)),
    ],
)
def test_named_sticks_come_first_then_those_in_the_directory_then_new_ones(
    named: list[Path], found: list[Path], count: int | None, choice: Choice
) -> None:
    assert choose(named, found, count) == choice


@pytest.mark.parametrize(
    ("named", "found", "count", "reason"),
    [
        ([A, A], [], None, "named twice"),
        ([A, B], [], 1, "2 sticks are named, but only 1 wanted"),
        ([], [Path(str(number)) for number in range(9)], None, "pcscd has readers for 8"),
        ([], [], 9, "pcscd has readers for 8"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    named: list[Path], found: list[Path], count: int | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        choose(named, found, count)


def test_sticks_that_do_not_exist_are_made_and_kept(tmp_path: Path) -> None:
    with opened(Choice((tmp_path / "spare",), 2), tmp_path) as sticks:
        assert len(sticks) == 3
    assert len(find(tmp_path)) == 2
    with opened(Choice((tmp_path / "spare", *find(tmp_path))), tmp_path) as again:
        assert again == sticks
    assert all(Image.load(path) == image for image, path in sticks.values())


def test_sticks_are_locked_while_they_are_run(tmp_path: Path) -> None:
    with opened(Choice((tmp_path / "spare",), 1), tmp_path) as sticks:
        for _, path in sticks.values():
            with pytest.raises(ImageError, match="is in use: stop the process"), locked(path):
                pass
    for _, path in sticks.values():
        with locked(path):
            pass


def test_one_stick_in_two_files_is_refused_and_named(tmp_path: Path) -> None:
    FACTORY.save(tmp_path / "1")
    FACTORY.save(tmp_path / "2")
    with (
        pytest.raises(ImageError, match=f"/1 and .*/2 are both of stick {FACTORY.serial}"),
        opened(Choice((tmp_path / "1", tmp_path / "2")), tmp_path),
    ):
        pass


def test_a_new_stick_takes_no_other_ones_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [FACTORY, Image.new("DENK0100002")]
    monkeypatch.setattr(Image, "new", made.pop)
    with opened(Choice((), 1), tmp_path):
        pass
    monkeypatch.setattr(Image, "new", iter([Image.load(tmp_path / "DENK0100002.json"), FACTORY]).__next__)
    with opened(Choice((), 1), tmp_path) as sticks:
        assert [*sticks] == [FACTORY.serial]


# -- what is printed -------------------------------------------------------------------------------------

STICK = {
    "serial": "DENK0100001",
    "reader": "Nitrokey Nitrokey HSM (DENK0100001         ) 00 00",
    "inserted": True,
    "visible": True,
    "initialised": True,
    "memory_used": 1310,
    "memory_limit": 77824,
    "work": {"apdu": 12, "rsa-private": 0, "ec-sign": 2},
    "pins_right": 3,
    "pins_wrong": 1,
    "faults": ["sign nth=2 drop", "any delay=1"],
}
STATUS: dict[str, Any] = {
    "directory": "/my sticks",
    "environment": {"PCSCLITE_CSOCK_NAME": "/my sticks/pcscd/pcscd.comm"},
    "pcscd_pid": 4711,
    "sticks": [STICK],
}


def test_the_table_shows_everything_in_the_status() -> None:
    assert "\n".join(table(STATUS)) == (
        "directory   /my sticks\n"
        "pcscd       pid 4711\n"
        "            PCSCLITE_CSOCK_NAME=/my sticks/pcscd/pcscd.comm\n"
        "stick       DENK0100001, inserted\n"
        "  reader    Nitrokey Nitrokey HSM (DENK0100001         ) 00 00\n"
        "  token     initialised\n"
        "  memory    1310 of 77824 bytes\n"
        "  PINs      3 right, 1 wrong\n"
        "  work      12 apdu, 2 ec-sign\n"
        "  fault     sign nth=2 drop\n"
        "  fault     any delay=1"
    )


def test_the_table_tells_what_is_not_there() -> None:
    idle = {**STICK, "initialised": False, "work": {"apdu": 0}, "faults": []}
    removed = {**idle, "inserted": False, "visible": False}
    unseen = {**idle, "visible": False}
    lines = [*table({**STATUS, "pcscd_pid": None, "sticks": [removed, unseen]})]
    assert lines[1] == "pcscd       does not run"
    assert [line for line in lines if line.startswith("stick")] == [
        "stick       DENK0100001, removed",
        "stick       DENK0100001, inserted, but pcscd has not seen it",
    ]
    assert lines.count("  token     not initialised") == lines.count("  work      none") == 2


def test_a_shell_can_read_how_a_run_begins() -> None:
    script = "\n".join([*beginning(STATUS), 'printf "%s\\n" "$PCSCLITE_CSOCK_NAME" "$VIRTUAL_NITROKEY_DIR"'])
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert shell.stdout.splitlines() == [*environment(STATUS).values()]
    assert environment(STATUS) == {**STATUS["environment"], "VIRTUAL_NITROKEY_DIR": "/my sticks"}
    assert [*beginning(STATUS)][2] == (
        "# DENK0100001: inserted, initialised, in reader 'Nitrokey Nitrokey HSM (DENK0100001         ) 00 00'"
    )


# -- help ------------------------------------------------------------------------------------------------


def commands(group: click.Group = cli) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield from commands(command) if isinstance(command, click.Group) else (command,)


EXAMPLES = [
    line.split()[1:]
    for command in (cli, *commands())
    for line in (command.epilog or "").splitlines()
    if line.startswith("  virtual-nitrokey ")
]


def test_every_command_has_an_example() -> None:
    assert {words[0] if words[0] != "fault" else words[1] for words in EXAMPLES} == {
        command.name for command in commands()
    }


@pytest.mark.parametrize("words", EXAMPLES, ids=" ".join)
def test_every_example_can_be_parsed(words: list[str]) -> None:
    group: click.Command = cli
    while isinstance(group, click.Group):
        name, *words = words
        group = group.commands[name]
    group.make_context(group.name, [*words])


def test_help_on_faults_tells_of_every_effect() -> None:
    text = CliRunner().invoke(cli, ["fault", "add", "--help"]).output
    assert [kind.value for kind in Kind if f"\n    {kind.value}" not in text] == []


def test_the_version_is_told() -> None:
    answer = CliRunner().invoke(cli, ["--version"])
    assert answer.exit_code == 0
    assert answer.output.startswith("virtual-nitrokey ")


@pytest.mark.parametrize("package", ["cryptography", "ecdsa"])
def test_a_missing_package_is_told_with_the_extra_that_has_it(package: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; from virtual_nitrokey.cli.main import main; main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        f"Error: {package} is not installed: install the package with its extra virtual-nitrokey\n"
    )


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    program = "import sys; sys.modules['click'] = None; from virtual_nitrokey.cli.main import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ModuleNotFoundError" in answer.stderr
    assert "extra" not in answer.stderr


# -- run -------------------------------------------------------------------------------------------------


def test_a_choice_that_makes_no_sense_is_a_wrong_use_of_the_program(tmp_path: Path) -> None:
    result = Command(tmp_path).invoke("run", "--stick", "one", "--stick", "one")
    assert result.exit_code == 2
    assert "a stick is named twice" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--time-scale", "nan"],
        ["run", "--time-scale", "1e7"],
        ["remove", "--seconds", "nan"],
        ["remove", "--seconds", "1e10"],
        ["restart-pcscd", "--down-for", "inf"],
    ],
    ids=" ".join,
)
def test_a_time_that_nobody_can_wait_for_is_a_wrong_use_of_the_program(
    tmp_path: Path, words: list[str]
) -> None:
    result = Command(tmp_path / "rig").invoke(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: Invalid value for" in result.stderr
    assert not (tmp_path / "rig").exists()


@pytest.mark.parametrize(("command", "code"), [([], 1), (["--", "true"], 125)])
def test_the_rig_is_run_as_asked_and_its_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], code: int
) -> None:
    asked: dict[str, Any] = {}

    def refuse(images: list[Image], *, save: object, **settings: Any) -> Rig:
        asked.update(settings, sticks=len(images))
        raise PcscdError("namespaces", "a user namespace was refused: run it as root")

    monkeypatch.setattr(run_module, "Rig", refuse)
    options = [
        "--sticks",
        "2",
        "--profile",
        "nitrokey-hsm",
        "--time-scale",
        "0.5",
        "--trace",
        f"{tmp_path}/t",
    ]
    result = Command(tmp_path / "rig").invoke("run", *options, *command)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == "Error: a user namespace was refused: run it as root\n"
    assert asked == {
        "sticks": 2,
        "directory": tmp_path / "rig",
        "profile": NITROKEY_HSM,
        "time_scale": 0.5,
        "trace_file": tmp_path / "t",
    }
    assert len(find(tmp_path / "rig")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_command_starts_ends_it_as_what_it_was(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    start = subprocess.Popen

    def start_and_signal(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = start(*arguments, **options)
        signal.raise_signal(number)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_signal)
    control = Control(rig)
    control.start()
    try:
        with run_module._ended_by_signals():
            code = run_module._run_command(["sleep", "3600"], {}, control)
    finally:
        control.stop()
    assert code == 128 + number


# -- commands to a rig -----------------------------------------------------------------------------------


class Command:
    """The program, acting on the rig in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *words: str) -> str:
        result = self.invoke(*words)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def refused(self, *words: str) -> str:
        result = self.invoke(*words)
        assert result.exit_code == 1
        assert result.stdout == ""
        return result.stderr

    def invoke(self, *words: str) -> Result:
        return CliRunner(env={"VIRTUAL_NITROKEY_DIR": str(self.directory)}).invoke(cli, words)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig without pcscd: its stick is in nobody's reader."""
    rig = Rig([FACTORY], directory=tmp_path)
    control = Control(rig)
    control.start()
    yield rig
    control.stop()
    rig.stop()


@pytest.fixture
def command(rig: Rig) -> Command:
    return Command(rig.directory)


def test_status_is_for_people_and_for_machines(command: Command, rig: Rig) -> None:
    status = request(rig.directory, "status")
    assert json.loads(command("status", "--output", "json")) == status
    assert command("status").splitlines() == [*table(status)]


def test_a_stick_can_come_back_by_itself(command: Command, rig: Rig) -> None:
    command("remove", "--seconds", "3600")
    assert not rig.stick().inserted
    assert rig.stick()._return_at is not None


def test_of_several_sticks_one_has_to_be_named(tmp_path: Path) -> None:
    rig = Rig([FACTORY, Image.new("DENK0100002")], directory=tmp_path)
    control = Control(rig)
    control.start()
    command = Command(tmp_path)
    try:
        assert "say which stick is meant" in command.refused("remove")
        assert "there is no stick DENK7777777" in command.refused("swap", "DENK7777777", FACTORY.serial)
        command("fault", "add", "--serial", "DENK0100002", "any", "drop")
        assert [len(stick.rules) for stick in rig.sticks.values()] == [0, 1]
    finally:
        control.stop()
        rig.stop()


def test_faults_are_added_listed_and_cleared(command: Command) -> None:
    command("fault", "add", "decipher", "status=6f00", "nth=2")
    command("fault", "add", "any drop")
    command("login-reset")
    rules = ["decipher nth=2 status=6F00", "any drop", "any reset-login"]
    assert command("fault", "list").splitlines() == rules
    assert json.loads(command("fault", "list", "--output", "json")) == rules
    command("fault", "clear", "--serial", FACTORY.serial)
    assert command("fault", "list") == ""


def test_a_rule_that_is_none_is_a_wrong_use_of_the_program(command: Command) -> None:
    result = command.invoke("fault", "add", "decipher", "explode")
    assert result.exit_code == 2
    assert "'explode' is no effect" in result.stderr


def test_the_memory_is_limited(command: Command, rig: Rig) -> None:
    command("memory-limit", "1000")
    assert rig.stick().card.memory_limit == 1000


def test_a_stick_is_exported_to_where_the_program_was_called(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    command("export", "copy.json")
    assert Image.load(tmp_path / "elsewhere" / "copy.json") == FACTORY


def test_the_trace_is_shown(command: Command, rig: Rig) -> None:
    assert command("trace") == ""
    rig.stick().transmit(SELECT)
    assert "SELECT 0400 applet" in command("trace")


def test_no_rig_and_a_killed_one_are_told_apart(command: Command, tmp_path: Path) -> None:
    assert f"Error: no rig runs in {tmp_path}/none: start one" in Command(tmp_path / "none").refused("status")
    (tmp_path / "killed").mkdir()
    leave_a_socket = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    subprocess.run([sys.executable, "-c", leave_a_socket, tmp_path / "killed" / "control"], check=True)
    assert "is gone, it was killed" in Command(tmp_path / "killed").refused("stop")


def test_a_reader_that_is_gone_is_no_error_to_tell(rig: Rig) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    program = "from virtual_nitrokey.cli.main import main; main()"
    with open(theirs, "wb") as gone:
        answer = subprocess.run(
            [sys.executable, "-c", program, "status", "--directory", rig.directory],
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (answer.returncode, answer.stderr) == (1, b"")


def test_the_directory_is_that_of_the_users_state_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_NITROKEY_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert f"{tmp_path}/virtual-nitrokey" in CliRunner().invoke(cli, ["status"]).stderr
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"{tmp_path}/.local/state/virtual-nitrokey" in CliRunner().invoke(cli, ["status"]).stderr
