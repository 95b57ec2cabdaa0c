"""Promises of the time limit: no call of a store holds up the program, and hung calls do not pile up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from bank_vaults.keystores import deadline
from bank_vaults.keystores.base import AlreadyExistsError, NotFoundError, StoreDescription, StoreError
from bank_vaults.keystores.deadline import WithDeadline


class _Store:
    """Keeps values in memory; hangs while ``healthy`` is not set."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.healthy = threading.Event()
        self.healthy.set()
        self.error: BaseException | None = None

    def _answer(self) -> None:
        self.healthy.wait()
        if self.error is not None:
            raise self.error

    def get(self, name: str) -> bytes:
        self._answer()
        try:
            return self.values[name]
        except KeyError:
            raise NotFoundError(name) from None

    def origin(self, name: str) -> str:
        return f"origin of {name}"

    def put(self, name: str, value: bytes) -> None:
        self._answer()
        self.values[name] = value

    def create(self, name: str, value: bytes) -> None:
        self._answer()
        if name in self.values:
            raise AlreadyExistsError(name)
        self.values[name] = value

    def delete(self, name: str) -> None:
        self._answer()
        self.values.pop(name, None)

    def list(self) -> frozenset[str]:
        self._answer()
        return frozenset(self.values)

    def prepare(self) -> None:
        """Nothing."""

    def describe(self) -> StoreDescription:
        return StoreDescription("memory", "here", atomic_create=True, protection="none")


@pytest.fixture
def slow() -> Iterator[_Store]:
    store = _Store()
    yield store
    store.healthy.set()
    for thread in threading.enumerate():
        if thread.name.startswith("store: "):
            thread.join(10)
    assert _hanging() == 0


def _hanging() -> int:
    return sum(thread.name.startswith("store: ") for thread in threading.enumerate())


CALLS: dict[str, Callable[[WithDeadline], object]] = {
    "read 'x'": lambda store: store.get("x"),
    "write 'x'": lambda store: store.put("x", b"hidden"),
    "create 'x'": lambda store: store.create("x", b"hidden"),
    "delete 'x'": lambda store: store.delete("x"),
    "list": lambda store: store.list(),
}


def test_a_store_in_time_is_the_store(slow: _Store) -> None:
    store = WithDeadline(slow)
    store.create("a", b"1")
    store.put("a", b"2")
    store.put("b", b"3")
    assert store.get("a") == b"2"
    assert store.list() == {"a", "b"}
    store.delete("a")
    assert slow.values == {"b": b"3"}
    assert store.describe() == slow.describe()


@pytest.mark.parametrize("what", CALLS)
def test_a_call_that_hangs_cannot_tell(slow: _Store, what: str) -> None:
    slow.healthy.clear()
    with pytest.raises(StoreError, match=rf"^the memory store did not {what} within 0.01 s$"):
        CALLS[what](WithDeadline(slow, limit=0.01))


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "error",
    [NotFoundError("n"), AlreadyExistsError("a"), StoreError("s"), ValueError("v"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_what_the_store_raises_reaches_the_caller(slow: _Store, what: str, error: BaseException) -> None:
    slow.error = error
    with pytest.raises(type(error)) as raised:
        CALLS[what](WithDeadline(slow))
    assert raised.value is error


def test_hung_calls_of_any_number_of_clients_do_not_pile_up(slow: _Store) -> None:
    slow.healthy.clear()
    for _ in range(deadline._MOST_RUNNING):
        with pytest.raises(StoreError, match="within"):
            WithDeadline(slow, limit=0.001).get("x")
    for _ in range(20):  # every new try of the program is a new client
        with pytest.raises(StoreError, match=r"^the memory store does not answer: 16 calls hang already$"):
            WithDeadline(slow).get("x")
    assert _hanging() == deadline._MOST_RUNNING


def test_a_store_that_comes_back_is_used_again(slow: _Store) -> None:
    slow.healthy.clear()
    for _ in range(deadline._MOST_RUNNING):
        with pytest.raises(StoreError):
            WithDeadline(slow, limit=0.001).put("x", b"late")
    slow.healthy.set()
    for thread in threading.enumerate():
        if thread.name.startswith("store: "):
            thread.join(10)
    assert WithDeadline(slow).get("x") == b"late"  # the outcome was unknown, as its error said


def test_failed_calls_give_back_their_place(slow: _Store) -> None:
    slow.error = StoreError("down")
    for _ in range(3 * deadline._MOST_RUNNING):
        with pytest.raises(StoreError, match="down"):
            WithDeadline(slow).get("x")


def test_without_threads_the_store_cannot_tell_and_no_place_is_lost(
    slow: _Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2 * deadline._MOST_RUNNING):
            with pytest.raises(StoreError, match=r"cannot read 'x': can't start new thread"):
                WithDeadline(slow).get("x")
    slow.values["x"] = b"there"
    assert WithDeadline(slow).get("x") == b"there"


def test_a_hung_call_does_not_keep_the_program_from_ending(slow: _Store) -> None:
    slow.healthy.clear()
    with pytest.raises(StoreError):
        WithDeadline(slow, limit=0.001).get("x")
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("store: "))
