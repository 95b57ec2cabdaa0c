"""Custody and decisions, attacked: each test is a way in which keys were once lost or a cluster kept shut."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.journal import Holder, Intent
from bank_vaults.unsealer.holder import holder_of
from tests.faults.harness import (
    FAILPOINT,
    KEYS,
    LOST,
    SHARES,
    WANTED,
    FaultyProgram,
    HesitatingProgram,
    assert_every_key_is_safe,
    gone,
    init_process,
    names_in,
    wait_finished,
    wait_killed,
    wait_unsealed,
)
from tests.support.binaries import ServerKind
from tests.support.faultproxy import HOLD, FaultProxy, Status
from tests.support.program import Program, eventually, run, seal_status, stored
from tests.support.servers import Server, api, wait_active

INIT = ("--init", "--unseal-period=1s")
ONCE = ("--once", *INIT)
KEPT = "the key store does not take its keys yet"
ELSEWHERE = Holder("another-node", "another-boot", "pid:[1]", 7, 1)
JOURNAL, ANSWER = names.journal(0), names.ANSWER


def put(store: Path, name: str, value: bytes | str) -> None:
    """A value in the store, complete from the first moment."""
    fresh = store / f".bank-vaults-{name}"
    fresh.write_bytes(value if isinstance(value, bytes) else value.encode())
    fresh.chmod(0o600)
    fresh.rename(store / name)


def put_intent(
    store: Path, *, holder: Holder = ELSEWHERE, limit: float = 300.0, begun: float = 0.0, turn: int = 0
) -> None:
    """The journal entry of a node that began to initialise ``begun`` seconds from now by its own clock."""
    intent = Intent("http://vault:8200", holder, time.time() + begun, limit, 5, 3)
    put(store, names.journal(turn), intent.encode())


def initialise_raw(server: Server) -> dict[str, object]:
    """The whole answer of sys/init, as somebody else got it."""
    answer = api(server, "PUT", "sys/init", {"secret_shares": 5, "secret_threshold": 3})
    assert answer.status == 200
    return answer.body


def answer_record(answer: dict[str, object]) -> str:
    return json.dumps({"version": 1, "answer": answer})


def seal(server: Server, store: Path) -> None:
    """Seal a server whose root token is in the store."""
    wait_active(server)
    assert api(server, "PUT", "sys/seal", token=stored(store)["vault-root"].decode()).status == 204


def enter(server: Server, share: str) -> int:
    """A human enters one share; the progress after it."""
    answer = api(server, "PUT", "sys/unseal", {"key": share})
    assert answer.status == 200
    progress = answer.body["progress"]
    assert isinstance(progress, int)
    return progress


@pytest.fixture
def opened(server: Server, tmp_path: Path) -> Server:
    """A server that is initialised and unsealed, all its keys in the store."""
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 0, done.log
    return server


@pytest.fixture
def other(one_kind: ServerKind) -> Server:
    """A second server, not initialised."""
    return Server(one_kind, name="other")


# an answer that comes late


def test_answer_that_comes_while_the_journal_is_closed_stays_and_is_finished(
    server: Server, tmp_path: Path
) -> None:
    answer = initialise_raw(server)
    put_intent(tmp_path, limit=0.1)
    assert isinstance(answer["keys"], list)
    for name, share in zip(SHARES, answer["keys"], strict=True):
        put(tmp_path, name, share)
    with HesitatingProgram(f"delete {JOURNAL}", *ONCE, server=server, store=tmp_path) as program:
        program.wait_held()
        put(tmp_path, ANSWER, answer_record(answer))
        program.go()
        assert program.wait().code == 0, program.log()
    assert ANSWER in names_in(tmp_path) or names_in(tmp_path) == KEYS
    assert run("unseal", *ONCE, server=server, store=tmp_path).code == 0
    assert_every_key_is_safe(server, tmp_path)


def test_intent_that_ran_out_with_one_share_stored_is_no_initialisation_that_is_complete(
    server: Server, tmp_path: Path
) -> None:
    answer = initialise_raw(server)
    put_intent(tmp_path, limit=0.1)
    assert isinstance(answer["keys"], list)
    put(tmp_path, SHARES[0], answer["keys"][0])
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 65
    assert names_in(tmp_path) == sorted([JOURNAL, SHARES[0]])
    put(tmp_path, ANSWER, answer_record(answer))  # the node that began it was slow, not dead
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


# who waits with keys in hand is alive, and is not ended


def test_program_that_cannot_store_the_answer_counts_as_alive_and_its_init_process_cannot_be_aborted(
    server: Server, tmp_path: Path
) -> None:
    def last_cycle() -> float:
        found = [value for name, value in program.samples().items() if "last_cycle_timestamp" in name]
        return found[0] if found else 0.0

    with FaultyProgram("fail create+put 3", *INIT, server=server, store=tmp_path, metrics=True) as program:
        child = init_process(program)
        program.wait_for(KEPT)
        os.kill(child, signal.SIGABRT)
        for _ in range(2):
            seen = last_cycle()
            eventually(lambda seen=seen: last_cycle() > seen, "a cycle is counted")  # type: ignore[misc]
        assert program.get("/healthz")[0] == 200
        assert not gone(child)
        program.heal()
        wait_unsealed(server)
        wait_finished(tmp_path)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


# of several nodes with one store one initialises


def test_node_that_hesitates_before_its_turn_looks_again_whether_the_store_is_still_empty(
    server: Server, other: Server, tmp_path: Path
) -> None:
    with other, HesitatingProgram(f"create {JOURNAL}", *ONCE, server=other, store=tmp_path) as late:
        late.wait_held()
        assert run("unseal", *ONCE, server=server, store=tmp_path).code == 0
        late.go()
        assert late.wait().code == 65, late.log()
        assert seal_status(other)["initialized"] is False
    assert_every_key_is_safe(server, tmp_path)


def test_node_that_hesitates_before_a_turn_that_another_took_waits_for_that_one(
    server: Server, other: Server, tmp_path: Path
) -> None:
    put_intent(tmp_path, limit=0.1)
    with other, FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with HesitatingProgram(f"create {names.journal(1)}", *ONCE, server=other, store=tmp_path) as late:
            late.wait_held()
            with Program("unseal", *ONCE, server=server, address=proxy.address, store=tmp_path) as first:
                proxy.wait_for("PUT", "sys/init")
                late.go()
                late.wait_for(r"node (?!another-node )\S+ \(process \d+\) has begun to initialise")
                proxy.let_go()
                assert first.wait().code == 0, first.log()
            assert late.wait().code == 65, late.log()
        assert seal_status(other)["initialized"] is False
    assert_every_key_is_safe(server, tmp_path)


def test_two_nodes_that_find_the_same_abandoned_intent_do_not_both_take_it_over(
    server: Server, other: Server, tmp_path: Path
) -> None:
    put_intent(tmp_path, limit=0.1)
    with other:
        programs = [Program("unseal", *INIT, server=each, store=tmp_path) for each in (server, other)]
        with programs[0], programs[1]:
            wait_finished(tmp_path)
            eventually(
                lambda: sum("already exists" in program.log() for program in programs) == 1,
                "the slower one says why it does not initialise",
            )
            (one,) = (each for each in (server, other) if seal_status(each)["initialized"])
            wait_unsealed(one)
            assert [program.stop() for program in programs] == [0, 0]
        assert_every_key_is_safe(one, tmp_path)


def test_keys_that_come_between_the_look_at_the_server_and_at_the_store_are_not_another_cluster_s(
    server: Server, tmp_path: Path
) -> None:
    with HesitatingProgram(f"get {JOURNAL}", *ONCE, server=server, store=tmp_path) as late:
        late.wait_held()
        assert run("unseal", *ONCE, server=server, store=tmp_path).code == 0
        late.go()
        assert late.wait().code == 0, late.log()


def test_node_that_was_slower_does_not_close_the_journal_of_the_faster_one(
    server: Server, tmp_path: Path
) -> None:
    """Only the faster one knows that the root token is to be replaced."""
    wanted = f"--init-root-token={WANTED}"
    with HesitatingProgram(f"create {JOURNAL}", *ONCE, server=server, store=tmp_path) as slower:
        slower.wait_held()
        with HesitatingProgram(f"create {SHARES[0]}", *ONCE, wanted, server=server, store=tmp_path) as faster:
            faster.wait_held()
            slower.go()
            slower.wait_for("who initialised it is finishing that")
            assert {ANSWER, JOURNAL} <= set(names_in(tmp_path))
            faster.go()
            assert faster.wait().code == 0, faster.log()
            assert slower.wait().code == 0, slower.log()
    assert_every_key_is_safe(server, tmp_path, root=WANTED)


# when an intent has run out


def test_intent_of_a_node_whose_clock_is_behind_is_not_taken_for_an_old_one(
    server: Server, tmp_path: Path
) -> None:
    put_intent(tmp_path, begun=-600)
    with FaultProxy(server) as proxy:
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for("node another-node .* has begun to initialise")
            looks = proxy.count("GET", "sys/seal-status")
            proxy.wait_for("GET", "sys/seal-status", looks + 1)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 0
    assert names_in(tmp_path) == [JOURNAL]


@pytest.mark.parametrize("begun", [-1e6, 1e6], ids=["behind", "ahead"])
def test_intent_that_was_seen_for_longer_than_its_call_takes_is_taken_over_whatever_its_clock_says(
    begun: float, server: Server, tmp_path: Path
) -> None:
    put_intent(tmp_path, begun=begun, limit=0.1)
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, tmp_path)


def test_intent_of_a_process_that_lives_is_respected_however_long_it_takes(
    server: Server, tmp_path: Path
) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as slow, FaultProxy(server) as proxy:
        put_intent(tmp_path, holder=holder_of(slow.pid)._replace(node=socket.gethostname()), limit=0.0)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            program.wait_for("has begun to initialise")
            proxy.wait_for("GET", "sys/seal-status", 10)
            assert proxy.count("PUT", "sys/init") == 0
            slow.communicate()
            wait_unsealed(server)
            wait_finished(tmp_path)
            assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


# records that need a human do not keep a cluster shut

DAMAGED = {
    "answer-of-another-cluster": (
        ANSWER,
        answer_record({"keys": ["ab" * 33] * 5, "keys_base64": [], "root_token": "s.another"}),
    ),
    "answer-cut-short": (ANSWER, '{"version": 1, "answer": {"keys": ["'),
    "answer-empty": (ANSWER, ""),
    "journal-of-a-later-version": (JOURNAL, '{"version": 2}'),
    "journal-damaged": (JOURNAL, "\0" * 300),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_record_that_needs_a_human_is_told_and_the_cluster_is_unsealed_all_the_same(
    damage: str, opened: Server, tmp_path: Path
) -> None:
    name, value = DAMAGED[damage]
    put(tmp_path, name, value)
    before = stored(tmp_path)
    seal(opened, tmp_path)
    done = run("unseal", *ONCE, server=opened, store=tmp_path)
    assert done.code == 65
    assert f"ERROR the record '{name}'" in done.log or "it already exists and is not the key" in done.log
    assert seal_status(opened)["sealed"] is False
    seal(opened, tmp_path)
    with Program("unseal", *INIT, server=opened, store=tmp_path) as program:
        wait_unsealed(opened)
        assert program.stop() == 0
    assert stored(tmp_path) == before


@pytest.mark.parametrize("damage", [name for name in DAMAGED if name != "answer-of-another-cluster"])
def test_record_that_needs_a_human_keeps_a_fresh_server_from_being_initialised(
    damage: str, server: Server, tmp_path: Path
) -> None:
    name, value = DAMAGED[damage]
    put(tmp_path, name, value)
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 65
    assert seal_status(server)["initialized"] is False
    assert stored(tmp_path) == {name: value.encode()}


# a holder that cannot be seen is not gone


class ContainedProgram(FaultyProgram):
    """The program as the first process of a container of its own, on the same node."""

    def start(self) -> None:
        """Start it."""
        command = ["setpriv", "--pdeathsig", "KILL", "--"]
        command += ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "--"]
        with self._log_file.open("ab") as log, self._output_file.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, sys.executable, "-m", self.module, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
            )


@pytest.fixture
def may_contain() -> None:
    """Skips where no namespace may be made."""
    tried = ["unshare", "--fork", "--pid", "--mount-proc", "true"]
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("no namespace of process ids may be made here")


@pytest.mark.usefixtures("may_contain")
def test_holder_in_another_container_of_the_node_is_waited_for(server: Server, tmp_path: Path) -> None:
    with ContainedProgram("fail create+put 3", *INIT, server=server, store=tmp_path) as first:
        first.wait_for(KEPT)
        with Program("unseal", *INIT, server=server, store=tmp_path) as second:
            second.wait_for("to store its answer")
            looked = run("status", server=server, store=tmp_path)
            assert "it cannot be seen from here whether it runs" in looked.output
            first.heal()
            wait_finished(tmp_path)
            wait_unsealed(server)
            assert LOST not in second.log()
            assert second.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


# a human's attempt to unseal


def test_attempt_of_a_human_survives_a_program_whose_store_is_down(opened: Server, tmp_path: Path) -> None:
    found = {name: value.decode() for name, value in stored(tmp_path).items()}
    away = tmp_path.with_name(tmp_path.name + "-away")
    with HesitatingProgram("", *INIT, server=opened, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        wait_active(opened)
        tmp_path.rename(away)
        try:
            assert api(opened, "PUT", "sys/seal", token=found["vault-root"]).status == 204
            program.wait_for("error unsealing vault")
            assert enter(opened, found[SHARES[0]]) == 1
            program.wait_for("(?s)attempt stands still at 1 of 3.*error unsealing vault", times=1)
            assert [enter(opened, found[name]) for name in SHARES[1:3]] == [2, 0]
            assert seal_status(opened)["sealed"] is False
            assert program.stop() == 0
        finally:
            away.rename(tmp_path)


def test_attempt_of_a_human_survives_a_program_without_keys(opened: Server, tmp_path: Path) -> None:
    shares = [stored(tmp_path)[name].decode() for name in SHARES]
    seal(opened, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    assert [enter(opened, share) for share in shares[:2]] == [1, 2]
    with HesitatingProgram("", *INIT, server=opened, store=empty) as program:
        program.wait_for("the store has 0 usable unseal keys, the server needs 3")
        program.wait_for("our own keys were refused, so it is left alone")
        assert seal_status(opened)["progress"] == 2
        assert enter(opened, shares[2]) == 0
        wait_unsealed(opened)
        assert program.stop() == 0


def test_attempt_of_a_human_that_stands_still_is_replaced_by_one_with_enough_keys(
    opened: Server, tmp_path: Path
) -> None:
    seal(opened, tmp_path)
    assert enter(opened, stored(tmp_path)[SHARES[4]].decode()) == 1
    with HesitatingProgram("", *INIT, server=opened, store=tmp_path) as program:
        program.wait_for("attempt stands still at 1 of 3")
        wait_unsealed(opened)
        assert program.stop() == 0


def test_keys_that_were_refused_are_tried_again_when_the_store_holds_others(
    opened: Server, tmp_path: Path
) -> None:
    right = stored(tmp_path)
    seal(opened, tmp_path)
    for name in SHARES:
        put(tmp_path, name, os.urandom(33).hex())
    with Program("unseal", *INIT, server=opened, store=tmp_path) as program:
        program.wait_for("are you using the right unseal keys")
        assert enter(opened, right[SHARES[0]].decode()) == 1
        program.wait_for("our own keys were refused, so it is left alone")
        assert api(opened, "PUT", "sys/unseal", {"reset": True}).status == 200
        for name in SHARES:
            put(tmp_path, name, right[name])
        wait_unsealed(opened)
        assert program.stop() == 0


# asked to end before the call that cannot be repeated


def test_nothing_is_begun_after_the_end_was_asked_for(server: Server, tmp_path: Path) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("GET", "sys/seal-status", HOLD)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("GET", "sys/seal-status")
            program.signal(signal.SIGTERM)
            program.wait_for("asked to end")
            proxy.let_go()
            assert program.wait().code == 0
        assert proxy.count("PUT", "sys/init") == 0
    assert seal_status(server)["initialized"] is False
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("flags", "code"), [(INIT, 0), (ONCE, 128 + signal.SIGTERM)], ids=["daemon", "once"])
def test_end_that_is_asked_for_with_the_turn_taken_gives_the_turn_back(
    flags: tuple[str, ...], code: int, server: Server, tmp_path: Path
) -> None:
    with (
        FaultProxy(server) as proxy,
        HesitatingProgram(
            f"create {JOURNAL}", *flags, server=server, address=proxy.address, store=tmp_path
        ) as program,
    ):
        program.wait_held()
        program.signal(signal.SIGTERM)
        program.wait_for("asked to end")
        program.go()
        assert program.wait().code == code
        assert proxy.count("PUT", "sys/init") == 0
    assert names_in(tmp_path) == []


# what a lost answer means on a server that unseals itself


def test_lost_answer_of_a_server_that_unseals_itself_is_not_said_to_be_somebody_else_s(
    one_kind: ServerKind, tmp_path: Path
) -> None:
    if not one_kind.has_static_seal:
        pytest.skip("this server has no static seal")
    key = base64.b64encode(bytes(range(32))).decode()
    config = f'seal "static" {{\n current_key_id = "1"\n current_key = "{key}"\n}}\n'
    lose = {FAILPOINT: "init.answer-received:exit-group"}
    with Server(one_kind, storage="raft", config=config) as server:
        with Program("unseal", "--auto", *INIT, server=server, store=tmp_path, environment=lose) as program:
            wait_killed(program)
        wait_unsealed(server)
        done = run("unseal", "--auto", *ONCE, server=server, store=tmp_path)
        assert done.code == 65
        assert LOST in done.log
        assert "somebody else holds its keys" not in done.log


# load, and long pauses


def test_server_that_answers_wrongly_for_long_is_asked_ever_less(server: Server, tmp_path: Path) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("*", "*", Status(503), times=None)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("GET", "sys/seal-status", 2)
            time.sleep(3)
            # 10 in the first half second, then one each tenth of the time passed: 28; five a second before.
            assert len(proxy.requests) <= 40
            proxy.heal()
            wait_unsealed(server)
            assert program.stop() == 0


def test_pause_that_is_longer_than_the_kernel_counts_is_one(opened: Server, tmp_path: Path) -> None:
    with Program("unseal", "--init", "--unseal-period=100000h", server=opened, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        seal(opened, tmp_path)
        wait_unsealed(opened)
        assert program.stop() == 0
        assert "unexpectedly" not in program.log()


# spare answers


def test_store_that_damages_every_answer_gets_one_spare_and_no_more(server: Server, tmp_path: Path) -> None:
    with FaultyProgram("truncate create+put 3 4", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("holds something else than this answer: trying", times=4)
        spare, main = sorted(filter(names.is_answer, names_in(tmp_path)), key=len, reverse=True)
        assert main == ANSWER
        (tmp_path / spare).unlink()  # by hand: now there is a place that works
        program.wait_for("the keys of this server are in")
        assert program.stop() == 0
    looked = run("status", server=server, store=tmp_path)
    assert spare in looked.output
    assert "another answer of sys/init is kept" in looked.output
    (tmp_path / spare).rename(tmp_path / ANSWER)
    assert run("unseal", *ONCE, server=server, store=tmp_path).code == 0
    assert_every_key_is_safe(server, tmp_path)


# keys of a larger split are keys


@pytest.mark.parametrize("name", ["vault-unseal-6", "vault-recovery-9", "vault-init-answer-12345"])
def test_any_key_in_the_store_keeps_a_server_from_being_initialised(
    name: str, server: Server, tmp_path: Path
) -> None:
    put(tmp_path, name, "11" * 33)
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 65
    assert f"'{name}' already exists" in done.log
    assert seal_status(server)["initialized"] is False
    assert names_in(tmp_path) == [name]


# the first root token


def test_root_token_that_is_there_already_stays_and_nothing_else_is_said_to_be_stored(
    server: Server, tmp_path: Path
) -> None:
    at = {FAILPOINT: "init.keys-verified"}
    with Program("unseal", *INIT, server=server, store=tmp_path, environment=at) as program:
        wait_killed(program)
    put(tmp_path, "vault-root", "of-somebody-else")
    done = run("unseal", *ONCE, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert "another root token is stored: it stays" in done.log
    assert "root token stored in key store" not in done.log
    assert stored(tmp_path)["vault-root"] == b"of-somebody-else"


def test_store_that_loses_the_wanted_root_token_gets_it_again_from_the_same_process(
    server: Server, tmp_path: Path
) -> None:
    wanted = f"--init-root-token={WANTED}"
    with FaultyProgram("lie put 1 1", *INIT, wanted, server=server, store=tmp_path) as program:
        program.wait_for("gives back another value for 'vault-root'")
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path, root=WANTED)


def test_cluster_that_is_begun_anew_in_one_process_gets_its_wanted_root_token_too(
    server: Server, tmp_path: Path
) -> None:
    wanted = f"--init-root-token={WANTED}"
    with Program("unseal", *INIT, wanted, server=server, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        wait_finished(tmp_path)
        first = stored(tmp_path)
        server.restart()
        program.wait_for("already exists: the store holds the keys of another cluster")
        for name in KEYS:
            (tmp_path / name).unlink()
        wait_finished(tmp_path)
        wait_unsealed(server)
        eventually(lambda: stored(tmp_path)["vault-root"] == WANTED.encode(), "the wanted token is stored")
        assert program.stop() == 0
    assert stored(tmp_path)[SHARES[0]] != first[SHARES[0]]
    assert_every_key_is_safe(server, tmp_path, root=WANTED)


def test_dispute_over_an_earlier_cluster_ends_with_a_new_one(server: Server, tmp_path: Path) -> None:
    """A human emptied server and store: the same process initialises, with all that belongs to it."""
    initialise_raw(server)
    put(tmp_path, ANSWER, "damaged")
    wanted = f"--init-root-token={WANTED}"
    with Program("unseal", *INIT, wanted, server=server, store=tmp_path) as program:
        program.wait_for("ERROR the record 'vault-init-answer' is not JSON")
        server.restart()
        program.wait_for("'vault-init-answer' already exists")
        (tmp_path / ANSWER).unlink()
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path, root=WANTED)
