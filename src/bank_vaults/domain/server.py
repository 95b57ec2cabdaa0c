"""What one look at a server says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class MalformedAnswerError(ValueError):
    """The server's answer lacks a field or has it in another type."""


class ServerState(NamedTuple):
    """The answer of ``GET sys/seal-status``, or of ``PUT sys/unseal``, which has the same form.

    ``threshold`` and ``shares`` are 0 before initialisation. ``progress`` counts the shares that the
    running unseal attempt ``nonce`` has. With ``recovery_seal`` the server unseals itself and its
    shares are recovery shares. Source: documentation of both servers, ``/sys/seal-status``.
    """

    initialized: bool
    sealed: bool
    threshold: int
    shares: int
    progress: int
    nonce: str
    recovery_seal: bool
    seal_type: str
    storage_type: str
    version: str
    migration: bool
    cluster_name: str = ""
    cluster_id: str = ""

    @staticmethod
    def from_answer(answer: Mapping[str, object]) -> ServerState:
        """Parse the decoded JSON body. Raises MalformedAnswerError."""

        def boolean(name: str, default: bool | None = None) -> bool:
            value = answer.get(name, default)
            if not isinstance(value, bool):
                raise MalformedAnswerError(f"the answer of the server has no boolean field {name!r}")
            return value

        def count(name: str) -> int:
            value = answer.get(name, 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise MalformedAnswerError(f"the field {name!r} of the server's answer is not a count")
            return value

        def text(name: str) -> str:
            value = answer.get(name, "")
            if not isinstance(value, str):
                raise MalformedAnswerError(f"the field {name!r} of the server's answer is not a text")
            return value

        return ServerState(
            initialized=boolean("initialized"),
            sealed=boolean("sealed"),
            threshold=count("t"),
            shares=count("n"),
            progress=count("progress"),
            nonce=text("nonce"),
            recovery_seal=boolean("recovery_seal", default=False),
            seal_type=text("type"),
            storage_type=text("storage_type"),
            version=text("version"),
            migration=boolean("migration", default=False),
            cluster_name=text("cluster_name"),
            cluster_id=text("cluster_id"),
        )
