"""What a server shows is read in as few requests as is safe, and an answer that is none ends the run."""

from __future__ import annotations

import pytest

from bank_vaults.configure.model import ABSENT, Shown
from bank_vaults.configure.reading import Reader
from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotFoundError,
    SealedError,
    TransientError,
    UnsupportedError,
    VaultError,
)
from tests.unit.configure.fakes import FakeServer

ROLES = [f"auth/x/role/r{number}" for number in range(20)]


def test_each_path_is_read_once() -> None:
    server = FakeServer({"sys/auth": {"token/": {}}})
    reader = Reader(server.session(), 4)
    reader.read(["sys/auth", "nope", "sys/auth"])
    reader.read(["sys/auth"])
    assert (reader.shown("sys/auth"), reader.shown("nope")) == (Shown({"token/": {}}), ABSENT)
    assert sorted(server.requests) == [("GET", "nope"), ("GET", "sys/auth")]
    assert reader.shown("late") == ABSENT


def test_in_a_namespace_that_is_not_there_nothing_is_absent() -> None:
    server = FakeServer()
    server.faults["GET", "sys/auth"] = NotFoundError("GET", "sys/auth", 404, ("namespace not found",))
    shown = Reader(server.session(), 4).shown("sys/auth")
    assert shown == Shown(None, "404: namespace not found")


def test_many_absent_objects_of_one_parent_cost_two_requests() -> None:
    server = FakeServer()
    reader = Reader(server.session(), 4)
    reader.read(ROLES)
    assert {reader.shown(path) for path in ROLES} == {ABSENT}
    assert server.requests == [("GET", "auth/x/role?list=true"), ("GET", "auth/x/role/r0")]


def test_objects_that_are_listed_are_read_whatever_the_case_of_their_names() -> None:
    server = FakeServer({"auth/x/role/r3": {"ttl": 1}})
    reader = Reader(server.session(), 4)
    reader.read([*ROLES[:3], "auth/x/role/R3", *ROLES[3:]])
    assert reader.shown("auth/x/role/r3") == Shown({"ttl": 1})
    assert ("GET", "auth/x/role/R3") in server.requests
    assert len(server.requests) == 4


def test_a_listing_that_hides_objects_is_not_believed() -> None:
    server = FakeServer({path: {"ttl": 1} for path in ROLES})
    server.faults["GET", "auth/x/role?list=true"] = NotFoundError("GET", "auth/x/role", 404)
    reader = Reader(server.session(), 4)
    reader.read(ROLES)
    assert {reader.shown(path).there for path in ROLES} == {True}


@pytest.mark.parametrize("kind", [UnsupportedError, DeniedError])
def test_without_a_listing_everything_is_read_one_by_one(kind: type[VaultError]) -> None:
    server = FakeServer({path: {"ttl": 1} for path in ROLES})
    server.faults["GET", "auth/x/role?list=true"] = kind("GET", "auth/x/role", 405)
    reader = Reader(server.session(), 4)
    reader.read(ROLES)
    assert {reader.shown(path).there for path in ROLES} == {True}
    assert len(server.requests) == 21


def test_policies_come_in_one_answer_where_the_server_has_it() -> None:
    policies = {f"sys/policies/acl/p{number}": {"policy": str(number)} for number in range(50)}
    server = FakeServer(policies)
    details = {path.rpartition("/")[2]: fields for path, fields in policies.items()}
    server.objects["sys/policies/detailed/acl?list=true"] = {"key_info": details}
    server.faults["GET", "sys/policies/acl?list=true"] = TransientError("GET", "sys/policies/acl", 500)
    reader = Reader(server.session(), 4)
    reader.read([*policies, "sys/policies/acl/absent"])
    assert {path: reader.shown(path).fields for path in policies} == policies
    assert reader.shown("sys/policies/acl/absent") == ABSENT
    assert len(server.requests) == 2


def test_policies_are_read_one_by_one_where_no_listing_shows_them_whole() -> None:
    policies = {f"sys/policies/acl/p{number}": {"policy": str(number)} for number in range(9)}
    server = FakeServer(policies)
    reader = Reader(server.session(), 4)
    reader.read([*policies, "sys/policies/acl/absent"])
    assert {path: reader.shown(path).fields for path in policies} == policies
    assert reader.shown("sys/policies/acl/absent") == ABSENT
    assert ("GET", "sys/policies/detailed/acl?list=true") in server.requests


@pytest.mark.parametrize(
    "error",
    [
        DeniedError("GET", "x", 403, ("permission denied",)),
        UnsupportedError("GET", "x", 405, ("unsupported operation",)),
        FatalError("GET", "x", 400, ("bad",)),
        TransientError("GET", "x", 500, ("1 error occurred",)),
    ],
)
def test_a_refusal_is_a_problem_of_one_object(error: VaultError) -> None:
    server = FakeServer()
    server.faults["GET", "x"] = error
    reader = Reader(server.session(), 1)
    reader.read(["x", "y"])
    assert reader.shown("x").problem == f"{error.status}: {error.messages[0]}"
    assert not reader.shown("x").there
    assert reader.shown("y") == ABSENT


@pytest.mark.parametrize(
    "error",
    [
        TransientError("GET", "x", None, ("no connection",)),
        TransientError("GET", "x", 503),
        SealedError("GET", "x", 503),
        FatalError("GET", "x", 200, ("not JSON",)),
        FatalError("GET", "x", None, ("certificate",)),
    ],
)
def test_a_server_that_cannot_be_asked_ends_the_run(error: VaultError) -> None:
    server = FakeServer()
    server.faults["GET", "x"] = error
    with pytest.raises(type(error)):
        Reader(server.session(), 2).read(["y", "x", "z"])
