"""sprig's base64 and base32. What cannot be decoded gives the text of the error, as sprig has it."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.base64 import decoded
from bank_vaults.templating.golang.values import Value, octets, text

_BASE32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_NEWLINES: Final = b"\r\n"


class _CorruptError(Exception):
    """Where the first byte stands that is none of the encoding."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position


def b64enc(string: str) -> str:
    """The bytes in base64, with padding."""
    limits.text_of(len(string) * 4 // 3)
    return b2a_base64(octets(string), newline=False).decode()


def b64dec(string: str) -> str:
    """What base64 with padding stands for; ends of lines are passed over."""
    try:
        return text(decoded(string))
    except FunctionError as error:
        return str(error)


def b32enc(string: str) -> str:
    """The bytes in base32, with padding."""
    from base64 import b32encode

    limits.text_of(len(string) * 8 // 5)
    return b32encode(octets(string)).decode()


def b32dec(string: str) -> str:
    """What base32 with padding stands for; ends of lines are passed over."""
    from base64 import b32decode

    encoded = octets(string).translate(None, _NEWLINES)
    try:
        content = encoded[: _end_of_base32(encoded)]
    except _CorruptError as error:
        return f"illegal base32 data at input byte {error.position}"
    return text(b32decode(content + b"=" * (-len(content) % 8)))


def _end_of_base32(encoded: bytes) -> int:
    """Where the padding begins."""
    content = len(encoded) - len(encoded.lstrip(_BASE32))
    if content == len(encoded):
        if content % 8:
            raise _CorruptError(content - content % 8)
        return content
    held = content % 8
    remaining = len(encoded) - content - 1
    if encoded[content] != ord("=") or held < 2 or remaining >= 8:
        raise _CorruptError(content)
    if remaining + held < 7:
        raise _CorruptError(len(encoded))
    for position in range(content + 1, content + 8 - held):
        if encoded[position] != ord("="):
            raise _CorruptError(position - 1)
    if held in (3, 6):
        raise _CorruptError(content)
    return content


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "b64enc": b64enc,
    "b64dec": b64dec,
    "b32enc": b32enc,
    "b32dec": b32dec,
}
