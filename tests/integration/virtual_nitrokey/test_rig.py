"""Sticks in a real pcscd, as OpenSC sees them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.virtual_nitrokey.conftest import Readers
from tests.support.opensc import OpenSC
from virtual_nitrokey import pcscd
from virtual_nitrokey import rig as module
from virtual_nitrokey.card import Work
from virtual_nitrokey.control import Control, request
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import PcscdError
from virtual_nitrokey.rig import Rig, RigError
from virtual_nitrokey.timing import NITROKEY_HSM

pytestmark = pytest.mark.usefixtures("can_run_pcscd")

ONE, OTHER = Image.new("DENK0100001"), Image.new("DENK0100002")
SO_PIN, PIN = "3537363231383830", "648219"


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Two sticks that were never initialised."""
    with Rig([ONE, OTHER]) as rig:
        yield rig


def cards(rig: Rig, readers: Readers) -> list[bool]:
    """For each stick, whether OpenSC sees a card in its reader."""
    seen = readers(rig.environment())
    return [seen[stick.reader] for stick in rig.status().sticks]


def initialise(rig: Rig, opensc: OpenSC) -> None:
    """The first stick."""
    options = ("--reader", "0", "--initialize", "--so-pin", SO_PIN, "--pin", PIN, "--label", "test")
    opensc.run("sc-hsm-tool", *options, env=rig.environment())
    assert rig.status().sticks[0].initialised


def generate(rig: Rig, opensc: OpenSC) -> subprocess.CompletedProcess[str]:
    """An EC key on the first stick."""
    options = ("--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01")
    return opensc.run("pkcs11-tool", *options, env=rig.environment())


def test_the_sticks_are_seen_as_soon_as_the_rig_has_started(rig: Rig, readers: Readers) -> None:
    assert cards(rig, readers) == [True, True]
    assert [stick.visible for stick in rig.status().sticks] == [True, True]


def test_two_rigs_at_once_do_not_meet(rig: Rig, readers: Readers) -> None:
    with Rig([ONE]) as other:
        rig.remove(ONE.serial)
        rig.settle()
        assert cards(rig, readers) == [False, True]
        assert cards(other, readers) == [True]


def test_removal_and_return_are_seen_when_they_have_settled(rig: Rig, readers: Readers) -> None:
    rig.remove(ONE.serial)
    rig.settle()
    assert cards(rig, readers) == [False, True]
    rig.insert(ONE.serial)
    rig.settle()
    assert cards(rig, readers) == [True, True]


