"""The client: one call to a Vault or OpenBao server, with its retries, as an answer or a VaultError."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from bank_vaults import __version__
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.answers import NotJsonError, decode, error_of
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.connection import ConnectError, ExchangeError
from bank_vaults.vault.endpoints import ConfigError, Endpoint, parse_address
from bank_vaults.vault.errors import FatalError, TransientError, VaultError
from bank_vaults.vault.http1 import Answer
from bank_vaults.vault.pacing import TokenBucket, linear_jitter
from bank_vaults.vault.transport import Transport
from bank_vaults.vault.writeindex import HEADER, WriteIndex

if TYPE_CHECKING:
    import socket

_log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 307, 308})
_IDEMPOTENT = frozenset({"GET", "LIST", "HEAD"})
_PATH_SAFE = (  # characters of a path segment (RFC 3986, 3.3), and the slash
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
)
_QUERY_SAFE = _PATH_SAFE + b"?%"
_compact = json.JSONEncoder(separators=(",", ":")).encode
_PRINTABLE = bytes(range(0x21, 0x7F))


class Response(NamedTuple):
    """A 2xx answer. ``data`` is the whole JSON object of the body, empty when there is none (204)."""

    status: int
    data: dict[str, object]

    def __repr__(self) -> str:
        return f"Response({self.status})"  # the answer of sys/init is all keys


class VaultClient:
    """Calls to one server. Safe under threads; connections are kept alive and reused.

    A standby node redirects to the leader, often under another host name: one redirect is followed, and
    the token goes along to wherever the server sends us, as with the Go client. Never followed: a
    redirect from TLS or a Unix socket to plain http, and a second one.
    What was written is there for all later calls, whichever node answers them, where the server can tell.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[int], float] = linear_jitter,
    ) -> None:
        """Raises ConfigError. Tests replace the last four; ``jitter(n)`` is the pause after try n."""
        self._config = config
        self._endpoint = parse_address(config.address, "the address")
        self._transport = Transport(config, clock)
        self._bucket = TokenBucket(*config.rate_limit, clock) if config.rate_limit else None
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._written = WriteIndex()

    @property
    def address(self) -> str:
        """The address of the server as configured."""
        return self._config.address

    @property
    def namespace(self) -> str:
        """The namespace of all paths; empty for the root namespace."""
        return self._config.namespace

    @property
    def timeout(self) -> float:
        """Seconds that a call may take unless it says otherwise."""
        return self._config.timeout

    def __repr__(self) -> str:
        return f"VaultClient({self._config.address!r})"

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        token: Secret | None = None,
        anonymous: bool = False,
        namespaced: bool = True,
        timeout: float | None = None,
        retries: int | None = None,
        only_refused: bool = False,
    ) -> Response:
        """One call. Raises VaultError.

        ``path`` is relative to ``/v1/`` and not yet quoted; what follows a ``?`` is an encoded query.
        ``token`` defaults to that of the configuration; an empty one is none, ``anonymous`` sends none.
        ``namespaced`` False leaves the namespace out, for the calls that exist in the root namespace only.
        ``timeout`` limits the whole call in seconds, with all tries and the pauses between them. ``retries``
        are extra tries after a TransientError: 0 means that the request is sent once at most. With
        ``only_refused`` they are for answers by which the server has certainly done nothing: 412 and 429.
        """
        retries = self._config.max_retries if retries is None else retries
        deadline = self._clock() + (self._config.timeout if timeout is None else timeout)
        name, target = _target(path)
        content = None if body is None else _compact(body).encode()
        if token is None:
            token = self._config.token
        headers = self._headers(method, name, None if anonymous else token, namespaced)
        call = _Call(method, name, target, headers, content)
        outcome_unknown = False
        attempt = 0
        while True:
            attempt += 1
            try:
                self._throttle(call, deadline)
                return self._attempt(call, deadline)
            except VaultError as error:
                outcome_unknown = error.outcome_unknown = error.outcome_unknown or outcome_unknown
                if not isinstance(error, TransientError) or attempt > retries:
                    raise
                if only_refused and (outcome_unknown or error.status is None):
                    raise
                asked = error.retry_after
                pause = self._jitter(attempt) if asked is None else asked
                if self._clock() + pause >= deadline:
                    raise
            self._sleep(pause)

    def catch_up(self, cluster: str) -> None:
        """From the next call on see all that anybody has written by then, whichever node answers, where the
        server can tell: that call is answered by the leader, and the later ones by nodes that are as far.
        """
        self._written.ask(cluster)

    def connect(self, timeout: float) -> None:
        """Open a connection, TLS included, or find a living one, and keep it; send no request.

        Raises VaultError: TransientError while nothing listens.
        """
        try:
            connection = self._transport.acquire(self._endpoint, self._clock() + timeout)
        except ConnectError as error:
            raise _connect_error("connect", str(self._endpoint), error) from None
        self._transport.release(self._endpoint, connection)

    def idle_socket(self) -> socket.socket | None:
        """The socket of an idle connection, or None. It becomes readable when the server goes away.

        Being readable is a hint only (TLS sends notes of its own): ask again, a closed one is not
        returned twice. Only for waiting: the socket still belongs to the client.
        """
        return self._transport.idle_socket(self._endpoint)

    def close(self) -> None:
        """Close all idle connections; may be called again. Calls afterwards keep no connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _headers(self, method: str, path: str, token: Secret | None, namespaced: bool) -> str:
        lines = f"User-Agent: bank-vaults/{__version__}\r\nX-Vault-Request: true\r\n"
        if namespaced and self._config.namespace:
            lines += f"X-Vault-Namespace: {self._config.namespace}\r\n"
        if token:
            text = token.reveal_bytes()
            if text.translate(None, _PRINTABLE):
                raise FatalError(
                    method,
                    path,
                    None,
                    ("the token has a non-printable character in it: a newline at its end?",),
                )
            lines += f"X-Vault-Token: {text.decode()}\r\n"
        return lines + self._written.lines

    def _throttle(self, call: _Call, deadline: float) -> None:
        if self._bucket is None:
            return
        pause = self._bucket.reserve(deadline)
        if pause is None:
            raise TransientError(
                call.method, call.path, None, ("VAULT_RATE_LIMIT leaves no room within the time limit",)
            )
        if pause > 0:
            self._sleep(pause)

    def _attempt(self, call: _Call, deadline: float) -> Response:
        """One try: one request, and one more for a redirect."""
        answer = self._exchange(call, self._endpoint, call.at(self._endpoint), deadline)
        if answer.status in _REDIRECTS:
            endpoint, target = self._redirect(call, answer)
            answer = self._exchange(call, endpoint, target, deadline)
            if answer.status in _REDIRECTS:
                raise FatalError(
                    call.method, call.path, answer.status, ("a second redirect is not followed",)
                )
        index = answer.headers.get(HEADER, "")
        if self._written.asking:
            if index or 200 <= answer.status < 300:
                self._written.note(index)
        elif index and call.method not in _IDEMPOTENT:
            self._written.note(index)
        if not 200 <= answer.status < 300:
            raise error_of(call.method, call.path, answer, self._now)
        try:
            return Response(answer.status, decode(answer))
        except NotJsonError:
            # Without a length nobody can tell a strange answer from a cut one.
            kind = FatalError if answer.framed else TransientError
            raise kind(
                call.method,
                call.path,
                answer.status,
                ("answered with something that is not JSON: is this a Vault or OpenBao server?",),
                outcome_unknown=True,
            ) from None

    def _redirect(self, call: _Call, answer: Answer) -> tuple[Endpoint, str]:
        """Where a redirect leads: the endpoint and the request target there. Raises FatalError."""

        def refused(why: str) -> FatalError:
            return FatalError(call.method, call.path, answer.status, (why,))

        if self._config.disable_redirects:
            raise refused("redirect refused: VAULT_DISABLE_REDIRECTS is set")
        origin = self._endpoint
        base = f"http://{origin.authority}" if origin.scheme == "unix" else str(origin)
        location = answer.headers.get("location", "")
        from urllib.parse import urljoin  # 10 ms, and only standby nodes redirect

        try:
            where, _, query = urljoin(base + call.at(origin), location).partition("#")[0].partition("?")
            endpoint = parse_address(where, "the redirect")
        except (ConfigError, ValueError):
            raise refused("redirect refused: it leads to no http or https address") from None
        if not location or endpoint.scheme == "unix" or not where.isascii():
            raise refused("redirect refused: it leads to no http or https address")
        if origin.scheme != "http" and endpoint.scheme == "http":
            raise refused(
                f"redirect to {endpoint} refused: it leads from a protected connection to plain http"
            )
        return Endpoint(endpoint.scheme, endpoint.host, endpoint.port), endpoint.base + (
            query and f"?{query}"
        )

    def _exchange(self, call: _Call, endpoint: Endpoint, target: str, deadline: float) -> Answer:
        """Send one request to one place and log it."""
        begin = self._clock()
        status: int | None = None
        try:
            answer = self._send(call, endpoint, target, deadline)
            status = answer.status
            return answer
        finally:
            if _log.isEnabledFor(logging.DEBUG):
                fields = {
                    "method": call.method,
                    "path": call.path,
                    "status": status,
                    "milliseconds": round((self._clock() - begin) * 1000, 1),
                }
                _log.debug("asked the server", extra={"fields": fields})

    def _send(self, call: _Call, endpoint: Endpoint, target: str, deadline: float) -> Answer:
        request = call.render(
            self._transport.target(endpoint, target), endpoint, self._transport.proxy_headers(endpoint)
        )
        try:
            connection = self._transport.acquire(endpoint, deadline)
            try:
                return self._transport.exchange(endpoint, connection, call.method, request, deadline)
            except ExchangeError as error:
                if not error.untouched or call.method not in _IDEMPOTENT:
                    raise
            # The server closed the idle connection while the request was on its way.
            connection = self._transport.open(endpoint, deadline)
            return self._transport.exchange(endpoint, connection, call.method, request, deadline)
        except ConnectError as error:
            raise _connect_error(call.method, call.path, error) from None
        except ExchangeError as error:
            kind = FatalError if error.permanent else TransientError
            raise kind(call.method, call.path, None, (str(error),), outcome_unknown=True) from None


class _Call(NamedTuple):
    """One call. ``headers`` and ``content`` may hold secrets."""

    method: str
    path: str
    target: str
    headers: str
    content: bytes | None

    def __repr__(self) -> str:
        return f"_Call({self.method!r}, {self.path!r})"

    def at(self, endpoint: Endpoint) -> str:
        return endpoint.base + self.target

    def render(self, target: str, endpoint: Endpoint, extra_headers: str) -> bytes:
        """The bytes of the request."""
        head = (
            f"{self.method} {target} HTTP/1.1\r\nHost: {endpoint.authority}\r\n{self.headers}{extra_headers}"
        )
        if self.content is None:
            return f"{head}\r\n".encode("ascii")
        head += f"Content-Type: application/json\r\nContent-Length: {len(self.content)}\r\n\r\n"
        return head.encode("ascii") + self.content


def _target(path: str) -> tuple[str, str]:
    """The path without its query, for messages, and the request target below the address."""
    name, separator, query = path.partition("?")
    return name, f"/v1/{_quote(name.lstrip('/'), _PATH_SAFE)}{separator}{_quote(query, _QUERY_SAFE)}"


def _quote(text: str, safe: bytes) -> str:
    """Percent-encoding (RFC 3986, 2.1)."""
    octets = text.encode()
    if not octets.translate(None, safe):
        return text
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in octets)


def _connect_error(method: str, path: str, error: ConnectError) -> VaultError:
    kind = FatalError if error.permanent else TransientError
    return kind(method, path, None, (str(error),))
