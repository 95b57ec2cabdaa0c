"""What the sticks do, one readable line for each command, without a secret in it.

Of the data of commands and answers nothing is shown but the names of files, the numbers of keys and
offsets. So no PIN, no content of a file, no key and no plaintext can get into a trace.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from virtual_nitrokey import apdu, tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.files import APPLET
from virtual_nitrokey.instructions import Instruction
from virtual_nitrokey.status import CardError

_BY_FID, _BY_AID, _BY_PATH = 0x00, 0x04, 0x08  # P1 of SELECT
_OFFSET = 0x54
_PINS = {0x81: "user PIN", 0x88: "SO-PIN"}
_ALGORITHMS = {
    0x20: "RSA raw",
    0x21: "RSA raw",
    0x22: "RSA PKCS#1",
    **dict.fromkeys((0x30, 0x31, 0x33, 0x34, 0x35), "RSA PKCS#1"),
    **dict.fromkeys((0x40, 0x41, 0x43, 0x44, 0x45), "RSA PSS"),
    **dict.fromkeys((0x70, 0x71, 0x72, 0x73, 0x74, 0x75), "ECDSA"),
    0x80: "ECDH",
}
_STATUS = {
    0x9000: "ok",
    0x6282: "end of file",
    0x6700: "wrong length",
    0x6982: "not logged in",
    0x6983: "blocked",
    0x6984: "not usable",
    0x6985: "conditions not satisfied",
    0x6986: "not allowed",
    0x6A80: "wrong data",
    0x6A81: "not for this key",
    0x6A82: "not found",
    0x6A84: "no space",
    0x6A86: "wrong P1 P2",
    0x6A88: "no such reference",
    0x6B00: "wrong offset",
    0x6D00: "unknown instruction",
    0x6E00: "unknown class",
    0x6F00: "unknown error",
}


def describe_command(raw: bytes) -> str:
    """Name, P1 P2 and meaning of a command, and how much data it carries."""
    try:
        command = apdu.parse(raw)
    except CardError:
        return f"malformed command, {len(raw)} bytes"
    instruction = Instruction.of(raw)
    name = instruction.word.upper() if instruction else f"{command.cla:02X} {command.ins:02X}"
    words = [name, f"{command.p1p2:04X}", _meaning(instruction, command)]
    if command.data:
        words.append(f"[{len(command.data)}]")
    return " ".join(word for word in words if word)


def describe_answer(answer: bytes) -> str:
    """The length of the data of an answer, if it has any, and its status word with the meaning."""
    data, sw = answer[:-2], int.from_bytes(answer[-2:], "big")
    tries = f"{sw & 0xF} tries left" if sw & 0xFFF0 == 0x63C0 else "?"
    return (f"[{len(data)}] " if data else "") + f"{sw:04X} {_STATUS.get(sw, tries)}"


def _meaning(instruction: Instruction | None, command: Command) -> str:
    match instruction:
        case Instruction.SELECT:
            return _selected(command)
        case Instruction.READ | Instruction.UPDATE:
            return _place(command)
        case Instruction.DELETE:
            return _file(command.data)
        case Instruction.VERIFY:
            pin = _PINS.get(command.p2, "another PIN")
            return pin if command.data else f"state of {pin}"
        case Instruction.CHANGE_PIN | Instruction.UNBLOCK_PIN:
            return _PINS.get(command.p2, "another PIN")
        case Instruction.KEY_DOMAIN:
            return "share" if command.data else "state"
        case Instruction.DECIPHER | Instruction.SIGN:
            return f"key {command.p1}, {_ALGORITHMS.get(command.p2, 'unknown algorithm')}"
        case Instruction.GENERATE | Instruction.WRAP | Instruction.UNWRAP:
            return f"key {command.p1}"
        case _:
            return ""


def _selected(command: Command) -> str:
    if command.p1 == _BY_AID:
        return "applet" if command.data == APPLET else "another applet"
    if command.p1 in (_BY_FID, _BY_PATH):
        return _file(command.data)
    return ""


def _file(identifier: bytes) -> str:
    return f"file {identifier.hex().upper()}" if len(identifier) == 2 else "no file"


def _place(command: Command) -> str:
    name = _file(command.p1p2.to_bytes(2, "big")) if command.p1p2 else "current file"
    try:
        offset = tlv.find(tlv.parse(command.data), _OFFSET)
    except ValueError:
        offset = None
    if offset is None or len(offset) != 2:
        return name
    return f"{name} at {int.from_bytes(offset, 'big')}"


class Line(NamedTuple):
    """A line of a journal and its number, from 1 on."""

    number: int
    text: str


class Journal:
    """The last ``capacity`` lines of the trace, and the file they go to as well, if ``path`` is given.

    Any thread may write and read. Raises OSError if the file cannot be opened.
    """

    def __init__(self, capacity: int = 1000, path: Path | None = None) -> None:
        self._lines: deque[Line] = deque(maxlen=capacity)
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = None if path is None else os.open(path, flags, 0o600)

    def write(self, stick: str, text: str) -> None:
        """Add a line about the stick with this serial number."""
        now = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        line = f"{clock}.{int(now * 1000) % 1000:03d} {stick} {text}"
        with self._changed:
            self._lines.append(Line(next(self._numbers), line))
            self._changed.notify_all()
            if self._file is not None:
                with contextlib.suppress(OSError):  # a full disk stops no stick
                    os.write(self._file, f"{line}\n".encode())

    def after(self, number: int, timeout: float = 0.0) -> list[Line]:
        """The lines with numbers above ``number`` that are kept; waits for the first at most
        ``timeout`` seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._lines and self._lines[-1].number > number, timeout)
            return [line for line in self._lines if line.number > number]

    def close(self) -> None:
        """Close the file; further lines are kept in memory only."""
        with self._changed:
            if self._file is not None:
                os.close(self._file)
                self._file = None
