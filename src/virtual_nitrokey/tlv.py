"""Data objects in BER-TLV: a tag, a length and a value (ISO/IEC 7816-4, 5.2.2; ITU-T X.690).

Tags have one or two bytes, lengths up to four (83 and three bytes). What is written has the shortest
length field (DER); any valid one is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_LONGEST = 0xFFFFFF  # bytes of a value


class Tlv(NamedTuple):
    """One data object; ``tag`` is its one or two bytes as a number."""

    tag: int
    value: bytes


def parse(data: bytes) -> tuple[Tlv, ...]:
    """All data objects of ``data``, which they must fill exactly. Not recursive. Raises ValueError."""
    items: list[Tlv] = []
    at = 0
    while at < len(data):
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if length > len(data) - at:
            raise ValueError("a value is cut short")
        items.append(Tlv(tag, data[at : at + length]))
        at += length
    return tuple(items)


def encode(tag: int, value: bytes) -> bytes:
    """One data object as bytes. ValueError for a tag of another shape, and above 16 MiB."""
    if not 0 <= tag <= 0xFFFF:
        raise ValueError(f"{tag:X} is no tag of one or two bytes")
    name = tag.to_bytes(1 if tag < 0x100 else 2, "big")
    if _tag(name, 0) != (tag, len(name)):
        raise ValueError(f"{tag:X} is no tag")
    if len(value) > _LONGEST:
        raise ValueError("a value is too long")
    if len(value) < 0x80:
        length = bytes((len(value),))
    else:
        digits = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
        length = bytes((0x80 | len(digits),)) + digits
    return name + length + value


def join(*pairs: tuple[int, bytes]) -> bytes:
    """Several data objects, one after the other."""
    return b"".join(encode(tag, value) for tag, value in pairs)


def find(items: Iterable[Tlv], tag: int) -> bytes | None:
    """The value of the first data object with this tag."""
    return next((item.value for item in items if item.tag == tag), None)


def _tag(data: bytes, at: int) -> tuple[int, int]:
    """The tag at this place, and the place behind it."""
    first = data[at]
    if first & 0x1F != 0x1F:
        return first, at + 1
    if at + 1 == len(data):
        raise ValueError("a tag is cut short")
    second = data[at + 1]
    if not 0x1F <= second < 0x80:  # below: the short form would do; above: a third byte follows
        raise ValueError(f"{first:02X}{second:02X} is no tag of two bytes")
    return first << 8 | second, at + 2


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length at this place, and the place behind it."""
    if at == len(data):
        raise ValueError("a length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first - 0x80
    end = at + 1 + size
    if not 1 <= size <= 3 or end > len(data):
        raise ValueError("a length is cut short or too long")
    return int.from_bytes(data[at + 1 : end], "big"), end
