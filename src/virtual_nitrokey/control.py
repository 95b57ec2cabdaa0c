"""Remote control of a rig by other processes of its owner, through a socket in its directory.

A request is one line of JSON, ``{"do": "remove", "serial": "DENK0100001", "seconds": 2}``; so is its
answer, ``{"ok": ...}`` or ``{"error": "what is wrong"}``. A connection takes any number of requests. After
``{"do": "follow"}`` the answers are the lines of the trace as they come, until either side hangs up.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from virtual_nitrokey.faults import Rule
from virtual_nitrokey.pcscd import PcscdError
from virtual_nitrokey.rig import Rig, RigError
from virtual_nitrokey.timing import LONGEST_WAIT

_NAME = "control"
_LONGEST_LINE = 1 << 16  # bytes of a request
_FOLLOW_PAUSE = 0.5  # seconds between two looks whether a follower is still there
_ACCEPT_PAUSE = 0.1
_ANSWER_LIMIT = 60.0


class ControlError(Exception):
    """The rig cannot be reached, or refuses the request; the message says why."""


# -- the rig's side ----------------------------------------------------------------------------------


class Control:
    """The server of a rig's socket: ``control`` in the rig's directory, for its owner only."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._path = rig.directory / _NAME
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Take requests in the background. Raises OSError.

        The rig must have started: that it has, makes sure that no other one uses the directory.
        """
        self._path.unlink(missing_ok=True)  # of a process that was killed
        listener = socket.socket(socket.AF_UNIX)
        try:
            # Before it has a name: the name gets the mode of the socket, with no moment in between.
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(self._path))
            listener.listen()
        except BaseException:
            listener.close()
            raise
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], name=_NAME, daemon=True).start()

    def stop(self) -> None:
        """Take no more requests."""
        self._stopping.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor, which closing does not
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody asks to stop the rig, at most ``timeout`` seconds; whether he has."""
        return self._stopping.wait(timeout)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it is closed, or there are no descriptors left
                if self._stopping.wait(_ACCEPT_PAUSE):
                    return
                continue
            threading.Thread(target=self._answer_all, args=[connection], name=_NAME, daemon=True).start()

    def _answer_all(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until it ends."""
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while line := lines.readline(_LONGEST_LINE):
                try:
                    do, arguments = _parse(line)
                    if do == "follow":
                        self._follow(connection)
                        return
                    result = None if do == "stop" else _REQUESTS[do].carry_out(self._rig, arguments)
                except (RigError, PcscdError, ValueError, OSError) as error:
                    _send(connection, {"error": describe(error)})
                else:
                    _send(connection, {"ok": result})
                    if do == "stop":
                        self._stopping.set()

    def _follow(self, connection: socket.socket) -> None:
        number = 0
        while not self._stopping.is_set() and not select.select([connection], [], [], 0)[0]:
            for line in self._rig.journal.after(number, _FOLLOW_PAUSE):
                _send(connection, {"line": line.text})
                number = line.number


def describe(error: Exception) -> str:
    """What an error says, for people: of one of the system which file it is about, and the reason."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}"
    return str(error)


def _send(connection: socket.socket, message: Mapping[str, object]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _parse(line: bytes) -> tuple[str, dict[str, object]]:
    """What to do, and the other members. ValueError."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("a request is one line of JSON") from None
    if not isinstance(request, dict) or not isinstance(do := request.pop("do", None), str):
        raise ValueError('a request is an object with a member "do"')
    if do not in (*_REQUESTS, *_OF_CONTROL):
        known = ", ".join(sorted((*_REQUESTS, *_OF_CONTROL)))
        raise ValueError(f"there is no request {do!r}: there are {known}")
    if do in _OF_CONTROL and request:
        raise ValueError(f"{do} takes nothing")
    return do, request


Reading = Callable[[str, object], Any]
"""Takes name and value of a member, and gives what it means. Raises ValueError."""


class _Request(NamedTuple):
    """What is done with the rig, and which members the request has for it.

    ``moves`` are those members that name sticks which it inserts or removes: the answer comes when pcscd has
    noticed that.
    """

    action: Callable[..., object]
    needed: Mapping[str, Reading] = {}
    optional: Mapping[str, Reading] = {}
    moves: tuple[str, ...] = ()

    def carry_out(self, rig: Rig, arguments: Mapping[str, Any]) -> object:
        readings = {**self.needed, **self.optional}
        for name in self.needed:
            if name not in arguments:
                raise ValueError(f"{name} is missing")
        for name in arguments:
            if name not in readings:
                raise ValueError(f"{name} has no meaning here")
        arguments = {name: readings[name](name, value) for name, value in arguments.items()}
        result = self.action(rig, **arguments)
        if self.moves:
            rig.settle(*(arguments[name] for name in self.moves if name in arguments))
        return result


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_WAIT:
        raise ValueError(f"{name} is not a number of seconds")
    return value


def _size(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is not a number of bytes")
    return value


def _rule(name: str, value: object) -> Rule:
    return Rule.parse(_text(name, value))


def _path(name: str, value: object) -> Path:
    path = Path(_text(name, value))
    if not path.is_absolute():
        raise ValueError(f"{name} is not an absolute path")
    return path


def _status(rig: Rig) -> object:
    status = rig.status()
    return {**status._asdict(), "sticks": [stick._asdict() for stick in status.sticks]}


_STICK: Mapping[str, Reading] = {"serial": _text}
_OF_CONTROL = ("follow", "stop")
_REQUESTS: Mapping[str, _Request] = {
    "status": _Request(_status),
    "insert": _Request(Rig.insert, optional=_STICK, moves=("serial",)),
    "remove": _Request(Rig.remove, optional={**_STICK, "seconds": _seconds}, moves=("serial",)),
    "swap": _Request(Rig.swap, {"removed": _text, "inserted": _text}, moves=("removed", "inserted")),
    "restart-pcscd": _Request(Rig.restart_pcscd, optional={"down_for": _seconds}),
    "login-reset": _Request(Rig.reset_login, optional=_STICK),
    "memory-limit": _Request(Rig.limit_memory, {"size": _size}, _STICK),
    "export": _Request(Rig.export, {"path": _path}, _STICK),
    "fault-add": _Request(
        lambda rig, rule, serial=None: rig.stick(serial).add_fault(rule), {"rule": _rule}, _STICK
    ),
    "fault-list": _Request(
        lambda rig, serial=None: [str(rule) for rule in rig.stick(serial).rules], optional=_STICK
    ),
    "fault-clear": _Request(lambda rig, serial=None: rig.stick(serial).clear_faults(), optional=_STICK),
    "trace": _Request(lambda rig: [line.text for line in rig.journal.after(0)]),
}


# -- the client's side -------------------------------------------------------------------------------


def request(directory: Path, do: str, *, limit: float = _ANSWER_LIMIT, **arguments: object) -> Any:
    """Ask the rig in ``directory`` for something; what it answers, of the types of JSON.

    Raises ControlError if there is no rig, if it refuses, or gives no answer in ``limit`` seconds.
    """
    with contextlib.closing(_ask(directory, do, arguments, limit)) as answers:
        answer = next(answers, None)
    if answer is None:
        raise ControlError(f"the rig in {directory} ended before it answered")
    return answer["ok"]


def stop(directory: Path) -> None:
    """End the rig in ``directory``, and wait until its process has ended.

    Raises ControlError if there is no rig, or if it has not ended after 60 s.
    """
    for _ in _ask(directory, "stop", {}, _ANSWER_LIMIT):  # the connection lasts as long as the process
        pass


def follow(directory: Path) -> Iterator[str]:
    """The lines of the trace, those that are kept and then each as it comes, until the rig ends.

    Raises ControlError if there is no rig.
    """
    for answer in _ask(directory, "follow", {}, None):
        yield answer["line"]


def _ask(
    directory: Path, do: str, arguments: Mapping[str, object], limit: float | None
) -> Generator[dict[str, Any], None, None]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(limit)
        try:
            connection.connect(str(directory / _NAME))
            _send(connection, {"do": do, **arguments})
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "error" in answer:
                        raise ControlError(answer["error"])
                    yield answer
        except FileNotFoundError:
            raise ControlError(f"no rig runs in {directory}: start one with virtual-nitrokey run") from None
        except ConnectionRefusedError:
            raise ControlError(f"the rig of {directory} is gone, it was killed: start it again") from None
        except TimeoutError:
            raise ControlError(f"the rig in {directory} gave no answer in {limit:g} s") from None
        except OSError as error:
            raise ControlError(f"the rig in {directory} cannot be reached: {error}") from error
