"""The supervisor's side of the worker: requests with deadlines, and a new process on any doubt.

A token can be pulled out, pcscd restarted, the login reset by another program, and the module can hang or
crash. Whatever it is, the way back is the same: bind again in the same process; if that does not help, end
the process and bind in a new one. No caller ever waits longer than the deadlines say.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from bank_vaults.hsm import survey
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import KeyType, SlotFlag, TokenFlag
from bank_vaults.hsm.initialise import Order
from bank_vaults.hsm.pin import PinMemory, PinMemoryError, PinRefusedError, Refusal
from bank_vaults.hsm.selection import Candidate, Choice, chosen_by, plain_label
from bank_vaults.hsm.survey import Survey
from bank_vaults.hsm.token import Access, Memory
from bank_vaults.hsm.wire import Channel, Message, WireError

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Seconds that the worker gets for a request, and other times."""

    usual: float = 15.0
    """For what makes no key and at most one private-key operation."""
    requests: Mapping[str, float] = MappingProxyType(
        {
            "bind": 60.0,
            "survey": 60.0,
            "seal": 30.0,
            "prepare": 30.0,
            "replace": 60.0,
            "values": 30.0,
            "purge": 120.0,
            "init": 240.0,
        }
    )
    """For requests that take longer."""
    generation: float = 240.0
    """For a bind that makes a key pair: 30 s and more on a card. And for the login of another process."""
    end: float = 1.0
    """For a process to see that it is not wanted any more."""
    blind: float = 10.0
    """After this a process that sees no token is replaced: some modules see only what was there when they
    were initialised."""
    remembered: float = 5.0
    """For which what the module has read of the token counts as what is on it: OpenSC reads a token once, and
    never sees what other programs write to it."""

    def of(self, request: str) -> float:
        """The limit of a request."""
        return self.requests.get(request, self.usual)


_USUAL = Limits()


class TokenError(Exception):
    """The token cannot be used now: unplugged, restarted, hanging. Worth another try later."""


class TokenMissingError(TokenError):
    """No token fits; perhaps it is about to be plugged in."""


class TokenUnusableError(Exception):
    """Trying again is no help: ambiguous choice, no key, another stick, no PKCS#11 module."""


class NoKeyPairError(TokenUnusableError):
    """The token has no key pair with the wanted label, not even half of one."""


class ValueDamagedError(Exception):
    """One stored value cannot be opened; the token is well."""


class Surroundings(NamedTuple):
    """The module and all tokens that it shows."""

    module: ModuleInfo
    candidates: tuple[Candidate, ...]


class Key(NamedTuple):
    """The key pair in use. ``size`` in bits; ``fingerprint`` is the SHA-256 of its public half."""

    label: str
    id: bytes
    type: KeyType
    size: int
    fingerprint: bytes


class SharedMemory(Memory, Protocol):
    """A memory of refused PINs that several processes have in common."""

    def alone(self, limit: float) -> AbstractContextManager[None]:
        """Log in one after the other: whoever waits then knows what the one before has learned.

        Raises TimeoutError after ``limit`` seconds.
        """


class BoundToken(NamedTuple):
    """A token that is logged in to."""

    module: ModuleInfo
    choice: Choice
    key: Key
    generated: bool


