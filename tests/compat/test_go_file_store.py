"""What Go Bank-Vaults stored opens its server, and is left exactly as it is."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_auto_unseal import static_seal
from tests.integration.test_unseal_once import write_keys
from tests.support.binaries import ServerKind
from tests.support.program import Program, run, seal_status, stored
from tests.support.servers import Server, api, initialise, wait_active

HERE = Path(__file__).parent
GO_NAMES = ["vault-root", "vault-test", *(f"vault-unseal-{number}" for number in range(5))]


def identity(store: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time of the last change and content of every file: a rewritten one shows."""
    return {
        entry.name: (entry.inode(), entry.stat().st_mtime_ns, Path(entry.path).read_bytes())
        for entry in os.scandir(store)
    }


@pytest.fixture
def go_store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    shutil.copytree(HERE / "go-file-store", store)
    store.chmod(0o700)
    return store


@pytest.fixture
def go_server(server_kind: ServerKind) -> Iterator[Server]:
    """The server whose keys the committed store holds."""
    if server_kind.flavour != "openbao" or not server_kind.has_file_storage:
        pytest.skip("the committed storage is of OpenBao 2.6")
    server = Server(server_kind, storage="file")
    with zipfile.ZipFile(HERE / "openbao-2.6-file-storage.zip") as archive:
        archive.extractall(server.directory / "data")
    with server:
        yield server


def test_the_committed_store_is_of_the_form_that_go_bank_vaults_wrote() -> None:
    found = stored(HERE / "go-file-store")
    assert sorted(found) == GO_NAMES
    assert all(len(found[name]) == 66 and int(found[name], 16) for name in GO_NAMES[2:])
    assert found["vault-test"] == b"vault-test"


@pytest.mark.parametrize("flags", [[], ["--init"]])
def test_the_committed_store_opens_its_server_and_nothing_is_rewritten(
    go_server: Server, go_store: Path, flags: list[str]
) -> None:
    before = identity(go_store)
    with Program("unseal", *flags, server=go_server, store=go_store) as program:
        program.wait_for("successfully unsealed vault")
        wait_active(go_server)
        token = (go_store / "vault-root").read_text()
        kept = api(go_server, "GET", "kept/before", token=token)
        assert kept.body["data"] == {"written": "by the original"}
        go_server.restart()
        program.wait_for("successfully unsealed vault", times=2)
        assert program.stop() == 0
    assert identity(go_store) == before


def test_init_on_the_committed_pair_says_that_it_is_done(go_server: Server, go_store: Path) -> None:
    before = identity(go_store)
    done = run("init", server=go_server, store=go_store)
    assert done.code == 0, done.log
    assert "vault is already initialized" in done.log
    assert identity(go_store) == before


def test_the_committed_store_is_not_given_away_to_a_fresh_server(any_server: Server, go_store: Path) -> None:
    before = identity(go_store)
    done = run("unseal", "--init", "--once", server=any_server, store=go_store)
    assert done.code == 65, done.log
    assert seal_status(any_server)["initialized"] is False
    assert identity(go_store) == before


@pytest.mark.parametrize(("shares", "threshold"), [(1, 1), (5, 3)])
def test_keys_stored_by_the_rules_of_the_original_open_every_server(
    any_server: Server, tmp_path: Path, shares: int, threshold: int
) -> None:
    write_keys(tmp_path, initialise(any_server, shares, threshold))
    (tmp_path / "vault-test").write_text("vault-test")
    before = identity(tmp_path)
    done = run("unseal", "--init", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert seal_status(any_server)["sealed"] is False
    assert identity(tmp_path) == before


def test_recovery_keys_of_the_original_are_left_as_they_are(server_kind: ServerKind, tmp_path: Path) -> None:
    with static_seal(server_kind) as server:
        write_keys(tmp_path, initialise(server, 5, 3, recovery=True))
        wait_active(server)
        before = identity(tmp_path)
        done = run("unseal", "--init", "--auto", "--once", server=server, store=tmp_path)
        assert done.code == 0, done.log
        assert identity(tmp_path) == before


def test_the_vault_test_of_the_original_neither_disturbs_nor_counts(
    any_server: Server, tmp_path: Path
) -> None:
    (tmp_path / "vault-test").write_text("vault-test")
    before = identity(tmp_path)["vault-test"]
    done = run("unseal", "--init", "--once", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert sorted(stored(tmp_path)) == GO_NAMES
    assert identity(tmp_path)["vault-test"] == before
    seen = run("status", server=any_server, store=tmp_path).output
    assert "vault-test" not in next(line for line in seen.splitlines() if line.strip().startswith("keys"))


def test_the_environment_of_the_original_is_understood(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server, 2, 2))
    environment = {
        "BANK_VAULTS_ONCE": "true",
        "BANK_VAULTS_SECRET_SHARES": "2",
        "BANK_VAULTS_SECRET_THRESHOLD": "2",
        "BANK_VAULTS_UNSEAL_PERIOD": "1s",
    }
    done = run("unseal", "ignored", server=any_server, store=tmp_path, environment=environment)
    assert done.code == 0, done.log
    assert seal_status(any_server)["sealed"] is False
