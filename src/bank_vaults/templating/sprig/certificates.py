"""sprig's functions for keys and certificates."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.base64 import decoded
from bank_vaults.templating.golang.durations import HOUR, SECOND
from bank_vaults.templating.golang.printing import text_of
from bank_vaults.templating.golang.strconv import quote
from bank_vaults.templating.golang.values import Object, Value, text, wrap64
from bank_vaults.templating.sprig import keys

_MALFORMED: Final = "error parsing certificate: decodedCert.Bytes: x509: malformed certificate"
_NO_SIGNER: Final = "x509: certificate private key does not implement crypto.Signer"


class Certificate(Object):
    """A certificate with its key, both as PEM."""

    go_type = "sprig.certificate"
    kind = "struct"

    def __init__(self, cert: str, key: str) -> None:
        self.cert = cert
        self.key = key

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Certificate):
            return NotImplemented
        return (self.cert, self.key) == (other.cert, other.key)

    def __hash__(self) -> int:
        return hash((self.cert, self.key))

    def fields(self) -> Mapping[str, Value]:
        return {"Cert": self.cert, "Key": self.key}

    def go_string(self) -> str:
        return f"{{{self.cert} {self.key}}}"


def gen_private_key(kind: str) -> str:
    """A new key as PEM; what is wrong, as the text, for a kind that there is not."""
    key = keys.generate(kind)
    return f"Unknown type {kind}" if key is None else keys.written(key)


def build_custom_cert(cert64: str, key64: str) -> Certificate:
    """A certificate and its key that one has already, both PEM in base64. Raises FunctionError."""
    cert = _text_in_base64(cert64, "certificate")
    key = _text_in_base64(key64, "private key")
    _read_certificate(cert)
    _read_key(key, "error parsing private key")
    return Certificate(cert, key)


def _text_in_base64(encoded: str, what: str) -> str:
    try:
        return text(decoded(encoded))
    except FunctionError:
        raise FunctionError(f"unable to decode base64 {what}") from None


def gen_ca(name: str, days: int) -> Certificate:
    """A new authority. Raises FunctionError."""
    return _authority(name, days, keys.generate_for_certificate())


def gen_ca_with_key(name: str, days: int, key: str) -> Certificate:
    """A new authority with that key, as PEM. Raises FunctionError."""
    return _authority(name, days, _read_key(key, "parsing private key"))


def gen_self_signed_cert(
    name: str, ips: Sequence[Value] | None, names: Sequence[Value] | None, days: int
) -> Certificate:
    """A certificate for addresses and names, signed by its own key. Raises FunctionError."""
    others = _alternative_names(ips, names)
    return _self_signed(name, others, days, keys.generate_for_certificate())


def gen_self_signed_cert_with_key(
    name: str, ips: Sequence[Value] | None, names: Sequence[Value] | None, days: int, key: str
) -> Certificate:
    """A certificate for addresses and names, signed by its own key, given as PEM. Raises FunctionError."""
    read = _read_key(key, "parsing private key")
    return _self_signed(name, _alternative_names(ips, names), days, read)


def gen_signed_cert(
    name: str, ips: Sequence[Value] | None, names: Sequence[Value] | None, days: int, authority: Certificate
) -> Certificate:
    """A certificate for addresses and names, signed by an authority. Raises FunctionError."""
    others = _alternative_names(ips, names)
    return _signed(name, others, days, authority, keys.generate_for_certificate())


def gen_signed_cert_with_key(
    name: str,
    ips: Sequence[Value] | None,
    names: Sequence[Value] | None,
    days: int,
    authority: Certificate,
    key: str,
) -> Certificate:
    """A certificate for addresses, names and a key as PEM, signed by an authority. Raises FunctionError."""
    read = _read_key(key, "parsing private key")
    return _signed(name, _alternative_names(ips, names), days, authority, read)


def _read_key(key: str, doing: str) -> keys.Key:
    try:
        return keys.read(key)
    except FunctionError as error:
        raise FunctionError(f"{doing}: {error}") from None


def _read_certificate(cert: str) -> x509.Certificate:
    block = keys.first_block(cert)
    if block is None:
        raise FunctionError("unable to decode certificate")
    try:
        with warnings.catch_warnings():
            # Of serial numbers that are not positive, which Go does not mind.
            warnings.simplefilter("ignore", UserWarning)
            return x509.load_der_x509_certificate(block.content)
    except (ValueError, x509.InvalidVersion):
        raise FunctionError(_MALFORMED) from None


def _alternative_names(ips: Sequence[Value] | None, names: Sequence[Value] | None) -> list[x509.GeneralName]:
    """Names, then addresses, as they stand in a certificate."""
    addresses = [x509.IPAddress(_address(each)) for each in ips or ()]
    return [*(_dns_name(each) for each in names or ()), *addresses]


def _address(value: Value) -> IPv4Address | IPv6Address:
    if not isinstance(value, str):
        raise FunctionError(f"error parsing ip: {text_of(value)} is not a string")
    try:
        address = ip_address(value)
    except ValueError:
        raise FunctionError(f"error parsing ip: {value}") from None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        raise FunctionError(f"error parsing ip: {value}")
    return address.ipv4_mapped or address


def _dns_name(value: Value) -> x509.DNSName:
    if not isinstance(value, str):
        raise FunctionError(f"error processing alternate dns name: {text_of(value)} is not a string")
    if not value.isascii():
        raise _not_created(f"x509: {quote(value)} cannot be encoded as an IA5String")
    return x509.DNSName(value)


def _not_created(reason: str) -> FunctionError:
    return FunctionError(f"error creating certificate: {reason}")


def _authority(name: str, days: int, key: keys.Key) -> Certificate:
    signer = _signer(key)
    subject = _name(name)
    builder = _begun(subject, subject, days, signer, authority=True)
    identifier = _identifier(signer)
    return _finished(builder.add_extension(identifier, critical=False), signer, signer)


def _self_signed(name: str, others: list[x509.GeneralName], days: int, key: keys.Key) -> Certificate:
    signer = _signer(key)
    subject = _name(name)
    builder = _begun(subject, subject, days, signer, authority=False)
    return _finished(_with_names(builder, others, subject), signer, signer)


def _signed(
    name: str, others: list[x509.GeneralName], days: int, authority: Certificate, key: keys.Key
) -> Certificate:
    issuer_name, issuer_key, identifier = _issuer(_read_certificate(authority.cert))
    signer = _signer(_read_key(authority.key, "error parsing private key"))
    if isinstance(key, dsa.DSAPrivateKey):
        raise _not_created("x509: unsupported public key type: *dsa.PublicKey")
    subject = _name(name)
    builder = _begun(subject, issuer_name, days, _signer(key), authority=False)
    if _public_octets(signer) != issuer_key:
        raise _not_created("x509: provided PrivateKey doesn't match parent's PublicKey")
    if identifier is not None and subject != issuer_name:
        known = x509.AuthorityKeyIdentifier(identifier.digest, None, None)
        builder = builder.add_extension(known, critical=False)
    return _finished(_with_names(builder, others, subject), _signer(key), signer)


def _signer(key: keys.Key) -> keys.SigningKey:
    """The key, where it can sign. Raises FunctionError."""
    if not isinstance(key, keys.SigningKey):
        raise _not_created(_NO_SIGNER)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < 1024:
        where = "see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size"
        raise _not_created(f"crypto/rsa: {key.key_size}-bit keys are insecure ({where})")
    return key


def _name(name: str) -> x509.Name:
    """A subject; an empty one has no parts."""
    if not name:
        return x509.Name([])
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise _not_created("asn1: string not valid UTF-8") from None
    if length <= 64:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    with warnings.catch_warnings():
        # Longer than the standard has it, which Go does not mind.
        warnings.simplefilter("ignore", UserWarning)
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)])


_UNREADABLE: Final = (
    ValueError,
    TypeError,
    InternalError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for parts of a certificate."""


