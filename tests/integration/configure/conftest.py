"""Servers that are unsealed and ready to be configured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind
from tests.support.configured import Place, takes_audit
from tests.support.configuring import Applier
from tests.support.servers import Server, initialise, unseal


@pytest.fixture
def applier(server_kind: ServerKind) -> Iterator[Applier]:
    """A driver for a fresh server of each kind, which takes audit devices by its API."""
    with Server(server_kind, config=takes_audit(server_kind)) as server:
        keys = initialise(server)
        unseal(server, keys)
        yield Applier(server, keys.root_token)


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    """A fresh server of each kind with its keys on disk, for the real command."""
    listener = {"disable_unauthed_generate_root_endpoints": False} if server_kind.flavour == "openbao" else {}
    with Server(server_kind, config=takes_audit(server_kind), listener=listener) as server:
        yield Place(server, tmp_path)
