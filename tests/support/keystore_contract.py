"""What every key store promises (``keystores/base.py``), as tests that each store inherits.

    class TestFileStore(KeyStoreContract):
        @pytest.fixture
        def open_store(self, tmp_path: Path) -> OpenStore:
            return lambda: FileStore(tmp_path)

``open_store`` gives a fresh client of one store, which is empty at the beginning of each test. A store
whose ``create`` is not atomic says so in its description; the race between writers is then not tested.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bank_vaults.domain import names
from bank_vaults.keystores import preflight
from bank_vaults.keystores.base import AlreadyExistsError, KeyStore, NotFoundError, exists

OpenStore = Callable[[], KeyStore]

VALUES = {
    "an unseal share": b"0a" * 33,
    "a root token": b"hvs.CAESIJ",
    "an answer with 20 shares": b'{"version": 1, "answer": {"keys": ["' + b"ab" * 1500 + b'"]}}',
    "a value with a newline at its end": b"text\n",
    "any bytes": bytes(range(256)),
    "nothing": b"",
}


class KeyStoreContract:
    """Tests of one store; the subclass gives the fixture ``open_store``."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Fresh clients of one store that is empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> KeyStore:
        """One client."""
        return open_store()

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    @pytest.mark.parametrize("write", ["put", "create"])
    def test_a_fresh_client_reads_what_was_written(
        self, store: KeyStore, open_store: OpenStore, write: str, value: bytes
    ) -> None:
        getattr(store, write)(names.unseal(0), value)
        assert open_store().get(names.unseal(0)) == value
        assert store.get(names.unseal(0)) == value

    def test_a_value_that_is_not_there_is_not_found(self, store: KeyStore) -> None:
        with pytest.raises(NotFoundError, match=names.ROOT):
            store.get(names.ROOT)
        assert not exists(store, names.ROOT)

    def test_an_empty_value_is_a_value(self, store: KeyStore, open_store: OpenStore) -> None:
        store.put(names.ROOT, b"")
        assert exists(open_store(), names.ROOT)
        with pytest.raises(AlreadyExistsError):
            store.create(names.ROOT, b"other")

    def test_put_replaces(self, store: KeyStore, open_store: OpenStore) -> None:
        store.put(names.ROOT, b"old and longer")
        store.put(names.ROOT, b"new")
        assert open_store().get(names.ROOT) == b"new"

    @pytest.mark.parametrize("first", ["put", "create"])
    def test_create_never_overwrites_and_never_shows_the_value(
        self, store: KeyStore, open_store: OpenStore, first: str
    ) -> None:
        getattr(store, first)(names.ROOT, b"of the first cluster")
        with pytest.raises(AlreadyExistsError, match=names.ROOT) as refused:
            open_store().create(names.ROOT, b"of the second cluster")
        assert "cluster" not in str(refused.value)
        assert open_store().get(names.ROOT) == b"of the first cluster"

    def test_values_under_different_names_do_not_touch_each_other(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        wanted = {
            names.ROOT,
            names.journal(0),
            names.ANSWER,
            *map(names.unseal, range(12)),
            names.recovery(1),
        }
        for name in sorted(wanted):
            store.create(name, f"value of {name}".encode())
        reader = open_store()
        assert {name: reader.get(name) for name in wanted} == {
            name: f"value of {name}".encode() for name in wanted
        }
        assert reader.list() == wanted
        store.delete(names.unseal(1))
        assert reader.list() == wanted - {names.unseal(1)}
        assert reader.get(names.unseal(11)) == b"value of vault-unseal-11"

    def test_a_deleted_value_is_not_found_and_may_be_created_again(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        store.create(names.journal(0), b"first")
        store.delete(names.journal(0))
        assert not exists(open_store(), names.journal(0))
        store.create(names.journal(0), b"second")
        assert open_store().get(names.journal(0)) == b"second"

    def test_deleting_what_is_not_there_is_success(self, store: KeyStore) -> None:
        store.delete(names.journal(0))
        store.delete(names.journal(0))

    def test_an_empty_store_lists_nothing(self, store: KeyStore) -> None:
        assert store.list() == frozenset()

    def test_it_passes_the_check_before_an_initialisation_and_keeps_nothing_of_it(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        preflight.check(store, open_store, 1200)
        assert open_store().list() == frozenset()

    def test_only_one_of_many_creators_wins_and_its_value_stays(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        if not store.describe().atomic_create:
            pytest.skip("this store cannot keep creators apart and says so")
        start = threading.Barrier(8)
        won: list[bytes] = []
        lost: list[bytes] = []

        def create(value: bytes) -> None:
            client = open_store()
            start.wait()
            try:
                client.create(names.journal(0), value)
                won.append(value)
            except AlreadyExistsError:
                lost.append(value)

        threads = [threading.Thread(target=create, args=(b"node %d" % n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 7)
        assert store.get(names.journal(0)) == won[0]

    def test_a_reader_sees_the_old_or_the_new_value_never_a_mixture(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        written = {bytes([letter]) * size for letter, size in ((65, 3000), (66, 10), (67, 2000))}
        store.put(names.ROOT, min(written))
        seen: set[bytes] = set()
        enough = threading.Event()

        def read() -> None:
            reader = open_store()
            while not enough.is_set():
                seen.add(reader.get(names.ROOT))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for _ in range(10):
                for value in written:
                    store.put(names.ROOT, value)
        finally:
            enough.set()
            thread.join()
        assert seen
        assert seen <= written

    def test_it_says_what_it_is_without_access(self, store: KeyStore) -> None:
        description = store.describe()
        assert description.mode
        assert description.location
        assert description.protection

    def test_a_value_that_was_not_read_has_no_origin_and_one_that_was_keeps_its_own(
        self, store: KeyStore, open_store: OpenStore
    ) -> None:
        assert store.origin(names.unseal(0)) == ""
        for number in range(2):
            store.create(names.unseal(number), b"value")
        reader = open_store()
        for number in range(2):
            reader.get(names.unseal(number))
        assert reader.origin(names.unseal(0)) == reader.origin(names.unseal(1))
