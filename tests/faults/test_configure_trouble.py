"""Applies that are disturbed: a full disk, another replica, a sealed or killed server, tokens that end.

What was begun is completed, nothing is made twice, and no generated secret is lost.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.generating import assert_generated_once, document
from tests.faults.harness import HookedProxy, names_in
from tests.support.binaries import ServerKind
from tests.support.configured import Place, is_write
from tests.support.faultproxy import Delay, FaultProxy, Status
from tests.support.servers import Server, unseal, wait_active

ROOT = "pki/root/generate/exported"


def assert_nothing_left(place: Place, *flags: str) -> None:
    """Another run writes nothing."""
    with FaultProxy(place.server) as proxy:
        again = place.once(*flags, address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log + again.output


@pytest.fixture
def place(one_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    with Server(one_kind) as server:
        yield Place(server, tmp_path)


def policies(count: int) -> dict[str, object]:
    return {"policies": [{"name": f"p{number}", "rules": "# nothing"} for number in range(count)]}


def names(place: Place) -> set[str]:
    """Of the policies."""
    return set((place.shown("sys/policies/acl?list=true") or {})["keys"])


# a full disk


def fill(disk: Path) -> Path:
    """Leave no byte of a file system free."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_while_the_state_cannot_be_written_nothing_is_generated_and_the_rest_is_configured(
    place: Place, small_disk: Path
) -> None:
    state = f"--state={small_disk / 'state'}"
    place.write(document())
    filler = fill(small_disk)
    done = place.once(state)
    assert done.code == 1
    assert "No space left on device" in done.log + done.output
    assert place.shown("pki/issuers?list=true") is None
    assert place.shown("secret/data/app") is not None
    assert names_in(small_disk) == ["filler"]
    filler.unlink()
    done = place.once(state)
    assert done.code == 0, done.log + done.output
    assert_generated_once(place)


def test_a_secret_that_was_generated_before_the_disk_was_full_is_saved_all_the_same(
    place: Place, small_disk: Path
) -> None:
    state = f"--state={small_disk / 'state'}"
    place.write(document())

    def fill_up(method: str, path: str) -> None:
        if (method, path) == ("PUT", ROOT):
            fill(small_disk)

    with HookedProxy(place.server, fill_up) as proxy:
        done = place.once(state, address=proxy.address)
    assert done.code == 0, done.log + done.output
    assert "the state cannot be written" in done.log
    assert_generated_once(place)
    (small_disk / "filler").unlink()
    assert names_in(small_disk) == ["state"]
    again = place.once(state)
    assert again.code == 0, again.log + again.output
    assert_generated_once(place)
    assert_nothing_left(place, state)


def test_a_plan_that_cannot_be_saved_is_told_and_the_earlier_one_stays(
    place: Place, small_disk: Path
) -> None:
    saved = small_disk / "plan.json"
    place.write(policies(3))
    assert place.plan(f"--plan-file={saved}").code == 2
    before = saved.read_bytes()
    place.write(policies(4))
    fill(small_disk)
    refused = place.plan(f"--plan-file={saved}")
    assert refused.code == 1
    assert "No space left on device" in refused.log
    assert saved.read_bytes() == before
    assert names_in(small_disk) == ["filler", "plan.json"]


# another replica


class Meeting:
    """A hook for the proxies of two replicas: the first such request of each waits for that of the other."""

    def __init__(self, method: str, path: str) -> None:
        self._wanted = (method, path)
        self._barrier = threading.Barrier(2)

    def of_one(self) -> Callable[[str, str], None]:
        """For one of them."""
        arrived = False

        def meet(method: str, path: str) -> None:
            nonlocal arrived
            if (method, path) == self._wanted and not arrived:
                arrived = True
                self._barrier.wait(30)

        return meet


def at_once(place: Place, meeting: Meeting, *flags: tuple[str, ...]) -> list[str]:
    """Two replicas that both have looked at the server before one of them writes; what both have written."""
    with (
        HookedProxy(place.server, meeting.of_one()) as one,
        HookedProxy(place.server, meeting.of_one()) as other,
        place.program(*flags[0], address=one.address) as first,
        place.program(*flags[1], address=other.address) as second,
    ):
        for program in (first, second):
            done = program.wait()
            assert done.code == 0, done.log + done.output
        return [path for proxy in (one, other) for method, path in proxy.requests if is_write(method, path)]


@pytest.mark.parametrize("state", ["file", "kv"])
def test_of_two_replicas_that_start_at_once_both_end_well(place: Place, tmp_path: Path, state: str) -> None:
    place.call("POST", "sys/mounts/state", {"type": "kv", "options": {"version": "2"}})
    flag = f"--state={tmp_path / 'state'}" if state == "file" else "--state=kv:state/configure"
    place.write(document())
    written = at_once(place, Meeting("GET", "secret/metadata/pki/ca"), (flag,), (flag,))
    assert written.count(ROOT) == 1
    assert_generated_once(place)
    assert_nothing_left(place, flag)


def test_what_only_one_replica_may_do_is_done_by_one_also_where_everything_else_is_there(
    place: Place,
) -> None:
    whole = document()
    place.write({**whole, "secrets": [{**each, "configuration": {}} for each in whole["secrets"]]})
    assert place.once().code == 0
    place.write(whole)
    written = at_once(place, Meeting("GET", "secret/metadata/pki/ca"), (), ())
    assert written.count(ROOT) == 1
    assert_generated_once(place)


