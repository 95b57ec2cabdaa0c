"""Promises of the file store on bad days: full disk, broken disk, kill. The old value or the new one."""

from __future__ import annotations

import builtins
import errno
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.domain import names
from bank_vaults.keystores import atomic
from bank_vaults.keystores import file as file_module
from bank_vaults.keystores.base import AlreadyExistsError, NotFoundError, StoreError
from bank_vaults.keystores.file import FileStore

OLD, NEW = b"old-value-" * 7, b"new-value-" * 300
NAME = names.unseal(0)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def _is_directory(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _steps(monkeypatch: pytest.MonkeyPatch, on_step: Callable[[str], None]) -> None:
    """Call ``on_step`` with the name of each step of a write, before it happens."""

    def wrapped(function: str, name: Callable[..., str]) -> None:
        real = getattr(os, function)

        def wrapper(*args: Any, **options: Any) -> Any:
            if step := name(*args):
                on_step(step)
            return real(*args, **options)

        monkeypatch.setattr(os, function, wrapper)

    def opening(path: object, flags: int, *_: object) -> str:
        return "open" if flags & os.O_CREAT else "open directory" if flags & os.O_DIRECTORY else ""

    wrapped("open", opening)
    wrapped("fchmod", lambda *_: "chmod")
    wrapped("fsync", lambda fd: "sync directory" if _is_directory(fd) else "sync")
    wrapped("rename", lambda *_: "move")
    wrapped("link", lambda *_: "move")
    wrapped("unlink", lambda path: "remove temporary" if ".bank-vaults-" in str(path) else "remove")

    def open_file(*args: Any, **options: Any) -> Any:
        return _Writing(builtins.open(*args, **options), on_step)

    for module in (atomic, file_module):
        monkeypatch.setattr(module, "open", open_file, raising=False)


class _Writing:
    """A file that tells of its writes, and writes few bytes at a time, as the kernel may."""

    def __init__(self, real: io.FileIO, on_step: Callable[[str], None]) -> None:
        self._real, self._on_step = real, on_step

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def read(self) -> bytes:
        return self._real.read()

    def write(self, data: memoryview) -> int:
        self._on_step("write")
        return self._real.write(data[:100])


# the order

CREATED = ["open", "chmod", "write", "sync", "move", "remove temporary", "open directory", "sync directory"]


def _order(steps: list[str]) -> list[str]:
    """Without repeated writes, and without the last removal, which finds nothing."""
    once = [step for number, step in enumerate(steps) if not number or steps[number - 1] != step]
    assert once[-1] == "remove temporary"
    return once[:-1]


def test_create_makes_the_value_durable_before_its_name_and_the_name_before_it_returns(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def look(step: str) -> None:
        steps.append(step)
        if step == "sync":
            (written,) = tmp_path.iterdir()
            assert written.read_bytes() == NEW
        if step == "sync directory":
            assert [path.name for path in tmp_path.iterdir()] == [NAME]

    _steps(monkeypatch, look)
    store.create(NAME, NEW)
    assert _order(steps) == CREATED
    assert steps.count("write") == len(NEW) / 100


def test_put_makes_the_value_durable_before_its_name_and_the_name_before_it_returns(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(NAME, OLD)
    steps: list[str] = []
    _steps(monkeypatch, steps.append)
    store.put(NAME, NEW)
    assert _order(steps) == [step for step in CREATED if step != "remove temporary"]
    assert store.get(NAME) == NEW


def test_a_deletion_is_durable_before_it_returns(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(NAME, OLD)
    steps: list[str] = []
    _steps(monkeypatch, steps.append)
    store.delete(NAME)
    assert steps == ["remove", "open directory", "sync directory"]
    store.delete(NAME)  # the repetition of one that failed after the removal
    assert steps == ["remove", "open directory", "sync directory"] * 2


# every step fails

BEFORE_THE_NAME = ["open", "chmod", "write", "sync", "move"]
AFTER_THE_NAME = ["open directory", "sync directory"]
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT]


def _fail_at(monkeypatch: pytest.MonkeyPatch, where: str, code: int, *, passage: int = 1) -> None:
    passages = 0

    def fail(step: str) -> None:
        nonlocal passages
        if step == where:
            passages += 1
            if passages >= passage:
                raise OSError(code, os.strerror(code))

    _steps(monkeypatch, fail)


def _refused(call: Callable[[], object], code: int) -> None:
    with pytest.raises(StoreError) as refused:
        call()
    text = f"{refused.value} {refused.value!r}"
    assert NAME in text
    assert os.strerror(code) in text
    assert "value-" not in text
    assert refused.value.__suppress_context__


def _left(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", BEFORE_THE_NAME)
def test_a_failing_write_leaves_the_old_value_and_nothing_else(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    store.put(NAME, OLD)
    with monkeypatch.context() as patch:
        _fail_at(patch, step, code)
        _refused(lambda: store.put(NAME, NEW), code)
        assert _left(tmp_path) == {NAME: OLD}
        _refused(lambda: store.create(NAME, NEW), code)
    assert _left(tmp_path) == {NAME: OLD}


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", BEFORE_THE_NAME)
@pytest.mark.parametrize("write", ["put", "create"])
def test_a_failing_first_write_leaves_nothing(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, write: str
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(patch, step, code)
        _refused(lambda: getattr(store, write)(NAME, NEW), code)
    assert _left(tmp_path) == {}
    getattr(store, write)(NAME, NEW)
    assert store.get(NAME) == NEW


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", AFTER_THE_NAME)
@pytest.mark.parametrize("write", ["put", "create"])
def test_a_name_that_may_not_be_durable_is_an_error_and_the_value_is_whole(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, write: str
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(patch, step, code)
        _refused(lambda: getattr(store, write)(NAME, NEW), code)
    assert _left(tmp_path) == {NAME: NEW}


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_value(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(NAME, OLD)
    with monkeypatch.context() as patch:
        _fail_at(patch, "write", errno.ENOSPC, passage=17)
        _refused(lambda: store.put(NAME, NEW), errno.ENOSPC)
    assert _left(tmp_path) == {NAME: OLD}


@pytest.mark.parametrize("step", AFTER_THE_NAME)
def test_whoever_finds_the_name_taken_can_rely_on_the_value_that_is_there(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # A create that failed after the link is repeated, finds its own value, and takes that as stored.
    with monkeypatch.context() as patch:
        _fail_at(patch, step, errno.EIO)
        _refused(lambda: store.create(NAME, NEW), errno.EIO)
        _refused(lambda: store.create(NAME, NEW), errno.EIO)
    steps: list[str] = []
    _steps(monkeypatch, steps.append)
    with pytest.raises(AlreadyExistsError):
        store.create(NAME, NEW)
    assert "sync directory" in steps


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_a_deletion_that_fails_is_an_error(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for step, there in (("remove", True), ("sync directory", False)):
        store.put(NAME, OLD)
        with monkeypatch.context() as patch:
            _fail_at(patch, step, code)
            _refused(lambda: store.delete(NAME), code)
        assert (NAME in store.list()) is there


def test_a_left_over_that_cannot_be_removed_is_an_error_and_the_key_is_there(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(patch, "remove temporary", errno.EIO)
        _refused(lambda: store.create(NAME, NEW), errno.EIO)
    assert store.get(NAME) == NEW
    assert store.list() == {NAME}


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS])
def test_a_file_system_without_hard_links_is_named_as_such_and_still_takes_put(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match="file system without hard links"):
        store.create(NAME, NEW)
    assert _left(tmp_path) == {}
    store.put(NAME, NEW)
    assert store.get(NAME) == NEW


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_a_broken_disk_is_not_a_missing_value(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store.put(NAME, OLD)

    def refuse(*_: object) -> bytes:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(_Writing, "read", refuse)
    _steps(monkeypatch, lambda _: None)
    _refused(lambda: store.get(NAME), code)


def test_a_directory_that_cannot_be_listed_is_not_an_empty_one(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StoreError, match="Input/output error"):
        store.list()


def test_a_value_that_vanishes_between_two_looks_is_not_found(store: FileStore) -> None:
    store.put(NAME, OLD)
    store.delete(NAME)
    with pytest.raises(NotFoundError):
        store.get(NAME)


# processes: each script forks its own children, away from the threads of the test runner

_SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
from bank_vaults.keystores.base import AlreadyExistsError, NotFoundError
from bank_vaults.keystores.file import FileStore

store = FileStore(Path(sys.argv[1]))

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    return pid
"""

_KILLED = """
A, B = b"A" * 200_000, b"B" * 300

def write():
    while True:
        store.put("vault-root", A)
        store.put("vault-root", B)
        try:
            store.create("vault-init-journal", A)
        except AlreadyExistsError:
            pass
        store.delete("vault-init-journal")

store.put("vault-root", A)
seen = set()
for _ in range(30):
    pid = child(write)
    time.sleep(random.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    value = store.get("vault-root")
    assert value in (A, B), len(value)
    seen.add(value)
    try:
        assert store.get("vault-init-journal") == A
    except NotFoundError:
        pass
    assert store.list() <= {"vault-root", "vault-init-journal"}, store.list()
print("whole", len(seen))
"""

_RACING = """
rounds = []
for number in range(10):
    name = f"vault-unseal-{number}"
    gate, opener = os.pipe()

    def create(mine):
        os.close(opener)
        os.read(gate, 1)  # ends for all at once, when the parent closes its end
        try:
            store.create(name, b"value of %d" % mine)
        except AlreadyExistsError:
            return 1
        return 0

    children = [child(lambda mine=mine: create(mine)) for mine in range(5)]
    os.close(gate)
    os.close(opener)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert sorted(codes) == [0, 1, 1, 1, 1], codes
    assert store.get(name) == b"value of %d" % codes.index(0)
assert len(list(Path(sys.argv[1]).iterdir())) == 10
print("one winner")
"""


def _run(script: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT + script, directory], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_writer_killed_at_any_moment_leaves_whole_values(tmp_path: Path) -> None:
    assert _run(_KILLED, tmp_path).startswith("whole")


def test_only_one_of_many_processes_creates(tmp_path: Path) -> None:
    assert _run(_RACING, tmp_path) == "one winner\n"
