"""Private keys as sprig makes and reads them, and the PEM blocks they stand in."""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.base64 import decoded
from bank_vaults.templating.golang.values import octets

Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | dsa.DSAPrivateKey
    | x25519.X25519PrivateKey
)
SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""The keys that can stand in a certificate."""

_CURVES: Final = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_READ_AS: Final = {
    "PRIVATE KEY": "decoding PEM as PKCS#8",
    "RSA PRIVATE KEY": "parsing RSA private key from PEM",
    "EC PRIVATE KEY": "parsing EC private key from PEM",
    "DSA PRIVATE KEY": "parsing DSA private key from PEM",
}
MAX_PEM: Final = 64 * 1024
"""Characters of a text in which a block of PEM is looked for."""
_BEGIN: Final = "-----BEGIN "
_DASHES: Final = "-----"


class Block(NamedTuple):
    """A block of PEM."""

    kind: str
    """``RSA PRIVATE KEY``."""
    text: str
    """All of it, its first and its last line included."""
    content: bytes


def first_block(text: str) -> Block | None:
    """The first block of PEM that can be read; what stands around it does not count.

    Raises FunctionError for a text that is too long.
    """
    limits.input_of("the PEM", len(text), MAX_PEM)
    start = text.find(_BEGIN)
    while start >= 0:
        block = _block_at(text, start) if start == 0 or text[start - 1] == "\n" else None
        if block is not None:
            return block
        start = text.find(_BEGIN, start + 1)
    return None


def _block_at(text: str, start: int) -> Block | None:
    line, newline, body = text[start:].partition("\n")
    line = line.rstrip()
    if not newline or not line.endswith(_DASHES) or len(line) < len(_BEGIN) + len(_DASHES):
        return None
    kind = line[len(_BEGIN) : -len(_DASHES)]
    last = f"{_DASHES}END {kind}{_DASHES}"
    content, found, _ = ("\n" + body).partition("\n" + last)
    if not found:
        return None
    if ":" in content:
        # Headers, which end with an empty line.
        content = content.partition("\n\n")[2]
    try:
        read = decoded("".join(content.split()))
    except FunctionError:
        return None
    return Block(kind, f"{line}\n{content.strip()}\n{last}\n", read)


def generate(kind: str) -> Key | None:
    """A new key of a kind that ``genPrivateKey`` knows, None for others."""
    match kind:
        case "" | "rsa":
            return rsa.generate_private_key(65537, 4096)
        case "dsa":
            return dsa.generate_private_key(2048)
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return None


def generate_for_certificate() -> rsa.RSAPrivateKey:
    """A new key for a certificate that is asked for without one."""
    return rsa.generate_private_key(65537, 2048)


def written(key: Key) -> str:
    """The key as PEM, in the format of its own where it has one."""
    plain = isinstance(key, (ed25519.Ed25519PrivateKey, x25519.X25519PrivateKey))
    style = PrivateFormat.PKCS8 if plain else PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, style, NoEncryption()).decode("ascii")


def read(text: str) -> Key:
    """Read a key from PEM, without a password. Raises FunctionError with sprig's text."""
    block = first_block(text)
    if block is None:
        raise FunctionError("no PEM data in input")
    doing = _READ_AS.get(block.kind)
    if doing is None:
        if block.kind.endswith(" PRIVATE KEY"):
            raise FunctionError(f"invalid private key type {block.kind}")
        raise FunctionError(f"no private key data in PEM block of type {block.kind}")
    try:
        key = load_pem_private_key(octets(block.text), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FunctionError(f"{doing}: {error}") from None
    except InternalError:
        # A key of an algorithm that OpenSSL knows, and of another length.
        raise FunctionError(f"{doing}: asn1: structure error") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, _CURVES):
        raise FunctionError(f"{doing}: x509: unknown elliptic curve")
    if not isinstance(key, Key):
        raise FunctionError(f"{doing}: x509: PKCS#8 wrapping contained private key with unknown algorithm")
    return key
