"""The doctor names the first layer that fails and the next step, and spends no PIN try unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import doctor
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import KeyType, Mechanism, SlotFlag, TokenFlag
from bank_vaults.hsm.client import BoundToken, Key, TokenError, TokenUnusableError, ValueDamagedError
from bank_vaults.hsm.doctor import Finding, Layer, Verdict
from bank_vaults.hsm.inventory import Format, Item, Role
from bank_vaults.hsm.pin import PinMemory, PinMemoryError, PinRefusedError, SaltedHash, remember_refused
from bank_vaults.hsm.selection import Candidate, Choice, TokenCriteria
from bank_vaults.hsm.survey import Kind, ObjectView, SlotView, Survey
from bank_vaults.hsm.token import Access

MODULE = ModuleInfo("2.20", "OpenSC Project", "OpenSC smartcard framework", "0.23")
READER = SlotInfo("Nitrokey HSM", "", SlotFlag.TOKEN_PRESENT)
FLAGS = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED
TOKEN = TokenInfo("bank-vaults (UserPIN)", "www.CardContact.de", "emulated", "DENK01", FLAGS, 6, 15, "3.5")
SLOT = SlotView(0, READER, TOKEN, (Mechanism.RSA_PKCS_OAEP,))
KEY = Key("bank-vaults", b"\1", KeyType.RSA, 2048, b"k" * 32)
BOUND = BoundToken(MODULE, Choice(Candidate(0, READER, TOKEN), (0,)), KEY, False)
ACCESS = Access(TokenCriteria(serial="DENK01"), "bank-vaults", None, Secret("banzai"), may_generate=False)


class Memory:
    """Refused PINs, of one token."""

    def __init__(self, known: PinMemory | Exception = PinMemory()) -> None:  # noqa: B008
        self.known = known

    def recall(self, serial: str) -> PinMemory:
        assert serial == "DENK01"
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    def remember(self, serial: str, memory: PinMemory) -> None:
        raise AssertionError("the worker does that")


class Client:
    """What the doctor asks of a token. ``failing`` are errors by the name of the method."""

    def __init__(self, *slots: SlotView, **failing: Exception) -> None:
        self.seen = Survey(MODULE, uses_pcscd=False, slots=slots)
        self.failing = failing
        self.asked: list[str] = []

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing:
            raise self.failing[name]

    def survey(self, *, login: bool) -> Survey:
        self._ask("login" if login else "survey")
        return self.seen

    def bind(self) -> BoundToken:
        self._ask("bind")
        return BOUND

    def seal(self, name: str, value: bytes, like: bytes | None) -> bytes:
        self._ask("seal")
        return value

    def open(self, name: str, stored: bytes) -> bytes:
        self._ask("open")
        return stored if "other" not in self.failing else b"other"


def examined(client: Client, *, login: bool, access: Access = ACCESS, **memory: Any) -> list[Finding]:
    """Up to the first failure, as the command does it."""
    found = []
    for finding in doctor.examine(client, access, Memory(**memory), {}, login=login):  # type: ignore[arg-type]
        found.append(finding)
        if finding.verdict is Verdict.FAILED:
            break
    return found


def test_a_healthy_token_is_looked_at_in_the_order_of_the_layers() -> None:
    found = examined(Client(SLOT), login=True)
    assert [finding.layer for finding in found] == list(Layer)[: list(Layer).index(Layer.STORE)]
    verdicts = {finding.verdict for finding in found if finding.layer is not Layer.PCSCD}
    assert verdicts == {Verdict.OK}
    assert not any(finding.next_step for finding in found)


def test_another_module_than_the_one_of_the_uri_is_told_first() -> None:
    access = ACCESS._replace(criteria=ACCESS.criteria._replace(library_description="another"))
    (finding,) = examined(Client(SLOT), login=True, access=access)
    assert (finding.layer, finding.verdict) == (Layer.MODULE, Verdict.FAILED)
    assert "not 'another' as --hsm-uri says" in finding.sentence


def test_without_leave_nobody_logs_in() -> None:
    client = Client(SLOT)
    found = examined(client, login=False)
    assert client.asked == ["survey"]
    skipped = [finding.layer for finding in found if finding.verdict is Verdict.SKIPPED]
    assert skipped == [
        Layer.PCSCD,
        Layer.LOGIN,
        Layer.KEY,
        Layer.MECHANISMS,
        Layer.ENCRYPTION,
        Layer.VALUES,
    ]


@pytest.mark.parametrize(
    ("failing", "layer", "code"),
    [
        ({"survey": TokenUnusableError("no module")}, Layer.MODULE, ExitCode.STORE),
        ({"survey": TokenError("hangs")}, Layer.MODULE, ExitCode.STORE),
        ({"login": PinRefusedError("refused", None)}, Layer.LOGIN, ExitCode.PIN_REFUSED),
        ({"login": TokenError("gone")}, Layer.LOGIN, ExitCode.STORE),
        ({"bind": TokenUnusableError("no key")}, Layer.KEY, ExitCode.STORE),
        ({"seal": TokenError("C_Decrypt")}, Layer.ENCRYPTION, ExitCode.STORE),
        ({"open": ValueDamagedError("damaged")}, Layer.ENCRYPTION, ExitCode.STORE),
        ({"other": ValueError()}, Layer.ENCRYPTION, ExitCode.STORE),
    ],
)
def test_the_layer_that_fails_is_the_last_one(
    failing: dict[str, Exception], layer: Layer, code: ExitCode
) -> None:
    *before, last = examined(Client(SLOT, **failing), login=True)
    assert (last.layer, last.verdict, last.code) == (layer, Verdict.FAILED, code)
    assert all(finding.code is ExitCode.OK for finding in before)


@pytest.mark.parametrize(
    ("slots", "layer"),
    [
        ((), Layer.READER),
        ((SlotView(0, READER),), Layer.TOKEN),
        ((SLOT._replace(token=TOKEN._replace(flags=FLAGS | TokenFlag.USER_PIN_LOCKED)),), Layer.PIN),
        ((SLOT._replace(mechanisms=()),), Layer.MECHANISMS),
    ],
    ids=lambda value: value.value if isinstance(value, Layer) else "",
)
def test_what_the_token_shows_fails_in_its_layer_and_no_later_one_is_asked_for(
    slots: tuple[SlotView, ...], layer: Layer
) -> None:
    client = Client(*slots)
    *before, last = examined(client, login=True)
    assert (last.layer, last.verdict) == (layer, Verdict.FAILED)
    assert [finding.layer for finding in before] == list(Layer)[: list(Layer).index(layer)]
    assert client.asked == (["survey", "login", "bind"] if layer is Layer.MECHANISMS else ["survey"])


def test_pcscd_that_is_not_there_is_told_before_the_readers(tmp_path: Path) -> None:
    client = Client(SLOT)
    client.seen = client.seen._replace(uses_pcscd=True)
    environ = {"PCSCLITE_CSOCK_NAME": str(tmp_path / "pcscd.comm")}
    found = doctor.examine(client, ACCESS, Memory(), environ, login=True)  # type: ignore[arg-type]
    verdicts = [(finding.layer, finding.verdict) for finding, _ in zip(found, range(2), strict=False)]
    assert verdicts == [(Layer.MODULE, Verdict.OK), (Layer.PCSCD, Verdict.FAILED)]


def test_a_stick_that_opensc_takes_for_initialised_is_told_at_the_login() -> None:
    failing = TokenError("C_Login: CKR_GENERAL_ERROR")
    last = examined(Client(SLOT, login=failing), login=True)[-1]
    assert "hsm prepare --new-token" in last.next_step


@pytest.mark.parametrize(
    ("slots", "uses_pcscd", "words"),
    [((), False, "plug the token in"), ((), True, "libccid")],
)
def test_no_reader_is_not_no_token(slots: tuple[SlotView, ...], uses_pcscd: bool, words: str) -> None:
    finding = doctor.reader(Survey(MODULE, uses_pcscd, slots))
    assert (finding.layer, finding.verdict) == (Layer.READER, Verdict.FAILED)
    assert words in finding.next_step


def test_a_reader_that_cannot_be_read_does_not_stop_the_rest() -> None:
    finding = doctor.reader(Survey(MODULE, True, (SLOT, SlotView(4, READER, error="C_GetTokenInfo: X"))))
    assert finding.verdict is Verdict.WARNING
    assert "slot 4 cannot be read: C_GetTokenInfo: X" in finding.sentence


def test_a_token_that_is_missing_or_not_the_only_one_fails() -> None:
    empty = Survey(MODULE, True, (SlotView(0, READER),))
    assert "plug it in" in doctor.token(empty, ACCESS).next_step
    two = Survey(MODULE, True, (SLOT, SLOT._replace(id=4)))
    finding = doctor.token(two, ACCESS._replace(criteria=TokenCriteria(label="bank-vaults")))
    assert finding.verdict is Verdict.FAILED
    assert "--hsm-serial" in finding.sentence
    by_slot = doctor.token(two, ACCESS._replace(criteria=TokenCriteria(slot=0)))
    assert by_slot.verdict is Verdict.WARNING
    assert "'bank-vaults', serial DENK01" in by_slot.sentence


REFUSED = remember_refused(PinMemory(), SaltedHash.of(Secret("banzai")))


def test_a_pin_that_was_refused_is_told_without_a_try() -> None:
    finding = doctor.pin_state(SLOT, ACCESS, Memory(REFUSED), login=False)
    assert (finding.verdict, finding.code) == (Verdict.FAILED, ExitCode.PIN_REFUSED)
    assert "has refused this PIN before" in finding.sentence


def test_a_person_may_have_it_tried_again() -> None:
    assert doctor.pin_state(SLOT, ACCESS, Memory(REFUSED), login=True).verdict is Verdict.OK


@pytest.mark.parametrize("pin", ["banzai", ""])
@pytest.mark.parametrize(
    ("flags", "verdict", "words"),
    [
        (FLAGS, Verdict.OK, "no wrong PIN is counted"),
        (FLAGS | TokenFlag.USER_PIN_FINAL_TRY, Verdict.FAILED, "--hsm-allow-final-try"),
        (FLAGS | TokenFlag.USER_PIN_LOCKED, Verdict.FAILED, "SO-PIN"),
        (TokenFlag.TOKEN_INITIALIZED, Verdict.FAILED, "bank-vaults hsm prepare"),
    ],
)
def test_the_state_of_the_pin_is_told_with_and_without_one_at_hand(
    flags: TokenFlag, verdict: Verdict, words: str, pin: str
) -> None:
    slot = SLOT._replace(token=TOKEN._replace(flags=flags))
    finding = doctor.pin_state(slot, ACCESS._replace(pin=Secret(pin)), Memory(), login=False)
    assert finding.verdict is verdict
    assert words in f"{finding.sentence} {finding.next_step}"
    assert finding.code is (ExitCode.PIN_REFUSED if verdict is Verdict.FAILED else ExitCode.OK)


def test_a_wrong_pin_of_somebody_else_is_a_warning() -> None:
    low = SLOT._replace(token=TOKEN._replace(flags=FLAGS | TokenFlag.USER_PIN_COUNT_LOW))
    finding = doctor.pin_state(low, ACCESS, Memory(), login=True)
    assert finding.verdict is Verdict.WARNING
    assert finding.sentence == "a wrong PIN was tried"


def test_a_damaged_memory_of_pins_is_told() -> None:
    finding = doctor.pin_state(SLOT, ACCESS, Memory(PinMemoryError("damaged")), login=False)
    assert (finding.verdict, finding.code) == (Verdict.FAILED, ExitCode.STORE)


def test_a_token_that_cannot_do_what_is_needed_is_told() -> None:
    assert doctor.mechanisms(SLOT, KeyType.RSA).verdict is Verdict.OK
    finding = doctor.mechanisms(SLOT, KeyType.EC)
    assert finding.verdict is Verdict.FAILED
    assert "CKM_ECDH1_DERIVE" in finding.sentence


def item(
    name: str, role: Role = Role.KEY, format_: Format = Format.ENVELOPE, key: bytes = KEY.fingerprint
) -> Item:
    return Item(name, role, 400, format_, key, b"s" * 16, True)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (item("vault-root", format_=Format.UNKNOWN, key=b""), "of no known format: vault-root"),
        (item("vault-root", key=b"x" * 32), "sealed to another key pair: vault-root"),
        (item("vault-init-answer", Role.ANSWER), "unfinished initialisation: vault-init-answer"),
        (item("vault-test", Role.TEST), "pre-flight check: vault-test"),
    ],
)
def test_trouble_with_values_is_named(found: Item, words: str) -> None:
    finding = doctor.values((item("vault-unseal-0"), found), BOUND)
    assert finding.verdict is Verdict.WARNING
    assert words in finding.sentence


def test_values_in_order_are_counted_and_those_of_others_not() -> None:
    raw = item("vault-root", format_=Format.RAW, key=b"")
    older = item("vault-unseal-0", key=b"x" * 32)._replace(newest=False)
    finding = doctor.values((raw, item("vault-unseal-0"), older, item("vault-x", Role.FOREIGN)), BOUND)
    assert finding.verdict is Verdict.OK
    assert finding.sentence == "2: vault-root, vault-unseal-0"


def test_values_are_read_from_what_a_login_shows() -> None:
    data = ObjectView(Kind.DATA, "vault-test-1", True, value=b"x")
    last = examined(Client(SLOT._replace(objects=(data,))), login=True)[-1]
    assert last.layer is Layer.VALUES
    assert "vault-test-1" in last.sentence


def test_a_key_of_another_initialisation_than_the_others_is_told() -> None:
    mine = [item(f"vault-unseal-{number}")._replace(set_id=b"a" * 16) for number in range(2)]
    foreign = item("vault-root")._replace(set_id=b"b" * 16)
    finding = doctor.values((*mine, foreign), BOUND)
    assert finding.verdict is Verdict.WARNING
    assert finding.sentence.endswith("; of another initialisation than the others: vault-root")
