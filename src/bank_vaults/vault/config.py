"""How to reach a server: the ``VAULT_*`` and ``BAO_*`` variables (docs/client-environment.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from bank_vaults.domain.booleans import boolean
from bank_vaults.domain.durations import parse_duration
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.endpoints import ConfigError, Endpoint, parse_address, parse_proxy
from bank_vaults.vault.proxies import standard_proxy

__all__ = ["ClientConfig", "ConfigError", "from_environment"]

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 2


class ClientConfig(NamedTuple):
    """The settings of one client. Texts are empty when not set.

    ``ca_cert`` (file), ``ca_cert_bytes`` (PEM text), ``ca_path`` (directory): bytes win over file, file
    over directory; with none of them the system's roots are used. ``timeout`` is in seconds and limits a
    whole call. ``proxy`` is ``http://host:port``, its ``user:password`` is kept apart. ``rate_limit`` is
    requests per second and burst.
    """

    address: str = DEFAULT_ADDRESS
    namespace: str = ""
    token: Secret | None = None
    ca_cert: str = ""
    ca_cert_bytes: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    skip_verify: bool = False
    timeout: float = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    proxy: str | None = None
    proxy_credentials: Secret | None = None
    rate_limit: tuple[float, int] | None = None
    srv_lookup: bool = False
    disable_redirects: bool = False
    most_idle: int = 8
    """Connections that are kept for later calls: as many as there are calls at the same time."""


class _Variables:
    """The environment, each variable under both of its prefixes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.notes: list[str] = []

    def find(self, name: str) -> tuple[str, str]:
        """The full name of the variable that counts, and its value; empty when neither is set."""
        vault, bao = f"VAULT_{name}", f"BAO_{name}"
        ours, theirs = self._environ.get(bao, ""), self._environ.get(vault, "")
        if ours and theirs and ours != theirs:
            self.notes.append(f"{bao} wins over {vault}: both are set and differ")
        return (bao, ours) if ours else (vault, theirs)

    def text(self, name: str) -> str:
        return self.find(name)[1]

    def boolean(self, name: str) -> bool:
        variable, value = self.find(name)
        meaning = boolean(value) if value else False
        if meaning is not None:
            return meaning
        raise ConfigError(f"{variable} must be true or false (or 1, t, 0, f)")


def from_environment(
    environ: Mapping[str, str], *, address: str | None = None
) -> tuple[ClientConfig, tuple[str, ...]]:
    """The settings, and notes that a person should see at the start.

    ``address`` wins over the environment. Each variable ``VAULT_X`` may be called ``BAO_X``, which wins
    when both are set; an empty one counts as not set. Raises ConfigError.
    """
    variables = _Variables(environ)
    where, address = ("the address", address) if address else _address(variables)
    endpoint = parse_address(address, where)

    cert_variable, client_cert = variables.find("CLIENT_CERT")
    key_variable, client_key = variables.find("CLIENT_KEY")
    if bool(client_cert) != bool(client_key):
        present, missing = (cert_variable, key_variable) if client_cert else (key_variable, cert_variable)
        raise ConfigError(f"{present} is set, {missing} is not: set both or neither")
    skip_verify = variables.boolean("SKIP_VERIFY")
    if skip_verify:
        variables.notes.append(
            f"{variables.find('SKIP_VERIFY')[0]} is set: the server's certificate is not verified"
        )
    wrap_variable, wrap = variables.find("WRAP_TTL")
    if wrap:
        variables.notes.append(
            f"{wrap_variable} is ignored: a wrapped answer would put the keys behind a token that expires"
        )
    proxy, proxy_credentials = _proxy(variables, environ, endpoint)
    token = variables.text("TOKEN")
    config = ClientConfig(
        address=address,
        namespace=_ascii(variables, "NAMESPACE"),
        token=Secret(token) if token else None,
        ca_cert=variables.text("CACERT"),
        ca_cert_bytes=variables.text("CACERT_BYTES"),
        ca_path=variables.text("CAPATH"),
        client_cert=client_cert,
        client_key=client_key,
        tls_server_name=_ascii(variables, "TLS_SERVER_NAME"),
        skip_verify=skip_verify,
        timeout=_timeout(variables),
        max_retries=_max_retries(variables),
        proxy=proxy,
        proxy_credentials=proxy_credentials,
        rate_limit=_rate_limit(variables),
        srv_lookup=_srv_lookup(variables),
        disable_redirects=variables.boolean("DISABLE_REDIRECTS"),
    )
    _note_tls(variables, endpoint)
    return config, tuple(dict.fromkeys(variables.notes))


