"""Promises of the process that makes the one call: the answer is kept until the store really has it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import InitRequest, encode_answer
from bank_vaults.keystores.base import KeyStore, StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer import init_call
from bank_vaults.unsealer.init_call import HelperGoneError, InitCall, InitFailedError, Stored, StoreTrouble
from tests.unit.unsealer.fakes import ANSWER, TOKEN

RECORD = encode_answer(ANSWER)
REQUEST = InitRequest(5, 3, recovery=False)


class NotKeptError(AssertionError):
    """It would go on for ever, as it should."""


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


class Keeping:
    """``_keep`` with a store that is changed before each try after the first."""

    def __init__(self, store: FileStore, channel: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.sleeps = 0
        self.before_try: dict[int, Callable[[], None]] = {}
        self._channel = channel
        monkeypatch.setattr(init_call, "time", SimpleNamespace(sleep=self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.sleeps += 1
        assert 0 < seconds <= 5.0
        self.before_try.get(self.sleeps + 1, lambda: None)()
        if self.sleeps == 30:
            raise NotKeptError

    def keep(self, open_store: Callable[[], KeyStore] | None = None) -> None:
        init_call._keep(self._channel, self.store, open_store or (lambda: self.store), RECORD)


@pytest.fixture
def keeping(
    store: FileStore, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> Keeping:
    return Keeping(store, ends[1], monkeypatch)


def told(ends: tuple[socket.socket, socket.socket]) -> list[list[object]]:
    """What the parent was told so far."""
    ends[1].shutdown(socket.SHUT_WR)
    with ends[0].makefile("rb") as lines:
        return [json.loads(line) for line in lines]


def answers(store: FileStore) -> list[str]:
    return sorted(filter(names.is_answer, store.list()))


# keeping the answer


def test_a_store_that_works_has_the_answer_after_one_try(keeping: Keeping) -> None:
    keeping.keep()
    assert keeping.store.get(names.ANSWER) == RECORD
    assert keeping.sleeps == 0


def test_the_answer_goes_to_the_client_that_was_prepared_and_is_read_back_through_a_fresh_one(
    keeping: Keeping, tmp_path: Path
) -> None:
    opened: list[FileStore] = []

    def open_store() -> KeyStore:
        assert keeping.store.get(names.ANSWER) == RECORD
        opened.append(FileStore(tmp_path))
        return opened[-1]

    keeping.keep(open_store)
    assert len(opened) == 1


def test_an_earlier_try_that_only_seemed_to_fail_is_enough(keeping: Keeping) -> None:
    keeping.store.create(names.ANSWER, RECORD)
    keeping.keep()
    assert answers(keeping.store) == [names.ANSWER]


@pytest.mark.parametrize("error", [StoreError("full"), OSError("odd"), RuntimeError("odder"), MemoryError()])
def test_whatever_the_store_raises_the_answer_is_kept_and_tried_again(
    keeping: Keeping, ends: tuple[socket.socket, socket.socket], error: Exception
) -> None:
    tries = 0

    def open_store() -> KeyStore:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise error
        return keeping.store

    keeping.keep(open_store)
    assert keeping.store.get(names.ANSWER) == RECORD
    assert [line[0] for line in told(ends)] == ["store-trouble"] * 3


def test_a_store_that_loses_the_answer_gets_it_again_under_its_name(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(keeping.store, "create", lambda _name, _value: None)
        keeping.before_try[4] = patch.undo
        keeping.keep()
    assert answers(keeping.store) == [names.ANSWER]


def test_an_answer_that_is_not_ours_is_left_and_ours_goes_beside_it(keeping: Keeping) -> None:
    keeping.store.create(names.ANSWER, b"of somebody else")
    keeping.keep()
    main, spare = answers(keeping.store)
    assert keeping.store.get(main) == b"of somebody else"
    assert keeping.store.get(spare) == RECORD


def test_a_store_that_damages_every_write_gets_one_spare_name_and_no_more(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = keeping.store.create
    monkeypatch.setattr(keeping.store, "create", lambda name, value: real(name, value[:-1]))
    with pytest.raises(NotKeptError):
        keeping.keep()
    assert len(answers(keeping.store)) == 2


def test_a_store_that_is_mended_has_the_answer_under_the_one_spare_name(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = keeping.store.create
    damaged: list[str] = []

    def mend() -> None:
        (spare,) = (name for name in answers(keeping.store) if name != names.ANSWER)
        damaged.append(spare)
        keeping.store.delete(spare)
        monkeypatch.setattr(keeping.store, "create", real)

    monkeypatch.setattr(keeping.store, "create", lambda name, value: real(name, value[:-1]))
    keeping.before_try[10] = mend
    keeping.keep()
    assert answers(keeping.store) == sorted([names.ANSWER, *damaged])
    assert keeping.store.get(damaged[0]) == RECORD


def test_a_parent_that_is_gone_is_no_reason_to_let_the_answer_go(
    keeping: Keeping, ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[0].close()
    keeping.store.create(names.ANSWER, b"of somebody else")
    keeping.keep()
    assert RECORD in map(keeping.store.get, answers(keeping.store))


def test_what_is_told_of_the_trouble_shows_no_key(
    keeping: Keeping, ends: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    def open_store() -> KeyStore:
        if keeping.sleeps:
            return keeping.store
        raise RuntimeError(RECORD.decode())

    keeping.keep(open_store)
    assert TOKEN not in caplog.text + repr(told(ends))


# the parent's side


@pytest.fixture
def call(ends: tuple[socket.socket, socket.socket]) -> InitCall:
    return InitCall(os.getpid(), ends[0], 300.0)


def noted(_seconds: float, _trouble: StoreTrouble | None) -> None:
    """What is told on the way does not matter."""


def say(ends: tuple[socket.socket, socket.socket], *parts: bytes) -> threading.Thread:
    """The detached process takes its order and answers in these parts."""

    def run() -> None:
        assert json.loads(ends[1].recv(65536)) == [5, 3, False]
        for part in parts:
            ends[1].sendall(part)
        ends[1].shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_parent_learns_how_long_the_answer_was_in_memory_only(
    call: InitCall, ends: tuple[socket.socket, socket.socket]
) -> None:
    trouble, stored = b'["store-trouble", "full", false]\n', b'["stored", "0.25 vault-init-answer", false]\n'
    thread = say(ends, trouble + stored[:5], stored[5:])
    seen: list[StoreTrouble | None] = []
    done = call.run(REQUEST, lambda _seconds, trouble: seen.append(trouble))
    assert done == Stored("vault-init-answer", 0.25)
    thread.join()
    assert seen == [StoreTrouble("full")]
    assert not call.running


@pytest.mark.parametrize("unknown", [True, False])
def test_a_failed_call_tells_whether_the_server_may_have_acted(
    call: InitCall, ends: tuple[socket.socket, socket.socket], unknown: bool
) -> None:
    thread = say(ends, json.dumps(["failed", "no", unknown]).encode() + b"\n")
    with pytest.raises(InitFailedError) as failed:
        call.run(REQUEST, noted)
    thread.join()
    assert failed.value.outcome_unknown is unknown
    assert not call.running


def test_a_process_that_goes_without_a_word_is_known_to_be_gone(
    call: InitCall, ends: tuple[socket.socket, socket.socket]
) -> None:
    thread = say(ends, b'["stored", "0.1"')  # cut short: nothing that was not said to the end counts
    with pytest.raises(HelperGoneError):
        call.run(REQUEST, noted)
    thread.join()
    with pytest.raises(HelperGoneError):  # and so is one that is gone before
        call.run(REQUEST, noted)
    assert not call.running


def test_while_it_waits_the_parent_gives_signs_of_life(
    call: InitCall, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init_call, "_REPORT_EVERY", 0.001)
    signs = 0

    def notice(_seconds: float, trouble: StoreTrouble | None) -> None:
        nonlocal signs
        signs += 1
        assert trouble is None
        assert call.running
        if signs == 3:
            ends[1].sendall(b'["stored", "0.1 vault-init-answer", false]\n')

    call.run(REQUEST, notice)
    assert signs >= 3


def test_letting_go_a_process_that_was_waited_for_elsewhere_is_no_error(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = ends
    InitCall(os.getpid(), ours, 300.0).dismiss()  # no child of this process


# signals


SERVE = "import socket, sys; from bank_vaults.unsealer import init_call as call; "
SERVE += "call._serve(socket.socket(fileno=int(sys.argv[1])), None, None)"


def test_the_process_with_the_answer_ignores_whatever_ends_its_parent() -> None:
    """Read where the kernel keeps it: ``SigIgn`` of ``/proc/pid/status`` (proc(5))."""
    wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-c", SERVE, str(theirs.fileno())]
        served = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            for _ in range(1000):
                status = Path(f"/proc/{served.pid}/status").read_text()
                mask = int(status.partition("SigIgn:")[2].split()[0], 16)
                if all(mask >> (number - 1) & 1 for number in wanted):
                    break
                time.sleep(0.01)
            else:
                pytest.fail("the signals are not ignored")
            assert os.getsid(served.pid) == served.pid
            ours.close()  # the order to go
            assert served.wait(10) == 0
        finally:
            served.kill()
            served.wait()
