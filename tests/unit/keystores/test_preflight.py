"""Promises of the check before an initialisation: a store that would lose keys is found, nothing is left."""

from __future__ import annotations

import pytest

from bank_vaults.domain import names
from bank_vaults.keystores import preflight
from bank_vaults.keystores.base import (
    AlreadyExistsError,
    NotFoundError,
    StoreDescription,
    StoreError,
    exists,
)


class _Store:
    """A good store in memory, several clients of one ``shared`` dictionary. Subclasses are worse."""

    def __init__(self, shared: dict[str, bytes]) -> None:
        self.shared = shared

    def get(self, name: str) -> bytes:
        try:
            return self.shared[name]
        except KeyError:
            raise NotFoundError(name) from None

    def origin(self, name: str) -> str:
        return f"origin of {name}"

    def put(self, name: str, value: bytes) -> None:
        self.shared[name] = value

    def create(self, name: str, value: bytes) -> None:
        if name in self.shared:
            raise AlreadyExistsError(name)
        self.shared[name] = value

    def delete(self, name: str) -> None:
        self.shared.pop(name, None)

    def list(self) -> frozenset[str]:
        return frozenset(self.shared)

    def prepare(self) -> None:
        """Nothing."""

    def describe(self) -> StoreDescription:
        return StoreDescription("memory", "here", atomic_create=True, protection="none")


class _Loses(_Store):
    def create(self, name: str, value: bytes) -> None:
        pass


class _Truncates(_Store):
    def create(self, name: str, value: bytes) -> None:
        super().create(name, value[:1000])


class _Changes(_Store):
    def create(self, name: str, value: bytes) -> None:
        super().create(name, value + b"\n")


class _CachesInTheWriter(_Store):
    """The writing client alone sees its values, as with session objects of a token."""

    def __init__(self, shared: dict[str, bytes]) -> None:
        super().__init__({})


class _RefusesToWrite(_Store):
    def create(self, name: str, value: bytes) -> None:
        raise StoreError("no permission to write")


class _WritesAndFails(_Store):
    def create(self, name: str, value: bytes) -> None:
        super().create(name, value)
        raise StoreError("the answer was lost")


class _RefusesToRead(_Store):
    def get(self, name: str) -> bytes:
        raise StoreError("no permission to decrypt")


class _RefusesToDelete(_Store):
    def delete(self, name: str) -> None:
        raise StoreError("no permission to delete")


class _RepeatsRequests(_Store):
    """Its client repeats a request whose answer was lost, and meets its own first try."""

    def create(self, name: str, value: bytes) -> None:
        super().create(name, value)
        super().create(name, value)


class _OthersValue(_Store):
    def create(self, name: str, value: bytes) -> None:
        super().create(name, b"of somebody else")
        super().create(name, value)


def _check(kind: type[_Store], shared: dict[str, bytes]) -> None:
    preflight.check(kind(shared), lambda: kind(shared), 1200)


def test_a_good_store_passes_and_keeps_nothing() -> None:
    shared = {names.unseal(0): b"untouched"}
    _check(_Store, shared)
    assert shared == {names.unseal(0): b"untouched"}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (_Loses, "memory store did not keep a test value"),
        (_Truncates, "gives back another value"),
        (_Changes, "gives back another value"),
        (_CachesInTheWriter, "cannot be found by a fresh client"),
        (_RefusesToWrite, "no permission to write"),
        (_WritesAndFails, "the answer was lost"),
        (_RefusesToRead, "no permission to decrypt"),
        (_OthersValue, "gives back another value"),
    ],
)
def test_a_bad_store_is_found_and_nothing_is_left_in_it(kind: type[_Store], why: str) -> None:
    shared: dict[str, bytes] = {}
    with pytest.raises(StoreError, match=why):
        _check(kind, shared)
    assert shared == {}


def test_a_store_that_refuses_to_delete_is_found() -> None:
    # The journal could never be closed there.
    with pytest.raises(StoreError, match="no permission to delete"):
        _check(_RefusesToDelete, {})


def test_the_first_trouble_is_told_although_cleaning_up_fails_too() -> None:
    class Worse(_Truncates, _RefusesToDelete):
        pass

    with pytest.raises(StoreError, match="gives back another value"):
        _check(Worse, {})


def test_a_repeated_request_of_the_store_s_own_client_is_no_trouble() -> None:
    shared: dict[str, bytes] = {}
    _check(_RepeatsRequests, shared)
    assert shared == {}


def test_an_end_in_the_middle_leaves_nothing_either() -> None:
    shared: dict[str, bytes] = {}

    class Ended(_Store):
        def get(self, name: str) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _check(Ended, shared)
    assert shared == {}


def test_the_test_value_is_as_long_as_asked_random_and_under_a_name_of_its_own() -> None:
    seen: dict[str, bytes] = {}

    class Recording(_Store):
        def create(self, name: str, value: bytes) -> None:
            seen[name] = value
            super().create(name, value)

    for size in (0, 1, 1200, 33_751):
        seen.clear()
        preflight.check(Recording({}), lambda: _Store(seen), size)
        preflight.check(Recording({}), lambda: _Store(seen), size)
        assert all(map(names.is_canary, seen))
        assert len(seen) == 2
        assert len(set(seen.values())) == 2
        assert all(len(value) >= size for value in seen.values())


def test_existence_is_told_apart_from_cannot_tell() -> None:
    assert exists(_Store({"x": b""}), "x")
    assert not exists(_Store({}), "x")
    with pytest.raises(StoreError):
        exists(_RefusesToRead({}), "x")
