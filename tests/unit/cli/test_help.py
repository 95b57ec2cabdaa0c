"""Help is on stdout with 0, complete, in sections, as wide as the terminal, and plain where asked for."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from bank_vaults.cli.commands import COMMANDS, GROUPS
from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"], ["--mode", "file"]])
def test_help_is_what_one_gets_who_asks_for_nothing(cli: Cli, arguments: list[str]) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 0
    assert outcome.stderr == ""
    for command in (*COMMANDS.values(), *GROUPS.values()):
        assert (command.summary in outcome.stdout) is (" " not in command.name)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_the_same_help_in_three_places(cli: Cli, command: str) -> None:
    words = command.split()
    texts = {cli("help", *words).stdout, cli(*words, "--help").stdout, cli("-h", *words).stdout}
    assert len(texts) == 1
    (text,) = texts
    for example in COMMANDS[command].examples:
        assert f"  {example}\n" in text
    assert "Examples:" in text


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS.values() if not command.ignores_global_flags]
)
def test_the_help_of_a_command_shows_each_of_its_flags(cli: Cli, command: object) -> None:
    from bank_vaults.cli.commands import Command

    assert isinstance(command, Command)
    text = cli("help", command.name).stdout
    for option in command.options:
        assert f"  --{option.name}" in text
        assert f"{option.section}:" in text


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_by_itself_shows_its_commands(cli: Cli, group: str) -> None:
    texts = {
        cli(*words).stdout for words in ((group,), ("help", group), (group, "--help"), ("--login", group))
    }
    assert len(texts) == 1
    (text,) = texts
    for command in COMMANDS.values():
        assert (f"  {command.name}  " in text) is command.name.startswith(f"{group} ")
    assert GROUPS[group].summary in text


@pytest.mark.parametrize("command", [name for name in COMMANDS if name.startswith("hsm ")])
def test_the_commands_on_tokens_show_the_flags_that_they_read_and_no_others(cli: Cli, command: str) -> None:
    text = cli("help", *command.split()).stdout
    for option in COMMANDS[command].options:
        assert (f"  --{option.name} " in text) is (command in option.commands)


def test_commands_that_ignore_the_global_flags_do_not_show_them(cli: Cli) -> None:
    text = cli("help", "version").stdout
    assert "--output" in text
    assert "--mode" not in text


def test_help_fits_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = cli("help", "unseal").stdout.partition("Examples:")[0]
        assert max(map(len, text.splitlines())) <= columns
    assert any(len(line) > 80 for line in text.splitlines())


@pytest.mark.parametrize(("variables", "colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_without_no_color(variables: dict[str, str], colour: bool) -> None:
    terminal, other_end = pty.openpty()
    try:
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | variables
        done = subprocess.run(
            [sys.executable, "-m", "bank_vaults", "version", "--help"],
            stdout=other_end,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=60,
            check=False,
        )
        text = os.read(terminal, 65536)
    finally:
        os.close(terminal)
        os.close(other_end)
    assert done.returncode == 0
    assert (b"\x1b[" in text) is colour


def test_no_colours_in_a_pipe(cli: Cli) -> None:
    assert "\x1b[" not in cli("help", "unseal").stdout


def test_version_has_three_forms(cli: Cli) -> None:
    import json
    import platform

    from bank_vaults import __version__

    table = cli("version")
    assert table.stdout == cli("--version").stdout
    assert table.stdout.startswith(f"bank-vaults {__version__}\npython {platform.python_version()}")
    facts = json.loads(cli("version", "--output", "json").stdout)
    assert facts.keys() == {"name", "version", "python", "platform"}
    assert facts["version"] == __version__
