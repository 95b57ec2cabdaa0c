"""What is remembered between runs survives kills, damage, and two runs at once."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Identity, Pending, Record, Saving
from bank_vaults.configure.places import FilePlace
from bank_vaults.configure.state import ContestedError, Exchange, State, StateError

ONE, TWO = Identity("auth", "role", "one"), Identity("auth", "role", "two")
RECORD = Record("wanted", "shown", ("rotated",))
PENDING = Pending(Saving("secret/data/ca", True), {"private_key": "----"})


def state_of(directory: Path, cluster: str = "", namespace: str = "") -> State:
    return State(FilePlace(str(directory / "state")), cluster, namespace)


def test_what_was_noted_is_there_in_the_next_run(tmp_path: Path) -> None:
    first = state_of(tmp_path)
    digest = first.digest({"a": 1})
    first.note(ONE, RECORD)
    first.note(TWO, RECORD)
    first.note_pending(ONE, PENDING)
    first.insist()
    first.note(TWO, None)
    first.flush()
    second = state_of(tmp_path)
    assert dict(second.memory.records) == {ONE: RECORD}
    assert second.pending_of(ONE) == PENDING
    assert second.digest({"a": 1}) == digest
    second.note_pending(ONE, None)
    second.insist()
    assert state_of(tmp_path).pending_of(ONE) is None


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    first = state_of(tmp_path)
    first.flush()
    assert list(tmp_path.iterdir()) == []
    first.note(ONE, RECORD)
    first.flush()
    written = (tmp_path / "state").stat().st_ino
    second = state_of(tmp_path)
    second.note(ONE, RECORD)
    second.flush()
    assert (tmp_path / "state").stat().st_ino == written


def test_the_file_is_for_its_owner_only_and_stands_alone(tmp_path: Path) -> None:
    state = state_of(tmp_path / "new")
    state.note(ONE, RECORD)
    state.insist()
    assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "new") == ["state"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00\xff",
        b"{}\n{}",
        b'{"bank-vaults-state":1,"cluster":""}\n{"version":1}',
        b'{"bank-vaults-state":9,"cluster":""}\n',
        b"[]\n[]",
    ],
)
def test_a_damaged_state_is_kept_aside_and_costs_no_more_than_itself(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_bytes(damage)
    state = state_of(tmp_path)
    assert state.memory.records == {}
    assert (tmp_path / "state.unusable").read_bytes() == damage
    assert "cannot be used" in caplog.text
    state.note(ONE, RECORD)
    state.insist()
    assert state_of(tmp_path).record_of(ONE) == RECORD


def test_the_memory_of_another_cluster_is_not_believed(tmp_path: Path) -> None:
    first = state_of(tmp_path, "cluster-a")
    first.note(ONE, RECORD)
    first.insist()
    assert state_of(tmp_path, "").record_of(ONE) == RECORD
    assert state_of(tmp_path, "cluster-b").record_of(ONE) is None
    assert (tmp_path / "state.unusable").exists()


def test_another_cluster_that_was_faster_is_not_believed(tmp_path: Path) -> None:
    late, faster = state_of(tmp_path, "one"), state_of(tmp_path, "another")
    faster.note(TWO, RECORD)
    faster.insist()
    late.note(ONE, RECORD)
    late.insist()
    assert dict(state_of(tmp_path, "one").memory.records) == {ONE: RECORD}


def test_two_runs_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    begun = state_of(tmp_path)
    begun.note(Identity("", "", ""), RECORD)
    begun.insist()
    states = [state_of(tmp_path) for _ in range(4)]

    def work(number: int) -> None:
        for step in range(10):
            states[number].note(Identity("auth", str(number), str(step)), RECORD)
            states[number].insist()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state_of(tmp_path).memory.records) == 41


def test_of_two_first_runs_one_has_the_key_and_no_secret_is_lost(tmp_path: Path) -> None:
    first, second = state_of(tmp_path), state_of(tmp_path)
    first.note(ONE, RECORD)
    first.insist()
    second.note(TWO, RECORD)
    second.note_pending(TWO, PENDING)
    second.insist()
    left = state_of(tmp_path)
    assert dict(left.memory.records) == {ONE: RECORD}
    assert left.pending_of(TWO) == PENDING


def test_a_state_that_cannot_be_written_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FilePlace):
        broken = True

        def exchange(self, change: Exchange) -> None:
            if self.broken:
                raise StateError("the disk is full")
            super().exchange(change)

    place = Broken(str(tmp_path / "state"))
    state = State(place, "")
    state.note(ONE, RECORD)
    state.flush(final=False)
    assert not caplog.text
    state.flush()
    state.flush()
    assert caplog.text.count("cannot be written") == 1
    with pytest.raises(StateError, match="disk is full"):
        state.insist()
    place.broken = False
    state.flush()
    assert state_of(tmp_path).record_of(ONE) == RECORD


def test_a_state_that_is_no_file_is_an_error_not_an_empty_memory(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(StateError):
        state_of(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StateError, match="cannot read"):
        State(FilePlace(str(tmp_path / "link")), "")


def test_a_memory_shows_nothing_of_what_is_in_it() -> None:
    memory = Memory.empty().with_pending(ONE, PENDING)
    assert "----" not in f"{memory!r} {PENDING!r}"


def test_of_runs_that_have_read_the_same_state_one_may_begin_with_what_is_done_once(tmp_path: Path) -> None:
    state_of(tmp_path).claim(TWO, RECORD)
    first, second = state_of(tmp_path), state_of(tmp_path)
    first.claim(ONE, RECORD)
    second.note(TWO, None)
    with pytest.raises(ContestedError, match="another run has just begun with it"):
        second.claim(ONE, RECORD._replace(wanted="other"))
    second.flush()
    assert dict(state_of(tmp_path).memory.records) == {ONE: RECORD}  # what it noted of others is kept
    state_of(tmp_path).claim(ONE, RECORD)  # a later run has seen what the first one did


def test_of_runs_that_found_no_state_one_may_begin_with_what_is_done_once(tmp_path: Path) -> None:
    first, second = state_of(tmp_path), state_of(tmp_path)
    first.claim(TWO, RECORD)
    with pytest.raises(ContestedError):
        second.claim(ONE, RECORD)
    first.claim(ONE, RECORD)


def test_who_has_a_generated_secret_to_save_is_not_overtaken(tmp_path: Path) -> None:
    first, second = state_of(tmp_path), state_of(tmp_path)
    first.note_pending(ONE, PENDING)
    first.insist()
    with pytest.raises(ContestedError):
        second.claim(ONE, RECORD)
    assert state_of(tmp_path).pending_of(ONE) == PENDING


def test_a_claim_that_cannot_be_kept_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: FilePlace, change: Exchange) -> None:
        raise StateError("the disk is full")

    state = state_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(FilePlace, "exchange", full)
        with pytest.raises(StateError, match="the disk is full"):
            state.claim(ONE, RECORD)
    state.flush()
    assert not state_of(tmp_path).memory.records


@pytest.mark.parametrize("ours", ["", "two"])
def test_the_state_of_another_namespace_is_neither_used_nor_put_aside(tmp_path: Path, ours: str) -> None:
    first = state_of(tmp_path, "cluster", "one")
    first.note(ONE, RECORD)
    first.insist()
    for cluster in ("cluster", ""):
        with pytest.raises(StateError, match=r"that of the namespace 'one'.*--state"):
            state_of(tmp_path, cluster, ours)
    assert dict(state_of(tmp_path, "cluster", "one").memory.records) == {ONE: RECORD}


def test_a_namespace_of_another_cluster_is_put_aside_with_it(tmp_path: Path) -> None:
    first = state_of(tmp_path, "cluster", "one")
    first.note(ONE, RECORD)
    first.insist()
    assert not state_of(tmp_path, "another", "two").memory.records
    assert (tmp_path / "state.unusable").exists()


def test_another_namespace_that_was_faster_is_not_written_over(tmp_path: Path) -> None:
    late = state_of(tmp_path, "cluster", "two")
    late.note(ONE, RECORD)
    first = state_of(tmp_path, "cluster", "one")
    first.note(TWO, RECORD)
    first.insist()
    with pytest.raises(StateError, match="give each a place of its own"):
        late.insist()
    assert dict(state_of(tmp_path, "cluster", "one").memory.records) == {TWO: RECORD}
