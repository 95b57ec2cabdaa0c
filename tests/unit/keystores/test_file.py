"""Promises of the file store about what it takes for a key, and what it refuses."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import AlreadyExistsError, NotFoundError, StoreError
from bank_vaults.keystores.file import FileStore

VALUE = b"ab" * 33
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def store(directory: Path) -> FileStore:
    return FileStore(directory)


def _open(path: object) -> FileStore:
    return FileStore.open(Settings({"file-path": str(path)}))


# the directory


def test_the_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot open '.*missing': No such file or directory"):
        _open(tmp_path / "missing")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is not a directory"):
        _open(tmp_path / "file")
    with pytest.raises(StoreError, match="Not a directory"):
        _open(tmp_path / "file" / "below")


@only_root
def test_a_directory_of_somebody_else_is_refused(directory: Path) -> None:
    os.chown(directory, 12345, -1)
    with pytest.raises(StoreError, match="belongs to user 12345, who could exchange the keys"):
        _open(directory)


def test_an_empty_path_is_the_working_directory_of_the_start(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    store = _open("")
    monkeypatch.chdir(tmp_path)
    store.create(names.ROOT, b"token")
    assert (directory / "vault-root").read_bytes() == b"token"
    assert store.describe().location == str(directory)


def test_a_way_back_from_a_link_is_that_of_the_kernel(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # "link/.." is beside the target of the link, not beside the link: no other directory may be meant.
    (directory / "below").mkdir()
    (tmp_path / "link").symlink_to(directory / "below")
    monkeypatch.chdir(tmp_path)
    for path in ("link/..", tmp_path / "link" / ".."):
        _open(path).put(names.ROOT, b"token")
        assert (directory / "vault-root").read_bytes() == b"token"
        (directory / "vault-root").unlink()


def test_a_working_directory_that_vanished_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StoreError, match="cannot open 'keys'"):
        _open("keys")


def test_a_directory_open_to_others_is_warned_of_once(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.chmod(0o750)
    for _ in range(3):
        _open(directory)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == "the key directory is open to other users; close it with chmod 700"
    assert record.__dict__["fields"] == {"directory": str(directory), "mode": "0750"}


def test_a_closed_directory_is_no_reason_for_words(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    _open(directory)
    assert caplog.records == []


def test_a_missing_directory_is_not_a_missing_value(directory: Path, store: FileStore) -> None:
    # An unmounted or renamed directory must never look like an empty store.
    directory.rmdir()
    for call in CALLS.values():
        with pytest.raises(StoreError, match="No such file or directory"):
            call(store)


# names and values

CALLS: dict[str, Callable[[FileStore], object]] = {
    "get": lambda store: store.get(names.ROOT),
    "put": lambda store: store.put(names.ROOT, b"hidden-value"),
    "create": lambda store: store.create(names.ROOT, b"hidden-value"),
    "delete": lambda store: store.delete(names.ROOT),
    "list": lambda store: store.list(),
}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../vault-root", "a\0b", "n" * 300])
def test_a_name_that_leaves_the_directory_is_refused(store: FileStore, directory: Path, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.get(name),
        lambda: store.put(name, b"hidden-value"),
        lambda: store.create(name, b"hidden-value"),
        lambda: store.delete(name),
    ]
    for call in calls:
        with pytest.raises(StoreError) as refused:
            call()
        assert "hidden-value" not in str(refused.value)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
@pytest.mark.parametrize("write", ["put", "create"])
def test_a_key_is_for_its_owner_whatever_the_umask(
    store: FileStore, directory: Path, umask: int, write: str
) -> None:
    before = os.umask(umask)
    try:
        getattr(store, write)(names.ROOT, VALUE)
    finally:
        os.umask(before)
    assert (directory / names.ROOT).stat().st_mode & 0o7777 == 0o600


def test_put_closes_a_file_that_was_open_to_others(store: FileStore, directory: Path) -> None:
    (directory / names.ROOT).write_bytes(b"old")
    (directory / names.ROOT).chmod(0o644)
    store.put(names.ROOT, VALUE)
    assert (directory / names.ROOT).stat().st_mode & 0o7777 == 0o600


def _link(path: Path, target: Path) -> None:
    target.write_bytes(b"elsewhere")
    path.symlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a symbolic link": (
        lambda path: _link(path, path.parent.parent / "target"),
        "is a symbolic link; refused",
    ),
    "a dangling link": (
        lambda path: path.symlink_to(path.parent.parent / "t"),
        "is a symbolic link; refused",
    ),
    "a link to itself": (lambda path: path.symlink_to(path), "is a symbolic link; refused"),
    "a pipe": (lambda path: os.mkfifo(path), "is not a plain file"),
    "a directory": (lambda path: path.mkdir(), "is not a plain file"),
    "a huge file": (lambda path: os.truncate(_touched(path), 1 << 21), "2097152 bytes, too many for a key"),
}


def _touched(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize(("make", "why"), STRANGE.values(), ids=STRANGE)
def test_what_is_no_plain_small_file_is_neither_read_nor_replaced(
    store: FileStore, directory: Path, make: Callable[[Path], object], why: str
) -> None:
    make(directory / names.ROOT)
    before = (directory / names.ROOT).lstat()
    with pytest.raises(StoreError, match=why):
        store.get(names.ROOT)
    with pytest.raises(StoreError, match=why) as refused:
        store.put(names.ROOT, b"hidden-value")
    with pytest.raises(AlreadyExistsError):
        store.create(names.ROOT, b"hidden-value")
    assert "hidden-value" not in str(refused.value)
    assert (directory / names.ROOT).lstat().st_ino == before.st_ino
    assert [path.name for path in directory.iterdir()] == [names.ROOT]


def test_a_socket_is_not_read(store: FileStore, directory: Path) -> None:
    _socket(directory / names.ROOT)
    with pytest.raises(StoreError, match=f"cannot read '{names.ROOT}'"):
        store.get(names.ROOT)


@only_root
def test_a_key_of_somebody_else_is_neither_read_nor_replaced(store: FileStore, directory: Path) -> None:
    path = directory / names.ROOT
    path.write_bytes(b"theirs")
    os.chown(path, 12345, -1)
    for call in (CALLS["get"], CALLS["put"]):
        with pytest.raises(StoreError, match="belongs to user 12345, not to user 0"):
            call(store)
    assert path.read_bytes() == b"theirs"


@pytest.mark.parametrize("make", [make for make, _ in STRANGE.values()], ids=STRANGE)
def test_refusing_again_and_again_costs_no_descriptors(
    store: FileStore, directory: Path, make: Callable[[Path], object]
) -> None:
    make(directory / names.ROOT)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(StoreError):
            store.get(names.ROOT)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_directory_in_place_of_a_value_is_not_deleted(store: FileStore, directory: Path) -> None:
    (directory / names.ROOT).mkdir()
    with pytest.raises(StoreError, match=f"cannot delete '{names.ROOT}'"):
        store.delete(names.ROOT)
    assert (directory / names.ROOT).is_dir()


def test_deleting_a_link_leaves_its_target(store: FileStore, directory: Path, tmp_path: Path) -> None:
    _link(directory / names.ROOT, tmp_path / "target")
    store.delete(names.ROOT)
    assert (tmp_path / "target").read_bytes() == b"elsewhere"
    assert store.list() == frozenset()


def test_only_plain_files_are_listed_and_no_left_overs_of_a_crash(store: FileStore, directory: Path) -> None:
    store.create(names.ROOT, VALUE)
    (directory / ".bank-vaults-17-0123456789abcdef").write_bytes(b"part of a va")
    (directory / "below").mkdir()
    (directory / "link").symlink_to(directory / names.ROOT)
    (directory / "note of a human").touch()
    assert store.list() == {names.ROOT, "note of a human"}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENFILE, errno.ENOTCONN])
def test_a_file_that_cannot_be_opened_is_not_a_missing_value(
    store: FileStore, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match=f"cannot read '{names.ROOT}': {os.strerror(code)}"):
        store.get(names.ROOT)


def test_a_missing_value_is_not_found_by_name(store: FileStore) -> None:
    with pytest.raises(NotFoundError, match=names.unseal(3)):
        store.get(names.unseal(3))


def test_it_says_where_it_is(store: FileStore, directory: Path) -> None:
    description = store.describe()
    assert (description.mode, description.location) == ("file", str(directory))
    assert description.atomic_create
