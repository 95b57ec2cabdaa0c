"""Card verifiable certificates and requests for them (BSI TR-03110-3, appendices C and D).

All signatures are with SHA-256 and real: PKCS#1 v1.5 by RSA keys, r and s side by side by EC keys
(BSI TR-03111, 5.2.1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from virtual_nitrokey import tlv
from virtual_nitrokey.curves import Curve, Parameters
from virtual_nitrokey.keys import ECDSA_SHA256, RSA_PKCS1_SHA256, EcKey, RsaKey, minimal
from virtual_nitrokey.status import SW, CardError

# Tags; those inside a public key depend on its kind.
_REQUEST, _CERTIFICATE, _BODY, _SIGNATURE = 0x67, 0x7F21, 0x7F4E, 0x5F37
_PROFILE, _AUTHORITY, _PUBLIC_KEY, _HOLDER = 0x5F29, 0x42, 0x7F49, 0x5F20
_OID = 0x06
_MODULUS, _EXPONENT, _RSA_BITS = 0x81, 0x82, 0x02
_PARAMETERS, _POINT, _COFACTOR = (0x81, 0x82, 0x83, 0x84, 0x85), 0x86, 0x87

_VERSION = b"\x00"  # of the profile
_RSA_V1_5_SHA256 = bytes.fromhex("04007f00070202020102")  # id-TA-RSA-v1-5-SHA-256
_ECDSA_SHA256 = bytes.fromhex("04007f00070202020203")  # id-TA-ECDSA-SHA-256
_ONE = b"\x01"  # the cofactor of every curve here

_SEQUENCE = "00001"
_SERIAL = re.compile(r"[0-9A-Z]{4,11}")
_LONGEST_REFERENCE = 20  # bytes; TR-03110 says 16, cards and their software take more


def device_certificate(device_key: EcKey, serial: str) -> bytes:
    """The certificate of a device, signed by its own key: nobody vouches for a device in software.

    Its holder is called ``serial`` (4 to 11 digits and capital letters, else ValueError) and 00001.
    """
    if not _SERIAL.fullmatch(serial):
        raise ValueError(f"a serial number has 4 to 11 digits and capital letters, not {serial!r}")
    holder = (serial + _SEQUENCE).encode()
    return _certificate(device_key, holder, holder)


def key_request(key: RsaKey | EcKey, car: bytes, chr_: bytes, device: EcKey, outer_car: bytes) -> bytes:
    """An authenticated request for a certificate: signed by the new key, and around that by the device.

    ``car`` names the authority that shall certify, ``chr_`` the holder, ``outer_car`` the device.
    """
    content = _certificate(key, car, chr_) + tlv.encode(_AUTHORITY, outer_car)
    return tlv.encode(_REQUEST, content + tlv.encode(_SIGNATURE, _sign(device, content)))


class GenerationRequest(NamedTuple):
    """What GENERATE ASYMMETRIC KEY PAIR asks for: a key on ``curve``, or else an RSA key.

    ``car`` and ``chr`` name authority and holder in the answer; ``bits`` and ``exponent`` are of the
    modulus and the public exponent, and 0 with a curve.
    """

    car: bytes
    chr: bytes
    curve: Curve | None
    bits: int = 0
    exponent: int = 0


def parse_generation(data: bytes) -> GenerationRequest:
    """Read such a request: the content of a certificate body. CardError (6A80) if it is malformed.

    So is one for an unknown curve or algorithm; the size of an RSA key is looked at where it is made.
    """
    try:
        body = tlv.parse(data)
        key = tlv.parse(_needed(body, _PUBLIC_KEY))
        car, chr_ = _needed(body, _AUTHORITY), _needed(body, _HOLDER)
        oid = _needed(key, _OID)
        if _needed(body, _PROFILE) != _VERSION or max(len(car), len(chr_)) > _LONGEST_REFERENCE:
            raise CardError(SW.WRONG_DATA)
        if oid == _RSA_V1_5_SHA256:
            bits, exponent = _needed(key, _RSA_BITS), _needed(key, _EXPONENT)
            return GenerationRequest(
                car, chr_, None, int.from_bytes(bits, "big"), int.from_bytes(exponent, "big")
            )
        if oid == _ECDSA_SHA256 and _needed(key, _COFACTOR) == _ONE:
            curve = Curve.by_parameters(Parameters(*(_needed(key, tag) for tag in _PARAMETERS)))
            return GenerationRequest(car, chr_, curve)
    except ValueError:
        pass
    raise CardError(SW.WRONG_DATA)


def _needed(items: tuple[tlv.Tlv, ...], tag: int) -> bytes:
    value = tlv.find(items, tag)
    if not value:
        raise ValueError(f"{tag:X} is missing or empty")
    return value


def _certificate(key: RsaKey | EcKey, authority: bytes, holder: bytes) -> bytes:
    """A certificate of ``key``, signed by itself."""
    body = tlv.encode(
        _BODY,
        tlv.join(
            (_PROFILE, _VERSION), (_AUTHORITY, authority), (_PUBLIC_KEY, _public_key(key)), (_HOLDER, holder)
        ),
    )
    return tlv.encode(_CERTIFICATE, body + tlv.encode(_SIGNATURE, _sign(key, body)))


def _public_key(key: RsaKey | EcKey) -> bytes:
    if isinstance(key, RsaKey):
        modulus, exponent = map(minimal, key.public)
        return tlv.join((_OID, _RSA_V1_5_SHA256), (_MODULUS, modulus), (_EXPONENT, exponent))
    parameters = zip(_PARAMETERS, key.curve.parameters, strict=True)
    return tlv.join((_OID, _ECDSA_SHA256), *parameters, (_POINT, key.public_point), (_COFACTOR, _ONE))


def _sign(key: RsaKey | EcKey, data: bytes) -> bytes:
    if isinstance(key, RsaKey):
        return key.sign(RSA_PKCS1_SHA256, data)
    r, s = decode_dss_signature(key.sign(ECDSA_SHA256, data))
    return key.curve.encode(r) + key.curve.encode(s)
