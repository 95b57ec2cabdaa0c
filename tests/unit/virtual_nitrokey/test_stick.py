"""A stick in a reader: insertion and removal, timing, faults, trace."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.unit.virtual_nitrokey.reader import LIMIT, Reader
from tests.unit.virtual_nitrokey.terminal import APPLET, FACTORY, PIN, SO_PIN
from virtual_nitrokey import tlv, vpcd
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.card import Card, Work
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.stick import Stick
from virtual_nitrokey.timing import Clock, Profile
from virtual_nitrokey.trace import Journal
from virtual_nitrokey.vpcd import Control

SELECT = Command(0x00, 0xA4, 0x04, 0x00, APPLET).encode()
READ = bytes.fromhex("00B1000000")
OK = b"\x90\x00"
SLOW = Profile("slow", lambda work, bits: 0.0 if work is Work.APDU else 3600.0)


class ScriptedCard:
    """Writes down what happens to it; answers with what ``answers`` makes of the command."""

    def __init__(self, answers: Callable[[bytes], bytes] = lambda raw: OK) -> None:
        self.events: list[str] = []
        self.answers = answers

    def power_on(self) -> None:
        self.events.append("on")

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> None:
        self.events.append("reset")

    def transmit(self, raw: bytes) -> bytes:
        self.events.append(raw.hex())
        return self.answers(raw)


class Rig:
    """A reader, a scripted card, the stick and its journal."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.clock = Clock()
        self.card = ScriptedCard()
        self.journal = Journal()
        self.stick = Stick("DENK0100001", self.card, clock=self.clock, journal=self.journal)

    def plug(self) -> None:
        self.stick.start(self.reader.connect)
        self.reader.see_card()
        assert self.stick.settle(LIMIT)
        self.card.events.clear()

    def fault(self, text: str) -> None:
        self.stick.add_fault(Rule.parse(text))

    @property
    def lines(self) -> list[str]:
        return [line.text.partition(" DENK0100001 ")[2] for line in self.journal.after(0)]


@pytest.fixture
def bare() -> Iterator[Rig]:
    with Reader() as reader:
        rig = Rig(reader)
        yield rig
        rig.stick.close()


@pytest.fixture
def rig(bare: Rig) -> Rig:
    bare.plug()
    return bare


# -- insertion and removal -------------------------------------------------------------------------------


def test_a_stick_is_visible_when_it_has_power_and_told_its_atr(bare: Rig) -> None:
    bare.stick.start(bare.reader.connect)
    bare.reader.accept()
    assert bare.reader.atr() == vpcd.ATR  # the presence poll, still without power
    assert not bare.stick.settle(0)
    bare.reader.control(Control.POWER_ON)
    bare.reader.atr()
    assert bare.stick.settle(LIMIT)
    assert bare.stick.visible
    bare.reader.atr()
    assert bare.stick.visible


def test_a_stick_is_visible_to_a_pcscd_that_missed_its_removal(bare: Rig) -> None:
    bare.stick.start(bare.reader.connect)
    bare.reader.accept()
    for _ in range(2):
        bare.reader.atr()
    assert not bare.stick.settle(0)
    bare.reader.atr()
    assert bare.stick.settle(LIMIT)


def test_the_card_is_told_of_power_and_resets(rig: Rig) -> None:
    for code in (Control.POWER_OFF, Control.POWER_ON, Control.RESET):
        rig.reader.control(code)
    rig.reader.atr()
    assert rig.card.events == ["off", "on", "reset"]


def test_removal_is_over_when_the_reader_has_noticed_and_leaves_no_power(rig: Rig) -> None:
    rig.stick.remove()
    assert not rig.stick.inserted
    assert not rig.stick.visible
    assert not rig.stick.settle(0)
    assert rig.reader.rest() == b""
    assert rig.stick.settle(LIMIT)
    rig.stick.close()
    assert rig.card.events == ["off"]


def test_a_stick_that_was_pulled_does_nothing_more(rig: Rig) -> None:
    rig.stick.remove()
    rig.reader.card.sendall(vpcd.encode(READ))  # the reader has not noticed yet
    assert rig.reader.rest() == b""
    assert rig.stick.settle(LIMIT)
    assert READ.hex() not in rig.card.events


def test_a_stick_comes_back(rig: Rig) -> None:
    rig.stick.remove()
    rig.stick.insert()
    assert rig.stick.inserted
    assert not rig.stick.settle(0)
    rig.reader.card.close()
    rig.reader.see_card()
    assert rig.stick.settle(LIMIT)
    assert rig.reader.transmit(READ) == OK
    assert rig.lines[:2] == ["removed", "inserted"]


def test_a_stick_comes_back_by_itself(rig: Rig) -> None:
    rig.stick.remove(0.01)
    rig.reader.card.close()
    rig.reader.see_card()
    assert rig.stick.inserted


def test_who_inserts_it_earlier_need_not_wait(rig: Rig) -> None:
    rig.stick.remove(3600)
    rig.stick.insert()
    rig.reader.card.close()
    rig.reader.see_card()