class TokenClient:
    """One token behind a worker process. Safe for several threads: they take turns."""

    def __init__(self, module: str, access: Access, memory: SharedMemory, limits: Limits = _USUAL) -> None:
        self._module = module
        self._access = access
        self._memory = memory
        self._limits = limits
        self._begun = 0.0
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._bound: BoundToken | None = None
        self._last: BoundToken | None = None
        _clients.add(self)
        self._read = 0.0
        self._written = False

    @property
    def place(self) -> str:
        """The token for people: its label and serial number once it was seen, else what is looked for."""
        bound = self._last
        if bound is not None:
            token = bound.choice.candidate.token
            return f"token {plain_label(token.label)!r}, serial {token.serial}, key {bound.key.label!r}"
        wanted = {name: value for name, value in self._access.criteria._asdict().items() if value}
        return f"token with {wanted} through {self._module}"

    @property
    def chosen_by(self) -> str:
        """By what the token is chosen, for people."""
        return chosen_by(self._access.criteria)

    @property
    def stale(self) -> bool:
        """Whether the module may show data objects as they were: some time ago, or before we wrote any."""
        return self._written or time.monotonic() - self._read > self._limits.remembered

    def look(self) -> Surroundings:
        """What is there, without a login. Raises TokenError, TokenUnusableError."""
        with self._lock:
            answer = self._ask({"do": "look"}, self._limits.of("look"))
        return Surroundings(ModuleInfo(*answer["module"]), tuple(map(_candidate, answer["candidates"])))

    def bind(self, *, fresh: bool = False) -> BoundToken:
        """Log in, if not done; ``fresh`` does it anew, so that nothing read before is remembered.

        Raises TokenError, TokenUnusableError, PinRefusedError.
        """
        with self._lock:
            if fresh:
                self._bound = None
            return self._repeated(lambda: self._bind(fresh=fresh))

    def labels(self) -> tuple[str, ...]:
        """The labels of all data objects. Raises as bind does."""
        return tuple(self._request({"do": "labels"})["labels"])

    def values(self, label: str) -> tuple[bytes, ...]:
        """The values of the data objects with this label, the last one found first. Raises as bind does.

        That is the newest one only where the token keeps an order, which not every one does.
        """
        return tuple(self._request({"do": "values", "label": label})["values"])

    def create(self, label: str, value: bytes) -> bool:
        """Create if there is none with this label, and read back; False if there is one.

        Raises as bind does, and ValueDamagedError.
        """
        self._written = True
        created: bool = self._request({"do": "create", "label": label, "value": value})["created"]
        return created

    def replace(self, label: str, value: bytes) -> None:
        """Create, read back, destroy the older ones. Raises as bind does, and ValueDamagedError."""
        self._written = True
        self._request({"do": "replace", "label": label, "value": value})

    def delete(self, label: str) -> None:
        """Destroy all data objects with this label. Raises as bind does."""
        self._request({"do": "delete", "label": label})

    def seal(self, name: str, value: bytes, like: bytes | None, replaced: int = 0) -> bytes:
        """The envelope of a value, with the data key of ``like`` or a new one.

        ``replaced`` counts the values that it replaces under its name. Raises as bind does, and
        ValueDamagedError.
        """
        message = {"do": "seal", "name": name, "value": value, "like": like, "replaced": replaced}
        stored: bytes = self._request(message)["stored"]
        return stored

    def prepare(self, like: bytes | None) -> None:
        """Have the data key of ``like``, or a new one, at hand for the next minutes. Raises as bind does."""
        self._request({"do": "prepare", "like": like})

    def seal_raw(self, value: bytes) -> bytes:
        """The older format. Raises as bind does, and ValueDamagedError when the value is too long."""
        stored: bytes = self._request({"do": "seal-raw", "value": value})["stored"]
        return stored

    def open(self, name: str, stored: bytes) -> bytes:
        """The value, of whatever format. Raises as bind does, and ValueDamagedError."""
        value: bytes = self._request({"do": "open", "name": name, "stored": stored})["value"]
        return value

    def survey(self, *, login: bool) -> Survey:
        """All slots and what they show; with ``login`` of our token also what is private.

        Raises as look does, with ``login`` as bind does; no key pair is needed.
        """
        message = {"do": "survey", "access": _described(self._access) if login else None}
        ask, limit = self._ask_alone if login else self._ask, self._limits.of("survey")
        with self._lock:
            self._bound = None
            answer = self._repeated(lambda: ask(message, limit))
        return Survey(ModuleInfo(*answer["module"]), answer["uses_pcscd"], survey.decoded(answer["slots"]))

    def purge(self, labels: Collection[str]) -> frozenset[str]:
        """Destroy the data objects with exactly these labels; those that are there all the same.

        Raises as bind does; no key pair is needed.
        """
        message = {"do": "purge", "access": _described(self._access), "labels": sorted(labels)}
        with self._lock:
            self._bound = None
            return frozenset(self._ask_alone(message, self._limits.of("purge"))["left"])

    def initialise(self, order: Order) -> TokenInfo:
        """Destroy all on a token and set it up, once; see :func:`bank_vaults.hsm.initialise.initialise`.

        Raises as bind does. After a TokenError it is not known whether it was done.
        """
        described = order._asdict() | {
            "so_pin": order.so_pin.reveal_bytes(),
            "pin": order.pin.reveal_bytes(),
        }
        with self._lock:
            self._bound = self._last = None
            token = self._ask_alone({"do": "init", "order": described}, self._limits.of("init"))["token"]
        return TokenInfo(*token)._replace(flags=TokenFlag(token[4]))

    def abandon(self) -> None:
        """In a process that was forked off: the worker is the parent's, and must see when that is gone."""
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = self._bound = None

    def close(self) -> None:
        """End the worker; the next request starts a new one."""
        with self._lock:
            self._end()

    def _request(self, message: Message) -> Message:
        def once() -> Message:
            self._bind()
            return self._ask(message, self._limits.of(message["do"]))

        with self._lock:
            return self._repeated(once)

    def _repeated(self, once: Callable[[], _T]) -> _T:
        """As it is; after an error bound anew; after another one in a new process."""
        for trial in ("rebind", "replace"):
            try:
                return once()
            except TokenMissingError:
                if time.monotonic() - self._begun >= self._limits.blind:
                    self._end()
                raise
            except TokenError as error:
                log.warning(
                    "the HSM does not answer as it should; trying again",
                    extra={"fields": {"error": str(error), "way": trial}},
                )
                self._bound = None
                if trial == "replace":
                    self._end()
        return once()

    def _bind(self, *, fresh: bool = False) -> BoundToken:
        if self._bound is not None:
            return self._bound
        access = self._access._replace(may_generate=False)
        try:
            bound = self._asked_to_bind(access, self._limits.of("bind"), fresh=fresh)
        except NoKeyPairError:
            # A key pair is made once at most: a token without one that comes later is not the one of before.
            if not self._access.may_generate or self._last is not None:
                raise
            bound = self._asked_to_bind(self._access, self._limits.generation, fresh=fresh)
        if self._last is not None and self._last.key.fingerprint != bound.key.fingerprint:
            self._end()
            raise TokenUnusableError(
                f"another token or key than before: serial {bound.choice.candidate.token.serial} has the key "
                f"{bound.key.fingerprint.hex()[:16]}, this process works with the key "
                f"{self._last.key.fingerprint.hex()[:16]}. Plug in the first token or a clone of it"
            )
        self._bound = self._last = bound
        if fresh:
            self._read, self._written = time.monotonic(), False
        return bound

    def _asked_to_bind(self, access: Access, limit: float, *, fresh: bool) -> BoundToken:
        message = {"do": "bind", "access": _described(access), "fresh": fresh}
        return _bound_token(self._ask_alone(message, limit))

    def _ask_alone(self, message: Message, limit: float) -> Message:
        """A request that logs in, or makes what another process would make as well."""
        try:
            with self._memory.alone(self._limits.generation):
                return self._ask(message, limit)
        except TimeoutError as error:
            raise TokenError(str(error)) from None

    def _ask(self, message: Message, limit: float) -> Message:
        channel = self._started()
        try:
            channel.send(message, limit)
            while True:
                answer = channel.receive(limit)
                if "ask" in answer:
                    channel.send(self._remembered(answer), limit)
                elif "failed" in answer:
                    break
                elif "done" in answer:
                    done: Message = answer["done"]
                    return done
                else:
                    raise WireError("a message is of no known kind")
        except TimeoutError:
            self._end()
            raise TokenError(
                f"the PKCS#11 module did not end '{message['do']}' within {limit:g} s; its process was ended"
            ) from None
        except WireError as error:
            raise TokenError(
                f"the process of the PKCS#11 module failed (code {self._end()}): {error}"
            ) from None
        raise self._failure(answer["failed"])

    def _failure(self, failed: Message) -> Exception:
        kind, text = failed["kind"], failed["text"]
        if kind == "value":
            return ValueDamagedError(text)
        self._bound = None
        if kind == "pin":
            return PinRefusedError(text, failed["reason"] and Refusal(failed["reason"]))
        if kind == "missing":
            return TokenMissingError(text)
        if kind == "no-pair":
            return NoKeyPairError(text)
        if kind in ("several", "wrong"):
            return TokenUnusableError(text)
        return TokenError(text)

    def _remembered(self, question: Message) -> Message:
        """The memory of refused PINs, for the worker, which must not touch it while a module hangs."""
        token = question["token"]
        try:
            if question["ask"] == "recall":
                return {"record": self._memory.recall(token).encode(), "error": None}
            self._memory.remember(token, PinMemory.decode(question["record"]))
        except (PinMemoryError, OSError) as error:
            return {"record": None, "error": str(error)}
        return {"error": None}

    def _started(self) -> Channel:
        if self._channel is None:
            try:
                self._process, end = _spawned(self._module)
            except OSError as error:
                raise TokenError(f"the process of the PKCS#11 module cannot be started: {error}") from None
            self._channel = Channel(end)
            self._begun = self._read = time.monotonic()
        return self._channel

    def _end(self) -> int | None:
        """End the process; its exit code, which is its own if it had ended by itself."""
        process, channel = self._process, self._channel
        self._process = self._channel = self._bound = None
        if process is None or channel is None:
            return None
        channel.close()  # which ends a worker at once, unless its whole process is stuck
        try:
            return process.wait(self._limits.end)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


