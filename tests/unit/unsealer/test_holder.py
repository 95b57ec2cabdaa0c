"""Promises of the holder's identity: GONE only where that is certain."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from bank_vaults.domain.journal import Holder, Liveness
from bank_vaults.unsealer import holder
from bank_vaults.unsealer.holder import holder_of, liveness, node_name


@pytest.fixture(autouse=True)
def _no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)


def test_the_node_is_the_pod_else_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert node_name() == socket.gethostname()
    monkeypatch.setenv("POD_NAME", "vault-0")
    assert node_name() == "vault-0"


def test_this_process_is_alive() -> None:
    assert liveness(holder_of(os.getpid())) is Liveness.ALIVE


@pytest.mark.parametrize("change", [{"boot": "another"}, {"space": "pid:[1]"}, {"node": "elsewhere"}])
def test_nothing_is_known_of_a_process_of_another_boot_or_container(change: dict[str, object]) -> None:
    # A node of the same name may have been replaced, and another container of a pod lives its own life.
    mine = holder_of(os.getpid())
    assert liveness(mine._replace(**change)) is Liveness.UNKNOWN  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"started": 1}, {"pid": 2**22 + 1}, {"pid": -1}])
def test_another_start_or_no_such_process_is_gone(change: dict[str, object]) -> None:
    mine = holder_of(os.getpid())
    assert liveness(mine._replace(**change)) is Liveness.GONE  # type: ignore[arg-type]


def test_a_process_that_ended_is_gone_and_has_no_identity() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = holder_of(child.pid)
    assert liveness(seen) is Liveness.ALIVE
    child.communicate()
    assert liveness(seen) is Liveness.GONE
    with pytest.raises(FileNotFoundError):
        holder_of(child.pid)


def test_a_process_that_nobody_waited_for_is_gone_all_the_same() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = holder_of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # now it is a zombie
    try:
        assert liveness(seen) is Liveness.GONE
    finally:
        child.communicate()


def _reading(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]) -> None:
    monkeypatch.setattr(holder, "_content", answer)


@pytest.mark.parametrize("error", [PermissionError(13, "no"), FileNotFoundError(2, "no"), OSError(5, "no")])
def test_a_hidden_proc_means_unknown_and_not_gone(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    seen = holder_of(os.getpid())

    def hidden(path: str) -> str:
        raise error

    _reading(monkeypatch, hidden)
    assert liveness(seen) is Liveness.UNKNOWN


def test_a_process_that_may_not_be_looked_at_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = holder_of(os.getpid())._replace(pid=4321)
    real = holder._content

    def guarded(path: str) -> str:
        if "4321" in path:
            raise PermissionError(13, "no")
        return real(path)

    _reading(monkeypatch, guarded)
    assert liveness(seen) is Liveness.UNKNOWN


@pytest.mark.parametrize("name", ["a b", "a) S 1", ") (", "))))"])
def test_the_name_of_a_command_does_not_confuse_the_start_time(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fields = " ".join(["S", *map(str, range(4, 52))])
    _reading(monkeypatch, lambda path: "boot\n" if "boot_id" in path else f"77 ({name}) {fields}\n")
    space = os.readlink("/proc/self/ns/pid")
    assert holder_of(77) == Holder(node=node_name(), boot="boot", space=space, pid=77, started=22)
