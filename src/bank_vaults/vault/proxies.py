"""Which HTTP proxy leads to a host: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.

The rules are those of Go's ``http.ProxyFromEnvironment``, which the client of the servers uses: no proxy
for loopback hosts; ``NO_PROXY`` is a list of hosts, domains (``example.com`` includes its subdomains,
``.example.com`` means them only), addresses, networks (``10.0.0.0/8``), each with an optional port, or ``*``.
"""

from __future__ import annotations

from collections.abc import Mapping


def standard_proxy(environ: Mapping[str, str], scheme: str, host: str, port: int) -> tuple[str, str] | None:
    """The variable and the proxy in it that applies to a host, or None to connect directly."""
    lower = f"{scheme}_proxy"
    for variable in (lower.upper(), lower):
        if value := environ.get(variable, ""):
            no_proxy = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
            return None if _bypassed(host, port, no_proxy) else (variable, value)
    return None


def _bypassed(host: str, port: int, no_proxy: str) -> bool:
    import ipaddress  # 3 ms, and only who has a proxy needs it

    host = host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        name, separator, digits = entry.rpartition(":")
        if separator and digits.isdecimal() and (":" not in name or name.endswith("]")):
            if int(digits) != port:
                continue
            entry = name
        entry = entry.strip("[]")
        if not entry:
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        elif host == entry or host.endswith("." + entry.removeprefix("*").lstrip(".")):
            return True
    return False
