"""Clouds on this machine, for the vendors' own clients: moto for AWS, a small server for the others."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.serving import serving


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """The address of a server that answers as S3, KMS and the like."""
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if match := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                    # Its log has to go on being read.
                    reader = threading.Thread(target=process.stderr.read)
                    reader.start()
                    yield match[1]
                    break
            else:
                raise RuntimeError("moto did not start")
        finally:
            process.terminate()
        reader.join()


class Cloud:
    """Cloud Storage, Cloud KMS, Google's tokens and Azure's blobs, as far as reading needs them.

    ``objects`` has the content by ``BUCKET/KEY``. What KMS decrypts is its ciphertext backwards. ``refused``
    answers everything with a code and a body; ``requests`` are the lines and headers that came, with their
    names in small letters.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.objects: dict[str, bytes] = {}
        self.refused: tuple[int, bytes] | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.address).netloc


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if match := re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)/o/(.+)", path):
            self._object(f"{match[1]}/{unquote(match[2])}", {})
        else:  # Azure: /ACCOUNT/CONTAINER/BLOB
            headers = {"x-ms-blob-type": "BlockBlob", "Last-Modified": "Fri, 14 Dec 2001 00:00:00 GMT"}
            self._object(unquote(path.split("/", 2)[2]), headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self._answer(200, b'{"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}')
            return
        wanted = base64.b64decode(json.loads(body)["ciphertext"])
        plain = {"plaintext": base64.b64encode(wanted[::-1]).decode()}
        self._answer(200, json.dumps(plain).encode())

    def _object(self, name: str, headers: dict[str, str]) -> None:
        content = self.cloud.objects.get(name)
        if content is None:
            if headers:
                body = "<Error><Code>BlobNotFound</Code><Message>There is none.\nTime:1</Message></Error>"
                headers = {"x-ms-error-code": "BlobNotFound", "Content-Type": "application/xml"}
            else:
                body = json.dumps({"error": {"code": 404, "message": f"No such object: {name}"}})
            self._answer(404, body.encode(), headers)
            return
        headers = {**headers, "ETag": '"1"', "Content-Type": "application/octet-stream"}
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("x-ms-range") or "")
        if match is None:
            self._answer(200, content, headers)
        elif int(match[1]) >= len(content):
            self._answer(416, b"", {"x-ms-error-code": "InvalidRange"})
        else:
            part = content[int(match[1]) : int(match[2]) + 1]
            last = int(match[1]) + len(part) - 1
            headers["Content-Range"] = f"bytes {match[1]}-{last}/{len(content)}"
            self._answer(206, part, headers)

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.cloud.requests.append(
            (f"{self.command} {self.path}", {name.lower(): value for name, value in self.headers.items()})
        )
        if self.cloud.refused and self.path != "/token":
            code, body = self.cloud.refused
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def cloud() -> Iterator[Cloud]:
    """The small server."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    found = Cloud(f"http://127.0.0.1:{server.server_port}")
    handler.cloud = found  # type: ignore[attr-defined]
    with serving(server):
        yield found


def service_account(address: str) -> dict[str, str]:
    """The file of a service account of Google, whose tokens come from the small server."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "test@project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{address}/token",
    }
