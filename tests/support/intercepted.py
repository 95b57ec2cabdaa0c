"""Clouds under their own names: a proxy that takes what a server sends to them, and answers in their place.

    with intercepted(Graph()) as proxy, Server(kind, environment=proxy.environment):
        ...

For engines that can be pointed nowhere else. What is answered is as far as rotating credentials needs it.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.support.clouds import service_account
from tests.support.serving import serving

Answered = tuple[int, Mapping[str, Any]]


class Vendor(Protocol):
    """Who answers."""

    def answer(self, method: str, url: str, body: bytes) -> Answered:
        """Status and JSON. ``url`` is without its query; a request that is not known is an error."""


class Graph:
    """Microsoft's login and Graph: an application whose passwords are added and removed."""

    HOST: Final = "login.microsoftonline.com"

    def __init__(self) -> None:
        self.application = str(uuid.uuid4())
        self.passwords = {str(uuid.uuid4()): "of-the-document"}
        self.added = 0

    def answer(self, method: str, url: str, body: bytes) -> Answered:
        """See Vendor."""
        host, _, path = url.partition("/")
        last = path.rpartition("/")[2]
        if host == self.HOST:
            return self._login(method, path, body)
        assert host == "graph.microsoft.com", url
        if (method, path) == ("GET", "v1.0/applications"):
            return 200, {"value": [{"id": "of-graph", "appId": self.application}]}
        if (method, last) == ("POST", "addPassword"):
            key, secret = str(uuid.uuid4()), f"password-{uuid.uuid4()}"
            self.passwords[key] = secret
            self.added += 1
            return 200, {"keyId": key, "secretText": secret, "endDateTime": "2099-01-01T00:00:00Z"}
        raise AssertionError(f"{method} {url}")

    def _login(self, method: str, path: str, body: bytes) -> Answered:
        base = f"https://{self.HOST}"
        if path == "common/discovery/instance":
            names = {"preferred_network": self.HOST, "preferred_cache": self.HOST, "aliases": [self.HOST]}
            return 200, {"tenant_discovery_endpoint": f"{base}/{TENANT}/discovery", "metadata": [names]}
        if method == "GET":
            return 200, {
                "issuer": f"{base}/{TENANT}/v2.0",
                "token_endpoint": f"{base}/{TENANT}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/{TENANT}/oauth2/v2.0/authorize",
            }
        (secret,) = parse_qs(body.decode())["client_secret"]
        if secret not in self.passwords.values():
            return 401, {"error": "invalid_client"}
        return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "token"}


TENANT: Final = str(uuid.UUID(int=1))


class Iam:
    """Google's tokens and IAM: a service account whose keys are made and deleted."""

    def __init__(self) -> None:
        self.document = self._made()
        self.keys = {self.document["private_key_id"]}
        self.created = 0

    def answer(self, method: str, url: str, body: bytes) -> Answered:
        """See Vendor."""
        host, _, path = url.partition("/")
        if host == "oauth2.googleapis.com":
            (assertion,) = parse_qs(body.decode())["assertion"]
            head = json.loads(base64.urlsafe_b64decode(assertion.partition(".")[0] + "=="))
            if head["kid"] not in self.keys:
                return 400, {"error": "invalid_grant"}
            return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "token"}
        assert host == "iam.googleapis.com", url
        if method == "POST" and path.endswith("/keys"):
            key = self._made()
            self.keys.add(key["private_key_id"])
            self.created += 1
            return 200, {
                "name": f"{path}/{key['private_key_id']}",
                "privateKeyData": base64.b64encode(json.dumps(key).encode()).decode(),
            }
        if method == "DELETE":
            self.keys.remove(path.rpartition("/")[2])
            return 200, {}
        raise AssertionError(f"{method} {url}")

    @staticmethod
    def _made() -> dict[str, str]:
        return service_account("https://oauth2.googleapis.com") | {"private_key_id": uuid.uuid4().hex}


class Proxy(NamedTuple):
    """Where it is, and whom a server has to trust."""

    environment: Mapping[str, str]
    """Of a server whose requests it is to take. Those to loopback addresses go past it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vendor: Vendor
    authority: trustme.CA
    lock: threading.Lock

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_CONNECT(self) -> None:
        """From here on the connection is that of the vendor."""
        self.host = self.path.rpartition(":")[0]
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with self.lock:
            self.authority.issue_cert(self.host).configure_cert(context)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile.close()
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.lock:
            url = self.host + urlsplit(self.path).path
            status, answer = self.vendor.answer(self.command, url, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()


@contextlib.contextmanager
def intercepted(vendor: Vendor, directory: Path) -> Iterator[Proxy]:
    """The proxy in front of a vendor; ``directory`` is for its certificate."""
    authority = trustme.CA()
    trusted = directory / "vendors.pem"
    authority.cert_pem.write_to_path(trusted)
    members = {"vendor": vendor, "authority": authority, "lock": threading.Lock()}
    handler = type("Handler", (_Handler,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server):
        address = f"http://127.0.0.1:{server.server_port}"
        yield Proxy({"HTTPS_PROXY": address, "SSL_CERT_FILE": str(trusted)})
