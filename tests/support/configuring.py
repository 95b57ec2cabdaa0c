"""A small driver of plans for tests of sections: it reads, plans, sends and remembers, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bank_vaults.configure import documents
from bank_vaults.configure.apply import Tries
from bank_vaults.configure.apply import apply as carry_out
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Joined,
    Reference,
    Request,
    Saving,
    Shown,
    Wanted,
    WriteOnly,
)
from bank_vaults.configure.plan import Plan, make, paths
from bank_vaults.configure.reading import Reader
from bank_vaults.configure.sections.generated import has_arrived, pending_of, saving_request
from bank_vaults.configure.session import Session
from bank_vaults.configure.state import Exchange, State, encode
from bank_vaults.domain.secrets import Secret
from bank_vaults.templating.own.sources import Sources
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig
from tests.support.faultproxy import FaultProxy
from tests.support.servers import Answer, Server, api


def configuration_of(text: str) -> Configuration:
    """What a document says."""
    return documents.document(documents.rendered("vault-config.yml", text, Sources({}))).configuration


def shows(answers: Mapping[str, Mapping[str, Any] | None]) -> Callable[[str], Shown]:
    """For pure tests: what a server shows, by path; a path that is not there is ABSENT."""
    return lambda path: Shown(answers[path]) if answers.get(path) is not None else ABSENT


def digest(value: Any) -> str:
    """For pure tests: a digest that can be read."""
    return json.dumps(value, sort_keys=True, default=str)


class _Kept(NamedTuple):
    """A place that has a state, and takes no other one."""

    value: bytes

    def read(self) -> bytes:
        """See Place."""
        return self.value

    def exchange(self, change: Exchange) -> None:
        """Nothing new is to be remembered."""
        assert change(self.value) == self.value

    def keep_aside(self, value: bytes) -> str:
        """It can be used."""
        raise AssertionError


class RefusedByServerError(AssertionError):
    """The server did not take a request."""


class Applier:
    """One server, one memory; ``requests`` are those sent so far."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.token = token
        self.memory = Memory.empty()
        self.requests: list[Request] = []

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """As it is, without checking the answer."""
        path, question, query = path.partition("?")
        quoted = "".join(
            letter if letter.isalnum() or letter in "-._~/@:" else f"%{ord(letter):02X}" for letter in path
        )
        return api(self.server, method, quoted + question + query, body, self.token)

    def shown(self, path: str) -> Shown:
        """What the server says to GET."""
        answer = self.call("GET", path)
        if answer.status == 404 and "unsupported path" not in str(answer.body):
            return ABSENT
        if answer.status >= 300:
            return Shown(None, f"{answer.status} {answer.body.get('errors')}")
        return Shown(answer.body.get("data") or {})

    def plan(
        self,
        wanted: Sequence[Wanted],
        deletions: Iterable[Change] = (),
        write_only: WriteOnly = WriteOnly.CHANGED,
    ) -> Plan:
        """From what the server shows now."""
        read = {path: self.shown(path) for path in paths(wanted)}
        return make(
            wanted, lambda path: read.get(path) or self.shown(path), self.memory, write_only, deletions
        )

    def apply(self, made: Plan) -> None:
        """In order, one after the other. Raises RefusedByServerError."""
        for change in made.changes:
            assert change.action is not Action.REFUSED, change.reason
            if change.before is not None:
                self.memory = self.memory.with_records({change.identity: change.before})
            answer: Mapping[str, Any] = {}
            for request in change.requests:
                answer = self._send(request)
            if change.saving is not None:
                self._save(change, change.saving, answer)
            record = change.record
            if record is not None and change.look:
                record = record._replace(shown=self.memory.digest(self.shown(change.look).fields))
            self.memory = self.memory.with_records({change.identity: record})

    def apply_twice(self, wanted: Sequence[Wanted]) -> Plan:
        """Apply, and demand that nothing is left to do, nor sent by the program. Gives the first plan."""
        first = self.plan(wanted)
        self.apply(first)
        left = self.plan(wanted).todo
        assert not left, [(str(change.identity), change.reason, change.differences) for change in left]
        assert self._writes_of_a_run(wanted) == []
        return first

    def _writes_of_a_run(self, wanted: Sequence[Wanted]) -> list[tuple[str, str]]:
        """What the program sends when it reads, plans and applies by itself, counted on the wire."""
        with FaultProxy(self.server) as proxy, VaultClient(ClientConfig(proxy.address)) as client:
            session = Session(client, Secret(self.token))
            reader = Reader(session, 8)
            reader.read(paths(wanted))
            made = make(wanted, reader.shown, self.memory, WriteOnly.CHANGED)
            state = State(_Kept(encode(self.memory, "")), "")
            outcomes = carry_out(made, session, state, Tries(8))
            assert not [outcome for outcome in outcomes if outcome.bad]
            assert len(proxy.requests) == session.reads > 0
            return [request for request in proxy.requests if request[0] not in ("GET", "LIST")]

    def _save(self, change: Change, saving: Saving, answer: Mapping[str, Any]) -> None:
        """Save what was generated, now or by an earlier run."""
        if change.requests:
            pending = pending_of(saving, answer)
            assert pending is not None, "there is nothing to save"
            self.memory = self.memory.with_pending(change.identity, pending)
        pending = self.memory.pending[change.identity]._replace(saving=saving)
        if not has_arrived(pending, self.shown(saving.path)):
            self._send(saving_request(pending))
            assert has_arrived(pending, self.shown(saving.path))
        self.memory = self.memory.with_pending(change.identity, None)

    def _send(self, request: Request) -> Mapping[str, Any]:
        self.requests.append(request)
        body = self._resolved(request.body)
        answer = self.call(request.method, request.path, body)
        while answer.status == 400 and "Upgrading from non-versioned" in str(answer.body):
            answer = self.call(request.method, request.path, body)
        if answer.status >= 300 and not (request.forgives and request.forgives in str(answer.body)):
            raise RefusedByServerError(f"{request!r}: {answer.status} {answer.body}")
        return answer.body

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Joined):
            return "".join(self._resolved(part) for part in value.parts)
        if isinstance(value, Reference):
            if value.kind == "accessor":
                return (self.shown("sys/auth").fields or {})[value.name + "/"]["accessor"]
            assert value.kind == "group"
            return (self.shown(f"identity/group/name/{value.name}").fields or {})["id"]
        if isinstance(value, Mapping):
            return {name: self._resolved(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._resolved(each) for each in value]
        return value
