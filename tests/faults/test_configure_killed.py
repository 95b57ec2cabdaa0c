"""Killed in the middle of an apply: the next run completes, nothing is made twice, no secret is lost."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.telemetry.failpoints import FAILPOINTS
from tests.faults.generating import assert_generated_once, document
from tests.faults.harness import FAILPOINT, apply_killed_when
from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy
from tests.support.servers import Server

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
    place.write(document())
    killed = place.once("--parallelism=1", environment={FAILPOINT: at})
    assert killed.code == -9, killed.log
    with FaultProxy(place.server) as proxy:
        completed = place.once(address=proxy.address)
        assert completed.code == 0, completed.log + completed.output
    assert_generated_once(place)
    assert b"PRIVATE KEY" not in place.state.read_bytes()
    with FaultProxy(place.server) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log


def killed_at_write(place: Place, number: int, *, carried_out: bool) -> str:
    """Apply, with the program killed at its n-th write, which the server gets all the same or does not get.

    The path of that write; empty where there are not as many.
    """
    writes: list[str] = []

    def is_due(path: str) -> bool:
        writes.append(path)
        return len(writes) == number

    code = apply_killed_when(place, is_due, carried_out=carried_out)
    assert code == (-signal.SIGKILL if len(writes) >= number else 0)
    return writes[number - 1] if len(writes) >= number else ""


@pytest.mark.parametrize("carried_out", [False, True], ids=["before the server acts", "before it answers"])
def test_killed_at_any_write_of_a_whole_document_the_next_run_completes(
    one_kind: ServerKind, tmp_path: Path, carried_out: bool
) -> None:
    documents = []
    with Server(one_kind) as server:
        place = Place(server, tmp_path)
        for number in itertools.count(1):
            prefix = f"run{number}-"
            documents.append(document(prefix, many=2))
            place.write(documents[-1])
            path = killed_at_write(place, number, carried_out=carried_out)
            if not path:
                break
            done = place.once()
            assert done.code == 0, f"killed at {path}: {done.log}{done.output}"
            assert_generated_once(place, prefix)
        assert number > 11
        assert b"PRIVATE KEY" not in place.state.read_bytes()
        # Nothing is left to be done of any of them.
        files = []
        for number, each in enumerate(documents):
            files.append(tmp_path / f"{number}.yml")
            place.write(each, files[-1])
        with FaultProxy(server) as proxy:
            again = place.once(address=proxy.address, files=tuple(files))
            assert (again.code, place.writes(proxy)) == (0, []), again.log
