"""Which process holds an intent, and whether it still lives.

A process id alone is reused by the kernel; with the boot id, the namespace of process ids and the start
time it is unique on one node. (proc(5), field 22 of ``/proc/pid/stat``, ``/proc/pid/ns/pid``,
``/proc/sys/kernel/random/boot_id``.)
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
    return Holder(
        node=node_name(),
        boot=_content("/proc/sys/kernel/random/boot_id").strip(),
        space=os.readlink("/proc/self/ns/pid"),
        pid=pid,
        started=_start_time(pid),
    )


def liveness(holder: Holder) -> Liveness:
    """Whether the process of a holder still runs.

    UNKNOWN where this process cannot see it: another node, another boot of a node with the same name,
    another container, a hidden /proc.
    """
    try:
        here = holder_of(os.getpid())
    except OSError:
        return Liveness.UNKNOWN
    if (holder.node, holder.boot, holder.space) != (here.node, here.boot, here.space):
        return Liveness.UNKNOWN
    try:
        return Liveness.ALIVE if _start_time(holder.pid) == holder.started else Liveness.GONE
    except (FileNotFoundError, ProcessLookupError):
        return Liveness.GONE
    except OSError:
        return Liveness.UNKNOWN


def _start_time(pid: int) -> int:
    stat = _content(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split()  # the command name may hold anything, also blanks and brackets
    if fields[0] == "Z":
        raise ProcessLookupError(f"process {pid} has ended")
    return int(fields[19])


def _content(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()
