"""The journal of an initialisation: what is written before the irreversible call, and its answer.

Two records in the key store (names in :mod:`bank_vaults.domain.names`):

* the *intent*, created before ``sys/init`` is called; its creation is also the lock between nodes. A node
  that takes over creates the next intent beside it, so that of several only one can;
* the *answer*, the complete answer of ``sys/init``, created in one write before anything else happens.

Both are removed, the intent last, when every key is stored under its own name and read back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.server import MalformedAnswerError

_VERSION = 1
_LATEST = 1e15  # seconds; no time of a record comes near


class MalformedRecordError(ValueError):
    """A journal record cannot be read. The message never shows its content."""


class Liveness(Enum):
    """What is known of the process that holds an intent."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It ran on another node or in another container: only time tells."""


class Holder(NamedTuple):
    """The process that makes the call.

    ``node`` is the name of the pod or host, ``boot`` the kernel's boot id, ``space`` the process id
    namespace (one for each container), ``started`` the start in clock ticks since boot.
    """

    node: str
    boot: str
    space: str
    pid: int
    started: int


class Intent(NamedTuple):
    """Who initialises which server.

    ``begun`` is the wall clock of that node in UNIX seconds, for people only: no decision compares the
    clocks of two machines. ``limit`` is the longest, in seconds, that the call may take.
    """

    server: str
    holder: Holder
    begun: float
    limit: float
    shares: int
    threshold: int

    def encode(self) -> bytes:
        """The stored form: JSON, no secret inside."""
        return json.dumps(
            {
                "version": _VERSION,
                "server": self.server,
                "node": self.holder.node,
                "boot": self.holder.boot,
                "space": self.holder.space,
                "pid": self.holder.pid,
                "started": self.holder.started,
                "begun": self.begun,
                "limit": self.limit,
                "shares": self.shares,
                "threshold": self.threshold,
            }
        ).encode()

    @staticmethod
    def decode(stored: bytes) -> Intent:
        """Read the stored form. Raises MalformedRecordError."""
        record = _record(stored, names.journal(0))
        try:
            return Intent(
                server=_text(record, "server"),
                holder=Holder(
                    node=_text(record, "node"),
                    boot=_text(record, "boot"),
                    space=_text(record, "space"),
                    pid=_number(record, "pid"),
                    started=_number(record, "started"),
                ),
                begun=_seconds(record, "begun"),
                limit=_seconds(record, "limit"),
                shares=_number(record, "shares"),
                threshold=_number(record, "threshold"),
            )
        except (KeyError, TypeError) as error:
            raise MalformedRecordError(
                f"the record {names.journal(0)!r} lacks a valid field {error}"
            ) from None


class InitRequest(NamedTuple):
    """The sizes for ``sys/init``; with ``recovery`` they are those of the recovery key."""

    shares: int
    threshold: int
    recovery: bool

    def body(self) -> dict[str, object]:
        """The request body. (Documentation of both servers, ``/sys/init``.)"""
        prefix = "recovery" if self.recovery else "secret"
        return {f"{prefix}_shares": self.shares, f"{prefix}_threshold": self.threshold}


class InitAnswer(NamedTuple):
    """The complete answer of ``sys/init``: shares as hexadecimal texts, and the first root token."""

    keys: tuple[Secret, ...]
    recovery_keys: tuple[Secret, ...]
    root_token: Secret

    @staticmethod
    def from_answer(answer: Mapping[str, object]) -> InitAnswer:
        """Read the server's body. Raises MalformedAnswerError."""

        def texts(name: str) -> tuple[Secret, ...]:
            value = answer.get(name) or []
            if not isinstance(value, list) or not all(map(_is_ascii_text, value)):
                raise MalformedAnswerError(
                    f"the field {name!r} of the answer of sys/init is not a list of texts"
                )
            return tuple(Secret(item) for item in value)

        token = answer.get("root_token")
        if not isinstance(token, str) or not _is_ascii_text(token):
            raise MalformedAnswerError("the answer of sys/init has no root token")
        return InitAnswer(texts("keys"), texts("recovery_keys"), Secret(token))

    @staticmethod
    def decode(stored: bytes) -> InitAnswer:
        """Read what :func:`encode_answer` wrote. Raises MalformedRecordError."""
        answer = _record(stored, names.ANSWER).get("answer")
        if not isinstance(answer, dict):
            raise MalformedRecordError(f"the record {names.ANSWER!r} holds no answer")
        try:
            return InitAnswer.from_answer(answer)
        except MalformedAnswerError as error:
            raise MalformedRecordError(f"the record {names.ANSWER!r}: {error}") from None

    def named_shares(self) -> tuple[tuple[str, Secret], ...]:
        """Every share with the name it is stored under."""
        return tuple(
            [(names.unseal(index), key) for index, key in enumerate(self.keys)]
            + [(names.recovery(index), key) for index, key in enumerate(self.recovery_keys)]
        )


def encode_answer(answer: Mapping[str, object]) -> bytes:
    """The stored form of an answer of ``sys/init``: the server's whole body, whatever is in it.

    It is not looked into before it is safe: an answer that we cannot read still holds somebody's keys.
    """
    return json.dumps({"version": _VERSION, "answer": answer}).encode()


def _record(stored: bytes, name: str) -> dict[str, object]:
    try:
        record = json.loads(stored)
    except (ValueError, RecursionError):  # the decoder's message quotes the content: do not chain it
        raise MalformedRecordError(f"the record {name!r} is not JSON") from None
    if not isinstance(record, dict):
        raise MalformedRecordError(f"the record {name!r} is not a JSON object")
    if record.get("version") != _VERSION:
        raise MalformedRecordError(
            f"the record {name!r} has another version than {_VERSION}: it was written by a newer bank-vaults"
        )
    return record


def _is_ascii_text(value: object) -> bool:
    """What shares and tokens are made of; JSON also knows texts that cannot be encoded."""
    return isinstance(value, str) and value != "" and value.isascii()


def _text(record: Mapping[str, object], name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _number(record: Mapping[str, object], name: str) -> int:
    value = record[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(name)
    return value


def _seconds(record: Mapping[str, object], name: str) -> float:
    value = record[name]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= _LATEST:
        raise TypeError(name)  # also NaN and infinity, which JSON as Python reads it may hold
    return float(value)