class _Issuer(NamedTuple):
    """What a certificate says of the one that it signs."""

    name: x509.Name
    public_key: bytes
    identifier: x509.SubjectKeyIdentifier | None


def _issuer(certificate: x509.Certificate) -> _Issuer:
    """The parts of a certificate, which are looked at only now. Raises FunctionError for malformed ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            public_key = certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            found = certificate.extensions
            identifier = next(
                (each.value for each in found if isinstance(each.value, x509.SubjectKeyIdentifier)), None
            )
            return _Issuer(certificate.subject, public_key, identifier)
    except _UNREADABLE:
        raise FunctionError(_MALFORMED) from None


def _begun(
    subject: x509.Name, issuer: x509.Name, days: int, key: keys.SigningKey, *, authority: bool
) -> x509.CertificateBuilder:
    start = datetime.now(UTC).replace(microsecond=0)
    # So many hours in nanoseconds, which go round where int64 cannot hold them.
    end = start + timedelta(seconds=wrap64(days * 24 * HOUR) // SECOND)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    try:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(os.urandom(16)) or 1)
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
    except ValueError as error:
        raise _not_created(str(error)) from None


def _with_names(
    builder: x509.CertificateBuilder, others: list[x509.GeneralName], subject: x509.Name
) -> x509.CertificateBuilder:
    if not others:
        return builder
    return builder.add_extension(x509.SubjectAlternativeName(others), critical=not subject.rdns)


def _finished(builder: x509.CertificateBuilder, key: keys.SigningKey, signer: keys.SigningKey) -> Certificate:
    signed = builder.sign(signer, _hash_for(signer))
    return Certificate(signed.public_bytes(Encoding.PEM).decode("ascii"), keys.written(key))


def _hash_for(key: keys.SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, rsa.RSAPrivateKey):
        return hashes.SHA256()
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    if key.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()


def _public_octets(key: keys.SigningKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _identifier(key: keys.SigningKey) -> x509.SubjectKeyIdentifier:
    """As Go makes it: the front of the SHA-256 of the bits of the public key."""
    if isinstance(key, rsa.RSAPrivateKey):
        bits = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        bits = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return x509.SubjectKeyIdentifier(sha256(bits).digest()[:20])


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "genPrivateKey": gen_private_key,
    "buildCustomCert": build_custom_cert,
    "genCA": gen_ca,
    "genCAWithKey": gen_ca_with_key,
    "genSelfSignedCert": gen_self_signed_cert,
    "genSelfSignedCertWithKey": gen_self_signed_cert_with_key,
    "genSignedCert": gen_signed_cert,
    "genSignedCertWithKey": gen_signed_cert_with_key,
}
