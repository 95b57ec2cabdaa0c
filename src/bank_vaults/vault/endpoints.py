"""Addresses of servers and proxies, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bank_vaults.domain.secrets import Secret

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class ConfigError(ValueError):
    """A variable has a value that cannot be used. The message names it and what is accepted."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to: ``scheme`` is http, https or unix (``host`` is then the socket's path).

    ``base`` is the path in front of ``/v1``, without a slash at the end. ``explicit_port`` is whether the
    address had a port, since only an address without one is looked up as a DNS SRV record.
    """

    scheme: str
    host: str
    port: int
    base: str = ""
    explicit_port: bool = True

    @property
    def authority(self) -> str:
        """Host and port as in a URL or a ``Host`` header."""
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"unix://{self.host}" if self.scheme == "unix" else f"{self.scheme}://{self.authority}"


def parse_address(text: str, variable: str) -> Endpoint:
    """Split ``http://…``, ``https://…`` or ``unix:///path``. Raises ConfigError, which names ``variable``."""
    accepted = f"{variable} must be like https://host:8200, http://host:8200 or unix:///path/to/socket"
    try:
        url = urlsplit(text)
        explicit_port = url.port
    except ValueError:
        raise ConfigError(accepted) from None
    if _BLANK_OR_CONTROL.search(text) or url.query or url.fragment:
        raise ConfigError(accepted)
    if url.scheme == "unix":
        if url.netloc or len(url.path) < len("/s"):
            raise ConfigError(accepted)
        return Endpoint("unix", url.path, 0)
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or not text.isascii() or explicit_port == 0:
        raise ConfigError(accepted)
    if "@" in url.netloc:
        raise ConfigError(f"{accepted}, without user and password")
    port = explicit_port or _DEFAULT_PORTS[url.scheme]
    return Endpoint(url.scheme, url.hostname, port, url.path.rstrip("/"), explicit_port is not None)


def parse_proxy(text: str, variable: str) -> tuple[Endpoint, Secret | None]:
    """A proxy and its ``user:password``. Raises ConfigError, which never shows the password."""
    accepted = f"{variable} must be like http://host:port or http://user:password@host:port"
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError:
        raise ConfigError(accepted) from None
    if url.scheme != "http" or not host or not host.isascii() or port == 0 or _BLANK_OR_CONTROL.search(text):
        raise ConfigError(accepted)
    credentials = None
    if url.username is not None:
        credentials = Secret(f"{unquote(url.username)}:{unquote(url.password or '')}")
    return Endpoint("http", host, port or _DEFAULT_PORTS["http"]), credentials
