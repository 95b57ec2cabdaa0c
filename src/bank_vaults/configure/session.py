"""One server with one token, for as long as that may be used; what is asked and what is sent is counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from bank_vaults.configure.model import ABSENT, Fields, Shown
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import Response, VaultClient
from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotFoundError,
    NotInitialisedError,
    SealedError,
    TransientError,
    UnsupportedError,
    VaultError,
)

_OF_ONE_OBJECT: Final = 500
"""The status of an engine that fails over one object; with others the server as a whole is in trouble."""

_NO_NAMESPACE: Final = "namespace not found"
"""How servers answer whatever is asked for in a namespace that they do not have."""


class Session:
    """Safe under threads. Every call may raise the VaultError family."""

    def __init__(self, client: VaultClient, token: Secret | None) -> None:
        """Without a token that of the client's configuration is used."""
        self._client = client
        self._token = token
        self._lock = threading.Lock()
        self.reads = 0
        self.writes = 0

    def show(self, path: str) -> Shown:
        """What is at a path. Raises VaultError where the server does not answer, or is not to be used."""
        with self._lock:
            self.reads += 1
        try:
            answer = self._client.request("GET", path, token=self._token)
        except UnsupportedError as error:
            return Shown(None, _words(error))
        except NotFoundError as error:
            if any(_NO_NAMESPACE in said for said in error.messages):
                return Shown(None, _words(error))
            return ABSENT  # also a soft-deleted version of a kv engine, which comes with data
        except (SealedError, NotInitialisedError):
            raise
        except TransientError as error:
            if error.status != _OF_ONE_OBJECT:
                raise
            return Shown(None, _words(error))
        except (DeniedError, FatalError) as error:
            if error.status is None or 200 <= error.status < 400:
                raise  # this is no server of ours
            return Shown(None, _words(error))
        fields = fields_of(answer)
        return Shown(None, "what it shows is no map") if fields is None else Shown(fields)

    def send(self, method: str, path: str, body: Fields | None) -> Response:
        """A request that changes something; sent again only where the server has certainly done nothing."""
        with self._lock:
            self.writes += 1
        return self._client.request(method, path, body, token=self._token, only_refused=True)


def fields_of(answer: Response) -> Fields | None:
    """What an answer says: its ``data``, or all of it where there is no such thing. None: that is no map."""
    data = answer.data.get("data", answer.data)
    return data if isinstance(data, Mapping) else None


def _words(error: VaultError) -> str:
    """As short as possible: the path is known."""
    said = "; ".join(error.messages)
    return f"{error.status}: {said}" if said else str(error.status)