_clients: weakref.WeakSet[TokenClient] = weakref.WeakSet()


def _abandon_all() -> None:
    for client in _clients:
        client.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _described(access: Access) -> Message:
    return access._asdict() | {"criteria": access.criteria._asdict(), "pin": access.pin.reveal_bytes()}


def _spawned(module: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A worker, and our end of the socket between us. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        command = [sys.executable, "-P", "-m", "bank_vaults.hsm.worker", str(number), module]
        try:
            # Its output is the vendor's: nobody knows what stands in it.
            process = subprocess.Popen(  # noqa: S603  # our own module
                command,
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise
    return process, ours


def _candidate(found: Any) -> Candidate:  # JSON
    slot, slot_info, token = found
    slot_info[2] = SlotFlag(slot_info[2])
    token[4] = TokenFlag(token[4])
    return Candidate(slot, SlotInfo(*slot_info), TokenInfo(*token))


def _bound_token(answer: Message) -> BoundToken:
    candidate, slots, warning = answer["choice"]
    key = dict(answer["key"])
    key["type"] = KeyType[key["type"]]
    return BoundToken(
        module=ModuleInfo(*answer["module"]),
        choice=Choice(_candidate(candidate), tuple(slots), warning),
        key=Key(**key),
        generated=answer["generated"],
    )
