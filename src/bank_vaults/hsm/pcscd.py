"""The daemon that owns the smart-card readers: whether a module goes through it, and whether it is there."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import NamedTuple

_CLIENT = "libpcsclite"  # of pcsc-lite; every module for readers loads it, also OpenSC, which does so late
_USUAL_SOCKET = "/run/pcscd/pcscd.comm"
_LIMIT = 5.0  # seconds for a daemon of this machine to accept


class Trouble(NamedTuple):
    """What is wrong with the daemon, and the next step."""

    sentence: str
    next_step: str


def is_loaded() -> bool:
    """Whether pcscd's client library is in this process, as it is once a module has asked for readers."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        return any(_CLIENT in line for line in maps)


def socket_path(environ: Mapping[str, str]) -> str:
    """Where clients look for the daemon (pcsc-lite: PCSCLITE_CSOCK_NAME)."""
    return environ.get("PCSCLITE_CSOCK_NAME") or _USUAL_SOCKET


def trouble(path: str) -> Trouble | None:
    """Connect to the daemon's socket and hang up. None if it answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_LIMIT)
        try:
            client.connect(path)
        except OSError as error:
            return _explained(path, error)
    return None


def _explained(path: str, error: OSError) -> Trouble:
    start = "start it: systemctl enable --now pcscd.socket"
    if error.errno == errno.ENOENT:
        mount = (
            f"in a container mount {os.path.dirname(path)} of the machine or of the container that runs it"
        )
        return Trouble(f"pcscd does not run: there is no socket {path}", f"{start}; {mount}")
    if error.errno == errno.ECONNREFUSED:
        return Trouble(f"pcscd is gone and has left its socket {path}", start)
    if error.errno in (errno.EACCES, errno.EPERM):
        return Trouble(
            f"this user may not connect to pcscd at {path}", "give the user access to the socket's directory"
        )
    return Trouble(f"pcscd at {path} cannot be reached: {error.strerror or error}", "look into pcscd's log")
