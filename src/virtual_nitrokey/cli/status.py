"""What is told of a rig and its sticks, from the answer of its control socket."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

Status = Mapping[str, Any]
"""A :class:`virtual_nitrokey.rig.RigStatus`, or a StickStatus in it, as JSON has it."""

DIRECTORY_VARIABLE = "VIRTUAL_NITROKEY_DIR"
"""Where commands look for the rig that they are to act on."""


def environment(status: Status) -> dict[str, str]:
    """What makes programs use these sticks, and our own commands act on this rig."""
    return {**status["environment"], DIRECTORY_VARIABLE: status["directory"]}


def beginning(status: Status) -> Iterator[str]:
    """The lines of ``run``: a shell can read them."""
    for name, value in environment(status).items():
        yield f"export {name}={shlex.quote(value)}"
    for stick in status["sticks"]:
        yield f"# {stick['serial']}: {_place(stick)}, {_token(stick)}, in reader {stick['reader']!r}"


def table(status: Status) -> Iterator[str]:
    """The lines of ``status``."""
    yield _row("directory", status["directory"])
    yield _row("pcscd", "does not run" if status["pcscd_pid"] is None else f"pid {status['pcscd_pid']}")
    for name, value in status["environment"].items():
        yield _row("", f"{name}={value}")
    for stick in status["sticks"]:
        yield _row("stick", f"{stick['serial']}, {_place(stick)}")
        yield _row("  reader", stick["reader"])
        yield _row("  token", _token(stick))
        yield _row("  memory", f"{stick['memory_used']} of {stick['memory_limit']} bytes")
        yield _row("  PINs", f"{stick['pins_right']} right, {stick['pins_wrong']} wrong")
        work = ", ".join(f"{count} {kind}" for kind, count in stick["work"].items() if count)
        yield _row("  work", work or "none")
        for fault in stick["faults"]:
            yield _row("  fault", fault)


def _place(stick: Status) -> str:
    if not stick["inserted"]:
        return "removed"
    return "inserted" if stick["visible"] else "inserted, but pcscd has not seen it"


def _token(stick: Status) -> str:
    return "initialised" if stick["initialised"] else "not initialised"


def _row(name: str, value: str) -> str:
    return f"{name:<11} {value}"
