"""The command line with a real pcscd and its clients."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.integration.virtual_nitrokey.conftest import Readers
from tests.support.opensc import OpenSC
from virtual_nitrokey.image import Image

pytestmark = pytest.mark.usefixtures("can_run_pcscd")

LIMIT = 30.0  # seconds; a loaded two-core machine needs a fraction of them
ONE, OTHER = "DENK0100001", "DENK0100002"
PROGRAM = (sys.executable, "-c", "from virtual_nitrokey.cli.main import main; main()")


class Program:
    """The program with one directory for its rig, which is gone in the end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self, *words: str, prelude: str = "", **options: Any) -> subprocess.Popen[str]:
        python, flag, code = PROGRAM
        return subprocess.Popen(
            [python, flag, f"{prelude}\n{code}", *words],
            env={**os.environ, "VIRTUAL_NITROKEY_DIR": str(self.directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *words: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*words, prelude=prelude) as process:
            out, err = process.communicate("", LIMIT)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def __call__(self, *words: str) -> str:
        answer = self.run(*words)
        assert (answer.returncode, answer.stderr) == (0, "")
        return answer.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("status", "--output", "json"))
        return found


class Rig:
    """``run`` without a command, from when its sticks can be seen. It is ended with SIGTERM."""

    def __init__(self, program: Program, *words: str) -> None:
        self.process = program.start("run", "--output", "json", *words)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(self.process.communicate(timeout=LIMIT)[1])
        self.status = json.loads(line)
        self.environment: dict[str, str] = self.status["environment"]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        with self.process:
            self.process.communicate(timeout=LIMIT)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


@pytest.fixture
def program() -> Iterator[Program]:
    # Short, because the name of a socket has room for 107 characters only.
    with tempfile.TemporaryDirectory(prefix="virtual-nitrokey-") as directory:
        yield Program(Path(directory))


@pytest.fixture
def two(program: Program) -> Iterator[Rig]:
    """A rig with the sticks ONE and OTHER."""
    for serial in (ONE, OTHER):
        Image.new(serial).save(program.directory / f"{serial}.json")
    with Rig(program) as rig:
        yield rig


def seen(readers: Readers, environment: dict[str, str]) -> dict[str, bool]:
    """Serial numbers, and whether the stick is in its reader."""
    listed = readers(environment).items()
    return {match[0]: card for name, card in listed if (match := re.search("DENK[0-9]{7}", name))}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- run without a command -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_a_signal_and_keeps_its_sticks(program: Program, readers: Readers, number: int) -> None:
    rig = Rig(program, "--sticks", "2")
    assert rig.status == program.status()
    sticks = dict.fromkeys((stick["serial"] for stick in rig.status["sticks"]), True)
    assert len(sticks) == 2
    assert seen(readers, rig.environment) == sticks
    assert rig.end(number) == 0
    assert not alive(rig.status["pcscd_pid"])
    assert not (program.directory / "control").exists()
    with Rig(program) as again:
        assert seen(readers, again.environment) == sticks


def test_it_says_what_to_export_which_sticks_there_are_and_that_they_protect_nothing(
    program: Program, readers: Readers
) -> None:
    with program.start("run") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (0, "")
    assert lines[:2] == [
        f"export PCSCLITE_CSOCK_NAME={program.directory}/pcscd/pcscd.comm\n",
        f"export VIRTUAL_NITROKEY_DIR={program.directory}\n",
    ]
    assert re.fullmatch(r"# (DENK\d{7}): inserted, not initialised, in reader '.*\(\1 +\) 00 00'\n", lines[2])
    assert err == (
        f"These sticks protect nothing: keys and PINs lie in clear in {program.directory}\n"
        "and wherever else a file was named. Never keep a key in them that matters.\n"
    )


def test_stop_returns_when_another_can_run(program: Program) -> None:
    for _ in range(2):
        rig = Rig(program)
        program("stop")
        assert not alive(rig.status["pcscd_pid"])
        assert rig.end() == 0


def test_a_killed_one_does_not_keep_the_next_one_away(program: Program, readers: Readers) -> None:
    with Rig(program) as rig:
        rig.end(signal.SIGKILL)
        answer = program.run("status")
        assert (answer.returncode, answer.stdout) == (1, "")
        assert "is gone, it was killed" in answer.stderr
    with Rig(program) as again:
        assert again.status["sticks"] == rig.status["sticks"]
        assert all(seen(readers, again.environment).values())


def test_two_directories_are_two_worlds(program: Program, two: Rig, readers: Readers) -> None:
    with Rig(
        program, "--directory", f"{program.directory}/3", "--stick", f"{program.directory}/third"
    ) as third:
        (serial,) = seen(readers, third.environment)
        assert Image.load(program.directory / "third").serial == serial
        assert [*seen(readers, two.environment)] == [ONE, OTHER]


def test_more_sticks_than_opensc_sees_by_itself_are_seen_in_the_environment_that_is_told(
    program: Program, system_opensc: OpenSC
) -> None:
    with Rig(program, "--sticks", "8") as rig:
        assert len(rig.environment) == 2
        without = {name: value for name, value in rig.environment.items() if name != "OPENSC_CONF"}
        for environment, count in (without, 2), (rig.environment, 8):
            slots = system_opensc.run("pkcs11-tool", "--list-token-slots", env=environment)
            assert slots.stdout.count("serial num") == count
    answer = program.run("run", "--", "sh", "-c", 'cat "$OPENSC_CONF"')
    assert "max_virtual_slots" in answer.stdout


def test_the_walk_in_the_documentation_can_be_walked(
    program: Program, system_opensc: OpenSC, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "virtual-nitrokey.md").read_text()
    begin, walk = re.findall(r"(?s)```console\n(.*?)```", text)[:2]
    assert begin.startswith("$ virtual-nitrokey run\n")
    steps = re.findall(r"(?m)^\$ ((?:.*\\\n)*.*)$", walk)
    here = tmp_path / "virtual-nitrokey"
    here.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    here.chmod(0o700)
    with Rig(program) as rig:
        path = f"{tmp_path}:{system_opensc.prefix}/bin:{os.environ['PATH']}"
        walked = subprocess.run(
            ["bash", "-ec", "\n".join(steps)],
            env=system_opensc.surroundings(
                {**rig.environment, "VIRTUAL_NITROKEY_DIR": str(program.directory), "PATH": path}
            ),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert walked.returncode == 0, walked.stderr
    assert "a share" in walked.stdout
    assert re.search(r"work .* 1 rsa-private, 1 rsa-generate", walked.stdout)
    assert rig.status["sticks"][0]["serial"] in walked.stdout


# -- run with a command ----------------------------------------------------------------------------------


def test_a_command_has_the_sticks_and_the_program_for_itself(program: Program, system_opensc: OpenSC) -> None:
    script = '"$1" --list-readers; exec "$2" "$3" "$4" remove'
    tool = str(system_opensc.tool("opensc-tool"))
    answer = program.run("run", "--", "sh", "-c", script, "sh", tool, *PROGRAM)
    assert answer.returncode == 0
    assert re.findall(r"(Yes|No) .*DENK[0-9]{7} +\) 00 00", answer.stdout) == ["Yes"]
    assert answer.stdout.startswith("# Detected readers")
    assert "protect nothing" in answer.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["/nowhere/command"], 127),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_that_of_the_command(program: Program, command: Sequence[str], code: int) -> None:
    answer = program.run("run", "--", *command)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert ("cannot be run" in answer.stderr) == (code in (126, 127))
    assert not (program.directory / "control").exists()


@pytest.mark.parametrize("how", ["signal", "stop"])
def test_who_asks_to_end_asks_the_command(program: Program, how: str) -> None:
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    with program.start("run", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if how == "signal":
            process.terminate()
        else:
            program("stop")
        assert process.wait(LIMIT) == 5


def test_an_interrupt_is_for_the_command_to_handle(program: Program) -> None:
    script = "trap 'echo interrupted' INT; echo ready; while read -r line; do :; done; exit 5"
    with program.start("run", "--", "bash", "-c", script, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stdout.readline() == "interrupted\n"
        process.communicate("", LIMIT)
    assert process.returncode == 5


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal_that_comes_while_the_command_starts_is_passed_on_as_what_it_was(
    program: Program, name: str
) -> None:
    early = (
        "import os, signal, subprocess\n"
        "class Popen(subprocess.Popen):\n"
        "    def __init__(self, command, **options):\n"
        "        reader, writer = os.pipe()\n"
        "        super().__init__(command, stdout=writer, **options)\n"
        "        if command[0] == 'bash':\n"
        "            assert os.read(reader, 6) == b'ready\\n'\n"
        f"            signal.raise_signal(signal.SIG{name})\n"
        "import virtual_nitrokey.cli.run as run\n"
        "run.subprocess = type('Module', (), {'Popen': Popen})\n"
    )
    script = f"trap 'exit 5' {name}; echo ready; while :; do sleep 0.01; done"
    assert program.run("run", "--", "bash", "-c", script, prelude=early).returncode == 5


# -- commands to a rig -----------------------------------------------------------------------------------


def test_clients_see_what_was_done_when_the_command_returns(
    program: Program, two: Rig, readers: Readers
) -> None:
    program("remove", "--serial", ONE)
    assert seen(readers, two.environment) == {ONE: False, OTHER: True}
    program("swap", OTHER, ONE)
    assert seen(readers, two.environment) == {ONE: True, OTHER: False}
    program("insert", "--serial", OTHER)
    assert seen(readers, two.environment) == {ONE: True, OTHER: True}
    before = program.status()["pcscd_pid"]
    program("restart-pcscd", "--down-for", "0.1")
    assert seen(readers, two.environment) == {ONE: True, OTHER: True}
    assert program.status()["pcscd_pid"] != before


def test_a_fault_happens_and_is_seen_in_the_trace(program: Program, two: Rig, system_opensc: OpenSC) -> None:
    def fails() -> bool:
        arguments = ("--reader", "0", "--send-apdu", "80:50:00:00")
        answer = system_opensc.run("opensc-tool", *arguments, env=two.environment)
        return "SW1=0x6F, SW2=0x00" in answer.stdout

    program("fault", "add", "--serial", ONE, "initialise", "nth=2", "status=6F00")
    assert [fails(), fails(), fails()] == [False, True, False]
    assert program("fault", "list", "--serial", ONE) == ""
    assert len(re.findall("INITIALISE .*6F00", program("trace"))) == 1


def test_the_trace_is_followed_to_the_end_of_the_rig(program: Program, tmp_path: Path) -> None:
    with Rig(program, "--trace", str(tmp_path / "trace")):
        with program.start("trace", "--follow") as follower:
            program("remove")
            assert follower.stdout is not None
            assert follower.stdout.readline().endswith(" removed\n")
            program("stop")
            out, err = follower.communicate(timeout=LIMIT)
        assert (follower.returncode, out, err) == (0, "", "")
    assert (tmp_path / "trace").read_text().endswith(" removed\n")


def test_an_exported_stick_is_run_elsewhere(program: Program, two: Rig, readers: Readers) -> None:
    program("export", "--serial", OTHER, f"{program.directory}/copy")
    with Rig(
        program, "--directory", f"{program.directory}/3", "--stick", f"{program.directory}/copy"
    ) as third:
        assert seen(readers, third.environment) == {OTHER: True}


# -- errors ----------------------------------------------------------------------------------------------


def test_a_second_one_with_the_same_sticks_is_refused(program: Program, two: Rig, readers: Readers) -> None:
    answer = program.run("run")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"Error: {program.directory}/{ONE}.json is in use: stop the process" in answer.stderr
    other = program.run("run", "--stick", f"{program.directory}/third")
    assert other.returncode == 1
    assert f"another pcscd runs in {program.directory}" in other.stderr
    assert seen(readers, two.environment) == {ONE: True, OTHER: True}


@pytest.mark.parametrize(("command", "code"), [([], 1), (["--", "true"], 125)])
def test_a_damaged_stick_is_named_and_left_alone(program: Program, command: list[str], code: int) -> None:
    path = program.directory / f"{ONE}.json"
    path.write_text("{}")
    answer = program.run("run", *command)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr.startswith(f"Error: {path} is no image of a stick: format: ")
    assert path.read_text() == "{}"


def test_a_file_that_cannot_be_made_is_named(program: Program) -> None:
    answer = program.run("run", "--stick", f"{program.directory}/none/stick")
    assert answer.returncode == 1
    assert answer.stderr == (
        f"Error: {program.directory}/none/stick.lock cannot be used: No such file or directory\n"
    )


def test_missing_packages_are_named(program: Program) -> None:
    prelude = "from virtual_nitrokey import pcscd; pcscd._DRIVERS = ()"
    answer = program.run("run", prelude=prelude)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.endswith("is not installed: install the package vsmartcard-vpcd\n")
