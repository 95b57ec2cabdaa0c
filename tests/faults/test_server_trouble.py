"""The server, or what stands before it, fails at any call of an initialisation."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.harness import (
    LOST,
    WANTED,
    HookedProxy,
    assert_every_key_is_safe,
    names_in,
    root_tokens,
    wait_finished,
    wait_unsealed,
)
from tests.support.binaries import ServerKind
from tests.support.faultproxy import (
    CUT,
    DROP_ANSWER,
    GARBAGE,
    HOLD,
    HTML,
    TRUNCATE,
    Delay,
    Fault,
    FaultProxy,
    Status,
)
from tests.support.program import Program, eventually, run
from tests.support.servers import Keys, Server, initialise

INIT = ("--init", "--unseal-period=1s")
WANTED_TOKEN = f"--init-root-token={WANTED}"

FAULTS: dict[str, Fault] = {
    "500": Status(500),
    "503": Status(503),
    "429": Status(429, retry_after=1),
    "403": Status(403),
    "400": Status(400),
    "cut": CUT,
    "dropped": DROP_ANSWER,
    "truncated": TRUNCATE,
    "garbage": GARBAGE,
    "html": HTML,
    "delayed": Delay(0.3),
}
LOSE_THE_ANSWER = ("dropped", "truncated")


def initialised_again_only_when_seen_empty(proxy: FaultProxy) -> bool:
    """Between two calls of sys/init the server was asked, and said that it is not initialised.

    (Said so, since the program only initialises what it has just seen uninitialised.)
    """
    calls = [index for index, seen in enumerate(proxy.requests) if seen == ("PUT", "sys/init")]
    return all(
        ("GET", "sys/seal-status") in proxy.requests[first:second] for first, second in pairwise(calls)
    )


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in LOSE_THE_ANSWER])
def test_any_fault_of_the_init_call_itself_loses_nothing(fault: str, server: Server, tmp_path: Path) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", FAULTS[fault])
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == (1 if fault == "delayed" else 2)
        assert initialised_again_only_when_seen_empty(proxy)
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("fault", LOSE_THE_ANSWER)
def test_answer_of_the_init_call_lost_on_the_way_is_told_and_never_asked_for_twice(
    fault: str, server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", FAULTS[fault])
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for(LOST)
            assert program.stop() == 0
        done = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        assert done.code == 65
        assert LOST in done.log
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for(LOST)
            assert proxy.count("PUT", "sys/init") == 1
            server.restart()
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 2
    assert_every_key_is_safe(server, tmp_path)


def test_repeat_that_is_refused_because_the_first_call_worked_after_all_is_told(
    server: Server, tmp_path: Path
) -> None:
    """A gateway gave up on the first call, the server was still at it: the keys of that one are lost."""
    seen: list[str] = []

    def hook(method: str, path: str) -> None:
        if path == "sys/init":
            seen.append(path)
            if len(seen) == 2:
                initialise(server, 5, 3)

    with HookedProxy(server, hook) as proxy:
        proxy.on("PUT", "sys/init", Status(504))
        done = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        if done.code == 1:  # with --once the first failure is the end of the round
            done = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        assert len(seen) == 2
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for(LOST)
            server.restart()
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


# Each call of init and unseal but sys/init, and which passage of it. (More of the shares: below. A share
# that got through makes the program wait for five seconds, since it might be somebody else's.)
CALLS = [
    ("GET", "sys/seal-status", 1),
    ("GET", "sys/seal-status", 2),
    ("PUT", "sys/unseal", 1),
    ("GET", "sys/leader", 1),
    ("GET", "auth/token/lookup-self", 1),
    ("POST", "auth/token/create-orphan", 1),
    ("PUT", "auth/token/revoke-self", 1),
]


@pytest.mark.parametrize(
    "fault", [name for name in FAULTS if name not in ("503", "400", "truncated", "garbage")]
)
def test_any_fault_of_all_other_calls_one_after_the_other_ends_unsealed_with_every_key(
    fault: str, server: Server, tmp_path: Path
) -> None:
    """Every call meets the fault once in one run; the wanted root token is made exactly once."""
    with FaultProxy(server) as proxy:
        for method, path, passage in CALLS:
            proxy.on(method, path, FAULTS[fault], nth=passage)
        with Program(
            "unseal", *INIT, WANTED_TOKEN, server=server, address=proxy.address, store=tmp_path
        ) as program:
            wait_unsealed(server)
            wait_finished(tmp_path)
            for method, path, passage in CALLS:
                proxy.wait_for(method, path, passage)
            wait_unsealed(server)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path, root=WANTED)
    assert root_tokens(server, WANTED) == 1


@pytest.mark.parametrize("fault", ["503", "dropped"])
@pytest.mark.parametrize("share", [3])
def test_fault_of_one_share_alone_ends_unsealed(
    share: int, fault: str, server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/unseal", FAULTS[fault], nth=share)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("passage", range(1, 11))
def test_server_killed_before_any_call_of_an_initialisation_and_back_again(
    passage: int, file_kind: ServerKind, tmp_path: Path
) -> None:
    """Calls in order: status, init, status, three shares, status, lookup, create, revoke."""
    dies, died = threading.Event(), threading.Event()
    count = 0

    def hook(method: str, path: str) -> None:
        nonlocal count
        if dies.is_set() or path == "sys/leader":  # for metrics only, every few seconds
            return
        count += 1
        if count == passage:
            dies.set()
            server.kill()
            died.set()

    with Server(file_kind, storage="file") as server, HookedProxy(server, hook) as proxy:
        with Program(
            "unseal", *INIT, WANTED_TOKEN, server=server, address=proxy.address, store=tmp_path
        ) as program:
            assert died.wait(30), program.log()
            server.start()
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        assert_every_key_is_safe(server, tmp_path, root=WANTED)
        assert root_tokens(server, WANTED) == 1


def test_server_killed_during_the_init_call_recovers_or_says_that_the_answer_is_lost(
    file_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(file_kind, storage="file") as server, FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", DROP_ANSWER)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for(LOST)
            server.kill()
            server.start()
            program.wait_for(LOST, times=2)
            assert proxy.count("PUT", "sys/init") == 1
            assert program.stop() == 0


def test_server_that_hangs_in_the_init_call_is_waited_for(server: Server, tmp_path: Path) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("PUT", "sys/init")
            server.pause()
            proxy.let_go()
            program.wait_for("still waiting for sys/init")
            server.resume()
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path)


def test_somebody_else_initialises_the_server_first_their_keys_are_not_given_up_for_lost(
    server: Server, tmp_path: Path
) -> None:
    keys: list[Keys] = []

    def hook(method: str, path: str) -> None:
        if path == "sys/init" and not keys:
            keys.append(initialise(server, 5, 3))

    with HookedProxy(server, hook) as proxy:
        done = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        assert done.code != 0
        again = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        assert again.code == 65
        assert "If somebody else initialised this server and has its keys" in again.log
        assert proxy.count("PUT", "sys/init") == 1
    assert names_in(tmp_path) == ["vault-init-journal"]
    # What the sentence says to do.
    for number, share in enumerate(keys[0].shares):
        (tmp_path / f"vault-unseal-{number}").write_text(share)
    (tmp_path / "vault-root").write_text(keys[0].root_token)
    (tmp_path / "vault-init-journal").unlink()
    done = run("unseal", "--once", *INIT, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, tmp_path)


def test_wrong_server_answers_are_never_a_reason_to_initialise(server: Server, tmp_path: Path) -> None:
    """A page, garbage, an error: only the server's own word that it is empty starts an initialisation."""
    with FaultProxy(server) as proxy:
        for fault in (HTML, GARBAGE, Status(500), Status(404), Status(501), CUT):
            proxy.on("GET", "sys/seal-status", fault, times=3)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            eventually(lambda: proxy.count("GET", "sys/seal-status") >= 18, "all faults were met")
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
        first = proxy.requests.index(("PUT", "sys/init"))
        assert proxy.requests[:first].count(("GET", "sys/seal-status")) == 19
    assert_every_key_is_safe(server, tmp_path)
