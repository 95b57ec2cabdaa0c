"""Root credentials of the engines azure, gcp and ad of HashiCorp Vault are rotated once.

The engines are real. What they speak to is a counterpart at the address of the vendor, which takes only
credentials that are in force.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.active_directory import ACCOUNT, active_directory
from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.every_type import carried
from tests.support.faultproxy import DROP_ANSWER, FaultProxy
from tests.support.intercepted import TENANT, Graph, Iam, intercepted
from tests.support.program import Finished
from tests.support.servers import Server

PASSWORD = "of-the-document"


class Rotated(NamedTuple):
    """An engine with its counterpart."""

    type: str
    config: Mapping[str, Any]
    rotate: str
    rotations: Callable[[], int]
    """How often the vendor has given other credentials."""
    secret: str
    """What is nowhere to be seen."""
    other: Mapping[str, Any]
    """A change of something else."""


@contextlib.contextmanager
def azure(directory: Path) -> Iterator[tuple[Rotated, Mapping[str, str]]]:
    graph = Graph()
    config = {
        "subscription_id": TENANT,
        "tenant_id": TENANT,
        "client_id": graph.application,
        "client_secret": PASSWORD,
    }
    other = {"root_password_ttl": "96h"}
    with intercepted(graph, directory) as proxy:
        engine = Rotated("azure", config, "azure/rotate-root", lambda: graph.added, PASSWORD, other)
        yield engine, proxy.environment


@contextlib.contextmanager
def gcp(directory: Path) -> Iterator[tuple[Rotated, Mapping[str, str]]]:
    iam = Iam()
    config = {"credentials": json.dumps(iam.document), "ttl": "1h"}
    number = iam.document["private_key_id"]
    with intercepted(iam, directory) as proxy:
        engine = Rotated("gcp", config, "gcp/config/rotate-root", lambda: iam.created, number, {"ttl": "2h"})
        yield engine, proxy.environment


@contextlib.contextmanager
def ad(directory: Path) -> Iterator[tuple[Rotated, Mapping[str, str]]]:
    del directory
    with active_directory(PASSWORD) as found:
        config = {"binddn": ACCOUNT, "bindpass": PASSWORD, "url": found.url, "userdn": "dc=example,dc=org"}
        yield Rotated("ad", config, "ad/rotate-root", lambda: found.changes, PASSWORD, {"ttl": 3600}), {}


@pytest.fixture(params=[azure, gcp, ad])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Rotated, Mapping[str, str]]]:
    with request.param(tmp_path) as found:
        yield found


class Rotating:
    """A server with the engine, and the real command on it."""

    def __init__(self, place: Place, engine: Rotated) -> None:
        self.place = place
        self.engine = engine

    def write(self, **other: Any) -> None:
        """The document."""
        config = {**self.engine.config, **other, "rotate": True}
        self.place.write({"secrets": [{"type": self.engine.type, "configuration": {"config": [config]}}]})

    def run(self, *, lost: bool = False) -> tuple[Finished, list[str]]:
        """A run, and what it has sent to the engine; ``lost`` is the answer to the first rotation."""
        with FaultProxy(self.place.server) as proxy:
            if lost:
                proxy.on("PUT", self.engine.rotate, DROP_ANSWER)
            done = self.place.once("--log-level=debug", address=proxy.address)
            text = done.output + done.log + self.place.state.read_text()
            assert self.engine.secret not in text
            assert "PRIVATE KEY" not in text
            sent = [path for _, path in self.place.writes(proxy)]
        return done, [path for path in sent if not path.startswith("sys/")]

    def works(self) -> bool:
        """Whether the engine has credentials that are in force."""
        return self.place.call("PUT", self.engine.rotate, {}).status < 300


@pytest.fixture
def rotating(
    server_kind: ServerKind, tmp_path: Path, engine: tuple[Rotated, Mapping[str, str]]
) -> Iterator[Rotating]:
    about, environment = engine
    if server_kind.flavour == "openbao":
        pytest.skip("OpenBao has no engine of a cloud built in")
    with Server(server_kind, environment=environment) as server:
        place = Place(server, tmp_path)
        if about.type not in carried(place, "secret"):
            pytest.skip(f"this server has no {about.type} engine built in")
        yield Rotating(place, about)


def test_k8_root_credentials_are_rotated_in_the_first_run_and_never_again(rotating: Rotating) -> None:
    engine = rotating.engine
    rotating.write()
    done, sent = rotating.run()
    assert (done.code, sent) == (0, [f"{engine.type}/config", engine.rotate]), done.log + done.output
    assert engine.rotations() == 1
    again, sent = rotating.run()
    assert (again.code, sent) == (0, []), again.log + again.output
    assert engine.rotations() == 1
    assert rotating.works()


def test_k8_a_lost_answer_costs_one_more_rotation_and_no_credentials(rotating: Rotating) -> None:
    engine = rotating.engine
    rotating.write()
    first, _ = rotating.run(lost=True)
    if first.code:
        assert engine.rotations() == 1
        first, sent = rotating.run()
        assert sent == [engine.rotate]
    assert first.code == 0, first.log + first.output
    assert engine.rotations() == 2
    again, sent = rotating.run()
    assert (again.code, sent, engine.rotations()) == (0, [], 2), again.log + again.output
    assert rotating.works()


def test_k8_what_else_changes_never_puts_the_old_credentials_back(rotating: Rotating) -> None:
    engine = rotating.engine
    rotating.write()
    assert rotating.run()[0].code == 0
    rotating.write(**engine.other)
    changed, sent = rotating.run()
    if engine.type == "ad":  # whose configuration is only written as a whole
        assert (changed.code, sent) == (1, [])
        assert "only written with credentials" in changed.output
    else:
        assert (changed.code, sent) == (0, [f"{engine.type}/config"]), changed.log + changed.output
    assert engine.rotations() == 1
    assert rotating.works()


def test_k8_a_lost_state_costs_one_more_rotation_and_no_credentials(rotating: Rotating) -> None:
    engine = rotating.engine
    rotating.write()
    assert rotating.run()[0].code == 0
    rotating.place.state.unlink()
    done, sent = rotating.run()
    assert (done.code, sent, engine.rotations()) == (0, [engine.rotate], 2), done.log + done.output
    again, sent = rotating.run()
    assert (again.code, sent) == (0, []), again.log + again.output
    assert rotating.works()
