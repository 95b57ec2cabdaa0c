"""What the commands on tokens say of what they see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bank_vaults.cli.hsm import doctor, prepare
from bank_vaults.cli.hsm import list as list_
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import SlotFlag, TokenFlag
from bank_vaults.hsm.doctor import Finding, Verdict
from bank_vaults.hsm.survey import Kind, ObjectView, SlotView, Survey
from bank_vaults.unsealer.status import JournalLook, ServerLook, Status, StoreLook
from tests.support.states import FRESH, SEALED, UNSEALED
from tests.unit.cli.conftest import Cli

READER = SlotInfo("Reader", "", SlotFlag.TOKEN_PRESENT)
FLAGS = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED
TOKEN = TokenInfo("bank-vaults (UserPIN)", "CardContact", "HSM", "DENK01", FLAGS, 6, 15, "3.5")
PUBLIC = ObjectView(Kind.PUBLIC_KEY, "bank-vaults", False, b"\1", "RSA", 2048, b"k" * 32)
PRIVATE = ObjectView(Kind.PRIVATE_KEY, "bank-vaults", True, b"\1", "RSA")


class Client:
    """A client of which only the survey is wanted."""

    def __init__(self, seen: Survey) -> None:
        self._seen = seen

    def survey(self, *, login: bool) -> Survey:
        assert not login
        return self._seen


Listed = Callable[..., str]


@pytest.fixture
def listed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """The table of ``hsm list`` for these slots."""

    def run(*slots: SlotView) -> str:
        @contextmanager
        def client(*_: object) -> Iterator[Client]:
            yield Client(Survey(ModuleInfo("2.20", "OpenSC Project", "OpenSC", "0.23"), True, slots))

        monkeypatch.setattr(list_, "client", client)
        outcome = cli("hsm", "list")
        assert (outcome.code, outcome.stderr) == (0, "")
        return outcome.stdout

    return run


def test_a_module_without_readers_is_shown_as_such(listed: Listed) -> None:
    assert listed() == "module      OpenSC Project, OpenSC 0.23\nslots       none\n"


def test_a_slot_that_cannot_be_read_is_shown_with_its_error(listed: Listed) -> None:
    table = listed(SlotView(0, READER, error="C_GetTokenInfo: CKR_DEVICE_ERROR"), SlotView(4, READER))
    assert table.splitlines()[1:] == [
        "slot 0      Reader",
        "  error     C_GetTokenInfo: CKR_DEVICE_ERROR",
        "slot 4      Reader",
        "  token     none",
    ]


@pytest.mark.parametrize(
    ("objects", "lines"),
    [
        ((PUBLIC,), ["bank-vaults, RSA 2048, ID 01"]),
        ((PUBLIC, PRIVATE), ["bank-vaults, RSA 2048, ID 01"]),
        (
            (PUBLIC, PRIVATE._replace(id=b"\2")),
            [
                "bank-vaults, RSA 2048, ID 01, without its private half",
                "bank-vaults, RSA, ID 02, without its public half",
            ],
        ),
        ((PUBLIC._replace(label="", id=b""),), ["no label, RSA 2048, ID none"]),
    ],
)
def test_a_key_pair_is_one_line_and_a_half_is_told(
    listed: Listed, objects: tuple[ObjectView, ...], lines: list[str]
) -> None:
    table = listed(SlotView(0, READER, TOKEN, objects=objects)).splitlines()
    assert [line.removeprefix("  key       ") for line in table if line.startswith("  key")] == lines


def test_a_list_that_presents_no_pin_needs_none(listed: Listed) -> None:
    assert "  token     bank-vaults, serial DENK01, CardContact HSM" in listed(SlotView(0, READER, TOKEN))


@pytest.mark.parametrize("command", ["list --login", "doctor --login", "objects", "purge", "prepare"])
def test_without_a_pin_no_command_logs_in(cli: Cli, command: str) -> None:
    outcome = cli("hsm", *command.split(), "--hsm-module-path", "/nowhere.so")
    assert outcome.code == ExitCode.STORE
    assert "--hsm-pin-file" in outcome.stderr


def test_a_doctor_without_a_module_says_so_first(cli: Cli, tmp_path: Path) -> None:
    flags = ("--hsm-module-path", "/nowhere.so", "--hsm-state-dir", str(tmp_path))
    outcome = cli("hsm", "doctor", *flags)
    assert outcome.code == ExitCode.STORE
    assert outcome.stdout.startswith("module      failed: ")
    assert "/nowhere.so does not exist" in outcome.stdout


def judged(finding: Finding) -> tuple[Verdict, ExitCode, str]:
    return finding.verdict, finding.code, f"{finding.sentence} {finding.next_step}"


@pytest.mark.parametrize(
    ("seen", "keys", "verdict", "code", "words"),
    [
        (ServerLook("a", error="refused"), (), Verdict.FAILED, ExitCode.FAILURE, "VAULT_ADDR"),
        (ServerLook("a", FRESH), (), Verdict.OK, ExitCode.OK, "unseal --init"),
        (ServerLook("a", FRESH), ("k",), Verdict.FAILED, ExitCode.KEYS, "hsm purge"),
        (ServerLook("a", SEALED), ("k",), Verdict.OK, ExitCode.OK, "is sealed"),
        (ServerLook("a", UNSEALED), (), Verdict.OK, ExitCode.OK, "is unsealed"),
    ],
)
def test_what_is_wrong_with_a_server_is_told(
    seen: ServerLook, keys: tuple[str, ...], verdict: Verdict, code: ExitCode, words: str
) -> None:
    finding = doctor.server_state(seen, StoreLook(keys=keys))
    assert judged(finding)[:2] == (verdict, code)
    assert words in judged(finding)[2]


@pytest.mark.parametrize(
    ("seen", "journal", "verdict", "code", "words"),
    [
        (StoreLook(error="gone"), JournalLook(), Verdict.FAILED, ExitCode.STORE, "gone"),
        (StoreLook(missing="2 of 3"), JournalLook(), Verdict.FAILED, ExitCode.KEYS, "do not initialise"),
        (
            StoreLook(),
            JournalLook(open=True, sentence="unfinished"),
            Verdict.WARNING,
            ExitCode.OK,
            "unfinished",
        ),
        (StoreLook(keys=("vault-root",)), JournalLook(), Verdict.OK, ExitCode.OK, "vault-root"),
        (StoreLook(), JournalLook(), Verdict.OK, ExitCode.OK, "no keys"),
    ],
)
def test_what_is_wrong_with_a_store_is_told(
    seen: StoreLook, journal: JournalLook, verdict: Verdict, code: ExitCode, words: str
) -> None:
    finding = doctor.store(Status((), seen, journal))
    assert judged(finding)[:2] == (verdict, code)
    assert words in judged(finding)[2]


def test_the_so_pin_goes_to_a_new_file_or_nowhere(tmp_path: Path) -> None:
    from bank_vaults.cli.errors import UsageError
    from bank_vaults.domain.secrets import Secret

    for path in (tmp_path, tmp_path / "missing" / "so-pin"):
        with pytest.raises(UsageError, match="nothing was done") as caught:
            prepare._hand_out(Secret("5a0c52f31c0f4be7"), str(path))
        assert "5a0c" not in str(caught.value)
