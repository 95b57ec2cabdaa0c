"""The virtual Nitrokey behind the real pcscd. ``python -m benchmarks.virtual_nitrokey``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bank_vaults.hsm.binding import Module
from benchmarks.common import arguments, heading, table
from benchmarks.nitrokey import MODULE, fill, prepare
from benchmarks.pcsc import Connection
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

_SELECT = bytes.fromhex("00A404000BE82B0601040181C31F020100")
_COMMANDS = [bytes.fromhex(text) for text in ("00A40000022F0200", "00B1000004540200007E", "00200081")]
"""Select the device certificate, read of it, ask for the state of the PIN: what binding is made of."""
_EACH = 100


def main() -> None:
    """Starts of several rigs; binds and single APDUs with the last one."""
    options = arguments(__doc__ or "", rounds=10, peer=False)
    heading("The virtual Nitrokey through pcscd (profile instant), seconds")
    starts = [_start() for _ in range(options.rounds)]
    # One rig from here on: the PC/SC library looks for the socket of pcscd once in a process.
    with Rig([Image.new()]) as rig:
        os.environ.update(rig.environment())
        prepare()
        fill(5)
        binds = [_bind() for _ in range(options.rounds)]
        reader = rig.status().sticks[0].reader
        idle = _single(reader)
        with _awake():
            awake = _single(reader)
    table(
        [
            ("what", "samples", "min", "median", "max"),
            ("pcscd and one stick: from nothing to visible", *_row(starts, 3)),
            ("bind: C_Initialize to C_GetTokenInfo, key pair and five data objects", *_row(binds, 3)),
            ("one APDU: SCardTransmit, idle processors", *_row(idle, 6)),
            ("one APDU: SCardTransmit, processors kept awake", *_row(awake, 6)),
        ]
    )


def _row(values: Sequence[float], digits: int) -> tuple[str, str, str, str]:
    figures = (min(values), statistics.median(values), max(values))
    low, median, high = (f"{value:.{digits}f}" for value in figures)
    return str(len(values)), low, median, high


def _start() -> float:
    started = time.monotonic()
    with Rig([Image.new()]):
        return time.monotonic() - started


def _bind() -> float:
    module = Module(MODULE)
    started = time.monotonic()
    module.initialize()
    try:
        module.token_info(module.slots(token_present=True)[0])
        return time.monotonic() - started
    finally:
        module.finalize()


@contextmanager
def _awake() -> Iterator[None]:
    """No processor sleeps: an APDU wakes four threads in turn, which takes a virtual machine its time."""
    command = ["nice", "-n", "19", sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _single(reader: str) -> list[float]:
    found = []
    with Connection(reader) as card:
        card.transmit(_SELECT)
        for command in _COMMANDS * _EACH:
            started = time.monotonic()
            card.transmit(command)
            found.append(time.monotonic() - started)
    return found


if __name__ == "__main__":
    main()