def _address(variables: _Variables) -> tuple[str, str]:
    agent_variable, agent = variables.find("AGENT_ADDR")
    variable, address = variables.find("ADDR")
    if agent:
        if address and address != agent:
            variables.notes.append(f"{agent_variable} wins over {variable}: both are set and differ")
        return agent_variable, agent
    return variable, address or DEFAULT_ADDRESS


def _ascii(variables: _Variables, name: str) -> str:
    variable, value = variables.find(name)
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"{variable} must be of printable ASCII characters")
    return value


def _timeout(variables: _Variables) -> float:
    variable, value = variables.find("CLIENT_TIMEOUT")
    if not value:
        return DEFAULT_TIMEOUT
    try:
        seconds = parse_duration(value)
    except ValueError as cause:
        raise ConfigError(f"{variable}: {cause}") from cause
    if seconds == 0:
        raise ConfigError(f"{variable} must be longer than 0")
    return seconds


def _max_retries(variables: _Variables) -> int:
    variable, value = variables.find("MAX_RETRIES")
    if not value:
        return DEFAULT_MAX_RETRIES
    if not re.fullmatch("[0-9]{1,4}", value):
        raise ConfigError(f"{variable} must be a whole number from 0 to 9999")
    return int(value)


def _rate_limit(variables: _Variables) -> tuple[float, int] | None:
    variable, value = variables.find("RATE_LIMIT")
    if not value:
        return None
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?::([0-9]{1,9}))?", value)
    rate = float(match[1]) if match else 0.0
    burst = int(match[2]) if match and match[2] else max(1, int(rate))
    if rate <= 0 or burst <= 0:
        raise ConfigError(
            f"{variable} must be requests per second, or rate:burst, both above 0: 10 or 2.5:20"
        )
    return rate, burst


def _srv_lookup(variables: _Variables) -> bool:
    if not variables.boolean("SRV_LOOKUP"):
        return False
    from importlib.util import find_spec  # only for SRV records

    if find_spec("dns") is None:
        variable = variables.find("SRV_LOOKUP")[0]
        raise ConfigError(f"{variable} needs the package dnspython: pip install bank-vaults[srv]")
    return True


def _proxy(
    variables: _Variables, environ: Mapping[str, str], endpoint: Endpoint
) -> tuple[str | None, Secret | None]:
    if endpoint.scheme == "unix":
        return None, None
    variable, value = variables.find("PROXY_ADDR")
    if not value:
        variable, value = variables.find("HTTP_PROXY")
    if not value:
        found = standard_proxy(environ, endpoint.scheme, endpoint.host, endpoint.port)
        if found is None:
            return None, None
        variable, value = found
    proxy, credentials = parse_proxy(value, variable)
    return str(proxy), credentials


def _note_tls(variables: _Variables, endpoint: Endpoint) -> None:
    """Settings of TLS on an address without TLS: harmless, but hardly meant so."""
    if endpoint.scheme != "http":
        return
    names = ("CACERT", "CACERT_BYTES", "CAPATH", "CLIENT_CERT", "TLS_SERVER_NAME")
    unused = [variable for variable, value in map(variables.find, names) if value]
    if unused:
        variables.notes.append(f"{', '.join(unused)} without effect: the address is http, not https")
