"""Names to addresses, within a time limit."""

from __future__ import annotations

import socket
import threading
from typing import Any

from bank_vaults.vault.endpoints import Endpoint

Address = tuple[socket.AddressFamily, Any]


class Resolver:
    """Looks names up. The system's lookup cannot be interrupted, so it runs in a thread of its own.

    One thread for each name at a time: whoever asks for the same name meanwhile waits for that one, and
    a dead name server does not pile up threads.
    """

    def __init__(self, *, srv: bool) -> None:
        self._srv = srv
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}

    def addresses(self, endpoint: Endpoint, timeout: float) -> list[Address]:
        """The addresses of an endpoint, at least one. Raises OSError, TimeoutError among them."""
        host, port = endpoint.host, endpoint.port
        try:
            return _look_up(host, port, socket.AI_NUMERICHOST)
        except OSError:
            pass  # a name, not an address
        with self._lock:
            lookup = self._running.get((host, port))
            if lookup is None:
                srv = f"_{endpoint.scheme}._tcp" if self._srv and not endpoint.explicit_port else ""
                lookup = self._running[host, port] = _Lookup(host, port, srv)
                threading.Thread(target=self._run, args=(lookup,), name="resolver", daemon=True).start()
        if not lookup.done.wait(timeout):
            raise TimeoutError
        if lookup.error is not None:
            raise OSError(lookup.error)
        return lookup.found

    def _run(self, lookup: _Lookup) -> None:
        try:
            host, port = (lookup.host, lookup.port)
            if lookup.srv:
                host, port = _look_up_srv(lookup.srv, host, port)
            lookup.found = _look_up(host, port, 0)
        except (OSError, UnicodeError) as error:
            lookup.error = str(error.strerror or error) if isinstance(error, OSError) else "not a host name"
        finally:
            with self._lock:
                del self._running[lookup.host, lookup.port]
            lookup.done.set()


class _Lookup:
    def __init__(self, host: str, port: int, srv: str) -> None:
        self.host = host
        self.port = port
        self.srv = srv
        self.done = threading.Event()
        self.found: list[Address] = []
        self.error: str | None = None


def _look_up(host: str, port: int, flags: int) -> list[Address]:
    # As bytes: for a text Python would load its tables of Unicode names, even for plain ASCII.
    name = host.encode("ascii" if host.isascii() else "idna")
    found = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, flags)
    return [(family, address) for family, _, _, _, address in found]


def _look_up_srv(service: str, host: str, port: int) -> tuple[str, int]:
    """The best target of the SRV record (RFC 2782), or the host itself when it has none."""
    import dns.exception
    import dns.resolver  # heavy, and only for VAULT_SRV_LOOKUP

    try:
        records = dns.resolver.resolve(f"{service}.{host}", "SRV").rrset or ()
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return host, port
    except dns.exception.DNSException as error:
        raise OSError(f"the lookup of the SRV record failed: {type(error).__name__}") from error
    best = min(records, key=lambda record: (record.priority, -record.weight))
    return best.target.to_text(omit_final_dot=True), best.port
