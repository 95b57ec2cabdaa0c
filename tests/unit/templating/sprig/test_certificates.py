"""Promises of the functions for keys and certificates. Keys of RSA take a while: there are few."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtensionOID

from bank_vaults.templating import sprig
from bank_vaults.templating.errors import FunctionError, TemplateError
from bank_vaults.templating.golang.values import kind_of, type_of
from bank_vaults.templating.sprig import certificates, keys
from bank_vaults.templating.sprig.certificates import Certificate
from bank_vaults.templating.template import parse

SHORT = """\
-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAMgzvdTz+20EhKCiQMeInssDJDcYfrXa3Jt7ozrp5ovKetHZU0Ug
ljiiEMi9OV6Y2GyKAtm9MbufNtv2sK+LS/0CAwEAAQJAOayuQ2sGQ6HJk30qrFDv
bgy5oiWsWzdx1lkH7TD0+dAXsQpcaTf5wkJZ17q+r4J/uXbC5eXPWcsnpmui8D14
AQIhAP89d5YkG3Mz2wpf6l7LvXEJ78/gFGLtKl+LkDYiHPl1AiEAyMxTq/EDy3MK
VQZ7xSxw5GcSAR9KXSFnzfbBeHBar2kCIHM2vNeCPv3Wp4ZcW4Ak+cOf16d/H9Sz
98+fQR6ecXPNAiEAgl/ok+NRS2/ObZZgFo3cXvBtSD1A02c1Nw3YYJLSzsECIQC7
PaRGk2OWUZhiJEq39y1kRzhXuU7nO3hI5S3/4ZuVgg==
-----END RSA PRIVATE KEY-----
"""
"""A key of 512 bits, which no library makes any more."""


def _pem(key: keys.Key | x448.X448PrivateKey, style: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, style, NoEncryption()).decode()


def _read(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.cert.encode())


def _in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def key() -> str:
    return certificates.gen_private_key("ecdsa")


@pytest.fixture(scope="module")
def dsa_key() -> str:
    return certificates.gen_private_key("dsa")


@pytest.fixture(scope="module")
def authority(key: str) -> Certificate:
    return certificates.gen_ca_with_key("my ca", 10, key)


@pytest.fixture
def small_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "generate_for_certificate", lambda: rsa.generate_private_key(65537, 1024))


def test_every_kind_of_key_has_the_block_that_sprig_gives_it(dsa_key: str) -> None:
    assert certificates.gen_private_key("rsa").startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert dsa_key.startswith("-----BEGIN DSA PRIVATE KEY-----\n")
    assert certificates.gen_private_key("ecdsa").startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert certificates.gen_private_key("ed25519").startswith("-----BEGIN PRIVATE KEY-----\n")


def test_a_kind_of_key_that_there_is_not_is_told_in_the_text() -> None:
    assert certificates.gen_private_key("foo") == "Unknown type foo"


def test_an_authority_may_sign_and_names_its_key(authority: Certificate, key: str) -> None:
    assert authority.key == key
    read = _read(authority)
    assert read.subject.rfc4514_string() == read.issuer.rfc4514_string() == "CN=my ca"
    assert read.not_valid_after_utc - read.not_valid_before_utc == timedelta(days=10)
    assert 0 < read.serial_number < 1 << 128
    assert [(each.oid, each.critical) for each in read.extensions] == [
        (ExtensionOID.KEY_USAGE, True),
        (ExtensionOID.EXTENDED_KEY_USAGE, False),
        (ExtensionOID.BASIC_CONSTRAINTS, True),
        (ExtensionOID.SUBJECT_KEY_IDENTIFIER, False),
    ]
    usage = read.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, True)
    assert read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    point = read.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(point)
    identifier = read.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.digest == digest.finalize()[:20]


def test_a_certificate_has_the_names_and_addresses_that_it_is_asked_for(
    authority: Certificate, key: str
) -> None:
    signed = certificates.gen_signed_cert_with_key(
        "leaf", ["10.0.0.1", "::1", "::ffff:1.2.3.4"], ["a.b", "*.c"], 1, authority, key
    )
    read = _read(signed)
    read.verify_directly_issued_by(_read(authority))
    assert [(each.oid, each.critical) for each in read.extensions] == [
        (ExtensionOID.KEY_USAGE, True),
        (ExtensionOID.EXTENDED_KEY_USAGE, False),
        (ExtensionOID.BASIC_CONSTRAINTS, True),
        (ExtensionOID.AUTHORITY_KEY_IDENTIFIER, False),
        (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, False),
    ]
    others = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in others] == ["a.b", "*.c", "10.0.0.1", "::1", "1.2.3.4"]
    assert not read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_may_be_signed_by_its_own_key(key: str) -> None:
    signed = certificates.gen_self_signed_cert_with_key("self é", None, None, 1, key)
    read = _read(signed)
    read.verify_directly_issued_by(read)
    assert len(read.extensions) == 3


def test_a_name_may_be_longer_than_the_standard_has_it(key: str) -> None:
    long = certificates.gen_ca_with_key("é" * 70, 1, key)
    signed = certificates.gen_signed_cert_with_key("x", None, None, 1, long, key)
    with pytest.warns(UserWarning, match="length must be"):
        assert _read(signed).issuer.rfc4514_string() == "CN=" + "é" * 70


def test_without_a_subject_the_other_names_are_critical(key: str) -> None:
    read = _read(certificates.gen_self_signed_cert_with_key("", None, ["a"], 1, key))
    assert not read.subject.rdns
    assert read.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_a_certificate_in_the_name_of_its_authority_does_not_name_its_key(
    authority: Certificate, key: str
) -> None:
    read = _read(certificates.gen_signed_cert_with_key("my ca", None, None, 1, authority, key))
    with pytest.raises(x509.ExtensionNotFound):
        read.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_an_authority_without_identifier_signs_as_well(key: str) -> None:
    parent = certificates.gen_self_signed_cert_with_key("parent", None, None, 1, key)
    signed = certificates.gen_signed_cert_with_key("leaf", None, None, 1, parent, key)
    _read(signed).verify_directly_issued_by(_read(parent))


@pytest.mark.usefixtures("small_keys")
def test_without_a_key_one_is_made() -> None:
    parent = certificates.gen_ca("parent", 1)
    signed = certificates.gen_signed_cert("leaf", ["1.2.3.4"], None, 1, parent)
    own = certificates.gen_self_signed_cert("own", None, ["a"], 1)
    _read(signed).verify_directly_issued_by(_read(parent))
    assert len({each.key for each in (parent, signed, own)}) == 3
    assert own.key.startswith("-----BEGIN RSA PRIVATE KEY-----\n")


def test_a_certificate_that_one_has_already_is_taken_as_it_is(authority: Certificate, key: str) -> None:
    text = "junk\n" + authority.cert
    built = certificates.build_custom_cert(_in_base64(text), _in_base64(key))
    assert (built.cert, built.key) == (text, key)
    signed = certificates.gen_signed_cert_with_key("leaf", None, None, 1, built, key)
    _read(signed).verify_directly_issued_by(_read(authority))


def test_a_certificate_is_a_struct_of_two_texts() -> None:
    certificate = Certificate("c", "k")
    assert (type_of(certificate), kind_of(certificate)) == ("sprig.certificate", "struct")
    assert certificate.fields() == {"Cert": "c", "Key": "k"}
    assert certificate.go_string() == "{c k}"
    assert certificate == Certificate("c", "k")
    assert hash(certificate) == hash(Certificate("c", "k"))
    assert certificate != Certificate("c", "other")
    assert certificate != "{c k}"


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP224R1(), "sha256"), (ec.SECP384R1(), "sha384"), (ec.SECP521R1(), "sha512")],
)
def test_a_signature_is_as_strong_as_its_key(curve: ec.EllipticCurve, algorithm: str) -> None:
    own = ec.generate_private_key(curve)
    made = certificates.gen_ca_with_key("x", 1, _pem(own))
    hashed = _read(made).signature_hash_algorithm
    assert hashed is not None
    assert hashed.name == algorithm
    assert made.key == _pem(own, PrivateFormat.TraditionalOpenSSL)


def test_an_edwards_key_signs_without_a_hash() -> None:
    made = certificates.gen_ca_with_key("x", 1, certificates.gen_private_key("ed25519"))
    assert _read(made).signature_hash_algorithm is None
    assert _read(made).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def _fails(key: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        certificates.gen_ca_with_key("x", 1, key)
    assert str(refused.value).startswith(expected)


def test_what_is_no_key_is_refused_in_the_words_of_sprig(
    authority: Certificate, key: str, dsa_key: str
) -> None:
    nothing = "parsing private key: no PEM data in input"
    for text in (
        "",
        "bad",
        "x" + key,
        key.replace("-----END", "END"),
        "-----BEGIN A",
        "-----BEGIN A\n",
        "-----BEGIN -----\n",
    ):
        _fails(text, nothing)
    _fails("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", nothing)
    _fails(authority.cert, "parsing private key: no private key data in PEM block of type CERTIFICATE")
    for kind, doing in (
        ("PRIVATE KEY", "decoding PEM as PKCS#8"),
        ("RSA PRIVATE KEY", "parsing RSA private key from PEM"),
        ("EC PRIVATE KEY", "parsing EC private key from PEM"),
        ("DSA PRIVATE KEY", "parsing DSA private key from PEM"),
    ):
        _fails(f"-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n", f"parsing private key: {doing}: ")
    hidden = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    _fails(hidden.decode(), "parsing private key: invalid private key type ENCRYPTED PRIVATE KEY")
    other = _pem(ec.generate_private_key(ec.SECP256K1()), PrivateFormat.TraditionalOpenSSL)
    _fails(other, "parsing private key: parsing EC private key from PEM: x509: unknown elliptic curve")
    _fails(
        _pem(x448.X448PrivateKey.generate()),
        "parsing private key: decoding PEM as PKCS#8: x509: PKCS#8 wrapping",
    )
    no_signer = "error creating certificate: x509: certificate private key does not implement crypto.Signer"
    _fails(dsa_key, no_signer)
    _fails(_pem(x25519.X25519PrivateKey.generate()), no_signer)


def test_text_around_a_key_and_its_headers_do_not_count(key: str) -> None:
    first, _, rest = key.partition("\n")
    text = f"some text\n-----BEGIN BROKEN\n{first}\nProc-Type: none\n\n{rest}more"
    assert certificates.gen_ca_with_key("x", 1, text).key == key


def test_a_key_that_is_too_short_is_refused() -> None:
    _fails(SHORT, "error creating certificate: crypto/rsa: 512-bit keys are insecure")


@pytest.mark.parametrize(
    ("ips", "names", "expected"),
    [
        (["bad"], [5], "error parsing ip: bad"),
        ([""], [], "error parsing ip: "),
        (["fe80::1%en0"], [], "error parsing ip: fe80::1%en0"),
        ([[1]], [], "error parsing ip: [1] is not a string"),
        ([], [5], "error processing alternate dns name: 5 is not a string"),
        ([], ["ü"], 'error creating certificate: x509: "ü" cannot be encoded as an IA5String'),
    ],
)
def test_names_and_addresses_that_are_none_are_refused(
    ips: list[object], names: list[object], expected: str, key: str
) -> None:
    with pytest.raises(FunctionError) as refused:
        certificates.gen_self_signed_cert_with_key("x", ips, names, 1, key)
    assert str(refused.value) == expected


def test_a_name_has_to_be_a_text(key: str) -> None:
    with pytest.raises(FunctionError, match=r"^error creating certificate: asn1: string not valid UTF-8$"):
        certificates.gen_ca_with_key("\udcff", 1, key)


def test_an_authority_has_to_fit_its_key(authority: Certificate, key: str, dsa_key: str) -> None:
    def sign(parent: Certificate, own: str) -> str:
        with pytest.raises(FunctionError) as refused:
            certificates.gen_signed_cert_with_key("x", None, None, 1, parent, own)
        return str(refused.value)

    failed = "error creating certificate: x509:"
    other = Certificate(authority.cert, certificates.gen_private_key("ecdsa"))
    assert sign(other, key) == f"{failed} provided PrivateKey doesn't match parent's PublicKey"
    assert sign(Certificate(authority.cert, dsa_key), key) == (
        f"{failed} certificate private key does not implement crypto.Signer"
    )
    assert sign(authority, dsa_key) == f"{failed} unsupported public key type: *dsa.PublicKey"


@pytest.mark.parametrize(
    ("cert", "own", "expected"),
    [
        ("!", "!", "unable to decode base64 certificate"),
        ("", "!", "unable to decode base64 private key"),
        ("eA==", "eA==", "unable to decode certificate"),
        (
            _in_base64("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            "eA==",
            "error parsing certificate: decodedCert.Bytes: x509: malformed certificate",
        ),
    ],
)
def test_a_certificate_that_is_none_is_refused(cert: str, own: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        certificates.build_custom_cert(cert, own)
    assert str(refused.value) == expected


def test_a_certificate_with_something_else_than_a_key_is_refused(authority: Certificate) -> None:
    with pytest.raises(FunctionError, match=r"^error parsing private key: no PEM data in input$"):
        certificates.build_custom_cert(_in_base64(authority.cert), "eA==")


def test_a_certificate_that_ends_before_it_begins_is_refused(key: str) -> None:
    assert _read(certificates.gen_ca_with_key("x", 0, key))
    with pytest.raises(FunctionError, match=r"^error creating certificate: "):
        certificates.gen_ca_with_key("x", -1, key)


def test_a_key_of_the_wrong_length_for_its_algorithm_is_refused_in_words() -> None:
    # As of X25519, with the name of X448.
    content = "MC4CAQAwBQYDK2VvBCIEIPMpljGBRlIYEM6VuomY4wCxubTLe9+U4tARf5aq7zGi"
    _fails(
        f"-----BEGIN PRIVATE KEY-----\n{content}\n-----END PRIVATE KEY-----\n",
        "parsing private key: decoding PEM as PKCS#8: ",
    )


@pytest.mark.filterwarnings("error")
def test_an_authority_with_a_wrong_character_signs_or_is_refused_in_words() -> None:
    key = certificates.gen_private_key("ed25519")
    authority = certificates.gen_ca_with_key("x", 1, key)
    refused = set()
    for at in range(authority.cert.index("\n") + 1, authority.cert.index("\n-----END")):
        for character in "Aa9":
            wrong = authority.cert[:at] + character + authority.cert[at + 1 :]
            try:
                certificates.gen_signed_cert_with_key("y", [], [], 1, Certificate(wrong, authority.key), key)
            except FunctionError as error:
                refused.add(str(error))
    assert "error parsing certificate: decodedCert.Bytes: x509: malformed certificate" in refused


def test_a_text_too_long_for_pem_is_not_searched() -> None:
    _fails("-----BEGIN A\n" * 6_000, "parsing private key: the PEM has 78000 characters, more than 65536")


def test_a_template_that_makes_keys_without_end_is_stopped() -> None:
    endless = parse("${ range until 100000 }${ genPrivateKey `none` }${ end }", functions=sprig.lookup)
    with pytest.raises(TemplateError, match=r"rendering takes more than 5000000 steps$"):
        endless.render({})
