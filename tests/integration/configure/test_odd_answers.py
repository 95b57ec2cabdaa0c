"""Whatever a server answers, it costs an object or the pass, in words: never a traceback, never a deletion.

A pass over a real server is recorded, and repeated in memory with one node of one answer replaced.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest

from bank_vaults.configure import report
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.passes import RUN_ERRORS, Options, Passes
from bank_vaults.configure.state import Exchange
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import Response, VaultClient
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.errors import NotFoundError, VaultError
from tests.support.configuring import Applier, configuration_of
from tests.support.odd import MARK, mutants

RULES = 'path "%s" { capabilities = ["read"] }'

DOCUMENT: dict[str, Any] = {
    "purgeUnmanagedConfig": {"enabled": True, "within": True},
    "audit": [{"type": "file", "options": {"file_path": "discard"}}],
    "policies": [
        {"name": "reader", "rules": RULES % "kv2/*"},
        {"name": "own", "rules": RULES % "kv2/data/__accessor__people/*"},
    ],
    "auth": [
        {
            "type": "approle",
            "path": "machines",
            "options": {"default_lease_ttl": "1h"},
            "roles": [{"name": "dev", "token_policies": ["reader"]}],
        },
        {
            "type": "userpass",
            "path": "people",
            "description": "people",
            "options": {"user_lockout_config": {"lockout_threshold": "3", "lockout_duration": "10m"}},
            "users": [{"username": "admin", "password": "correct-horse", "token_policies": "reader"}],
        },
    ],
    "groups": [
        {"name": "inner", "type": "internal", "policies": ["reader"], "member_entities": ["alice"]},
        {
            "name": "outer",
            "type": "internal",
            "member_groups": ["inner"],
            "member_entity_aliases": [{"name": "admin", "mountpath": "people"}],
        },
        {"name": "outside", "type": "external", "metadata": {"a": "b"}},
    ],
    "group-aliases": [{"name": "staff", "mountpath": "people", "group": "outside"}],
    "secrets": [
        {
            "path": "kv2",
            "type": "kv",
            "options": {"version": 2},
            "configuration": {"config": [{"max_versions": 5}]},
        },
        {"path": "kv1", "type": "kv", "options": {"version": 1}},
        {
            "type": "pki",
            "configuration": {
                "root/generate": [{"name": "internal", "common_name": "example"}],
                "config": [{"name": "urls", "issuing_certificates": "http://example"}],
                "roles": [{"name": "web", "allowed_domains": "example"}],
            },
        },
        {"type": "transit", "configuration": {"keys": [{"name": "k", "type": "aes256-gcm96"}]}},
    ],
    "startupSecrets": [
        {
            "type": "kv",
            "path": "kv2/data/app",
            "create_only": True,
            "max_versions": 3,
            "data": {"data": {"a": "b"}},
        },
        {"type": "kv", "path": "kv2/data/once", "data": {"data": {"a": "b"}, "options": {"cas": 1}}},
        {"type": "kv", "path": "kv1/app", "data": {"data": {"a": "b"}}},
        {"type": "kv", "path": "elsewhere/data/app", "data": {"data": {"a": "b"}}},
    ],
}

LEFT_BY_OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sys/policies/acl/old", {"policy": RULES % "old"}),
    ("sys/auth/gone", {"type": "approle"}),
    ("auth/gone/role/inside", {"token_no_default_policy": False}),
    ("auth/machines/role/old", {"token_no_default_policy": False}),
    ("identity/group", {"name": "old", "type": "external"}),
    ("sys/mounts/forgotten", {"type": "kv"}),
    ("forgotten/inside", {"a": "b"}),
    ("pki/roles/old", {"allowed_domains": "old"}),
)


class Kept:
    """A place of the state in memory."""

    def __init__(self, value: bytes | None = None) -> None:
        self.value = value

    def read(self) -> bytes | None:
        """See Place."""
        return self.value

    def exchange(self, change: Exchange) -> None:
        """See Place."""
        self.value = change(self.value)

    def keep_aside(self, value: bytes) -> str:
        """See Place. Of another cluster, as an odd answer may say."""
        return "aside"


class Recorder:
    """A client that keeps the answers to what is read."""

    def __init__(self, client: VaultClient) -> None:
        self.answers: dict[str, Response | VaultError] = {}
        self._client = client
        self.address, self.namespace, self.timeout = client.address, client.namespace, client.timeout
        self.catch_up = client.catch_up

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        """As VaultClient has it."""
        try:
            answer = self._client.request(method, path, body, **more)
        except VaultError as error:
            if method == "GET":
                self.answers[path] = error
            raise
        if method == "GET":
            self.answers[path] = answer
        return answer


class Replay:
    """A server that has answered once, takes everything and changes nothing."""

    address, namespace, timeout = "http://127.0.0.1:1", "", 60.0

    def __init__(self, answers: Mapping[str, Response | VaultError]) -> None:
        self._answers = answers
        self.sent: list[tuple[str, str]] = []

    def catch_up(self, cluster: str) -> None:
        """There is one node only."""

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        """As VaultClient has it."""
        if method != "GET":
            self.sent.append((method, path))
            return Response(204, {})
        answer = self._answers.get(path) or NotFoundError("GET", path, 404)
        if isinstance(answer, VaultError):
            raise answer
        return answer


def passes(client: object, token: str, kept: Kept) -> Passes:
    def tokens() -> AbstractContextManager[Secret | None]:
        return nullcontext(Secret(token))

    options = Options(lambda _: kept, lambda: lambda _: "", parallelism=1)
    return Passes(cast(VaultClient, client), tokens, options)


def sent_by_a_pass(client: Replay, configuration: Configuration, kept: Kept) -> list[tuple[str, str]]:
    """What a whole pass sends, with all that is told of it."""
    with passes(client, "token", kept).look(configuration, purge=True) as look:
        list(report.lines(look.plan))
        json.dumps(report.as_json(look.plan), default=str)
        done = passes(client, "token", kept).carry_out(look, lambda: False)
        list(report.summary(done.outcomes, 0, 0, 0))
    return client.sent


def recorded(
    applier: Applier, configuration: Configuration
) -> tuple[dict[str, Response | VaultError], bytes]:
    """The answers of a server that is as wanted, with something left by others; and the state."""
    for path, kind in (("machines", "approle"), ("people", "userpass")):
        assert applier.call("POST", f"sys/auth/{path}", {"type": kind}).status < 300
    assert applier.call("POST", "sys/mounts/elsewhere", {"type": "kv-v2"}).status < 300
    number = applier.call("POST", "identity/entity", {"name": "alice"}).body["data"]["id"]
    accessor = (applier.shown("sys/auth").fields or {})["people/"]["accessor"]
    alias = {"name": "admin", "canonical_id": number, "mount_accessor": accessor}
    assert applier.call("POST", "identity/entity-alias", alias).status < 300
    kept = Kept()
    with VaultClient(ClientConfig(address=applier.server.address)) as client:
        first = passes(client, applier.token, kept)
        with first.look(configuration, purge=False) as look:
            done = first.carry_out(look, lambda: False)
        assert not done.failed, [(str(each.change.identity), each.sentence) for each in done.failed]
        for path, body in LEFT_BY_OTHERS:
            assert applier.call("POST", path, body).status < 300, path
        recorder = Recorder(client)
        with passes(recorder, applier.token, kept).look(configuration, purge=True):
            pass
    assert kept.value is not None
    return recorder.answers, kept.value


def odd(
    answers: Mapping[str, Response | VaultError],
) -> Iterator[tuple[str, Mapping[str, Response | VaultError]]]:
    """The answers with one node of one of them replaced."""
    for path, answer in answers.items():
        if isinstance(answer, Response):
            wrapped = {name: answer.data[name] for name in ("data",) if name in answer.data}
            for where, mutant in mutants(wrapped or answer.data, brief=True):
                if isinstance(mutant, dict):  # or else no VaultClient gives it
                    yield f"{path} {where}", {**answers, path: Response(200, mutant)}


@pytest.mark.timeout(600)
def test_every_node_of_every_answer_may_be_of_any_kind(applier: Applier) -> None:
    configuration = configuration_of(json.dumps(DOCUMENT))
    answers, state = recorded(applier, configuration)
    logging.disable(logging.CRITICAL)
    try:
        check(answers, lambda client: sent_by_a_pass(client, configuration, Kept(state)))
    finally:
        logging.disable(logging.NOTSET)


def check(
    answers: Mapping[str, Response | VaultError], run: Callable[[Replay], list[tuple[str, str]]]
) -> None:
    honest = run(Replay(answers))
    assert len(honest) == len(LEFT_BY_OTHERS) - 2, honest
    assert {method for method, _ in honest} == {"DELETE"}
    ended, faults = 0, []
    for where, changed in odd(answers):
        client = Replay(changed)
        try:
            run(client)
        except RUN_ERRORS as error:
            assert str(error), where
            ended += 1
        except Exception as error:
            faults.append(f"{where}: {error!r}")
        for method, path in client.sent:
            is_odd = (method, path) not in honest and MARK not in path
            # An alias that the server has under another name is none of the document, and one that it has
            # for another group is made anew.
            anew = MARK in where and ("PUT", "identity/group-alias") in client.sent
            if method == "DELETE" and is_odd and not (anew and path.startswith("identity/group-alias/id/")):
                faults.append(f"{where}: {path} is deleted")
            if "generate" in path:
                faults.append(f"{where}: {path} is made once more")
    assert faults == []
    assert ended > 100
