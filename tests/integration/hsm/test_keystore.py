"""Values on a token keep every promise of a key store."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.file import FileStore
from bank_vaults.keystores.hsm import BlobFormat, OnToken, Sealed
from bank_vaults.keystores.hsm_token import StoredMemory
from tests.support.keystore_contract import KeyStoreContract, OpenStore
from tests.support.softhsm import MODULE, PIN, SO_PIN, SoftToken


@pytest.fixture
def client(token: SoftToken, tmp_path: Path) -> Iterator[TokenClient]:  # its configuration
    """A fresh token with a fresh key, behind a worker."""
    label = uuid.uuid4().hex[:12]
    command = ["softhsm2-util", "--init-token", "--free", "--label", label]
    subprocess.run([*command, "--pin", PIN, "--so-pin", SO_PIN], check=True, capture_output=True, timeout=30)
    assert "SOFTHSM2_CONF" in os.environ
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    access = Access(TokenCriteria(label=label), "bank-vaults", None, Secret(PIN), may_generate=True)
    client = TokenClient(MODULE, access, StoredMemory(str(state)))
    yield client
    client.close()


class TestOnToken(KeyStoreContract):
    @pytest.fixture
    def open_store(self, client: TokenClient) -> OpenStore:
        return lambda: Sealed(client, OnToken(client), BlobFormat.AUTO)


class TestSealedInFiles(KeyStoreContract):
    @pytest.fixture
    def open_store(self, client: TokenClient, tmp_path: Path) -> OpenStore:
        directory = tmp_path / "store"
        directory.mkdir(mode=0o700)
        return lambda: Sealed(client, FileStore(directory), BlobFormat.AUTO)
