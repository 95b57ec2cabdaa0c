"""Which process holds an intent, and whether it still lives.

A process id alone is reused by the kernel; with the boot id and the start time it is unique on one node.
(proc(5), fields 22 of ``/proc/pid/stat`` and ``/proc/sys/kernel/random/boot_id``.)
"""

from __future__ import annotations

import os
import socket

from bank_vaults.domain.journal import Holder, Liveness


def node_name() -> str:
    """``POD_NAME``, which survives the restart of a container, else the host name."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def holder_of(pid: int) -> Holder:
    """The identity of a living process of this node. Raises OSError when it is gone."""
    return Holder(node=node_name(), boot=_boot_id(), pid=pid, started=_start_time(pid))


def liveness(holder: Holder) -> Liveness:
    """Whether the process of a holder still runs; UNKNOWN if that was another node or /proc cannot tell."""
    if holder.node != node_name():
        return Liveness.UNKNOWN
    try:
        alive = holder_of(holder.pid) == holder
    except (FileNotFoundError, ProcessLookupError):
        return Liveness.GONE if _proc_is_readable() else Liveness.UNKNOWN
    except OSError:
        return Liveness.UNKNOWN
    return Liveness.ALIVE if alive else Liveness.GONE


def _proc_is_readable() -> bool:
    try:
        holder_of(os.getpid())
    except OSError:
        return False
    return True


def _boot_id() -> str:
    return _content("/proc/sys/kernel/random/boot_id").strip()


def _start_time(pid: int) -> int:
    stat = _content(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split()  # the command name may hold anything, also blanks and brackets
    if fields[0] == "Z":
        raise ProcessLookupError(f"process {pid} has ended")
    return int(fields[19])


def _content(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()
