"""The control socket of a rig: requests, refusals, and the client's view of a rig that is not there."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.reader import LIMIT, Reader
from tests.unit.virtual_nitrokey.terminal import FACTORY
from virtual_nitrokey import rig as rig_module
from virtual_nitrokey.control import Control, ControlError, follow, request
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

SERIAL = FACTORY.serial
OTHER = "DENK0100002"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rig")


@pytest.fixture
def rig(directory: Path) -> Iterator[Rig]:
    """A rig without pcscd: its sticks are in nobody's readers."""
    rig = Rig([FACTORY], directory=directory)
    yield rig
    rig.stop()


@pytest.fixture
def control(rig: Rig) -> Iterator[Control]:
    control = Control(rig)
    control.start()
    yield control
    control.stop()


@pytest.fixture
def ask(control: Control, directory: Path) -> Asker:
    return Asker(directory)


class Asker:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, do: str, **arguments: Any) -> Any:
        return request(self.directory, do, **arguments)

    def refused(self, do: str, **arguments: object) -> str:
        with pytest.raises(ControlError) as error:
            self(do, **arguments)
        return str(error.value)

    def raw(self, *lines: bytes) -> list[dict[str, Any]]:
        """The answers to these lines on one connection."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT)
            connection.connect(str(self.directory / "control"))
            connection.sendall(b"".join(lines))
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answers:
                return [json.loads(answer) for answer in answers]


def test_the_status_tells_everything_that_is_no_secret(ask: Asker, rig: Rig) -> None:
    status = ask("status")
    assert status["directory"] == str(rig.directory)
    assert status["environment"] == rig.environment()
    assert status["pcscd_pid"] is None
    (stick,) = status["sticks"]
    assert stick == json.loads(json.dumps(rig.status().sticks[0]._asdict()))
    assert stick["serial"] == SERIAL
    assert stick["reader"] == f"Nitrokey Nitrokey HSM ({SERIAL}         ) 00 00"
    assert (stick["inserted"], stick["visible"], stick["initialised"]) == (True, False, False)


def test_the_socket_is_its_owners_only(ask: Asker, rig: Rig) -> None:
    assert (rig.directory / "control").stat().st_mode & 0o777 == 0o600


def test_sticks_are_moved_and_the_answer_waits_for_pcscd(ask: Asker, rig: Rig) -> None:
    with Reader() as reader:
        stick = rig.stick()
        stick.start(reader.connect)
        reader.see_card()
        assert stick.settle(LIMIT)
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(ask("remove", serial=SERIAL)))
        asking.start()
        assert reader.rest() == b""
        asking.join(LIMIT)
        assert (answers, stick.inserted) == ([None], False)
        asking = threading.Thread(target=lambda: answers.append(ask("insert")))
        asking.start()
        reader.see_card()
        asking.join(LIMIT)
        assert (answers, stick.visible) == ([None, None], True)
        stick.close()


def test_a_move_that_pcscd_does_not_notice_is_told(
    ask: Asker, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig_module, "SETTLE_LIMIT", 0.0)
    assert ask("remove", seconds=3600) is None
    assert f"pcscd does not run, and has not noticed the insertion of {SERIAL}" in ask.refused("insert")


def test_nobody_waits_for_a_stick_that_he_does_not_move(tmp_path: Path) -> None:
    sticks = [FACTORY, *map(Image.new, (OTHER, "DENK0100003"))]
    rig = Rig(sticks, directory=tmp_path)  # without pcscd: the third one is inserted and never noticed
    control = Control(rig)
    control.start()
    ask = Asker(tmp_path)
    answers: list[object] = []
    requests: list[dict[str, Any]] = [
        {"do": "insert", "serial": OTHER},
        {"do": "swap", "removed": SERIAL, "inserted": OTHER},
    ]
    try:
        with Reader() as reader:
            stick = rig.stick(OTHER)
            stick.remove()
            stick.start(reader.connect)
            for wanted in requests:
                asking = threading.Thread(target=lambda asked: answers.append(ask(**asked)), args=[wanted])
                asking.start()
                reader.see_card()
                asking.join(LIMIT)
                stick.remove()
                assert reader.rest() == b""
            assert answers == [None, None]
            stick.close()
    finally:
        control.stop()
        rig.stop()


def test_faults_are_added_listed_and_cleared(ask: Asker) -> None:
    ask("fault-add", rule="sign nth=2 drop")
    ask("login-reset", serial=SERIAL)
    assert ask("fault-list") == ["sign nth=2 drop", "any reset-login"]
    assert ask("status")["sticks"][0]["faults"] == ["sign nth=2 drop", "any reset-login"]
    ask("fault-clear")
    assert ask("fault-list") == []


def test_the_memory_is_limited(ask: Asker, rig: Rig) -> None:
    ask("memory-limit", size=1000)
    assert rig.stick().card.memory_limit == 1000


def test_an_image_is_exported(ask: Asker, tmp_path: Path) -> None:
    ask("export", path=str(tmp_path / "stick"))
    assert Image.load(tmp_path / "stick") == FACTORY


def test_a_stop_is_answered_and_passed_on(ask: Asker, control: Control) -> None:
    assert not control.wait(0)
    assert ask("stop") is None
    assert control.wait(LIMIT)


def test_the_trace_is_shown(ask: Asker, rig: Rig) -> None:
    rig.journal.write(SERIAL, "something")
    assert [line.split(" ", 1)[1] for line in ask("trace")] == [f"{SERIAL} something"]


def test_the_trace_is_followed_to_the_end_of_the_rig(ask: Asker, rig: Rig, control: Control) -> None:
    rig.journal.write(SERIAL, "before")
    lines = follow(rig.directory)
    assert next(lines).endswith("before")
    rig.journal.write(SERIAL, "now")
    assert next(lines).endswith("now")
    ask("stop")
    assert list(lines) == []


def test_a_follower_that_hangs_up_is_let_go(ask: Asker) -> None:
    assert ask.raw(b'{"do": "follow"}\n') == []  # the end of the connection, from the side of the rig


@pytest.mark.parametrize(
    ("do", "arguments", "complaint"),
    [
        ("explode", {}, "there is no request 'explode': there are export, fault-add, "),
        ("stop", {"serial": SERIAL}, "stop takes nothing"),
        ("insert", {"serial": OTHER}, f"there is no stick {OTHER}: there are {SERIAL}"),
        ("insert", {"serial": 5}, "serial is not a text"),
        ("insert", {"seconds": 5}, "seconds has no meaning here"),
        ("remove", {"seconds": -1}, "seconds is not a number of seconds"),
        ("remove", {"seconds": True}, "seconds is not a number of seconds"),
        ("remove", {"seconds": float("inf")}, "seconds is not a number of seconds"),
        ("remove", {"seconds": 1e10}, "seconds is not a number of seconds"),
        ("remove", {"seconds": 10**400}, "seconds is not a number of seconds"),
        ("swap", {"removed": SERIAL}, "inserted is missing"),
        ("swap", {"removed": SERIAL, "inserted": OTHER}, f"there is no stick {OTHER}"),
        ("memory-limit", {"size": 1.5}, "size is not a number of bytes"),
        ("memory-limit", {"size": -1}, "size is not a number of bytes"),
        ("memory-limit", {"size": True}, "size is not a number of bytes"),
        ("export", {"path": "stick"}, "path is not an absolute path"),
        ("export", {"path": "/nowhere/stick"}, "/nowhere/stick cannot be used: No such file or directory"),
        ("fault-add", {"rule": "any"}, "'any' says of no effect"),
        ("fault-add", {}, "rule is missing"),
        ("restart-pcscd", {"down_for": "long"}, "down_for is not a number of seconds"),
        ("restart-pcscd", {"down_for": 1e10}, "down_for is not a number of seconds"),
    ],
)
def test_what_makes_no_sense_is_refused(
    ask: Asker, do: str, arguments: dict[str, object], complaint: str
) -> None:
    assert complaint in ask.refused(do, **arguments)


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"{}\n", b'{"do": 1}\n', b"[" * 60000 + b"\n", b"\xff\n"])
def test_what_is_no_request_is_answered_and_the_connection_goes_on(ask: Asker, line: bytes) -> None:
    wrong, right = ask.raw(line, b'{"do": "fault-list"}\n')
    assert wrong["error"].startswith("a request is ")
    assert right == {"ok": []}


def test_an_endless_request_is_no_harm(ask: Asker) -> None:
    assert all("error" in answer for answer in ask.raw(b'"' + b"x" * 200_000))
    assert ask("fault-list") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
VALUES = JSON | st.sampled_from(["fault-list", "fault-add", "memory-limit", "any drop", SERIAL])
OBJECTS = st.dictionaries(st.sampled_from(["do", "serial", "rule", "size", "seconds"]) | st.text(), VALUES)


@pytest.fixture(scope="module")
def module_ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    rig = Rig([FACTORY], directory=tmp_path_factory.mktemp("rig"))
    control = Control(rig)
    control.start()
    yield Asker(rig.directory)
    control.stop()
    rig.stop()


@given(OBJECTS | JSON)
def test_any_json_is_answered(module_ask: Asker, message: object) -> None:
    (answer,) = module_ask.raw(json.dumps(message).encode() + b"\n")
    assert answer.keys() in ({"ok"}, {"error"})


@given(st.binary(max_size=100).filter(lambda line: b"\n" not in line and line))
def test_any_line_is_answered(module_ask: Asker, line: bytes) -> None:
    (answer,) = module_ask.raw(line)
    assert answer.keys() == {"error"}


def test_with_several_sticks_one_must_be_named(tmp_path: Path) -> None:
    rig = Rig([FACTORY, Image.new(OTHER)], directory=tmp_path)
    control = Control(rig)
    control.start()
    ask = Asker(tmp_path)
    assert ask.refused("fault-list") == f"say which stick is meant: there are {SERIAL}, {OTHER}"
    ask("fault-add", serial=OTHER, rule="any drop")
    assert ask("fault-list", serial=OTHER) == ["any drop"]
    assert ask("fault-list", serial=SERIAL) == []
    control.stop()
    rig.stop()


def test_a_rig_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert Asker(tmp_path).refused("status").startswith(f"no rig runs in {tmp_path}: start one")
    with pytest.raises(ControlError, match="no rig runs"):
        next(follow(tmp_path))


def test_a_socket_left_by_a_killed_rig_is_told_and_replaced(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(rig.directory / "control"))
    ask = Asker(rig.directory)
    assert "is gone, it was killed" in ask.refused("status")
    control = Control(rig)
    control.start()
    assert ask("fault-list") == []
    control.stop()
    assert "no rig runs" in ask.refused("status")


def test_a_rig_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "control"))
        deaf.listen()
        with pytest.raises(ControlError, match=r"no answer in 0\.05 s"):
            request(tmp_path, "status", limit=0.05)


def test_a_rig_that_ends_before_it_answers_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(tmp_path / "control"))
        dying.listen()

        def accept_and_close() -> None:
            connection, _ = dying.accept()
            with connection:
                connection.recv(100)

        ending = threading.Thread(target=accept_and_close)
        ending.start()
        assert "ended before it answered" in Asker(tmp_path).refused("status")
        ending.join(LIMIT)


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    assert "cannot be reached" in Asker(tmp_path / ("x" * 200)).refused("status")


def test_a_control_that_never_started_can_be_stopped(rig: Rig) -> None:
    Control(rig).stop()
