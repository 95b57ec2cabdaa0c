"""Addresses of servers and proxies, taken apart."""

from __future__ import annotations

import socket
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANK_OR_CONTROL = frozenset(map(chr, (*range(0x21), 0x7F)))


class ConfigError(ValueError):
    """A variable has a value that cannot be used. The message names it and what is accepted."""


class Endpoint(NamedTuple):
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
        url = _split(text)
    except ValueError:
        raise ConfigError(accepted) from None
    if url.scheme == "unix":
        if not text.startswith("/", len("unix://")) or len(url.path) < len("/s"):
            raise ConfigError(accepted)
        return Endpoint("unix", url.path, 0)
    if url.scheme not in _DEFAULT_PORTS or not url.host or not text.isascii():
        raise ConfigError(accepted)
    if url.userinfo is not None:
        raise ConfigError(f"{accepted}, without user and password")
    port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return Endpoint(url.scheme, url.host, port, url.path.rstrip("/"), url.port is not None)


def parse_proxy(text: str, variable: str) -> tuple[Endpoint, Secret | None]:
    """A proxy and its ``user:password``. Raises ConfigError, which never shows the password."""
    accepted = f"{variable} must be like http://host:port or http://user:password@host:port"
    try:
        url = _split(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ConfigError(accepted) from None
    if url.scheme != "http" or not url.host or not url.host.isascii():
        raise ConfigError(accepted)
    credentials = None
    if url.userinfo is not None:
        from urllib.parse import unquote  # 10 ms, and few proxies want a password

        user, _, password = url.userinfo.partition(":")
        credentials = Secret(f"{unquote(user)}:{unquote(password)}")
    return Endpoint("http", url.host, url.port or _DEFAULT_PORTS["http"]), credentials


class _Url(NamedTuple):
    scheme: str
    userinfo: str | None
    host: str
    port: int | None
    path: str

    def __repr__(self) -> str:
        return f"_Url({self.scheme!r}, {self.host!r})"  # the userinfo holds a password


def _split(text: str) -> _Url:
    """The parts of ``scheme://userinfo@host:port/path`` (RFC 3986, 3). Raises ValueError, without the text.

    Neither blanks nor a query or a fragment; the host may be missing, a port is from 1 to 65535.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not _BLANK_OR_CONTROL.isdisjoint(text) or "?" in rest or "#" in rest:
        raise ValueError
    authority, slash, path = rest.partition("/")
    userinfo, at, place = authority.rpartition("@")
    if place.startswith("["):
        host, bracket, after = place[1:].partition("]")
        colon, digits = after[:1], after[1:]
        if not bracket or colon not in ("", ":") or not _is_ipv6(host):
            raise ValueError
    else:
        host, colon, digits = place.partition(":")
    if not frozenset("[]").isdisjoint(userinfo + host):
        raise ValueError
    if digits and not (digits.isascii() and digits.isdecimal() and 1 <= int(digits) <= 65535):
        raise ValueError
    port = int(digits) if digits else None
    name, percent, zone = host.partition("%")  # a zone is the name of a network device, of either case
    host = name.lower() + percent + zone
    return _Url(scheme.lower(), userinfo if at else None, host, port, slash + path)


def _is_ipv6(text: str) -> bool:
    """Whether this is an IPv6 address, with a zone or without (RFC 4007, 11)."""
    address, percent, zone = text.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, UnicodeEncodeError):
        return False
    return not percent or (zone != "" and "%" not in zone)
