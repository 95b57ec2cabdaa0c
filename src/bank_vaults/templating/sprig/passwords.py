"""sprig's functions for passwords: hashed, derived, and texts encrypted with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.base64 import decoded
from bank_vaults.templating.golang.values import Value, octets, text

_LONGEST: Final = 72
_ROUNDS: Final = 10
_BLOCK: Final = 16
_SCOPE: Final = b"com.lyndir.masterpassword"

_LONG: Final = (
    *("CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv"),
    *("CvccCvcvCvcvno", "CvcvnoCvccCvcv", "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc"),
    *("CvcvCvcvnoCvcc", "CvcvCvcvCvccno", "CvccnoCvccCvcv", "CvccCvccnoCvcv", "CvccCvccCvcvno"),
    *("CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno", "CvccnoCvcvCvcc", "CvccCvcvnoCvcc"),
    "CvccCvcvCvccno",
)
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "maximum": ("anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"),
    "long": _LONG,
    "medium": ("CvcnoCvc", "CvcCvcno"),
    "short": ("Cvcn",),
    "basic": ("aaanaaan", "aannaaan", "aaannaaa"),
    "pin": ("nnnn",),
}
_CHARACTERS: Final[Mapping[str, str]] = {
    "C": "BCDFGHJKLMNPQRSTVWXYZ",
    "v": "aeiou",
    "c": "bcdfghjklmnpqrstvwxyz",
    "a": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
    "n": "0123456789",
    "o": "@&%?,=[]_:-+*$#!'^~;()/.",
    "x": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
}


def bcrypt(password: str) -> str:
    """The password's bcrypt hash; where it is too long, what is wrong, as sprig answers that as the text."""
    from bcrypt import gensalt, hashpw

    secret = octets(password)
    if len(secret) > _LONGEST:
        return f"failed to encrypt string with bcrypt: bcrypt: password length exceeds {_LONGEST} bytes"
    return text(hashpw(secret, gensalt(_ROUNDS, prefix=b"2a")))


def htpasswd(user: str, password: str) -> str:
    """A line of a password file; what is wrong, as the text, for a name with a colon."""
    if ":" in user:
        return f"invalid username: {user}"
    return f"{user}:{bcrypt(password)}"


def derive_password(counter: int, kind: str, password: str, user: str, site: str) -> str:
    """A password for a site, as Master Password derives it; what is wrong, as the text, for another kind."""
    import hmac
    from hashlib import scrypt

    templates = _TEMPLATES.get(kind)
    if templates is None:
        return f"cannot find password template {kind}"
    salt = _SCOPE + _with_length(user)
    key = scrypt(octets(password), salt=salt, n=1 << 15, r=8, p=2, dklen=64, maxmem=1 << 26)
    message = _SCOPE + _with_length(site) + (counter & 0xFFFFFFFF).to_bytes(4)
    seed = hmac.digest(key, message, "sha256")
    template = templates[seed[0] % len(templates)]
    chosen = (_CHARACTERS[each] for each in template)
    return "".join(each[number % len(each)] for each, number in zip(chosen, seed[1:], strict=False))


def _with_length(string: str) -> bytes:
    written = octets(string)
    return len(written).to_bytes(4) + written


def encrypt_aes(password: str, string: str) -> str:
    """The text in AES-256-CBC, random initial vector in front, in base64."""
    import os
    from base64 import b64encode

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    limits.text_of(len(string) * 4 // 3)
    written = octets(string)
    missing = _BLOCK - len(written) % _BLOCK
    vector = os.urandom(_BLOCK)
    encryptor = Cipher(algorithms.AES(_aes_key(password)), modes.CBC(vector)).encryptor()
    hidden = encryptor.update(written + bytes([missing]) * missing) + encryptor.finalize()
    return b64encode(vector + hidden).decode("ascii")


def decrypt_aes(password: str, encoded: str) -> str:
    """What ``encryptAES`` encrypted. Raises FunctionError; a wrong password may also give a wrong text."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if not encoded:
        return ""
    written = decoded(encoded)
    if len(written) < _BLOCK:
        capacity = len(octets(encoded)) // 4 * 3
        raise FunctionError(f"runtime error: slice bounds out of range [:{_BLOCK}] with capacity {capacity}")
    vector, hidden = written[:_BLOCK], written[_BLOCK:]
    if len(hidden) % _BLOCK:
        raise FunctionError("crypto/cipher: input not full blocks")
    if not hidden:
        raise FunctionError("runtime error: index out of range [-1]")
    decryptor = Cipher(algorithms.AES(_aes_key(password)), modes.CBC(vector)).decryptor()
    shown = decryptor.update(hidden) + decryptor.finalize()
    length = len(shown) - shown[-1]
    if length < 0:
        raise FunctionError(f"runtime error: slice bounds out of range [:{length}]")
    return text(shown[:length])


def _aes_key(password: str) -> bytes:
    """The first 32 bytes of the password, zeros behind a shorter one."""
    return octets(password)[:32].ljust(32, b"\0")


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "bcrypt": bcrypt,
    "htpasswd": htpasswd,
    "derivePassword": derive_password,
    "encryptAES": encrypt_aes,
    "decryptAES": decrypt_aes,
}