def test_a_stick_that_would_come_back_can_be_kept_away(rig: Rig) -> None:
    rig.stick.remove(3600)
    rig.stick.remove()
    rig.reader.card.close()
    assert rig.stick._return_at is None
    assert not rig.stick.inserted


def test_inserting_and_removing_twice_is_as_good_as_once(rig: Rig) -> None:
    rig.stick.insert()
    rig.stick.remove()
    rig.stick.remove(0.0)
    assert not rig.stick.inserted
    assert rig.lines == ["removed"]


def test_a_stick_waits_for_a_pcscd_that_is_away(bare: Rig) -> None:
    tries = threading.Semaphore(0)

    def connect() -> socket.socket:
        tries.release()
        if not away.is_set():
            raise ConnectionRefusedError
        return bare.reader.connect()

    away = threading.Event()
    bare.stick.start(connect)
    for _ in range(3):
        assert tries.acquire(timeout=LIMIT)
    away.set()
    bare.reader.see_card()


def test_a_restarted_pcscd_gets_the_card_again_without_its_login(rig: Rig) -> None:
    rig.reader.card.close()
    rig.reader.see_card()
    assert rig.card.events == ["off", "on"]


def test_a_stick_pulled_while_it_connects_is_not_in_the_reader(bare: Rig) -> None:
    def connect() -> socket.socket:
        connection = bare.reader.connect()
        bare.stick.remove()
        return connection

    bare.stick.start(connect)
    bare.reader.accept()
    assert bare.reader.rest() == b""
    assert bare.card.events == []


def test_a_stick_that_never_started_can_be_closed() -> None:
    Stick("DENK0100001", ScriptedCard()).close()


# -- work that takes its time ----------------------------------------------------------------------------


@pytest.fixture
def slow() -> Iterator[tuple[Reader, Stick[Card]]]:
    """A real card, initialised, that never ends a generation of a key unless it is pulled."""
    clock = Clock(SLOW, time_scale=0)
    card = Card(FACTORY, spend=clock.spend)
    with Reader() as reader:
        stick = Stick("DENK0100001", card, clock=clock)
        stick.start(reader.connect)
        reader.see_card()
        assert reader.transmit(SELECT).endswith(OK)
        data = tlv.join((0x80, b"\0\1"), (0x81, PIN), (0x82, SO_PIN), (0x91, b"\3"))
        assert reader.transmit(Command(0x80, 0x50, 0, 0, data).encode()) == OK
        assert reader.transmit(Command(0x00, 0x20, 0, 0x81, PIN).encode()) == OK
        clock._time_scale = 1
        yield reader, stick
        stick.close()


def test_what_a_pulled_stick_was_about_to_save_is_lost(slow: tuple[Reader, Stick[Card]]) -> None:
    reader, stick = slow
    before = stick.card.image
    write = tlv.join((0x54, b"\0\0"), (0x53, b"lost"))
    reader.card.sendall(vpcd.encode(Command(0x00, 0xD7, 0xCF, 0x00, write).encode()))
    stick.remove()
    assert reader.rest() == b""
    assert stick.settle(LIMIT)
    assert stick.card.image is before
    stick.insert()
    reader.see_card()
    reader.transmit(SELECT)
    assert reader.transmit(Command(0x00, 0xA4, 0, 0, b"\xcf\0").encode()) == b"\x6a\x82"
    assert reader.transmit(Command(0x00, 0x20, 0, 0x81).encode()) == b"\x63\xc3"  # nobody is logged in


def test_a_stick_that_works_can_be_closed(slow: tuple[Reader, Stick[Card]]) -> None:
    reader, stick = slow
    write = tlv.join((0x54, b"\0\0"), (0x53, b"lost"))
    reader.card.sendall(vpcd.encode(Command(0x00, 0xD7, 0xCF, 0x00, write).encode()))
    stick.close()
    assert reader.rest() == b""


# -- faults ----------------------------------------------------------------------------------------------


def test_a_status_word_in_place_of_the_command(rig: Rig) -> None:
    rig.fault("read status=6F00")
    assert rig.reader.transmit(READ) == b"\x6f\0"
    assert rig.card.events == []
    assert rig.reader.transmit(READ) == OK


def test_a_status_word_in_place_of_the_answer(rig: Rig) -> None:
    rig.fault("any status-after=6A84")
    assert rig.reader.transmit(READ) == b"\x6a\x84"
    assert rig.card.events == [READ.hex()]


def test_a_delay_before_the_command(rig: Rig) -> None:
    rig.fault("any delay=3600")
    rig.reader.card.sendall(vpcd.encode(READ))
    rig.stick.remove()
    assert rig.reader.rest() == b""
    assert rig.stick.settle(LIMIT)
    assert READ.hex() not in rig.card.events


def test_a_short_delay_changes_nothing_else(rig: Rig) -> None:
    rig.fault("any delay=0.001")
    assert rig.reader.transmit(READ) == OK


