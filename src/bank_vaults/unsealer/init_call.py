"""The one call that cannot be repeated, made by a process of its own.

``sys/init`` answers with keys that exist nowhere else. Between that answer and its first durable byte
stands only the process that waits for it, so this process is a small detached one: it is in a session of
its own, ignores the signals that end its parent, survives a SIGKILL of its parent, and stores the whole
answer before it does anything else. If the store refuses, it keeps the answer and tries for ever.

It is forked before the program has any thread (a fork with threads is undefined for locks) and then waits
for its orders on a socket; the closing of that socket is the order to go. Nothing secret passes the
socket: the parent reads the answer from the store.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, NoReturn

from bank_vaults.domain import names
from bank_vaults.domain.backoff import delay
from bank_vaults.domain.journal import Holder, InitRequest, encode_answer
from bank_vaults.keystores.base import AlreadyExistsError, KeyStore, NotFoundError, StoreError
from bank_vaults.telemetry.failpoints import failpoint
from bank_vaults.unsealer.holder import holder_of
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

LIMIT = 300.0
"""Seconds that ``sys/init`` may take at least: slow storage is no reason to lose keys."""

_REPORT_EVERY = 2.0


class InitFailedError(Exception):
    """``sys/init`` failed. ``outcome_unknown``: the server may be initialised all the same."""

    def __init__(self, message: str, *, outcome_unknown: bool) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class HelperGoneError(Exception):
    """The detached process is gone; the state of the server and the store tell what became of the call."""


class StoreTrouble(NamedTuple):
    """The answer is there, and the store does not take it yet."""

    error: str


class Stored(NamedTuple):
    """The answer is safe under ``name``; it was in memory only for ``exposed`` seconds."""

    name: str
    exposed: float


class InitCall:
    """The detached process, from its parent's side."""

    def __init__(self, pid: int, channel: socket.socket, limit: float) -> None:
        self.limit = limit
        self.holder: Holder = holder_of(pid)
        self.running = False
        self._pid = pid
        self._channel = channel

    @classmethod
    def start(cls, config: ClientConfig, open_store: Callable[[], KeyStore]) -> InitCall:
        """Fork it. To be called while the program still has one thread."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _serve(theirs, config, open_store)
        theirs.close()
        return cls(pid, ours, _limit(config))

    def run(self, request: InitRequest, notice: Callable[[float, StoreTrouble | None], None]) -> Stored:
        """Have the server initialised and the answer stored; returns when it is.


        ``notice`` is called about every two seconds with the seconds passed, and at once when the store
        refuses the answer. Raises InitFailedError, HelperGoneError.
        """
        self.running = True
        started = time.monotonic()
        try:
            self._channel.sendall(
                json.dumps([request.shares, request.threshold, request.recovery]).encode() + b"\n"
            )
            pending = b""
            while True:
                readable, _, _ = select.select([self._channel], [], [], _REPORT_EVERY)
                if not readable:
                    notice(time.monotonic() - started, None)
                    continue
                received = self._channel.recv(65536)
                if not received:
                    raise HelperGoneError("the process that called sys/init is gone")
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    word, text, unknown = json.loads(line)
                    if word == "stored":
                        exposed, name = text.split()
                        return Stored(name, float(exposed))
                    if word == "failed":
                        raise InitFailedError(text, outcome_unknown=unknown)
                    notice(time.monotonic() - started, StoreTrouble(text))
        except OSError as error:
            raise HelperGoneError(f"the process that calls sys/init is gone: {error.strerror}") from None
        finally:
            self.running = False

    def dismiss(self) -> None:
        """Let it go; waits for its end, which comes at once since it has nothing to do."""
        self._channel.close()
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            log.debug("the init process was waited for elsewhere")


def _limit(config: ClientConfig) -> float:
    return max(LIMIT, config.timeout)


def _serve(channel: socket.socket, config: ClientConfig, open_store: Callable[[], KeyStore]) -> NoReturn:
    """The life of the detached process. Never returns into the parent's code."""
    status = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT):
            signal.signal(number, signal.SIG_IGN)
        with channel.makefile("rb") as orders:
            for line in orders:
                shares, threshold, recovery = json.loads(line)
                _initialise(channel, config, open_store, InitRequest(shares, threshold, recovery))
        status = 0
    except BaseException:
        log.exception("the init process failed")
    finally:
        os._exit(status)


def _initialise(
    channel: socket.socket, config: ClientConfig, open_store: Callable[[], KeyStore], request: InitRequest
) -> None:
    try:
        store = open_store()
        store.prepare()
    except StoreError as error:
        _tell(channel, "failed", f"sys/init was not called: {error}")
        return
    failpoint("init.call-sent")
    try:
        with VaultClient(config) as client:
            answer = Sys(client).init(request, timeout=_limit(config))
    except VaultError as error:
        _tell(channel, "failed", str(error), unknown=error.outcome_unknown)
        return
    received = time.monotonic()
    failpoint("init.answer-received")
    name = _keep(channel, store, open_store, encode_answer(answer))
    exposed = time.monotonic() - received
    failpoint("init.answer-stored")
    _tell(channel, "stored", f"{exposed} {name}")


def _keep(
    channel: socket.socket, prepared: KeyStore, open_store: Callable[[], KeyStore], record: bytes
) -> str:
    """Store the answer and read it back through a fresh client, for as long as it takes; its name.

    The first try goes to the client that is prepared: a fresh one would read a token anew before it writes.
    """
    name, failures = names.ANSWER, 0
    spare = names.spare_answer(int.from_bytes(os.urandom(4)))
    while True:
        try:
            with suppress(AlreadyExistsError):  # perhaps made by an earlier try of ours that seemed to fail
                (open_store() if failures else prepared).create(name, record)
            if open_store().get(name) == record:  # a write without an error proves nothing
                return name
            taken, name = name, spare
            raise StoreError(f"'{taken}' holds something else than this answer: trying '{name}'")
        except Exception as error:  # whatever it is, this process must not let go
            failures += 1
            known = isinstance(error, (StoreError, NotFoundError))
            text = str(error) if known else type(error).__name__
            log.error(
                "the key store refuses the answer of sys/init; it is kept in memory and tried again. "
                "Do not stop this process, make the store writable",
                extra={"fields": {"error": text, "try": failures}},
            )
            _tell(channel, "store-trouble", text)
            time.sleep(delay(failures, first=0.05, longest=5.0, chance=0.5))


def _tell(channel: socket.socket, word: str, text: str, *, unknown: bool = False) -> None:
    try:
        channel.sendall(json.dumps([word, text, unknown]).encode() + b"\n")
    except OSError:
        log.warning("the parent of the init process is gone; the store tells the next start what happened")
