"""A plan is carried out as far as it can be, in order, and what was done is remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bank_vaults.configure.apply import Outcome, Result, Tries, apply
from bank_vaults.configure.model import (
    Action,
    Change,
    Identity,
    Joined,
    Pending,
    Place,
    Record,
    Reference,
    Request,
    Saving,
    Stage,
    Trace,
    WriteOnly,
)
from bank_vaults.configure.places import FilePlace
from bank_vaults.configure.plan import Plan, make, paths
from bank_vaults.configure.reading import Reader
from bank_vaults.configure.sections.item import Item
from bank_vaults.configure.sections.traces import after
from bank_vaults.configure.standing import TOKEN
from bank_vaults.configure.state import Exchange, State, StateError
from bank_vaults.vault.client import Response
from bank_vaults.vault.errors import DeniedError, FatalError, NotFoundError, TransientError, VaultError
from tests.unit.configure.fakes import FakeServer

PLACE = Place("f.yml", 1, 1)


def identity(name: str) -> Identity:
    return Identity("auth", "role", name)


def item(name: str, stage: int = Stage.AUTH_ITEMS, needs: tuple[str, ...] = (), **fields: object) -> Item:
    wanted = fields or {"ttl": "1h"}
    return Item(identity(name), PLACE, f"auth/x/role/{name}", wanted, stage, frozenset(map(identity, needs)))


def change(name: str, *requests: Request, action: Action = Action.CREATE, **more: object) -> Change:
    made = Change(identity(name), action, "because", PLACE, requests=requests, stage=Stage.AUTH_ITEMS)
    return made._replace(**more)  # type: ignore[arg-type]


def put(path: str, forgives: str = "", **fields: object) -> Request:
    return Request("PUT", path, fields, forgives)


class Bench:
    """A fake server, a state on disk, and runs on them."""

    def __init__(self, directory: Path) -> None:
        self.server = FakeServer()
        self.place = FilePlace(str(directory / "state"))
        self.stopped: Callable[[], bool] = lambda: False
        self.seen: list[tuple[int, int]] = []

    def plan(self, *items: Item) -> Plan:
        reader = Reader(self.server.session(), 4)
        reader.read(paths(items))
        return make(items, reader.shown, State(self.place, "").memory, WriteOnly.CHANGED)

    def run(self, made: Plan, parallelism: int = 4) -> dict[str, Outcome]:
        tries = Tries(parallelism, self.stopped, lambda done, of: self.seen.append((done, of)))
        outcomes = apply(made, self.server.session(), State(self.place, ""), tries)
        assert [outcome.change for outcome in outcomes] == list(made.changes)
        return {outcome.change.identity.name: outcome for outcome in outcomes}

    def state(self) -> State:
        return State(self.place, "")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def results(outcomes: dict[str, Outcome]) -> dict[str, Result]:
    return {name: outcome.result for name, outcome in outcomes.items()}


def test_a_second_run_writes_nothing(bench: Bench) -> None:
    items = [item(f"r{number}", password="p", ttl="1h") for number in range(30)]
    assert set(results(bench.run(bench.plan(*items))).values()) == {Result.DONE}
    bench.server.requests.clear()
    again = bench.plan(*items)
    assert again.todo == ()
    assert set(results(bench.run(again)).values()) == {Result.KEPT}
    assert bench.server.writes == []


def test_what_is_done_is_remembered_before_a_long_stage_ends(bench: Bench) -> None:
    remembered: list[int] = []

    def look() -> bool:
        if len(bench.seen) == 290:
            remembered.append(len(bench.state().memory.records))
        return False

    bench.stopped = look
    bench.run(bench.plan(*(item(f"r{number}", password="p") for number in range(300))), parallelism=1)
    assert remembered == [256]
    assert len(bench.state().memory.records) == 300


def test_stages_come_one_after_the_other_and_needs_before_what_needs_them(bench: Bench) -> None:
    made = bench.plan(item("c", 9), item("b", 5, ("a",)), item("a", 5), item("late", 5, ("b",)))
    bench.run(made, parallelism=8)
    assert [path for _, path in bench.server.writes] == [f"auth/x/role/{name}" for name in "ab"] + [
        "auth/x/role/late",
        "auth/x/role/c",
    ]
    assert bench.seen[-1] == (4, 4)


def test_a_token_that_may_not_is_told_once_where_the_policy_comes_from(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.server.objects["auth/token/lookup-self"] = {"policies": ["few"]}
    for name in "ab":
        bench.server.faults["PUT", f"auth/x/role/{name}"] = DeniedError("PUT", name, 403)
    assert set(results(bench.run(bench.plan(item("a"), item("b"), item("c")))).values()) == {
        Result.FAILED,
        Result.DONE,
    }
    hints = [record for record in caplog.records if "bank-vaults configure policy" in record.message]
    assert len(hints) == 1


def test_changes_that_need_each_other_are_made_all_the_same(bench: Bench) -> None:
    assert results(bench.run(bench.plan(item("a", 5, ("b",)), item("b", 5, ("a",))))) == {
        "a": Result.DONE,
        "b": Result.DONE,
    }


def test_k16_a_failure_keeps_what_needs_it_and_nothing_else(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.server.faults["PUT", "auth/x/role/bad"] = FatalError(
        "PUT", "auth/x/role/bad", 400, ("no such ttl",)
    )
    made = bench.plan(item("bad"), item("child", 9, ("bad",)), item("good"), item("after", 12))
    outcomes = bench.run(made)
    assert results(outcomes) == {
        "bad": Result.FAILED,
        "child": Result.SKIPPED,
        "good": Result.DONE,
        "after": Result.DONE,
    }
    assert "no such ttl" in outcomes["bad"].sentence
    assert outcomes["child"].sentence == "auth role bad has failed"
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.fields["place"] == "f.yml:1:1"  # type: ignore[attr-defined]
    assert identity("bad") not in bench.state().memory.records


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (TransientError("PUT", "x", 503), True),
        (DeniedError("PUT", "x", 403), False),
        (FatalError("PUT", "x", 400), False),
    ],
)
def test_k16_an_outcome_says_whether_trying_again_may_help_also_of_what_is_skipped_for_it(
    bench: Bench, error: VaultError, transient: bool
) -> None:
    bench.server.faults["PUT", "auth/x/role/a"] = error
    made = bench.plan(item("a"), item("child", 9, ("a",)), item("grandchild", 9, ("child",)))
    deletion = change("old", Request("DELETE", "old"), action=Action.DELETE, stage=Stage.PURGE)
    outcomes = bench.run(Plan((*made.changes, deletion)))
    assert [outcomes[name].result for name in ("child", "grandchild", "old")] == [Result.SKIPPED] * 3
    assert {outcome.transient for outcome in outcomes.values()} == {transient}


def test_deletions_are_not_made_after_a_failure(bench: Bench) -> None:
    deletion = change("old", Request("DELETE", "old"), action=Action.DELETE, stage=Stage.PURGE)
    refused = change("no", action=Action.REFUSED, requests=())
    assert bench.run(Plan((refused, deletion)))["old"].result is Result.SKIPPED
    assert bench.run(Plan((deletion,)))["old"].result is Result.DONE
    brake = change("kept", action=Action.REFUSED, requests=(), stage=Stage.PURGE)
    assert bench.run(Plan((brake, deletion)))["old"].result is Result.DONE


def test_a_deleted_object_is_forgotten(bench: Bench) -> None:
    bench.run(bench.plan(item("a", password="p")))
    assert bench.state().record_of(identity("a")) is not None
    bench.run(Plan((change("a", Request("DELETE", "auth/x/role/a"), action=Action.DELETE, stage=200),)))
    assert bench.state().record_of(identity("a")) is None


def test_the_end_is_asked_for_and_what_runs_is_finished(bench: Bench) -> None:
    bench.stopped = lambda: len(bench.server.writes) >= 2
    outcomes = bench.run(bench.plan(*(item(f"r{number}", password="p") for number in range(6))), 1)
    assert list(results(outcomes).values()) == [Result.DONE] * 2 + [Result.STOPPED] * 4
    assert len(bench.state().memory.records) == 2


def test_references_are_looked_up_when_they_are_needed(bench: Bench) -> None:
    bench.server.objects["sys/auth"] = {"x/": {"accessor": "auth_x_1"}}
    bench.server.objects["identity/group/name/admin"] = {"id": "g-1"}
    body = {
        "rules": Joined(("a ", Reference("accessor", "x"), " b")),
        "ids": [Reference("group", "admin"), {"deep": Reference("accessor", "x")}],
    }
    bench.run(Plan((change("a", Request("PUT", "p", body)),)))
    assert bench.server.objects["p"] == {"rules": "a auth_x_1 b", "ids": ["g-1", {"deep": "auth_x_1"}]}


@pytest.mark.parametrize("reference", [Reference("accessor", "y"), Reference("group", "nobody")])
def test_a_reference_to_nothing_fails_its_change_and_sends_nothing(
    bench: Bench, reference: Reference
) -> None:
    outcome = bench.run(Plan((change("a", Request("PUT", "p", {"v": reference})),)))["a"]
    assert (outcome.result, bench.server.writes) == (Result.FAILED, [])
    assert reference.name in outcome.sentence


def test_what_the_server_showed_right_after_is_remembered(bench: Bench) -> None:
    bench.run(bench.plan(item("a", password="p")))
    state = bench.state()
    record = state.record_of(identity("a"))
    assert record is not None
    assert record.shown == state.digest({"password": "p"})


def test_what_is_refused_is_told_with_its_place_and_refused_deletions_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    refused = change("a", action=Action.REFUSED, reason="no secrets engine is there")
    deletions = [change(name, action=Action.REFUSED, stage=Stage.PURGE, place=None) for name in "bc"]
    bench.run(Plan((refused, *deletions)))
    error, warning = caplog.records
    assert (error.levelno, vars(error)["fields"]["error"]) == (logging.ERROR, "no secrets engine is there")
    assert vars(error)["fields"]["place"] == str(refused.place)
    assert (warning.levelno, warning.message) == (
        logging.WARNING,
        "deletions are refused: 'bank-vaults plan' shows which, and why",
    )


def test_a_deletion_is_told_always_and_a_writing_to_those_who_look_closely(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mount = change("old", Request("DELETE", "sys/mounts/old"), action=Action.DELETE, stage=Stage.PURGE)
    bench.run(Plan((*bench.plan(item("new", password="s3cr3t")).changes, mount._replace(contents=3))))
    told = [record for record in caplog.records if record.message.startswith("an object was")]
    assert [(record.levelno, record.message) for record in told] == [
        (logging.DEBUG, "an object was written"),
        (logging.INFO, "an object was deleted"),
    ]
    assert vars(told[1])["fields"]["inside"] == 3
    assert "s3cr3t" not in str([vars(record) for record in told])


def test_warnings_of_the_server_are_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.server.answers["auth/x/role/a"] = {"warnings": ["unrecognised: s3cr3t-value"]}
    bench.run(bench.plan(item("a", password="s3cr3t-value")))
    (line,) = [record for record in caplog.records if record.message == "the server warns"]
    assert line.fields["warning"] == "unrecognised: ***"  # type: ignore[attr-defined]


def test_a_password_that_no_server_shows_is_none_that_it_keeps(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.server._answer = lambda *_: Response(200, {"data": {"ttl": "1h"}})  # type: ignore[method-assign]
    assert bench.run(bench.plan(item("a", ttl="1h", password="p")))["a"].result is Result.DONE
    assert "no longer in the document" not in caplog.text


def test_k1_what_the_server_keeps_of_what_is_taken_out_of_a_document_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.run(bench.plan(item("a", ttl="1h", claim="sub", policies=["p"])))
    made = bench.plan(item("a", ttl="1h"))
    bench.server._answer = lambda *_: Response(200, {"data": {"ttl": "1h", "claim": "sub"}})  # type: ignore[method-assign]
    assert bench.run(made)["a"].result is Result.DONE
    (line,) = [record for record in caplog.records if "no longer in the document" in record.message]
    assert line.fields == {"object": "auth role a", "names": "claim"}  # type: ignore[attr-defined]


def test_an_error_does_not_repeat_what_was_sent(bench: Bench) -> None:
    said = "cannot log in as root:pa55word at db"
    bench.server.faults["PUT", "auth/x/role/a"] = FatalError("PUT", "auth/x/role/a", 400, (said,))
    outcome = bench.run(bench.plan(item("a", password="pa55word")))["a"]
    assert "pa55word" not in outcome.sentence
    assert "cannot log in as root:***" in outcome.sentence


def test_a_refusal_that_is_forgiven_leaves_the_object_as_it_is(bench: Bench) -> None:
    why = "please delete them before reconfiguring"
    bench.server.faults["PUT", "p"] = FatalError("PUT", "p", 400, (why,))
    outcome = bench.run(Plan((change("a", put("p", "delete them before", a=1), put("q")),)))["a"]
    assert outcome.result is Result.KEPT
    assert bench.server.writes == [("PUT", "p")]


def test_a_kv_engine_on_its_way_to_version_2_is_waited_for(bench: Bench) -> None:
    server = bench.server
    words = "Upgrading from non-versioned to versioned data. This backend will be unavailable"
    server.faults["PUT", "p"] = FatalError("PUT", "p", 400, (words,))
    original = server._answer

    def answer(method: str, path: str, body: object) -> object:
        if len(server.writes) == 3:
            server.faults.clear()
        return original(method, path, body)  # type: ignore[arg-type]

    server._answer = answer  # type: ignore[method-assign,assignment]
    assert bench.run(Plan((change("a", put("p", a=1)),)))["a"].result is Result.DONE


def test_k16_whoever_asks_for_the_end_does_not_wait_for_what_is_on_its_way(bench: Bench) -> None:
    words = "Upgrading from non-versioned to versioned data. This backend will be unavailable"
    bench.server.faults["PUT", "p"] = FatalError("PUT", "p", 400, (words,))
    bench.stopped = lambda: bool(bench.server.writes)
    assert bench.run(Plan((change("a", put("p", a=1)),)))["a"].result is Result.FAILED
    assert bench.server.writes == [("PUT", "p")]


def mount(path: str) -> Change:
    request = Request("POST", f"sys/{path}", {"type": "kv"})
    return Change(Identity("s", "mount", path), Action.CREATE, "because", PLACE, requests=(request,))


@pytest.mark.parametrize(("where", "found"), [("kv/a", True), ("auth/up/a", True), ("other/a", False)])
def test_a_node_that_does_not_know_a_new_mount_yet_is_waited_for(
    bench: Bench, where: str, found: bool
) -> None:
    server = bench.server
    server.faults["PUT", where] = NotFoundError("PUT", where, 404, ("no handler. route entry not found.",))
    original = server._answer

    def answer(method: str, path: str, body: Mapping[str, object] | None) -> Response:
        if server.requests.count(("PUT", where)) == 3:
            server.faults.clear()
        return original(method, path, body)

    server._answer = answer  # type: ignore[method-assign]
    outcome = bench.run(Plan((mount("mounts/kv"), mount("auth/up"), change("a", put(where, a=1)))))["a"]
    assert (outcome.result is Result.DONE) is found


def test_a_saved_secret_that_is_seen_a_moment_later_is_saved(bench: Bench) -> None:
    server = bench.server
    server.answers["pki/root/generate/exported"] = {"data": KEY}
    original = server._answer

    def answer(method: str, path: str, body: Mapping[str, object] | None) -> Response:
        if (method, path) == ("GET", "secret/data/ca") and server.requests.count((method, path)) < 4:
            raise NotFoundError(method, path, 404)
        return original(method, path, body)

    server._answer = answer  # type: ignore[method-assign]
    assert bench.run(generation())["ca"].result is Result.DONE


SAVING = Saving("secret/data/ca", True)
KEY = {"private_key": "-----BEGIN-----"}


def generation() -> Plan:
    return Plan(
        (
            change(
                "ca",
                put("pki/root/generate/exported", common_name="x"),
                before=Record("w", done=("generating",)),
                record=Record("w", done=("generated",)),
                saving=SAVING,
            ),
        )
    )


def test_k6_a_generated_secret_is_remembered_until_it_is_saved(bench: Bench) -> None:
    bench.server.answers["pki/root/generate/exported"] = {"data": KEY}
    fault = FatalError("PUT", "secret/data/ca", 403, ("no",))
    bench.server.faults["PUT", "secret/data/ca"] = fault
    assert bench.run(generation())["ca"].result is Result.FAILED
    state = bench.state()
    assert state.pending_of(identity("ca")) == Pending(SAVING, KEY)
    assert state.record_of(identity("ca")) == Record("w", done=("generating",))
    del bench.server.faults["PUT", "secret/data/ca"]
    rest = change("ca", action=Action.UPDATE, saving=SAVING, record=Record("w", done=("generated",)))
    assert bench.run(Plan((rest,)))["ca"].result is Result.DONE
    assert bench.server.objects["secret/data/ca"]["data"] == KEY
    assert bench.server.writes.count(("PUT", "pki/root/generate/exported")) == 1
    assert bench.state().pending_of(identity("ca")) is None
    assert bench.state().record_of(identity("ca")) == Record("w", done=("generated",))


def test_k6_nothing_is_generated_while_the_state_cannot_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: FilePlace, made: Exchange) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(FilePlace, "exchange", full)
    outcome = bench.run(generation())["ca"]
    assert (outcome.result, outcome.sentence, outcome.transient) == (Result.FAILED, "the disk is full", True)
    assert bench.server.writes == []


def test_k6_what_cannot_be_remembered_any_more_is_saved_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = FilePlace.exchange

    def full(self: FilePlace, made: Exchange) -> None:
        if bench.server.writes:
            raise StateError("the disk is full")
        exchange(self, made)

    monkeypatch.setattr(FilePlace, "exchange", full)
    bench.server.answers["pki/root/generate/exported"] = {"data": KEY}
    assert bench.run(generation())["ca"].result is Result.DONE
    assert bench.server.objects["secret/data/ca"]["data"] == KEY
    assert [each.message for each in caplog.records if "state cannot be written" in each.message]


def test_k6_a_secret_that_another_run_has_just_saved_is_saved(bench: Bench) -> None:
    bench.server.answers["pki/root/generate/exported"] = {"data": KEY}
    refused = FatalError("PUT", "secret/data/ca", 400, ("check-and-set parameter did not match",))
    original = bench.server._answer

    def answer(method: str, path: str, body: Mapping[str, object] | None) -> Response:
        answered = original(method, path, body)
        if (method, path) == ("PUT", "secret/data/ca"):
            raise refused
        return answered

    bench.server._answer = answer  # type: ignore[method-assign]
    assert bench.run(generation())["ca"].result is Result.DONE
    assert not bench.state().memory.pending


def test_of_two_runs_at_once_one_generates_and_the_other_one_looks_again(bench: Bench) -> None:
    bench.server.answers["pki/root/generate/exported"] = {"data": KEY}
    late = bench.state()
    assert bench.run(generation())["ca"].result is Result.DONE
    (outcome,) = apply(generation(), bench.server.session(), late, Tries(1))
    assert (outcome.result, outcome.transient) == (Result.FAILED, True)
    assert bench.server.writes.count(("PUT", "pki/root/generate/exported")) == 1


def traced(trace: Trace, *removal: Request) -> Plan:
    """Generation of which a later run can tell what came of it."""
    (made,) = generation().changes
    return Plan((made._replace(trace=trace, requests=(*removal, *made.requests)),))


def lost(bench: Bench) -> Trace:
    """A try whose answer never comes; what the next run knows of it."""
    path = "pki/root/generate/exported"
    bench.server.faults["PUT", path] = TransientError("PUT", path, outcome_unknown=True)
    assert bench.run(traced(Trace("pki", makes_issuer=True)))["ca"].result is Result.FAILED
    del bench.server.faults["PUT", path]
    bench.server.requests.clear()
    bench.server.answers[path] = {"data": KEY}
    record = bench.state().record_of(identity("ca"))
    assert record is not None
    return after(Trace("pki", makes_issuer=True), record)


def test_k6_a_key_is_generated_under_the_name_that_is_remembered_before(bench: Bench) -> None:
    trace = lost(bench)
    assert trace.mark.startswith("bank-vaults-")
    assert bench.run(traced(trace))["ca"].result is Result.DONE
    assert bench.server.objects["pki/root/generate/exported"] == {"common_name": "x", "key_name": trace.mark}
    assert bench.state().record_of(identity("ca")) == Record("w", done=("generated",))


def test_k6_nothing_is_removed_that_is_no_longer_as_the_plan_found_it(bench: Bench) -> None:
    trace = lost(bench)
    key = Request("DELETE", "pki/key/k")
    outcome = bench.run(traced(trace, key))["ca"]
    assert (outcome.result, bench.server.writes) == (Result.FAILED, [])
    assert outcome.sentence == "what an earlier run has left is no longer as the plan found it"
    # The request that was lost was only late.
    bench.server.objects["pki/keys?list=true"] = {"keys": ["k"], "key_info": {"k": {"key_name": trace.mark}}}
    assert bench.run(traced(trace))["ca"].sentence == outcome.sentence
    assert bench.server.writes == []
    assert bench.run(traced(trace, key))["ca"].result is Result.DONE
    assert [path for _, path in bench.server.writes[:2]] == ["pki/key/k", "pki/root/generate/exported"]


def test_k6_of_two_runs_at_once_one_replaces_and_the_other_one_looks_again(bench: Bench) -> None:
    trace = lost(bench)
    late = bench.state()
    path = "pki/root/generate/exported"
    bench.server.faults["PUT", path] = TransientError("PUT", path, outcome_unknown=True)
    assert bench.run(traced(trace))["ca"].result is Result.FAILED
    (outcome,) = apply(traced(trace), bench.server.session(), late, Tries(1))
    assert (outcome.result, outcome.transient) == (Result.FAILED, True)
    assert "another run has just begun with it" in outcome.sentence
    assert bench.server.writes == [("PUT", path)]


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_denied_may_succeed_with_another_token_where_this_one_has_ended(
    bench: Bench, caplog: pytest.LogCaptureFixture, ended: bool
) -> None:
    for name in "ab":
        bench.server.faults["PUT", name] = DeniedError("PUT", name, 403, ("permission denied",))
    if ended:
        bench.server.faults["GET", TOKEN] = DeniedError("GET", TOKEN, 403, ("permission denied",))
    else:
        bench.server.objects[TOKEN] = {"policies": ["default"]}
    outcomes = bench.run(Plan((change("a", put("a")), change("b", put("b")))), parallelism=1)
    assert [outcome.transient for outcome in outcomes.values()] == [ended, ended]
    assert bench.server.requests.count(("GET", TOKEN)) == (1 if ended else 2)
    assert ("bank-vaults configure policy" in caplog.text) is not ended


def test_whether_a_token_has_ended_is_not_taken_from_no_answer(bench: Bench) -> None:
    bench.server.faults["PUT", "a"] = DeniedError("PUT", "a", 403, ("permission denied",))
    bench.server.faults["GET", TOKEN] = TransientError("GET", TOKEN)
    assert not bench.run(Plan((change("a", put("a")),)))["a"].transient


def test_a_mount_that_another_run_has_just_made_is_looked_at_again(bench: Bench) -> None:
    said = "path is already in use at kv/"
    bench.server.faults["PUT", "p"] = FatalError("PUT", "p", 400, (said,))
    assert bench.run(Plan((change("a", put("p", a=1)),)))["a"].transient


def test_k6_an_answer_without_a_secret_is_an_error_and_no_crash(bench: Bench) -> None:
    outcome = bench.run(generation())["ca"]
    assert outcome.result is Result.FAILED
    assert "gave nothing to be saved to secret/data/ca" in outcome.sentence


@pytest.mark.parametrize("unknown", [True, False])
def test_after_a_certain_refusal_the_earlier_record_is_back(bench: Bench, unknown: bool) -> None:
    fault = FatalError("PUT", "p", 400, ("no",), outcome_unknown=unknown)
    bench.server.faults["PUT", "pki/root/generate/exported"] = fault
    outcome = bench.run(generation())["ca"]
    assert ("not known" in outcome.sentence) is unknown
    record = bench.state().record_of(identity("ca"))
    assert record == (Record("w", done=("generating",)) if unknown else None)
