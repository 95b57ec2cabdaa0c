"""Every store that is built keeps the contract of a key store, with and without the time limit around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import InitAnswer, encode_answer
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.file import FileStore
from bank_vaults.keystores.registry import open_store as open_registered
from tests.support.keystore_contract import KeyStoreContract, OpenStore


class TestFileStore(KeyStoreContract):
    """The store itself."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: FileStore(tmp_path)


class TestFileStoreOfTheRegistry(KeyStoreContract):
    """As the program opens it."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        tmp_path.chmod(0o700)
        settings = Settings({"mode": "file", "file-path": str(tmp_path)})
        return lambda: open_registered(settings)


def test_a_directory_of_go_bank_vaults_is_read_byte_for_byte(tmp_path: Path) -> None:
    shares = {f"vault-unseal-{index}": f"{index:02x}".encode() * 33 for index in range(5)}
    written = {"vault-root": b"hvs.CAESIJabc", "vault-test": b"vault-test", **shares}
    for name, value in written.items():
        (tmp_path / name).write_bytes(value)
        (tmp_path / name).chmod(0o600)
    store = FileStore(tmp_path)
    assert store.list() == written.keys()
    assert {name: store.get(name) for name in written} == written
    assert names.keys_in(store.list()) == ("vault-root", *sorted(shares))


def test_a_directory_of_ours_is_one_of_go_bank_vaults(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.create(names.unseal(0), b"ab" * 33)
    store.put(names.ROOT, b"hvs.token")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "vault-unseal-0": b"ab" * 33,
        "vault-root": b"hvs.token",
    }
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {0o600}


def test_an_answer_found_in_a_left_over_is_brought_back_by_renaming_it(tmp_path: Path) -> None:
    # The remedy that docs/storage.md gives after a kill between the making of the file and its renaming.
    record = encode_answer({"keys": ["ab" * 33], "root_token": "hvs.token"})
    left = tmp_path / ".bank-vaults-17-0123456789abcdef"
    left.write_bytes(record)
    assert record.startswith(b'{"version": 1, "answer":')
    assert record.endswith(b"}")
    store = FileStore(tmp_path)
    assert store.list() == frozenset()
    left.rename(tmp_path / names.ANSWER)
    assert InitAnswer.decode(store.get(names.ANSWER)).root_token.reveal() == "hvs.token"