def test_who_waits_for_a_stick_has_pcscd_look_now(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[pcscd.Pcscd] = []
    look = pcscd.Pcscd.look

    def counted(one: pcscd.Pcscd) -> None:
        looks.append(one)
        look(one)

    monkeypatch.setattr(pcscd.Pcscd, "look", counted)
    rig.settle()
    assert looks == []
    for _ in range(20):  # it may have looked by itself, between removal and waiting
        rig.remove(ONE.serial)
        rig.settle()
        if looks:
            break
        rig.insert(ONE.serial)
        rig.settle()
    assert looks


def test_sticks_can_be_exchanged(rig: Rig, readers: Readers) -> None:
    rig.remove(OTHER.serial)
    rig.settle()
    rig.swap(ONE.serial, OTHER.serial)
    rig.settle()
    assert cards(rig, readers) == [False, True]


def test_a_stick_comes_back_after_a_while(rig: Rig, readers: Readers) -> None:
    rig.remove(ONE.serial, seconds=0.01)
    while not rig.stick(ONE.serial).inserted:
        rig.settle()
    rig.settle()
    assert cards(rig, readers) == [True, True]


def test_flapping_ends_in_the_last_state(rig: Rig, readers: Readers) -> None:
    for _ in range(20):
        rig.remove(ONE.serial)
        rig.insert(ONE.serial)
        rig.remove(OTHER.serial)
        rig.insert(OTHER.serial)
    rig.remove(OTHER.serial)
    rig.settle()
    assert cards(rig, readers) == [True, False]


def test_a_restarted_pcscd_sees_the_sticks_again(rig: Rig, readers: Readers) -> None:
    before = rig.status()
    rig.remove(OTHER.serial)
    rig.restart_pcscd(down_for=0.05)
    after = rig.status()
    assert after.pcscd_pid != before.pcscd_pid
    assert after.environment == before.environment
    assert cards(rig, readers) == [True, False]


def test_everybody_is_logged_out_by_the_end_of_power(rig: Rig, system_opensc: OpenSC) -> None:
    """Commands of one connection; the second one begins with a card that was reset meanwhile."""
    initialise(rig, system_opensc)
    select, verify, state = "00A404000BE82B0601040181C31F0201", "0020008106363438323139", "00200081"

    def final_status(*commands: str) -> str:
        options = [word for command in commands for word in ("--send-apdu", command)]
        sent = system_opensc.run("opensc-tool", "--reader", "0", *options, env=rig.environment())
        return sent.stdout.split("Received")[-1]

    assert "0x90" in final_status(select, verify, state)
    rig.reset_login(ONE.serial)
    assert "0x63" in final_status(state)
    rig.remove(ONE.serial)
    rig.settle()
    rig.insert(ONE.serial)
    rig.settle()
    assert "0x63" in final_status(select, state)


def test_a_stick_can_be_pulled_while_it_works(system_opensc: OpenSC) -> None:
    saved: list[Image] = []
    with Rig([ONE], save=saved.append) as rig:
        initialise(rig, system_opensc)
        rig.stick().add_fault(Rule.parse("generate remove"))
        assert generate(rig, system_opensc).returncode
        assert not rig.stick().inserted
        assert rig.status().sticks[0].work[Work.EC_GENERATE.value] == 0
        before = saved[-1]
        rig.insert()
        rig.settle()
        assert saved[-1] is before
        assert generate(rig, system_opensc).returncode == 0
        assert rig.status().sticks[0].work[Work.EC_GENERATE.value] == 1
        assert len(saved[-1].memory.keys) == len(before.memory.keys) + 1


@pytest.mark.parametrize("fault", ["select nth=3 drop", "select nth=3 drop-before", "select nth=3 remove=0"])
def test_a_lost_connection_is_an_error_for_opensc_and_no_more(
    rig: Rig, system_opensc: OpenSC, readers: Readers, fault: str
) -> None:
    rig.stick(ONE.serial).add_fault(Rule.parse(fault))
    tool = ("sc-hsm-tool", "--reader", "0")
    assert system_opensc.run(*tool, env=rig.environment()).returncode
    rig.settle()
    assert cards(rig, readers) == [True, True]
    assert (
        "SmartCard-HSM has never been initialized" in system_opensc.run(*tool, env=rig.environment()).stdout
    )


def test_a_slow_command_passes(system_opensc: OpenSC) -> None:
    with Rig([ONE], profile=NITROKEY_HSM, time_scale=0.05) as rig:
        initialise(rig, system_opensc)
        rig.stick().add_fault(Rule.parse("generate delay=1.5"))  # several presence polls long
        assert generate(rig, system_opensc).returncode == 0


def test_every_change_is_saved_before_it_counts_and_a_new_rig_goes_on_from_it(
    system_opensc: OpenSC, tmp_path: Path
) -> None:
    path = tmp_path / "stick"
    with Rig([ONE], save=lambda image: image.save(path)) as rig:
        initialise(rig, system_opensc)
        rig.export(tmp_path / "export")
    assert Image.load(path) == Image.load(tmp_path / "export") == rig.stick().card.image
    with Rig([Image.load(path)]) as again:
        assert generate(again, system_opensc).returncode == 0


def test_the_trace_goes_to_a_file(rig: Rig, system_opensc: OpenSC, tmp_path: Path) -> None:
    with Rig([ONE], trace_file=tmp_path / "trace") as rig:
        initialise(rig, system_opensc)
        assert generate(rig, system_opensc).returncode == 0
    text = (tmp_path / "trace").read_text()
    assert [line.text for line in rig.journal.after(0)] == text.splitlines()
    assert "INITIALISE 0000" in text
    assert "VERIFY 0081 user PIN" in text
    for secret in (PIN, PIN.encode().hex(), SO_PIN, bytes.fromhex(SO_PIN).decode()):
        assert secret not in text


def test_a_running_rig_is_controlled_from_outside(rig: Rig, readers: Readers) -> None:
    control = Control(rig)
    control.start()
    request(rig.directory, "remove", serial=ONE.serial)
    assert cards(rig, readers) == [False, True]
    request(rig.directory, "insert", serial=ONE.serial)
    assert cards(rig, readers) == [True, True]
    request(rig.directory, "restart-pcscd", down_for=0.05)
    assert cards(rig, readers) == [True, True]
    control.stop()


def test_a_directory_that_was_given_stays_and_a_temporary_one_goes(tmp_path: Path) -> None:
    # The path of the tests may be too long for a socket; nothing starts here.
    for directory in (tmp_path, None):
        rig = Rig([ONE], directory=directory)
        assert rig.directory.is_dir()
        rig.stop()
        assert rig.directory.exists() == (directory is not None)


def test_what_cannot_be_a_rig_is_refused_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    original = tempfile.mkdtemp

    def mkdtemp(prefix: str) -> str:
        made.append(Path(original(prefix=prefix)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    for images in ([], [ONE, ONE], [Image.new() for _ in range(9)]):
        with pytest.raises(ValueError, match="readers"):
            Rig(images)
    with pytest.raises(ValueError, match="time scale"):
        Rig([ONE], time_scale=-1)
    with pytest.raises(OSError, match="nowhere"):
        Rig([ONE], trace_file=Path("/nowhere/trace"))
    monkeypatch.setattr(pcscd, "_DRIVERS", ())
    with pytest.raises(PcscdError, match="vsmartcard-vpcd"):
        Rig([ONE]).start()
    assert len(made) == 6
    assert not any(path.exists() for path in made)


def test_a_driver_that_is_none_is_told_with_the_log_of_pcscd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver.so").write_text("no library")
    monkeypatch.setattr(pcscd, "_DRIVERS", (tmp_path / "driver.so",))
    monkeypatch.setattr(module, "SETTLE_LIMIT", 0.2)
    with pytest.raises(PcscdError, match=r"(?s)not noticed the insertion of DENK0100001.*driver-0\.so"):
        Rig([ONE]).start()


def test_a_stick_that_is_not_there_is_told(rig: Rig) -> None:
    with pytest.raises(RigError, match="no stick DENK7: there are DENK0100001, DENK0100002"):
        rig.insert("DENK7")
    with pytest.raises(RigError, match="which stick"):
        rig.remove()
