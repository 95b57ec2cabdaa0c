"""PKCS#11 URIs (RFC 7512): a token, an object, and where the PIN is."""

from __future__ import annotations

import re
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret

_PATH = {
    "token": "token",
    "manufacturer": "manufacturer",
    "serial": "serial",
    "model": "model",
    "library-manufacturer": "library_manufacturer",
    "library-description": "library_description",
    "library-version": "library_version",
    "object": "object",
    "type": "type",
    "id": "id",
    "slot-description": "slot_description",
    "slot-manufacturer": "slot_manufacturer",
    "slot-id": "slot_id",
}
_QUERY = {
    "pin-source": "pin_source",
    "pin-value": "pin_value",
    "module-name": "module_name",
    "module-path": "module_path",
}
_TYPES = ("public", "private", "cert", "secret-key", "data")
_VENDOR = re.compile(r"[A-Za-z0-9_-]+")
_ALLOWED_IN_PATH = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*")
_ALLOWED_IN_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*")
_SLOT = re.compile(r"[0-9]{1,20}")  # CK_ULONG
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class UriError(ValueError):
    """The text is not a PKCS#11 URI. The message never shows the value of pin-value."""


class Pkcs11Uri(NamedTuple):
    """The attributes of a URI; None for what is not given, which matches anything."""

    token: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    model: str | None = None
    library_manufacturer: str | None = None
    library_description: str | None = None
    library_version: str | None = None
    object: str | None = None
    type: str | None = None
    id: bytes | None = None
    slot_description: str | None = None
    slot_manufacturer: str | None = None
    slot_id: int | None = None
    pin_source: str | None = None
    pin_value: Secret | None = None
    module_name: str | None = None
    module_path: str | None = None


def parse(text: str) -> Pkcs11Uri:
    """Read ``pkcs11:token=…;object=…?pin-source=…``.

    Vendor attributes are ignored, as the RFC allows. Raises UriError: another scheme, an attribute twice
    (2.3), characters that have to be percent-encoded, a value of the wrong kind.
    """
    if text[:7].lower() != "pkcs11:":
        raise UriError("a PKCS#11 URI starts with 'pkcs11:' (RFC 7512)")
    path, _, query = text[7:].partition("?")
    found: dict[str, object] = {}
    for item in path.split(";") if path else ():
        _read(item, _PATH, _ALLOWED_IN_PATH, found)
    for item in query.split("&") if query else ():
        _read(item, _QUERY, _ALLOWED_IN_QUERY, found)
    if "pin_source" in found and "pin_value" in found:
        raise UriError("a PKCS#11 URI has pin-source or pin-value, not both (RFC 7512, 2.4)")
    return Pkcs11Uri(**found)  # type: ignore[arg-type]  # each value has the type of its field by _value


def _read(item: str, known: dict[str, str], allowed: re.Pattern[str], found: dict[str, object]) -> None:
    name, equals, raw = item.partition("=")
    if not equals or not _VENDOR.fullmatch(name):
        raise UriError(f"a PKCS#11 URI is made of name=value parts; part {len(found) + 1} is not one")
    if not allowed.fullmatch(raw):
        raise UriError(f"the value of {name} in the PKCS#11 URI has characters that need percent-encoding")
    field = known.get(name)
    if field is None:
        if name in _PATH or name in _QUERY:
            place = "after" if name in _QUERY else "before"
            raise UriError(f"{name} stands {place} the question mark of a PKCS#11 URI")
        return
    if field in found:
        raise UriError(f"{name} stands twice in the PKCS#11 URI")
    found[field] = _value(name, _decoded(raw))


def _decoded(raw: str) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), raw.encode())


def _value(name: str, raw: bytes) -> object:
    if name == "id":
        return raw
    if name == "pin-value":
        return Secret(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UriError(f"the value of {name} in the PKCS#11 URI is not UTF-8") from None
    if name == "slot-id":
        if not _SLOT.fullmatch(text):
            raise UriError("slot-id in the PKCS#11 URI is not a decimal number of up to 20 digits")
        return int(text)
    if name == "type" and text not in _TYPES:
        raise UriError(f"type in the PKCS#11 URI is none of {', '.join(_TYPES)}")
    if name == "library-version" and not _VERSION.fullmatch(text):
        raise UriError("library-version in the PKCS#11 URI is not of the form 1 or 1.2")
    return text
