"""K-15: every way in which files come to be another is noticed, at once, and nothing half-written is read."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.configure.watch import Watcher


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vault-config.yml"
    path.write_text("one")
    return path


@pytest.fixture
def watcher(file: Path) -> Iterator[Watcher]:
    made = Watcher([str(file)])
    made.changed()
    yield made
    made.close()


def noticed(watcher: Watcher, limit: float = 0.5) -> tuple[str, ...]:
    """What is told within that time."""
    deadline = time.monotonic() + limit
    while (left := deadline - time.monotonic()) > 0:
        select.select([watcher], [], [], min(left, watcher.pause()))
        if found := watcher.changed():
            return found
    return ()


def test_k15_a_file_that_is_written_is_noticed_once(watcher: Watcher, file: Path) -> None:
    file.write_text("two")
    assert noticed(watcher) == (str(file),)
    assert noticed(watcher, 0.1) == ()


def test_k15_a_file_that_is_replaced_is_noticed(watcher: Watcher, file: Path) -> None:
    (file.parent / "new").write_text("two")
    os.rename(file.parent / "new", file)
    assert noticed(watcher) == (str(file),)


def test_k15_a_file_that_is_removed_and_comes_again_is_noticed(watcher: Watcher, file: Path) -> None:
    file.unlink()
    file.write_text("two")
    assert noticed(watcher) == (str(file),)


def test_k15_two_writings_of_one_size_in_one_tick_are_both_noticed(watcher: Watcher, file: Path) -> None:
    for _ in range(20):
        file.write_text("abc")
        assert noticed(watcher) == (str(file),)


def test_k15_a_volume_of_kubernetes_that_is_swapped_is_noticed(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / f"..{name}").mkdir()
        for file in ("a.yml", "b.yml"):
            (tmp_path / f"..{name}" / file).write_text(name)
    (tmp_path / "..data").symlink_to("..v1")
    files = [tmp_path / "a.yml", tmp_path / "b.yml"]
    for link in files:
        link.symlink_to(f"..data/{link.name}")
    watcher = Watcher(map(str, files))
    watcher.changed()
    (tmp_path / "..data_tmp").symlink_to("..v2")
    os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
    assert noticed(watcher) == tuple(map(str, files))
    (tmp_path / "..v2" / "b.yml").write_text("v3")
    assert noticed(watcher) == (str(files[1]),)
    watcher.close()


def test_k15_a_name_without_a_directory_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vault-config.yml").write_text("one")
    watcher = Watcher(["vault-config.yml"])
    watcher.changed()
    Path("vault-config.yml").write_text("two")
    assert noticed(watcher) == ("vault-config.yml",)
    watcher.close()


def test_k15_a_file_is_not_read_before_its_writer_has_closed_it(watcher: Watcher, file: Path) -> None:
    with file.open("w") as writer:
        writer.write("pol")
        writer.flush()
        assert noticed(watcher, 0.3) == ()
        writer.write("icies: []")
    assert noticed(watcher) == (str(file),)
    assert noticed(watcher, 0.2) == ()


def test_k15_a_file_whose_writer_takes_its_time_is_not_read_empty(watcher: Watcher, file: Path) -> None:
    with file.open("w") as writer:  # as a shell does before it starts the program whose output it gets
        assert noticed(watcher, 2.5) == ()
        writer.write("policies: []")
    assert noticed(watcher) == (str(file),)


def test_k15_a_new_file_is_not_read_before_its_writer_has_closed_it(watcher: Watcher, file: Path) -> None:
    file.unlink()
    assert noticed(watcher, 5.0) == (str(file),)
    with file.open("w") as writer:
        assert noticed(watcher, 2.5) == ()
        writer.write("policies: []")
    assert noticed(watcher) == (str(file),)


def test_k15_a_hard_link_is_complete_at_once(watcher: Watcher, file: Path) -> None:
    (file.parent / "other").write_text("two")
    file.unlink()
    assert noticed(watcher, 5.0) == (str(file),)
    os.link(file.parent / "other", file)
    assert noticed(watcher, 5.0) == (str(file),)


def test_k15_a_file_that_nobody_closes_is_read_after_a_minute(file: Path) -> None:
    later = 0.0
    watcher = Watcher([str(file)], lambda: time.monotonic() + later)
    watcher.changed()
    with file.open("w") as writer:
        writer.write("policies: []")
        writer.flush()
        assert noticed(watcher, 0.3) == ()
        later = 61.0
        assert noticed(watcher) == (str(file),)
    watcher.close()


def test_a_file_that_is_gone_is_told_and_so_is_its_return_in_a_new_directory(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "c.yml"
    file.parent.mkdir()
    file.write_text("one")
    watcher = Watcher([str(file)])
    watcher.changed()
    file.unlink()
    file.parent.rmdir()
    assert noticed(watcher, 5.0) == (str(file),)
    file.parent.mkdir()
    file.write_text("two")
    assert noticed(watcher, 5.0) == (str(file),)
    watcher.close()


def test_without_events_the_same_is_found_a_little_later(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Without:
        def inotify_init1(self, flags: int) -> int:
            return -1

    monkeypatch.setattr("bank_vaults.configure.watch.ctypes.CDLL", lambda *_, **__: Without())
    watcher = Watcher([str(file)])
    watcher.changed()
    file.write_text("two, and longer")
    deadline = time.monotonic() + 5
    found: tuple[str, ...] = ()
    while not found and time.monotonic() < deadline:
        time.sleep(min(watcher.pause(), 0.2))
        found = watcher.changed()
    assert found == (str(file),)
    assert (watcher.fileno(), "no events" in caplog.text) == (-1, True)
    watcher.close()
