"""Where the state of ``configure`` is when nobody says it, and which files it takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bank_vaults.cli.configure import parts
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.resolve import resolve
from bank_vaults.configure.places import FilePlace
from bank_vaults.configure.session import Session
from bank_vaults.keystores.kubernetes import Kubernetes
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig


def written(address: str = "http://127.0.0.1:8200", *, namespace: str = "", **flags: str) -> None:
    """Write a state where these flags have it."""
    given = {name.replace("_", "-"): (text,) for name, text in flags.items()}
    config = ClientConfig(address, namespace=namespace)
    with VaultClient(config) as client:
        make = parts.place(resolve("configure", given, {}).settings, config, Kubernetes({}))
        place = make(lambda: Session(client, None))
    assert isinstance(place, FilePlace)
    place.exchange(lambda _: b"state")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


def test_beside_keys_that_are_files(directory: Path, tmp_path: Path) -> None:
    written(mode="file", file_path=str(tmp_path))
    assert (tmp_path / "vault-configure-state").read_bytes() == b"state"
    assert not directory.exists()


@pytest.mark.parametrize(
    "flags", [{"mode": "hsm"}, {"mode": "dev"}, {"mode": "file", "file_path": "/nowhere", "auth": "cert"}]
)
def test_in_the_state_directory_and_never_on_a_token_where_keys_are_no_files(
    directory: Path, flags: dict[str, str]
) -> None:
    written(**flags)
    written("http://127.0.0.1:8300", **flags)
    found = sorted(each.name for each in directory.iterdir())
    assert len(found) == 2, "one for each server"
    for name in found:
        assert name.startswith("vault-configure-state-")


@pytest.mark.parametrize("mode", ["file", "hsm"])
def test_each_namespace_has_one_of_its_own(directory: Path, tmp_path: Path, mode: str) -> None:
    flags = {"mode": mode, "file_path": str(tmp_path)}
    for namespace in ("", "root", "/", "one", "/one/", "one/inner"):
        written(namespace=namespace, **flags)
    found = [each.name for each in (tmp_path if mode == "file" else directory).glob("vault-configure-state*")]
    assert len(found) == 3
    assert ("vault-configure-state" in found) is (mode == "file")


def test_where_it_is_told(directory: Path, tmp_path: Path) -> None:
    written(mode="hsm", state=str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_bytes() == b"state"
    for state in ("kv:nonsense", "k8s:Nonsense"):
        with pytest.raises(UsageError, match="--state"):
            written(state=state)


def library(path: Path | str, *, watched: bool) -> None:
    given = {"vault-config-file": (str(path),)}
    parts.library(resolve("configure", given, {}).settings, watched=watched)


def test_a_pipe_is_read_once_and_never_watched(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    library(pipe, watched=False)
    with pytest.raises(UsageError, match="is no plain file: use --once"):
        library(pipe, watched=True)


@pytest.mark.parametrize("name", ["", "absent", "file"])
def test_files_and_what_is_told_later_may_be_watched(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    library(tmp_path / name, watched=True)


def test_no_file_at_all_is_not_taken_for_nothing_wanted() -> None:
    with pytest.raises(UsageError, match="names no file"):
        library("", watched=False)
