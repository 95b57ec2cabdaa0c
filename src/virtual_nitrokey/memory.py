"""The file system of the card: what file identifiers mean, who may do what, and how much fits.

Files are transparent and stand in one directory (ISO/IEC 7816-4). The high byte of an identifier
tells the class of a file, the low byte its number: key CC01 is described by C401 (PKCS#15).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW, CardError

CAPACITY = 76 * 1024  # bytes for files and keys together (Nitrokey HSM, public data sheet)
MOST_ENTRIES = 507  # files and keys: OpenSC takes a card for broken that lists more than 1014 bytes
LARGEST_FILE = 0xFFFF  # bytes: offsets and the size in the file control parameters have 16 bits

DEVICE_KEY = 0  # as a key
DEVICE_CERTIFICATE = 0x2F02  # as a file
WRAPPED_KEY = 0x2F10  # a buffer: filled piece by piece, emptied by UNWRAP
_KEYS = 0xCC

PrivateKey = RsaKey | EcKey


class Access(Enum):
    """When something may be done."""

    ALWAYS = "always"
    USER = "with the user PIN"
    NEVER = "never"


class Rule(NamedTuple):
    """What may be done with a file. Creating it is writing."""

    read: Access
    write: Access
    delete: Access


_ALWAYS, _USER, _NEVER = Access
_DESCRIPTION = Rule(_ALWAYS, _USER, _USER)
_RULES: Mapping[int, Rule] = {
    0x2F00: Rule(_ALWAYS, _NEVER, _NEVER),  # EF.DIR; this card has none
    DEVICE_CERTIFICATE: Rule(_ALWAYS, _NEVER, _NEVER),
    0x2F03: _DESCRIPTION,  # TokenInfo: label and flags
    WRAPPED_KEY: Rule(_NEVER, _USER, _USER),
    _KEYS << 8 | DEVICE_KEY: Rule(_NEVER, _NEVER, _NEVER),
}
_RULES_OF_CLASSES: Mapping[int, Rule] = {
    _KEYS: Rule(_NEVER, _NEVER, _USER),  # private keys: written by commands of their own
    0xC4: _DESCRIPTION,  # of a private key
    0xCE: _DESCRIPTION,  # certificate, or certificate request, of a key
    0xC8: _DESCRIPTION,  # of a certificate
    0xCA: _DESCRIPTION,  # certificate without a key
    0xC9: _DESCRIPTION,  # of a data object
    0xCD: Rule(_USER, _USER, _USER),  # private data object
    0xCF: _DESCRIPTION,  # public data object
}


def rule(fid: int) -> Rule:
    """What may be done with this file, whether it exists or not. CardError (6A82) if it never can."""
    found = _RULES.get(fid) or _RULES_OF_CLASSES.get(fid >> 8)
    if found is None:
        raise CardError(SW.NOT_FOUND)
    return found


def is_key(fid: int) -> bool:
    """Whether this is the identifier of a private key, whose number is the low byte."""
    return fid >> 8 == _KEYS


def is_file(fid: int) -> bool:
    """Whether a file can have this identifier."""
    return not is_key(fid) and (fid in _RULES or fid >> 8 in _RULES_OF_CLASSES)


@dataclass(frozen=True)
class Memory:
    """All files by identifier and all private keys by number, each in the order of creation."""

    files: Mapping[int, bytes] = field(repr=False)
    keys: Mapping[int, PrivateKey] = field(repr=False)

    @property
    def used(self) -> int:
        """Bytes taken of the capacity; what the maker put there is not counted.

        A file takes its content. An RSA key takes five times its modulus (n, d and the five halves for
        the Chinese remainder theorem, rounded up), an EC key nine times its field (d, the point, and
        the domain parameters that a Java Card keeps with each key). So 38 RSA-2048 keys with their
        descriptions and requests fill the 76 KB, which are the two figures of the data sheet.
        """
        files = sum(len(content) for fid, content in self.files.items() if fid != DEVICE_CERTIFICATE)
        return files + sum(_size(key) for number, key in self.keys.items() if number != DEVICE_KEY)

    @property
    def entries(self) -> int:
        """How many files and keys there are."""
        return len(self.files) + len(self.keys)

    def identifiers(self) -> Iterator[int]:
        """The identifiers of everything: the keys first, then the files."""
        yield from (_KEYS << 8 | number for number in self.keys)
        yield from self.files

    def content(self, fid: int) -> bytes:
        """The content of a file; a key has an empty one. CardError (6A82) if there is none."""
        if is_key(fid) and fid & 0xFF in self.keys:
            return b""
        try:
            return self.files[fid]
        except KeyError:
            raise CardError(SW.NOT_FOUND) from None

    def written(self, fid: int, offset: int, part: bytes) -> Memory:
        """With ``part`` at ``offset`` of this file, which is created if need be.

        CardError: 6B00 if that would leave a gap, 6A84 if the file grew beyond 65535 bytes.
        """
        old = self.files.get(fid, b"")
        end = offset + len(part)
        if offset > len(old):
            raise CardError(SW.WRONG_OFFSET)
        if end > LARGEST_FILE:
            raise CardError(SW.NO_SPACE)
        # The rest of a longer key that was in the buffer before is no part of this one.
        rest = b"" if fid == WRAPPED_KEY else old[end:]
        return replace(self, files={**self.files, fid: old[:offset] + part + rest})

    def with_key(self, number: int, key: PrivateKey) -> Memory:
        """With this key, in the place of the one that had the number."""
        return replace(self, keys={**self.keys, number: key})

    def without(self, fid: int) -> Memory:
        """Without this file or key. CardError (6A82) if there is none."""
        self.content(fid)
        if is_key(fid):
            return replace(self, keys={key: self.keys[key] for key in self.keys if key != fid & 0xFF})
        return replace(self, files={file: self.files[file] for file in self.files if file != fid})

    def erased(self) -> Memory:
        """With nothing but what the maker put there."""
        return Memory(
            {DEVICE_CERTIFICATE: self.files[DEVICE_CERTIFICATE]}, {DEVICE_KEY: self.keys[DEVICE_KEY]}
        )


def _size(key: PrivateKey) -> int:
    size = (key.bits + 7) // 8
    return 5 * size if isinstance(key, RsaKey) else 9 * size
