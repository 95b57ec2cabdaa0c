"""Of created objects that are alike one is looked at; a wrong guess costs one writing at most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.configure.apply import Tries, apply
from bank_vaults.configure.model import Identity, Place, Stage, WriteOnly
from bank_vaults.configure.places import FilePlace
from bank_vaults.configure.plan import make, paths
from bank_vaults.configure.reading import Reader
from bank_vaults.configure.sections.item import Item
from bank_vaults.configure.state import State
from bank_vaults.vault.client import Response
from tests.unit.configure.fakes import FakeServer


class Bench:
    """Runs with one thread against a server that shows some objects otherwise than they were sent."""

    def __init__(self, directory: Path, server: FakeServer) -> None:
        self.server = server
        self._place = FilePlace(str(directory / "state"))

    def run(self, *items: Item) -> tuple[int, list[str]]:
        """How many objects were looked at after writing, and what was written."""
        state = State(self._place, "")
        session = self.server.session()
        reader = Reader(session, 1)
        reader.read(paths(items))
        plan = make(items, reader.shown, state.memory, WriteOnly.CHANGED)
        self.server.requests.clear()
        apply(plan, session, state, Tries(1))
        written = [path for _, path in self.server.writes]
        return len(self.server.requests) - len(written), written


class Altering(FakeServer):
    """Shows fields of some paths in its own way."""

    def __init__(self, altered: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self._altered = altered

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Response:
        answer = super()._answer(method, path, body)
        if method == "GET" and path in self.objects:
            return Response(200, {"data": {**self.objects[path], **self._altered.get(path, {})}})
        return answer


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, FakeServer())


def role(name: str, where: str = "auth/x/role", /, **fields: object) -> Item:
    mount = where.split("/")[1]
    return Item(
        Identity("auth", "role", f"{mount}/{name}"),
        Place("f.yml", 1, 1),
        f"{where}/{name}",
        fields,
        Stage.AUTH_ITEMS,
    )


def policy(name: str) -> Item:
    place = Place("f.yml", 1, 1)
    return Item(Identity("policies", "policy", name), place, f"p/{name}", {"rules": "x"}, 8, exact=True)


NAMES = [f"team-{number}" for number in range(10)]
POLICIES = [policy(name) for name in NAMES]


@pytest.mark.parametrize("of", [lambda name: name, lambda name: ["also", name], lambda name: {"a": [name]}])
def test_objects_that_differ_in_names_of_others_are_looked_at_once(bench: Bench, of: Any) -> None:
    roles = [role(f"r-{name}", policies=of(name), ttl="1h") for name in NAMES]
    looks, written = bench.run(*POLICIES, *roles)
    assert (looks, len(written)) == (1, 20)
    assert bench.run(*POLICIES, *roles) == (0, [])


@pytest.mark.parametrize(
    "fields",
    [
        [{"ttl": f"{number}h"} for number in range(10)],
        [{"max": number} for number in range(10)],
        [{"bound": [name, "also"]} for name in NAMES],  # a server may sort these
        [{"policies": name.upper()} for name in NAMES],
        [{"policies": f"{name},other"} for name in NAMES],
        [{name: 1} for name in NAMES],
    ],
)
def test_objects_that_differ_in_anything_else_are_looked_at_each(
    bench: Bench, fields: list[dict[str, object]]
) -> None:
    roles = [role(f"r-{number}", **each) for number, each in enumerate(fields)]
    assert bench.run(*POLICIES, *roles)[0] == 10


def test_names_that_a_server_may_write_otherwise_are_none_to_go_by(bench: Bench) -> None:
    names = [f"Team-{number}" for number in range(10)]
    roles = [role(f"r-{name}", policies=name) for name in names]
    assert bench.run(*map(policy, names), *roles)[0] == 10


def test_a_number_is_not_like_a_truth_value(bench: Bench) -> None:
    assert bench.run(role("a", on=1), role("b", on=True))[0] == 2


def test_another_engine_is_another_matter(bench: Bench) -> None:
    assert bench.run(role("a", ttl="1h"), role("a", "auth/y/role", ttl="1h"))[0] == 2


def test_a_kind_that_is_shown_otherwise_is_looked_at_always(tmp_path: Path) -> None:
    altered = {f"auth/x/role/r-{name}": {"ttl": 7} for name in NAMES}
    bench = Bench(tmp_path, Altering(altered))
    roles = [role(f"r-{name}", policies=name, ttl="1h") for name in NAMES]
    assert bench.run(*POLICIES, *roles)[0] == 10
    assert bench.run(*POLICIES, *roles) == (0, [])


def test_one_that_is_shown_otherwise_than_all_like_it_is_written_once_more_and_no_more(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, Altering({"auth/x/role/r-team-7": {"ttl": 7}}))
    roles = [role(f"r-{name}", policies=name, ttl="1h") for name in NAMES]
    assert bench.run(*POLICIES, *roles)[0] == 1
    assert bench.run(*POLICIES, *roles) == (1, ["auth/x/role/r-team-7"])
    assert bench.run(*POLICIES, *roles) == (0, [])


def test_drift_is_seen_of_an_object_that_was_not_looked_at(bench: Bench) -> None:
    roles = [role(f"r-{name}", policies=name, ttl="1h") for name in NAMES]
    bench.run(*POLICIES, *roles)
    bench.server.objects["auth/x/role/r-team-7"]["ttl"] = "2h"
    assert bench.run(*POLICIES, *roles)[1] == ["auth/x/role/r-team-7"]
