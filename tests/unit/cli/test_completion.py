"""Shells complete commands, flags, choices and file names."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from bank_vaults.cli import main
from bank_vaults.cli.commands import COMMANDS, GROUPS, SHELLS
from bank_vaults.cli.options import MODES, OPTIONS
from tests.unit.cli.conftest import Cli


def complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, shell: str = "bash"
) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv("_BANK_VAULTS_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bank-vaults uns", ["plain,unseal"]),
        ("bank-vaults --mode file uns", ["plain,unseal"]),
        ("bank-vaults help comp", ["plain,completion"]),
        ("bank-vaults nonsense ", []),
        ("bank-vaults unseal x", []),
        ("bank-vaults unseal --mode", ["plain,--mode"]),
        ("bank-vaults unseal --init-", ["plain,--init-root-token", "plain,--init-root-token-file"]),
        ("bank-vaults help --", ["plain,--help"]),
        ("bank-vaults unseal --once=tr", []),
        ("bank-vaults unseal -- --onc", []),
        ("bank-vaults unseal --he", ["plain,--help"]),
        ("bank-vaults help -", ["plain,-h", "plain,--help"]),
        ("bank-vaults --vers", ["plain,--version"]),
        ("bank-vaults init --raft", []),
        ("bank-vaults unseal --raft-l", None),
        ("bank-vaults unseal --init --raft --raft-nope x --raft-non", ["plain,--raft-non-voter"]),
        ("bank-vaults unseal --mode ", [f"plain,{mode}" for mode in MODES]),
        ("bank-vaults unseal --init --mode hs", ["plain,hsm-k8s", "plain,hsm"]),
        ("bank-vaults unseal --mode=hs", ["plain,hsm-k8s", "plain,hsm"]),
        ("bank-vaults unseal --mode = hs", ["plain,hsm-k8s", "plain,hsm"]),
        ("bank-vaults unseal --log-format =", ["plain,text", "plain,json"]),
        ("bank-vaults --mode fi", ["plain,file"]),
        ("bank-vaults --nope --mode fi", ["plain,file"]),
        ("bank-vaults --log-level d", ["plain,debug"]),
        ("bank-vaults unseal --hsm-pin-file /ru", ["file,/ru"]),
        ("bank-vaults configure --vault-config-file a", ["file,a"]),
        ("bank-vaults unseal --hsm-pin ", []),
        ("bank-vaults completion z", ["plain,zsh"]),
        ("bank-vaults hs", ["plain,hsm"]),
        ("bank-vaults hsm do", ["plain,doctor"]),
        ("bank-vaults --hsm-serial X hsm --yes pu", ["plain,purge"]),
        ("bank-vaults hsm list x", []),
        ("bank-vaults hsm purge --forc", ["plain,--force"]),
        ("bank-vaults hsm list --forc", []),
        ("bank-vaults hsm list --output j", ["plain,json"]),
        ("bank-vaults help hs", ["plain,hsm"]),
        ("bank-vaults help hsm o", ["plain,objects"]),
        ("bank-vaults help hsm list ", []),
        ("bank-vaults help he", []),
    ],
)
def test_what_bash_is_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, expected: list[str] | None
) -> None:
    offered = complete(monkeypatch, capsys, line)
    if expected is None:
        assert "plain,--raft-leader-address" in offered
        assert all(item.startswith("plain,--raft-l") for item in offered)
    else:
        assert offered == expected


@pytest.mark.parametrize("line", ["bank-vaults -", "bank-vaults --", "bank-vaults unseal --"])
def test_all_flags_are_offered_to_dashes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    accepted = COMMANDS["unseal"].options if "unseal" in line else [o for o in OPTIONS if o.is_global]
    offered = complete(monkeypatch, capsys, line)
    assert offered[: len(accepted)] == [f"plain,--{option.name}" for option in accepted]
    assert ("plain,--version" in offered) is ("unseal" not in line)
    assert offered[-1] == "plain,--help"


def test_all_commands_are_offered_to_an_empty_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    single = [name for name in COMMANDS if " " not in name]
    assert complete(monkeypatch, capsys, "bank-vaults ") == [f"plain,{n}" for n in (*single, *GROUPS, "help")]


def test_powershell_is_offered_type_value_and_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = complete(monkeypatch, capsys, "bank-vaults uns", shell="powershell")
    assert offered == ["plain", "unseal", *COMMANDS["unseal"].summary.split()]


@pytest.mark.parametrize("instruction", ["ksh_complete", "bash_nonsense", "bash", "_"])
def test_an_instruction_that_no_script_gives_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], instruction: str
) -> None:
    monkeypatch.setenv("_BANK_VAULTS_COMPLETE", instruction)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_that_calls_back(cli: Cli, shell: str) -> None:
    outcome = cli("completion", shell, "--mode", "file")
    assert outcome.code == 0
    assert outcome.stderr == ""
    assert "_BANK_VAULTS_COMPLETE" in outcome.stdout
    assert f"{shell}_complete" in outcome.stdout


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_the_script_is_without_errors_for_the_shell(shell: str) -> None:
    if shell == "powershell":
        pytest.skip("has no option to check a script")
    script = subprocess.run(
        [sys.executable, "-m", "bank_vaults", "completion", shell],
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout
    checked = subprocess.run([shell, "-n"], input=script, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")