def test_replicas_with_states_of_their_own_both_end_well_where_nothing_is_generated(
    place: Place, tmp_path: Path
) -> None:
    whole = document()
    for engine in whole["secrets"]:
        engine.get("configuration", {}).pop("root/generate", None)
    whole["audit"] = []
    whole["groups"] = [{"name": "g", "type": "external"}]
    whole["group-aliases"] = [{"name": "a", "mountpath": "userpass", "group": "g"}]
    place.write(whole)
    flags = [(f"--state={tmp_path / name}",) for name in ("one", "other")]
    at_once(place, Meeting("GET", "secret/data/app"), *flags)
    aliases = (place.shown("identity/group-alias/id?list=true") or {})["keys"]
    assert len(aliases) == 1
    for state in flags:
        assert place.once(*state).code == 0
    assert place.shown("secret/data/app")["metadata"]["version"] == 1  # type: ignore[index]


# the server


@pytest.mark.parametrize("number", [1, 8, 14])
def test_a_server_that_is_sealed_in_the_middle_is_waited_for_and_everything_is_completed(
    place: Place, number: int
) -> None:
    writes: list[str] = []

    def seal(method: str, path: str) -> None:
        if is_write(method, path):
            writes.append(path)
            if len(writes) == number:
                assert place.call("PUT", "sys/seal").status == 204

    place.write(document())
    with (
        HookedProxy(place.server, seal) as proxy,
        place.program("--unseal-period=100ms", "--parallelism=1", address=proxy.address) as program,
    ):
        program.wait_for("vault is sealed, waiting 100ms before trying again")
        unseal(place.server, place.keys)
        wait_active(place.server)
        done = program.wait()
        assert done.code == 0, done.log + done.output
    assert_generated_once(place)
    assert_nothing_left(place)


@pytest.mark.parametrize("number", [3, 12])
def test_a_server_that_is_killed_in_the_middle_is_waited_for_and_everything_is_completed(
    file_kind: ServerKind, tmp_path: Path, number: int
) -> None:
    reached, restarted = threading.Event(), threading.Event()
    writes: list[str] = []

    def hold(method: str, path: str) -> None:
        if is_write(method, path):
            writes.append(path)
            if len(writes) == number:
                reached.set()
                restarted.wait(30)

    with Server(file_kind, storage="file") as server:
        place = Place(server, tmp_path)
        place.write(document())
        with (
            HookedProxy(server, hold) as proxy,
            place.program("--unseal-period=100ms", "--parallelism=1", address=proxy.address) as program,
        ):
            assert reached.wait(30), program.log()
            server.kill()
            server.start()
            restarted.set()
            program.wait_for("vault is sealed, waiting 100ms before trying again")
            unseal(server, place.keys)
            wait_active(server)
            done = program.wait()
            assert done.code == 0, done.log + done.output
        assert_generated_once(place)
        assert_nothing_left(place)


@pytest.mark.parametrize("status", [412, 429, 503])
def test_a_server_that_asks_for_patience_gets_it(place: Place, status: int) -> None:
    place.write(policies(12))
    with FaultProxy(place.server) as proxy:
        proxy.on("GET", "sys/auth", Status(status, retry_after=1))
        proxy.on("PUT", "sys/policies/acl/*", Status(status, retry_after=1), times=3)
        done = place.once(address=proxy.address)
        assert done.code == 0, done.log + done.output
        assert {f"p{number}" for number in range(12)} <= names(place)
        # Where nothing was done for certain the request is repeated, else the server is looked at again.
        passes = proxy.count("GET", "sys/auth") - 1
        assert passes == (1 if status < 500 else 2)
        assert len(place.writes(proxy)) == 12 + 3


def test_a_rate_limit_of_the_server_is_borne(place: Place) -> None:
    assert place.call("PUT", "sys/quotas/rate-limit/all", {"rate": 12, "interval": "1s"}).status == 204
    place.write(policies(24))
    with FaultProxy(place.server) as proxy:
        done = place.once("--parallelism=4", address=proxy.address)
        assert done.code == 0, done.log + done.output
        assert len(place.writes(proxy)) > 24, "the limit was not met"
    assert place.call("DELETE", "sys/quotas/rate-limit/all").status == 204
    assert {f"p{number}" for number in range(24)} <= names(place)


@pytest.mark.parametrize("once", [False, True], ids=["daemon", "once"])
def test_a_token_that_ends_in_the_middle_is_followed_by_another_login(
    place: Place, tmp_path: Path, once: bool
) -> None:
    everything = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    assert place.call("PUT", "sys/policies/acl/all", {"policy": everything}).status == 204
    place.call("POST", "sys/auth/machines", {"type": "approle"})
    role = {"token_policies": "all", "token_ttl": "1s", "token_max_ttl": "1s"}
    assert place.call("PUT", "auth/machines/role/short", role).status == 204
    role_id = (place.shown("auth/machines/role/short/role-id") or {})["role_id"]
    secret_id = place.call("PUT", "auth/machines/role/short/secret-id", {}).body["data"]["secret_id"]
    (place.store / "vault-root").unlink()
    flags = ("--auth=approle", "--auth-path=machines", f"--auth-role-id={role_id}", "--parallelism=1")
    place.write(policies(4))
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "sys/policies/acl/p1", Delay(1.5))
        with (place.program if once else place.daemon)(
            *flags,
            f"--state={tmp_path / 'state'}",
            address=proxy.address,
            environment={"BANK_VAULTS_AUTH_SECRET_ID": secret_id},
        ) as program:
            program.wait_for("successfully configured vault")
            assert "permission denied" in program.log()
            assert proxy.count("PUT", "auth/machines/login") == 2
            assert (program.wait().code if once else program.stop()) == 0
    assert {f"p{number}" for number in range(4)} <= names(place)
