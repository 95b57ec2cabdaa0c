"""Promises of the registry: the store of the mode, under a time limit, fresh at each call; or a clear no."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores import deadline
from bank_vaults.keystores.base import NotFoundError, StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.keystores.registry import open_store

LATER = [
    "aws-kms-s3",
    "google-cloud-kms-gcs",
    "azure-key-vault",
    "alibaba-kms-oss",
    "oci",
    "vault",
    "k8s",
    "hsm-k8s",
]


@pytest.mark.parametrize("mode", [*LATER, "", "File", "nonsense"])
def test_a_mode_that_is_not_built_yet_is_refused_with_those_that_are(mode: str) -> None:
    with pytest.raises(StoreError, match=f"'{mode}' is not built yet; this version has: dev, file, hsm"):
        open_store(Settings({"mode": mode}))


def test_two_calls_give_two_clients(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    settings = Settings({"mode": "file", "file-path": str(tmp_path)})
    writer, reader = open_store(settings), open_store(settings)
    assert writer is not reader
    writer.create(names.ROOT, b"token")
    assert reader.get(names.ROOT) == b"token"


def test_an_error_of_opening_is_that_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot open .*No such file"):
        open_store(Settings({"mode": "file", "file-path": str(tmp_path / "missing")}))


def test_a_store_that_does_not_even_open_does_not_hold_up_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A mount point of a hung network file system hangs at the first look at the directory.
    back, gone = threading.Event(), threading.Event()

    def hang(settings: Settings) -> FileStore:
        back.wait()
        gone.set()
        raise NotFoundError

    monkeypatch.setattr(FileStore, "open", hang)
    monkeypatch.setattr(deadline.limited, "__defaults__", (0.01,))
    try:
        with pytest.raises(StoreError, match=r"file store did not open within 0.01 s"):
            open_store(Settings({"mode": "file", "file-path": str(tmp_path)}))
    finally:
        back.set()
        assert gone.wait(10)


def test_only_the_module_of_the_chosen_store_is_imported() -> None:
    code = (
        "import sys\n"
        "from bank_vaults.domain.settings import Settings\n"
        "from bank_vaults.keystores.registry import open_store\n"
        "open_store(Settings({'mode': 'dev'}))\n"
        "print([name for name in sys.modules if name == 'bank_vaults.keystores.file'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"VAULT_TOKEN": "t"}, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
