"""The plugin catalog of real servers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.configure.config import Configuration, Plugin, Purge
from bank_vaults.configure.model import Place
from bank_vaults.configure.sections import plugins
from bank_vaults.configure.server import Server as Facts
from tests.support.binaries import ServerKind
from tests.support.configuring import Applier
from tests.support.servers import Server, initialise, unseal

PLACE = Place("vault-config.yml", 1, 1)
PROGRAM = b"#!/bin/sh\nexit 0\n"


@pytest.fixture
def applier(server_kind: ServerKind, tmp_path: Path) -> Iterator[Applier]:
    """A driver for a server with a plugin directory in which ``wallet`` lies."""
    program = tmp_path / "wallet"
    program.write_bytes(PROGRAM)
    program.chmod(0o755)
    with Server(server_kind, config=f'plugin_directory = "{tmp_path}"') as server:
        keys = initialise(server)
        unseal(server, keys)
        yield Applier(server, keys.root_token)


def wallet(kind: str = "secret", **body: Any) -> Plugin:
    digest = hashlib.sha256(PROGRAM).hexdigest()
    return Plugin(PLACE, "wallet", kind, {"command": "wallet", "sha256": digest, **body})


def test_plugins_are_registered_kept_and_deleted(applier: Applier) -> None:
    every = (
        wallet(command="wallet --ca-cert=/ca.crt  -v"),
        wallet("auth", args=["a", "b"], env=["A=b"]),
        wallet("database", version="1.2.3"),
    )
    configuration = Configuration(plugins=every, purge=Purge(enabled=True))
    applier.apply_twice(plugins.wanted(configuration, Facts()))
    assert plugins.unmanaged(configuration, applier.shown) == ()
    changed = (every[0], wallet("auth", args=["a", "c"], env=["A=b"]), every[2])
    again = applier.apply_twice(plugins.wanted(Configuration(plugins=changed), Facts()))
    assert [str(change.identity) for change in again.todo] == ["plugins plugin auth/wallet"]

    left = configuration._replace(plugins=every[1:2])
    doomed = plugins.unmanaged(left, applier.shown)
    assert {change.identity.name for change in doomed} == {"secret/wallet", "database/wallet v1.2.3"}
    applier.apply(applier.plan((), doomed))
    assert plugins.unmanaged(left, applier.shown) == ()


def test_built_in_plugins_are_never_deleted(applier: Applier) -> None:
    assert plugins.unmanaged(Configuration(purge=Purge(enabled=True)), applier.shown) == ()
