"""The TLS side of connections: certificates from files, read again when they change."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING

from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.connection import Clock, ConnectError, Connection, os_reason
from bank_vaults.vault.endpoints import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[str, int, int, int], ...]

_HANDSHAKE_SECONDS = 5.0

_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The errors of TLS that only say that the connection ended."""

_NO_TLS = "the server does not speak TLS: must the address begin with http://?"
_NO_CLIENT_CERT = "the server wants a certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
_HINTS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _NO_CLIENT_CERT,
}


class TlsConnection(Connection):
    """A connection under TLS."""

    def is_stale(self) -> bool:
        """Whether the server closed the connection, or sent what nobody asked for, while it was idle.

        Reading, not polling, since TLS 1.3 sends session tickets after the handshake: bytes on the
        socket alone do not mean that anything is wrong.
        """
        self._limit_to(0)
        try:
            self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def explain(self, cause: EOFError | OSError) -> tuple[str, bool]:
        """Why an exchange failed, and whether repeating does not mend it."""
        if isinstance(cause, _CUT):
            cause = EOFError()
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {_reason(cause)}", True
        return super().explain(cause)


class TlsFilesError(Exception):
    """A certificate or key cannot be read. The message names the variable and the cause."""


class Tls:
    """Secures new connections. Certificates get rotated: changed files are read again.

    A rotation that is only half done (new certificate, old key) leaves the former context in use; the
    next connection tries again.
    """

    def __init__(self, config: ClientConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._stamp: _Stamp = ()

    def secure(self, connected: socket.socket, endpoint: Endpoint, deadline: float) -> TlsConnection:
        """Shake hands on a new connection. Raises ConnectError; the caller closes the socket then."""
        name = self._config.tls_server_name or endpoint.host
        try:
            context = self._current()
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise TimeoutError
            connected.settimeout(min(remaining, _HANDSHAKE_SECONDS))
            secured = context.wrap_socket(
                connected,
                server_hostname=name.encode("ascii"),  # for a text Python loads its tables of Unicode names
                suppress_ragged_eofs=False,  # a cut without TLS's goodbye is no end of an answer
            )
        except TlsFilesError as error:
            raise ConnectError(str(error), permanent=True) from None
        except ssl.SSLCertVerificationError as cause:
            raise ConnectError(
                f"the certificate of {endpoint} is not trusted: {cause.verify_message}. "
                "Check the CA in VAULT_CACERT and the name in VAULT_TLS_SERVER_NAME",
                permanent=True,
            ) from None
        except (TimeoutError, *_CUT):
            raise ConnectError("TLS: the server did not complete the handshake") from None
        except ssl.SSLError as cause:
            raise ConnectError(f"TLS: {_reason(cause)}", permanent=True) from None
        except OSError as cause:
            raise ConnectError(f"TLS: no connection: {os_reason(cause)}") from None
        except ValueError:
            raise ConnectError(f"TLS: {name!r} cannot be a server's name", permanent=True) from None
        return TlsConnection(secured, self._clock)

    def _current(self) -> ssl.SSLContext:
        """The context that fits the files as they are now. Raises TlsFilesError."""
        stamp = self._stamp_of_files()
        if self._context is not None and stamp == self._stamp:
            return self._context
        try:
            context = _build(self._config)
        except TlsFilesError as error:
            if self._context is None:
                raise
            _log.warning(
                "changed TLS files cannot be used, the former ones stay",
                extra={"fields": {"cause": str(error)}},
            )
            return self._context
        self._context, self._stamp = context, stamp
        return context

    def _stamp_of_files(self) -> _Stamp:
        config = self._config
        paths = [path for path in (config.client_cert, config.client_key) if path]
        if not config.ca_cert_bytes:
            if config.ca_cert:
                paths.append(config.ca_cert)
            elif config.ca_path:
                paths.extend(map(str, _files_below(config.ca_path)))
        return tuple(map(_stamp, paths))


def _stamp(path: str) -> tuple[str, int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, found.st_mtime_ns, found.st_ino, found.st_size


def _files_below(directory: str) -> list[Path]:
    from pathlib import Path  # 17 ms, and few name a directory

    return sorted(path for path in Path(directory).rglob("*") if path.is_file())


def _build(config: ClientConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if config.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        # As in Go: whatever certificate the user names as trusted is a root, self-signed or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_roots(context, config)
    if config.client_cert:
        try:
            # Without a password function OpenSSL would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(config.client_cert, config.client_key, password=lambda: b"")
        except (OSError, ValueError) as cause:
            raise TlsFilesError(
                f"VAULT_CLIENT_CERT {config.client_cert} and VAULT_CLIENT_KEY {config.client_key}: "
                f"{_why(cause)} (needed: a PEM certificate and its PEM key, not encrypted)"
            ) from None
    return context


def _load_roots(context: ssl.SSLContext, config: ClientConfig) -> None:
    if config.ca_cert_bytes:
        pem = config.ca_cert_bytes.encode("ascii", "ignore").decode()  # comments may be in any language
        try:
            context.load_verify_locations(cadata=pem)
        except (OSError, ValueError) as cause:
            raise TlsFilesError(f"VAULT_CACERT_BYTES: {_why(cause)} (needed: PEM certificates)") from None
    elif config.ca_cert:
        try:
            context.load_verify_locations(cafile=config.ca_cert)
        except OSError as cause:
            raise TlsFilesError(f"VAULT_CACERT {config.ca_cert}: {_why(cause)}") from None
    elif config.ca_path:
        for path in _files_below(config.ca_path):
            try:
                context.load_verify_locations(cafile=path)
            except OSError:
                continue  # a directory of certificates may hold other files as well
        if not context.cert_store_stats()["x509_ca"]:
            raise TlsFilesError(f"VAULT_CAPATH {config.ca_path}: no PEM certificate found in it")
    else:
        context.load_default_certs()


def _reason(cause: ssl.SSLError) -> str:
    """What went wrong with TLS, with the next step where it is known."""
    reason = cause.reason or "failed"
    if reason in _HINTS:
        return _HINTS[reason]
    if "ALERT" in reason:
        return f"the server refused ({reason}): does it accept the certificate in VAULT_CLIENT_CERT?"
    return reason


def _why(cause: Exception) -> str:
    if isinstance(cause, ssl.SSLError):
        return cause.reason or "not a PEM file"
    return (isinstance(cause, OSError) and cause.strerror) or type(cause).__name__
