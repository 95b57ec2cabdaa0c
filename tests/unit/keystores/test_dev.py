"""Promises of the dev store: the root token that is there already, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores import preflight
from bank_vaults.keystores.base import NotFoundError, StoreError
from bank_vaults.keystores.dev import DevStore

NO_SETTINGS = Settings({})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    monkeypatch.delenv("BAO_TOKEN", raising=False)
    return tmp_path


def _token() -> bytes:
    return DevStore.open(NO_SETTINGS).get(names.ROOT)


def test_the_token_is_that_of_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".vault-token").write_text("of the file")
    monkeypatch.setenv("VAULT_TOKEN", "of vault")
    assert _token() == b"of vault"
    monkeypatch.setenv("BAO_TOKEN", "of openbao")
    assert _token() == b"of openbao"


def test_else_that_of_the_file_in_the_home_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "")
    (home / ".vault-token").write_text("of the file\n")
    assert _token() == b"of the file"


def test_without_a_token_it_does_not_open(home: Path) -> None:
    with pytest.raises(StoreError, match=r"VAULT_TOKEN is not set and .*\.vault-token cannot be read"):
        _token()


@pytest.mark.parametrize(("content", "why"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff", "not text")])
def test_a_file_without_a_token_in_it_does_not_open_it(home: Path, content: bytes, why: str) -> None:
    (home / ".vault-token").write_bytes(content)
    with pytest.raises(StoreError, match=why):
        _token()


def test_a_directory_in_place_of_the_file_does_not_open_it(home: Path) -> None:
    (home / ".vault-token").mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        _token()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> DevStore:
    monkeypatch.setenv("VAULT_TOKEN", "dev-token")
    return DevStore.open(NO_SETTINGS)


@pytest.mark.parametrize("name", [names.unseal(0), names.recovery(0), names.journal(0), names.ANSWER, "x"])
def test_every_other_name_is_not_found(store: DevStore, name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        store.get(name)


def test_writing_and_deleting_do_nothing(store: DevStore) -> None:
    store.put(names.ROOT, b"other")
    store.put(names.unseal(0), b"share")
    store.create(names.ROOT, b"other")
    store.delete(names.ROOT)
    assert store.get(names.ROOT) == b"dev-token"
    assert store.list() == {names.ROOT}


def test_it_is_not_trusted_with_an_initialisation(store: DevStore) -> None:
    with pytest.raises(StoreError, match="dev store did not keep a test value"):
        preflight.check(store, lambda: DevStore.open(NO_SETTINGS), 100)


def test_no_text_form_shows_the_token(store: DevStore) -> None:
    assert "dev-token" not in repr(store.describe()) + repr(vars(store))
