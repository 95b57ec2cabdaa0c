"""Audit devices on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.configure.config import Audit, Configuration, Purge
from bank_vaults.configure.model import Action, Place
from bank_vaults.configure.sections import audit
from bank_vaults.configure.server import Server as Facts
from tests.support.binaries import ServerKind
from tests.support.configuring import Applier
from tests.support.servers import Server, initialise, unseal

PLACE = Place("vault-config.yml", 1, 1)


def device(path: str, file: Path, **options: str) -> Audit:
    return Audit(PLACE, path, "file", "File audit", {"file_path": str(file), **options}, False)


def test_devices_are_created_kept_and_deleted(applier: Applier, tmp_path: Path) -> None:
    devices = (
        device("one", tmp_path / "1", mode="0600"),
        device("team/two", tmp_path / "2", log_raw="true"),
    )
    configuration = Configuration(audit=devices, purge=Purge(enabled=True))
    applier.apply_twice(audit.wanted(configuration, Facts()))
    assert audit.unmanaged(configuration, applier.shown) == ()
    left = configuration._replace(audit=devices[:1])
    doomed = audit.unmanaged(left, applier.shown)
    assert [change.identity.name for change in doomed] == ["team/two"]
    applier.apply(applier.plan((), doomed))
    assert audit.unmanaged(left, applier.shown) == ()


def test_k19_a_device_with_other_options_is_refused(applier: Applier, tmp_path: Path) -> None:
    one = Configuration(audit=(device("one", tmp_path / "1"),))
    applier.apply_twice(audit.wanted(one, Facts()))
    other = Configuration(audit=(device("one", tmp_path / "2"),))
    (change,) = applier.plan(audit.wanted(other, Facts())).todo
    assert change.action is Action.REFUSED


def test_a_device_of_the_configuration_of_the_server_is_kept(server_kind: ServerKind, tmp_path: Path) -> None:
    if server_kind.flavour != "openbao":
        pytest.skip("Vault has no audit devices in its configuration file")
    options = f'options = {{ file_path = "{tmp_path / "declared"}" }}'
    with Server(server_kind, config=f'audit "file" "declared" {{\n{options}\n}}\n') as server:
        keys = initialise(server)
        unseal(server, keys)
        applier = Applier(server, keys.root_token)
        (doomed,) = audit.unmanaged(Configuration(purge=Purge(enabled=True)), applier.shown)
        (request,) = doomed.requests
        answer = applier.call(request.method, request.path)
        assert answer.status == 400
        assert request.forgives in str(answer.body)
