"""Killed in the middle of an apply: the next run completes, nothing is made twice, no secret is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.telemetry.failpoints import FAILPOINTS
from tests.faults.harness import FAILPOINT
from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy
from tests.support.servers import Server

DOCUMENT: dict[str, Any] = {
    "policies": [{"name": f"p{number}", "rules": "# nothing"} for number in range(5)],
    "auth": [
        {"type": "userpass", "users": [{"username": f"u{n}", "password": f"pass-{n}"} for n in range(5)]}
    ],
    "secrets": [
        {"path": "secret", "type": "kv", "options": {"version": 2}},
        {
            "type": "pki",
            "config": {"max_lease_ttl": "72h"},
            "configuration": {
                "root/generate": [
                    {
                        "name": "exported",
                        "common_name": "ca.test",
                        "create_only": True,
                        "save_to": "secret/data/pki/ca",
                    }
                ],
                "roles": [{"name": "default", "allow_any_name": True}],
            },
        },
    ],
    "startupSecrets": [{"type": "kv", "path": "secret/data/app", "data": {"data": {"a": "b"}}}],
}

PASSAGES = [
    *(f"configure.before-change:{number}" for number in (1, 4, 9)),
    *(f"configure.change-sent:{number}" for number in (1, 4, 9, 12)),
    "configure.secret-kept",
    "configure.secret-saved",
    *(f"configure.state-written:{number}" for number in (1, 2, 3)),
]


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    with Server(server_kind) as server:
        yield Place(server, tmp_path)


def test_every_failpoint_of_configure_has_its_test() -> None:
    covered = {passage.partition(":")[0] for passage in PASSAGES}
    assert covered == {name for name in FAILPOINTS if name.startswith("configure.")}


@pytest.mark.parametrize("at", PASSAGES)
def test_killed_on_the_way_the_next_run_completes(place: Place, at: str) -> None:
    place.write(DOCUMENT)
    killed = place.once("--parallelism=1", environment={FAILPOINT: at})
    assert killed.code == -9, killed.log
    with FaultProxy(place.server) as proxy:
        completed = place.once(address=proxy.address)
        assert completed.code == 0, completed.log + completed.output
    issuers = (place.shown("pki/issuers?list=true") or {}).get("keys") or []
    assert len(issuers) == 1
    saved = place.shown("secret/data/pki/ca")
    assert saved is not None
    assert "PRIVATE KEY" in saved["data"]["private_key"]
    assert saved["metadata"]["version"] == 1
    certificate = (place.shown("pki/cert/ca") or {})["certificate"].strip()
    assert saved["data"]["certificate"].strip() == certificate
    assert place.shown("secret/data/app")["metadata"]["version"] == 1  # type: ignore[index]
    assert b"PRIVATE KEY" not in place.state.read_bytes()
    with FaultProxy(place.server) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log
