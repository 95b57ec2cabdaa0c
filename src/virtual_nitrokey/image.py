"""The whole persistent state of a stick, and the file it is kept in.

The file is JSON with base64. It holds private keys, the PIN of the user and the SO-PIN in clear: this is
a simulator, and whoever reads the file has the stick. It is readable by its owner only.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import STRICT, IntFlag
from typing import NamedTuple, cast

from virtual_nitrokey import cvc, keys
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.keys import EcKey
from virtual_nitrokey.memory import (
    DEVICE_CERTIFICATE,
    DEVICE_KEY,
    LARGEST_FILE,
    Memory,
    PrivateKey,
    is_file,
)
from virtual_nitrokey.pins import SO_TRIES, Pin, Reference, most_tries
from virtual_nitrokey.status import CardError

_FORMAT = 1
_SERIAL = re.compile(r"DENK[0-9]{7}")
_SEQUENCE = b"00001"  # number of the device certificate (BSI TR-03110-3, certificate holder reference)


class ImageError(Exception):
    """A stick whose file cannot be used: the message names the file, the place in it and the reason."""


class Option(IntFlag, boundary=STRICT):
    """What was chosen when the stick was initialised."""

    SO_RESETS_USER = 1  # the SO-PIN may give the user PIN its tries back, and replace it
    TRANSPORT_PIN = 2  # the first user PIN has to be changed before it opens anything
    SESSION_PIN = 4


@dataclass(frozen=True)
class Image:
    """Everything that a stick keeps without power. Without PINs it was never initialised."""

    serial: str
    memory: Memory
    version: tuple[int, int] = (3, 5)
    options: Option = Option.SO_RESETS_USER
    pins: Mapping[Reference, Pin] = field(default_factory=dict)
    key_domain: KeyDomain | None = None

    @classmethod
    def new(cls, serial: str | None = None) -> Image:
        """A stick as it leaves the factory. ValueError unless ``serial`` is DENK and seven digits."""
        if serial is None:
            serial = f"DENK{secrets.randbelow(10**7):07d}"
        if not _SERIAL.fullmatch(serial):
            raise ValueError(f"a serial number is DENK and seven digits, not {serial!r}")
        key = EcKey.generate(Curve.by_name("secp256r1"))
        certificate = cvc.device_certificate(key, serial)
        return cls(serial, Memory({DEVICE_CERTIFICATE: certificate}, {DEVICE_KEY: key}))

    @property
    def device_key(self) -> EcKey:
        """The key that signs for the device."""
        return cast(EcKey, self.memory.keys[DEVICE_KEY])  # neither made nor read as another kind

    @property
    def holder_reference(self) -> bytes:
        """The name of the device in its certificate: serial and sequence number."""
        return self.serial.encode() + _SEQUENCE

    def with_pin(self, reference: Reference, pin: Pin) -> Image:
        """With this PIN in the place of the former one."""
        return replace(self, pins={**self.pins, reference: pin})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, mode 0600: the old content or the new one is there, never a part. Raises OSError.

        It does not wait for the disk: a process that is killed loses nothing, a machine that fails may
        bring back an older state.
        """
        path = os.fspath(path)
        content = json.dumps(_encode(self), indent=1).encode()
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=".stick-", dir=os.path.dirname(path) or ".")
            try:
                with open(descriptor, "wb") as file:
                    file.write(content)
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error  # nobody knows the temporary one

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Image:
        """Read the file. ImageError if it is damaged or of another format; OSError if it cannot be read."""
        with open(path, "rb") as file:
            content = file.read()
        try:
            return _decode(_Node(json.loads(content, object_pairs_hook=_unique), ""))
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{os.fspath(path)} is no image of a stick: {error}") from None


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep the stick to oneself: no other process runs it meanwhile. ImageError if one does.

    The lock is on a file of its own beside the image, as saving replaces the image. It stays there.
    """
    descriptor = os.open(f"{os.fspath(path)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImageError(
                f"{os.fspath(path)} is in use: stop the process that runs this stick, or run another stick"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _encode(image: Image) -> dict[str, object]:
    domain = image.key_domain
    return {
        "format": _FORMAT,
        "serial": image.serial,
        "version": list(image.version),
        "options": int(image.options),
        "pins": {
            reference.name: {
                "value": _text(pin.value),
                "tries": pin.tries,
                "maximum": pin.maximum,
                "transport": pin.transport,
            }
            for reference, pin in image.pins.items()
        },
        "key domain": domain and {"total": domain.total, "shares": [_text(share) for share in domain.shares]},
        "keys": {f"{number:02X}": _text(keys.serialise(key)) for number, key in image.memory.keys.items()},
        "files": {f"{fid:04X}": _text(content) for fid, content in image.memory.files.items()},
    }


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


class _Node(NamedTuple):
    """A value of the file and its place in it. What it reads raises ValueError that names the place."""

    value: object
    place: str

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.place.lstrip('/') or 'the whole'}: {what}")

    def members(self) -> dict[str, _Node]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("not an object")
        return {name: _Node(value, f"{self.place}/{name}") for name, value in self.value.items()}

    def numbered(self, digits: int) -> dict[int, _Node]:
        """The members of an object whose names are numbers of so many hexadecimal digits."""
        form = re.compile(f"[0-9A-F]{{{digits}}}")
        members = self.members().items()
        return {int(_Node(name, member.place).match(form), 16): member for name, member in members}

    def record(self, *names: str) -> list[_Node]:
        """The members of an object that has exactly these."""
        members = self.members()
        if members.keys() != set(names):
            raise self.wrong(f"its members are not {', '.join(names)}")
        return [members[name] for name in names]

    def items(self) -> list[_Node]:
        if not isinstance(self.value, list):
            raise self.wrong("not an array")
        return [_Node(value, f"{self.place}/{index}") for index, value in enumerate(self.value)]

    def number(self, least: int, most: int) -> int:
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.wrong(f"not a number from {least} to {most}")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong("neither true nor false")
        return self.value

    def match(self, pattern: re.Pattern[str]) -> str:
        if not isinstance(self.value, str) or not pattern.fullmatch(self.value):
            raise self.wrong(f"not of the form {pattern.pattern}")
        return self.value

    def binary(self) -> bytes:
        try:
            return base64.b64decode(self.value, validate=True)  # type: ignore[arg-type]
        except (ValueError, TypeError):
            raise self.wrong("not base64") from None


def _unique(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice in an object")
    return found


def _decode(node: _Node) -> Image:
    form = node.members().get("format", _Node(None, "/format"))
    if form.number(1, 1 << 31) != _FORMAT:
        raise form.wrong(f"this program knows format {_FORMAT} only")
    _, serial, version, options, pins, domain, private, files = node.record(
        "format", "serial", "version", "options", "pins", "key domain", "keys", "files"
    )
    numbers = [item.number(0, 0xFF) for item in version.items()]
    if len(numbers) != 2:
        raise version.wrong("not two numbers")
    return Image(
        serial=serial.match(_SERIAL),
        memory=Memory(_decode_files(files), _decode_keys(private)),
        version=(numbers[0], numbers[1]),
        options=Option(options.number(0, ~Option(0))),
        pins=_decode_pins(pins),
        key_domain=None if domain.value is None else _decode_domain(domain),
    )


def _decode_pins(node: _Node) -> dict[Reference, Pin]:
    if node.value == {}:  # never initialised
        return {}
    members = zip(Reference, node.record("USER", "SO"), strict=True)
    return {reference: _decode_pin(member, reference) for reference, member in members}


def _decode_pin(node: _Node, reference: Reference) -> Pin:
    value, tries, maximum, transport = node.record("value", "tries", "maximum", "transport")
    pin = value.binary()
    if not reference.takes(len(pin)):
        raise value.wrong("no PIN has this length")
    most = SO_TRIES if reference is Reference.SO else most_tries(len(pin))
    limit = maximum.number(1, most)
    return Pin(pin, tries.number(0, limit), limit, transport.boolean())


def _decode_domain(node: _Node) -> KeyDomain:
    total, shares = node.record("total", "shares")
    domain = KeyDomain(total.number(0, 0xFF))
    for share in shares.items():
        try:
            domain = domain.with_share(share.binary())
        except CardError:
            raise share.wrong("no share, or one too many") from None
    return domain


def _decode_keys(node: _Node) -> dict[int, PrivateKey]:
    found = {number: _decode_key(member) for number, member in node.numbered(2).items()}
    if not isinstance(found.get(DEVICE_KEY), EcKey):
        raise node.wrong("key 00, of the device, is missing or no EC key")
    return found


def _decode_key(node: _Node) -> PrivateKey:
    try:
        return keys.deserialise(node.binary())
    except ValueError:
        raise node.wrong("not a key") from None


def _decode_files(node: _Node) -> dict[int, bytes]:
    found = {fid: _decode_file(member, fid) for fid, member in node.numbered(4).items()}
    if DEVICE_CERTIFICATE not in found:
        raise node.wrong(f"file {DEVICE_CERTIFICATE:04X}, the certificate of the device, is missing")
    return found


def _decode_file(node: _Node, fid: int) -> bytes:
    content = node.binary()
    if not is_file(fid) or len(content) > LARGEST_FILE:
        raise node.wrong("not a file of this card, or too large")
    return content
