"""Each way to end has its exit code and at most one line that says why; nothing secret is in it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank_vaults.cli import main
from bank_vaults.cli.commands import COMMANDS
from bank_vaults.cli.options import OPTIONS
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import StoreError
from tests.unit.cli.conftest import Cli


def program(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bank_vaults", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("BANK_VAULTS_")}
        | (env or {}),
    )


# What the commands get


@pytest.mark.parametrize("command", ["init", "unseal", "configure", "status"])
def test_flags_count_before_and_after_the_command(cli: Cli, command: str) -> None:
    outcome = cli("--mode", "file", "--once", command, "--file-path=/x")
    assert outcome.command == command
    assert outcome.given.text("mode") == "file"
    assert outcome.given.text("file-path") == "/x"
    assert outcome.given.flag("once") is True


def test_flags_keep_their_order_over_both_places(cli: Cli) -> None:
    outcome = cli("--aws-s3-bucket", "a", "unseal", "--aws-s3-bucket", "b")
    assert outcome.given.items("aws-s3-bucket") == ("a", "b")


def test_a_word_after_a_boolean_flag_is_not_its_value(cli: Cli) -> None:
    outcome = cli("unseal", "--once", "misplaced")
    assert outcome.given.flag("once") is True
    assert "arguments that are no flags are ignored" in outcome.stderr
    assert "count=1" in outcome.stderr


@pytest.mark.parametrize("line", ["configure plan", "configure --mode file validate", "unseal --once raft"])
def test_a_word_that_is_the_name_of_a_flag_does_nothing_irreversible(cli: Cli, line: str) -> None:
    words = line.split()
    outcome = cli(*words)
    assert outcome.code == ExitCode.USAGE
    assert f"'{words[0]}' takes no word: write --{words[-1]}" in outcome.stderr


@pytest.mark.parametrize("word", ["true", "false", "False"])
def test_a_boolean_word_without_its_equals_sign_does_nothing_irreversible(cli: Cli, word: str) -> None:
    outcome = cli("init", "--store-root-token", word)
    assert outcome.code == 64
    assert f"write --store-root-token={word}" in outcome.stderr


@pytest.mark.parametrize("command", ["init", "unseal", "configure"])
def test_positional_arguments_are_ignored_with_a_warning_that_counts_them(cli: Cli, command: str) -> None:
    outcome = cli(command, "some", "misplaced-pin")
    assert outcome.code == 0
    assert "count=2" in outcome.stderr
    assert "misplaced-pin" not in outcome.stderr


def test_the_exit_code_of_the_command_is_that_of_the_program(cli: Cli) -> None:
    assert cli("status", body=lambda _: ExitCode.SEALED).code == ExitCode.SEALED


def test_a_secret_on_the_command_line_is_warned_of_and_not_shown(cli: Cli) -> None:
    outcome = cli("unseal", "--hsm-pin", "73915", "--log-format", "json")
    record = json.loads(outcome.stderr)
    assert (record["level"], record["flag"], record["better"]) == ("WARN", "--hsm-pin", "--hsm-pin-file")
    assert "73915" not in outcome.stderr


def test_an_unknown_variable_is_warned_of_once(cli: Cli) -> None:
    outcome = cli("unseal", env={"BANK_VAULTS_MOD": "file"})
    assert outcome.code == 0
    assert outcome.stderr.count("BANK_VAULTS_MOD ") == 1
    assert "did_you_mean=BANK_VAULTS_MODE" in outcome.stderr


def test_the_log_level_holds(cli: Cli) -> None:
    def body(_: Settings) -> int:
        logging.getLogger("bank_vaults.x").warning("a warning")
        logging.getLogger("bank_vaults.x").error("an error")
        return 0

    assert "a warning" in cli("unseal", "--log-level", "warning", body=body).stderr
    assert "a warning" not in cli("unseal", "--log-level=error", body=body).stderr


# Errors of the user


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["unseal", "--fil-path", "/x"], "unknown flag: --fil-path; did you mean --file-path?"),
        (["unseal", "-init"], "unknown flag: -init; did you mean --init?"),
        (["--nope", "unseal"], "unknown flag: --nope"),
        (["--raft"], "unknown flag: --raft"),
        (["init", "--raft"], "unknown flag: --raft"),
        (["unsael"], "unknown command 'unsael' for 'bank-vaults'; did you mean 'unseal'?"),
        (["zzz"], "unknown command 'zzz' for 'bank-vaults'; see 'bank-vaults help'"),
        (["help", "zzz"], "unknown command 'zzz'"),
        (["unseal", "--mode"], "'--mode' requires an argument"),
        (["unseal", "--mode", "floppy"], "unsupported backend mode: 'floppy'"),
        (["unseal", "--once=maybe"], "--once: 'maybe' is not a boolean"),
        (["unseal", "--once="], "--once: '' is not a boolean"),
        (["unseal", "--k8s-secret-labels", ""], "--k8s-secret-labels: '' is not a map"),
        (["unseal", "--unseal-period", "0"], "--unseal-period: '0' is not longer than zero"),
        (["unseal", "--unseal-period=-5s"], "--unseal-period: '-5s' is not a duration"),
        (
            ["unseal", "--secret-threshold", "6"],
            "the secret threshold can't be bigger than the shares [5 < 6]",
        ),
        (["completion"], "accepts 1 arg(s), received 0"),
        (["completion", "bash", "zsh"], "accepts 1 arg(s), received 2"),
        (["completion", "ksh"], 'invalid argument "ksh" for "bank-vaults completion"'),
        (["version", "extra"], "unexpected extra argument"),
        (["status", "extra"], "unexpected extra argument"),
        (["template", "-template", "nocolon"], "--template: 'nocolon' is not a source and a destination"),
        (["template", "-template", "a:b:c"], "--template: 'a:b:c' is not"),
        (["template", "-template", ":b"], "--template: ':b' is not"),
        (["template", "-delims", "{{"], "--delims: '{{' is not two delimiters"),
        (["template", "-mode", "900"], "--mode: '900' is not a file mode"),
        (["unseal", "--mode", "a\nb\x1b"], "unsupported backend mode: 'a\\nb\\x1b'"),
    ],
)
def test_an_error_of_the_user_is_one_line_and_64(cli: Cli, arguments: list[str], sentence: str) -> None:
    outcome = cli(*arguments)
    assert outcome.code == ExitCode.USAGE
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("Error: ")
    assert sentence in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert outcome.settings is None


def test_an_unknown_word_in_an_error_cannot_write_to_the_terminal(cli: Cli) -> None:
    assert "\x1b" not in cli("--\x1b[31m\n").stderr
    assert "\x1b" not in cli("completion", "\x1b[31m").stderr


WORDS = st.sampled_from(
    [
        *COMMANDS,
        "help",
        "--help",
        "-h",
        "--version",
        "--",
        "-",
        "",
        *(f"--{option.name}" for option in OPTIONS),
    ]
)


@given(arguments=st.lists(WORDS | st.text(max_size=8) | WORDS.map(lambda word: word + "=1"), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_command_line_ends_in_anything_unexpected(cli: Cli, arguments: list[str]) -> None:
    outcome = cli(*arguments)
    assert outcome.code in (ExitCode.OK, ExitCode.FAILURE, ExitCode.USAGE, ExitCode.STORE)
    assert "unexpected " not in outcome.stderr.replace("unexpected extra argument", "")
    assert "Traceback" not in outcome.stderr


# Errors of ours and of the world


def _raise(error: BaseException) -> int:
    raise error


def test_a_store_that_cannot_be_used_has_its_own_code(cli: Cli) -> None:
    outcome = cli("unseal", body=lambda _: _raise(StoreError("file: cannot write vault-root: disk full")))
    assert outcome.code == ExitCode.STORE
    assert outcome.stderr == "Error: file: cannot write vault-root: disk full\n"


def test_an_unexpected_error_is_one_line_without_secrets(cli: Cli) -> None:
    def body(settings: Settings) -> int:
        pin = settings.secret("hsm-pin")
        assert pin is not None
        raise RuntimeError(f"refused {pin.reveal()}\nsecond line")

    outcome = cli("unseal", env={"BANK_VAULTS_HSM_PIN": "73915"}, body=body)
    assert outcome.code == ExitCode.FAILURE
    assert outcome.stderr == "Error: unexpected RuntimeError: refused ***\\nsecond line\n"


def test_the_traceback_is_there_at_debug_level_without_secrets(cli: Cli) -> None:
    outcome = cli(
        "unseal",
        "--log-level=debug",
        env={"BANK_VAULTS_HSM_PIN": "73915"},
        body=lambda _: _raise(RuntimeError("refused 73915")),
    )
    assert outcome.code == ExitCode.FAILURE
    assert "Traceback" in outcome.stderr
    assert "73915" not in outcome.stderr


def test_an_interrupt_ends_with_130_in_silence(cli: Cli) -> None:
    outcome = cli("unseal", body=lambda _: _raise(KeyboardInterrupt()))
    assert outcome.code == 130
    assert outcome.stderr == ""


def test_a_broken_pipe_elsewhere_is_an_error_like_others() -> None:
    code = (
        "import sys, types\n"
        "body = types.ModuleType('bank_vaults.cli.unseal')\n"
        "def run(settings): raise BrokenPipeError('to the server')\n"
        "body.run = run\n"
        "sys.modules[body.__name__] = body\n"
        "sys.argv[1:] = ['unseal']\n"
        "from bank_vaults.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == ExitCode.FAILURE
    assert done.stderr == "Error: unexpected BrokenPipeError: to the server\n"


def test_a_reader_that_goes_away_is_no_error_to_speak_of() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bank_vaults", "help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


def test_a_full_disk_is_reported() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bank_vaults", "version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == ExitCode.FAILURE
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_a_full_disk_under_stderr_does_not_change_the_exit_code() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "bank_vaults", "no-such-command"]
        done = subprocess.run(command, stderr=full, timeout=60, check=False)
    assert done.returncode == ExitCode.USAGE


def test_without_a_stdout_the_program_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main.run("bank-vaults", ["version"]) == 0


# The entry points


def test_the_module_is_the_program() -> None:
    done = program("version", "--output", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["name"] == "bank-vaults"
    assert done.stderr == ""


def test_main_and_template_are_the_console_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bank-vaults", "version"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 0
    monkeypatch.setattr(
        sys, "argv", ["template", "-template=a:b", "-delims", "{{:}}", "-mode", "0600", "-file", "x"]
    )
    with pytest.raises(SystemExit) as end:
        main.template()
    assert end.value.code == ExitCode.FAILURE
    assert "the template 'a' cannot be read: No such file or directory" in capsys.readouterr().err


def test_configure_says_which_file_it_cannot_read() -> None:
    done = program("configure", "--vault-config-file", "a.yml", "--once")
    assert done.returncode == ExitCode.FAILURE
    assert "error parsing vault config file: a.yml: the file cannot be read" in done.stderr


def test_template_and_store_have_modes_of_their_own(cli: Cli) -> None:
    environment = {"BANK_VAULTS_MODE": "file"}
    assert cli("template", "-template", "a:b", env=environment).code == ExitCode.FAILURE
    assert cli("unseal", env=environment).given.text("mode") == "file"
