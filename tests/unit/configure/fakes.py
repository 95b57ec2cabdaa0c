"""A server in memory for tests of reading and applying: what was written is what is shown."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

from bank_vaults.configure.session import Session
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import Response, VaultClient
from bank_vaults.vault.errors import NotFoundError, VaultError


class FakeServer:
    """``objects`` by path; ``faults`` are raised instead of answers, by method and path."""

    def __init__(self, objects: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.objects: dict[str, dict[str, Any]] = {path: dict(each) for path, each in (objects or {}).items()}
        self.faults: dict[tuple[str, str], VaultError] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        """Of writes, by path."""
        self.requests: list[tuple[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Secret | None = None,
        only_refused: bool = False,
    ) -> Response:
        """As VaultClient has it."""
        with self._lock:
            self.requests.append((method, path))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._answer(method, path, body)
        finally:
            with self._lock:
                self.at_once -= 1

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Response:
        if (method, path) in self.faults:
            raise self.faults[method, path]
        if method == "GET" and path in self.objects:
            return Response(200, {"data": self.objects[path]})
        if method == "GET":
            name, _, query = path.partition("?")
            keys = [each[len(name) + 1 :] for each in self.objects if each.startswith(name + "/")]
            if not query or not keys:
                raise NotFoundError("GET", name, 404)
            return Response(200, {"data": {"keys": keys}})
        if method == "DELETE":
            self.objects.pop(path, None)
        else:
            self.objects[path] = dict(body or {})
        return Response(200, self.answers.get(path, {}))

    def session(self) -> Session:
        """A session with it."""
        return Session(cast(VaultClient, self), Secret("a-token"))

    @property
    def writes(self) -> list[tuple[str, str]]:
        """What was sent beside GET."""
        return [request for request in self.requests if request[0] != "GET"]