def test_a_connection_lost_before_the_card_saw_the_command(rig: Rig) -> None:
    rig.fault("any drop-before")
    rig.reader.card.sendall(vpcd.encode(READ))
    assert rig.reader.rest() == b""
    rig.reader.see_card()
    assert READ.hex() not in rig.card.events


def test_a_connection_lost_in_the_middle_of_the_answer(rig: Rig) -> None:
    rig.card.answers = lambda raw: b"abcdef" + OK
    rig.fault("any drop")
    rig.reader.card.sendall(vpcd.encode(READ))
    assert rig.reader.rest() == b"\0\x08abc"
    rig.reader.see_card()
    assert rig.card.events == [READ.hex(), "off", "on"]


@pytest.mark.parametrize("fault", ["any drop", "any drop-before"])
def test_with_its_connection_a_stick_is_out_of_sight_until_pcscd_sees_it_anew(rig: Rig, fault: str) -> None:
    rig.fault(fault)
    rig.reader.card.sendall(vpcd.encode(READ))
    while rig.reader.card.recv(1):  # the connection stays open on this side
        pass
    assert not rig.stick.settle(0)
    rig.reader.see_card()
    assert rig.stick.settle(LIMIT)


def test_a_login_lost_before_the_command(rig: Rig) -> None:
    rig.fault("read reset-login")
    rig.reader.transmit(READ)
    assert rig.card.events == [SELECT.hex(), READ.hex()]


def test_a_removal_half_way_through_the_work(rig: Rig) -> None:
    done: list[Work] = []

    def work(raw: bytes) -> bytes:
        for kind in (Work.APDU, Work.RSA_PRIVATE):
            rig.clock.spend(kind, 2048)
            done.append(kind)
        return OK

    rig.card.answers = work
    rig.fault("any remove=0")
    rig.reader.card.sendall(vpcd.encode(READ))
    assert rig.reader.rest() == b""
    rig.reader.see_card()
    assert done == [Work.APDU]
    assert rig.lines[0] == "removed"
    assert rig.reader.transmit(READ) == OK
    assert done == [Work.APDU, Work.APDU, Work.RSA_PRIVATE]


def test_a_removal_during_a_command_without_work(rig: Rig) -> None:
    rig.fault("any remove")
    rig.reader.card.sendall(vpcd.encode(READ))
    assert rig.reader.rest() == b""
    assert rig.stick.settle(LIMIT)
    assert not rig.stick.inserted


def test_a_wrong_pin_is_counted_although_the_stick_is_pulled_meanwhile(
    slow: tuple[Reader, Stick[Card]],
) -> None:
    reader, stick = slow
    stick.add_fault(Rule.parse("verify remove"))
    reader.card.sendall(vpcd.encode(Command(0x00, 0x20, 0, 0x81, b"000000").encode()))
    assert reader.rest() == b""
    assert stick.settle(LIMIT)
    stick.insert()
    reader.see_card()
    reader.transmit(SELECT)
    assert reader.transmit(Command(0x00, 0x20, 0, 0x81).encode()) == b"\x63\xc2"


def test_faults_are_listed_and_cleared(rig: Rig) -> None:
    rig.fault("any nth=3 drop")
    rig.fault("sign delay=1")
    rig.reader.transmit(READ)
    assert [str(rule) for rule in rig.stick.rules] == ["any nth=2 drop", "sign delay=1"]
    rig.stick.clear_faults()
    assert rig.stick.rules == ()
    assert rig.reader.transmit(READ) == OK


# -- answers and trace -----------------------------------------------------------------------------------


def test_an_answer_that_no_reader_can_carry_is_refused(rig: Rig) -> None:
    rig.card.answers = lambda raw: bytes(65534) + OK
    assert rig.reader.transmit(READ) == b"\x67\0"


def test_every_command_is_in_the_trace_with_its_outcome(rig: Rig) -> None:
    rig.reader.transmit(READ)
    for fault in ("any drop", "any drop-before", "any status=6F00", "any remove"):
        rig.fault(fault)
        rig.reader.card.sendall(vpcd.encode(READ))
        if "status" in fault:
            rig.reader.answer()
        else:
            rig.reader.rest()
        if fault.startswith("any drop"):
            rig.reader.see_card()
    assert rig.stick.settle(LIMIT)
    outcomes = [line.rpartition(",")[0].partition(" -> ")[2] for line in rig.lines if " ms" in line]
    assert outcomes == [
        "9000 ok",
        "9000 ok, lost half way",
        "connection lost before",
        "6F00 unknown error",
        "power lost",
    ]


def test_a_pin_is_not_in_the_trace(rig: Rig) -> None:
    rig.reader.transmit(Command(0x00, 0x20, 0x00, 0x81, PIN).encode())
    assert "VERIFY 0081 user PIN" in rig.lines[0]
    assert not any(PIN.decode() in line or PIN.hex() in line for line in rig.lines)
