"""sprig's random values, all from the system's generator."""

from __future__ import annotations

import secrets
import string
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.strconv import MAX_INT64
from bank_vaults.templating.golang.values import Value
from bank_vaults.templating.sprig.cases import WITHOUT_STRAYS

_PRINTABLE: Final = "".join(map(chr, range(ord(" "), ord("~") + 1)))


def _from(alphabet: str) -> Callable[[int], str]:
    letters = alphabet.encode()
    # Bytes beyond the last whole multiple are thrown away: every letter is as likely as any other.
    fair = 256 - 256 % len(letters)
    table = bytes(letters[code % len(letters)] for code in range(256))
    unfair = bytes(range(fair, 256))

    def characters(count: int) -> str:
        """So many characters of the alphabet; none for a negative number."""
        limits.text_of(count)
        chosen = bytearray()
        while len(chosen) < count:
            chosen += secrets.token_bytes(count - len(chosen)).translate(table, unfair)
        return chosen.decode()

    return characters


def random_bytes(count: int) -> str:
    """So many bytes, in base64. Raises FunctionError for a negative number."""
    if count < 0:
        raise FunctionError("runtime error: makeslice: len out of range")
    limits.text_of(count)
    return b2a_base64(secrets.token_bytes(count), newline=False).decode()


def random_int(least: int, beyond: int) -> int:
    """A number from ``least`` to before ``beyond``. Raises FunctionError where there is none between them."""
    if not 0 < beyond - least <= MAX_INT64:
        raise FunctionError("invalid argument to Intn")
    return least + secrets.randbelow(beyond - least)


def shuffle(text: str) -> str:
    """The characters in another order. Raises FunctionError for too many."""
    limits.items_of(len(text))
    characters = list(text.translate(WITHOUT_STRAYS))
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def uuid() -> str:
    """A random UUID, version 4."""
    octets = bytearray(secrets.token_bytes(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "randAlphaNum": _from(string.ascii_letters + string.digits),
    "randAlpha": _from(string.ascii_letters),
    "randNumeric": _from(string.digits),
    "randAscii": _from(_PRINTABLE),
    "randBytes": random_bytes,
    "randInt": random_int,
    "shuffle": shuffle,
    "uuidv4": uuid,
}
