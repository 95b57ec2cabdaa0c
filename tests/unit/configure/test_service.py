"""How long the service waits, how often it tries, and what it keeps: on a clock of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bank_vaults.configure import service
from bank_vaults.configure.apply import Outcome, Result
from bank_vaults.configure.config import Configuration, Named
from bank_vaults.configure.library import Library
from bank_vaults.configure.model import Action, Change, Identity, Place, Request
from bank_vaults.configure.passes import LoginRefusedError, Passes, Report
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.sections import auth
from bank_vaults.configure.server import Server
from bank_vaults.configure.service import Manner, Service
from bank_vaults.configure.watch import Watcher
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.templating.own.sources import Sources
from bank_vaults.vault.errors import SealedError, TransientError


def outcome(place: Place, sentence: str = "", *, transient: bool = False) -> Outcome:
    change = Change(Identity("auth", "role", "a"), Action.UPDATE, "it differs", place)
    return Outcome(change, Result.FAILED if sentence else Result.DONE, sentence, transient)


class Answers:
    """Passes over a server that is always there. ``answers`` say what comes of each, the last one of all."""

    address = "http://127.0.0.1:1"

    def __init__(self, file: str, *answers: tuple[str, bool] | Exception) -> None:
        self.place = Place(file, 1, 1)
        self.answers = list(answers)
        self.passes = 0
        self.sealed: list[bool] = []
        """What the server says of itself, one look after the other; later it is unsealed."""

    def server_state(self) -> Any:
        return SimpleNamespace(initialized=True, sealed=bool(self.sealed) and self.sealed.pop(0))

    @contextmanager
    def look(self, configuration: Configuration, **_: Any) -> Iterator[Any]:
        wanted = auth.wanted(configuration, Server())
        yield SimpleNamespace(plan=Plan(()), wanted=wanted)

    def carry_out(self, *_: Any) -> Report:
        self.passes += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        sentence, transient = answer
        return Report((outcome(self.place, sentence, transient=transient),), 0.0, 0, 0)


class Clock:
    """Waiting takes no time; after so many waits the end is asked for."""

    def __init__(self, waits: int) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._waits = waits

    @property
    def requested(self) -> bool:
        return len(self.pauses) >= self._waits

    def wait(self, seconds: float, watched: object = None) -> None:
        del watched
        self.pauses.append(round(seconds, 3))
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@contextmanager
def sources() -> Iterator[Sources]:
    with Sources({}) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "c.yml"
    path.write_text("auth: [{type: userpass, users: [{username: u, password: of-the-user}]}]")
    return str(path)


@pytest.fixture
def made(file: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Service, Clock, Answers]]:
    def make(*answers: tuple[str, bool] | Exception, waits: int = 1) -> tuple[Service, Clock, Answers]:
        clock, server = Clock(waits), Answers(file, *answers)
        monkeypatch.setattr(service, "time", clock)
        library = Library([file], sources, "text")
        return Service(library, cast(Passes, server), clock, Metrics(), Manner()), clock, server

    return make


WATCHER = cast(Watcher, SimpleNamespace(changed=lambda: (), pause=lambda: float("inf")))

FINE = ("", False)
Made = Callable[..., tuple[Service, Clock, Answers]]


def test_k22_what_fails_again_and_again_is_tried_less_and_less(made: Made) -> None:
    running, clock, server = made(("no such policy", False), waits=14)
    assert running.run(WATCHER) == 0
    doubling = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]
    assert clock.pauses == [*doubling, 900.0, 900.0, 900.0]
    assert server.passes == 14


def test_k22_what_may_succeed_soon_is_tried_every_minute(made: Made) -> None:
    running, clock, _ = made(("the server is busy", True), waits=10)
    running.run(WATCHER)
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_a_login_that_servers_lock_is_tried_seldom(made: Made) -> None:
    running, clock, server = made(LoginRefusedError("refused"), waits=3)
    running.run(WATCHER)
    assert clock.pauses == [900.0, 900.0, 900.0]
    running, _, server = made(LoginRefusedError("refused"), waits=10)
    with pytest.raises(LoginRefusedError):
        running.once()
    assert server.passes == 1


def test_a_success_begins_the_pauses_anew(made: Made) -> None:
    again = ("the server is busy", True)
    running, clock, _ = made(again, again, FINE, waits=3)
    running.run(WATCHER)
    assert clock.pauses == [0.5, 1.0, float("inf")]


@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        ([FINE], 1),
        ([("no such policy", False)], 1),
        ([("the server is busy", True), FINE], 2),
        ([("the server is busy", True)], 3),
        ([TransientError("PUT", "x", 503), FINE], 2),
    ],
)
def test_k16_once_tries_again_only_what_may_succeed(
    made: Made, answers: list[tuple[str, bool] | Exception], passes: int
) -> None:
    running, _, server = made(*answers, waits=10)
    report = running.once()
    assert report is not None
    assert bool(report.failed) is (answers[-1] != FINE)
    assert server.passes == passes


def test_once_gives_up_where_the_server_does_not_answer(made: Made) -> None:
    running, _, server = made(TransientError("PUT", "x", 503), waits=10)
    with pytest.raises(TransientError):
        running.once()
    assert server.passes == 3


def test_once_waits_for_a_server_that_is_sealed_in_the_middle(made: Made) -> None:
    running, clock, server = made(SealedError("PUT", "x", 503), FINE, waits=100)
    server.sealed = [False, *[True] * 50]
    report = running.once()
    assert report is not None
    assert not report.failed
    assert clock.pauses == [1.0, *[5.0] * 50]
    assert server.passes == 2


def test_a_plan_that_has_to_pass_a_check_is_carried_out_once_and_only_then(made: Made) -> None:
    running, _, server = made(("the server is busy", True), waits=10)
    checked: list[Plan] = []
    running.once(checked.append)
    assert (len(checked), server.passes) == (1, 1)

    def refuse(plan: Plan) -> None:
        raise TransientError("PUT", "x", 503)

    with pytest.raises(TransientError):
        running.once(refuse)
    assert server.passes == 1


def test_k22_only_what_was_corrected_is_said_to_be(
    file: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Drifted(Answers):
        """One object for each result, from the second pass on."""

        def carry_out(self, *more: Any) -> Report:
            first = super().carry_out(*more)
            if self.passes == 1:
                return first
            request = Request("PUT", "auth/approle/role/a", {})
            changes = {
                each: Change(
                    Identity("auth", "role", each.value), Action.UPDATE, "", self.place, requests=(request,)
                )
                for each in (Result.DONE, Result.KEPT, Result.REFUSED, Result.FAILED)
            }
            return Report(tuple(Outcome(change, result) for result, change in changes.items()), 0.0, 0, 1)

    clock, metrics = Clock(2), Metrics()
    monkeypatch.setattr(service, "time", clock)
    daemon = Service(
        Library([file], sources, "text"),
        cast(Passes, Drifted(file, FINE)),
        clock,
        metrics,
        Manner(drift_interval=5.0),
    )
    assert daemon.run(cast(Watcher, SimpleNamespace(changed=lambda: (), pause=lambda: 9.0))) == 0
    said = [each for each in caplog.records if "is corrected" in each.message]
    assert [vars(each)["fields"]["object"] for each in said] == ["auth role done"]
    assert metrics.snapshot().configure.drift == 3


def test_the_end_is_not_waited_for(made: Made) -> None:
    running, _, server = made(FINE, waits=0)
    assert running.once() is None
    assert running.run(WATCHER) == 0
    assert server.passes == 0
    running, clock, server = made(("the server is busy", True), waits=1)
    assert running.once() is None
    assert (clock.pauses, server.passes) == ([1.0], 1)


@pytest.mark.parametrize("answer", [FINE, ("no such policy", False)])
def test_k28_no_password_stays_once_it_is_applied(made: Made, file: str, answer: tuple[str, bool]) -> None:
    running, _, _ = made(answer, waits=1)
    running.run(WATCHER)
    gc.collect()
    held = [each for each in gc.get_objects() if type(each) is Named and each.place.file == file]
    assert bool(held) is (answer != FINE)  # what failed is tried again
