"""sprig's checksums, of the bytes of a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating.golang.values import Value, octets


def sha1sum(string: str) -> str:
    """SHA-1 in hexadecimal digits; a checksum of old, no protection."""
    return hashlib.sha1(octets(string), usedforsecurity=False).hexdigest()


def sha256sum(string: str) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(octets(string)).hexdigest()


def sha512sum(string: str) -> str:
    """SHA-512 in hexadecimal digits."""
    return hashlib.sha512(octets(string)).hexdigest()


def adler32sum(string: str) -> str:
    """Adler-32 as a decimal number."""
    from zlib import adler32

    return str(adler32(octets(string)))


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "sha1sum": sha1sum,
    "sha256sum": sha256sum,
    "sha512sum": sha512sum,
    "adler32sum": adler32sum,
}
