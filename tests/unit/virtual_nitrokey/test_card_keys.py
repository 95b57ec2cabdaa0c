"""Promises about keys: generated, used, wrapped and unwrapped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from tests.unit.virtual_nitrokey.terminal import FACTORY, Terminal
from virtual_nitrokey import tlv
from virtual_nitrokey.card import Work
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.image import Image
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW

RSA = RsaKey.generate(1024, 65537)
P256 = Curve.by_name("secp256r1")
EC = EcKey(P256, 0xC0FFEE)  # fixed: it names cases
HOLDER = b"DENK010000100001"


def request(public_key: bytes) -> bytes:
    return tlv.join((0x5F29, b"\0"), (0x42, b"UTCA00001"), (0x7F49, public_key), (0x5F20, HOLDER))


def rsa_request(bits: int, exponent: bytes = b"\x01\x00\x01") -> bytes:
    oid = bytes.fromhex("04007F00070202020102")
    return request(tlv.join((0x06, oid), (0x82, exponent), (0x02, bits.to_bytes(2, "big"))))


def ec_request(curve: Curve) -> bytes:
    oid = bytes.fromhex("04007F00070202020203")
    prime, a, b, generator, order = curve.parameters
    return request(
        tlv.join(
            (0x06, oid), (0x81, prime), (0x82, a), (0x83, b), (0x84, generator), (0x85, order), (0x87, b"\1")
        )
    )


def with_keys(image: Image = FACTORY) -> Image:
    return replace(image, memory=image.memory.with_key(1, RSA).with_key(2, EC))


@pytest.fixture
def terminal() -> Terminal:
    """With an RSA key as number 1 and an EC key as number 2."""
    prepared = Terminal()
    prepared.initialise()
    terminal = Terminal(with_keys(prepared.card.image))
    terminal.verify()
    return terminal


def tags(data: bytes) -> list[int]:
    return [item.tag for item in tlv.parse(data)]


def test_a_generated_rsa_key_is_answered_as_a_request_and_works() -> None:
    terminal = Terminal().ready()
    answer = terminal.send(0x00, 0x46, 0x0100, rsa_request(1024), 65536)
    assert answer.sw == SW.OK
    content = tlv.parse(answer.data)[0].value
    assert tags(answer.data) == [0x67]
    assert tags(content) == [0x7F21, 0x42, 0x5F37]
    assert tlv.find(tlv.parse(content), 0x42) == HOLDER
    body = tlv.parse(tlv.parse(tlv.parse(content)[0].value)[0].value)
    assert [item.tag for item in body] == [0x5F29, 0x42, 0x7F49, 0x5F20]
    assert (body[1].value, body[3].value) == (b"UTCA00001", HOLDER)
    key = terminal.card.image.memory.keys[1]
    assert isinstance(key, RsaKey)
    public = rsa.RSAPublicNumbers(*reversed(key.public)).public_key()
    sealed = public.encrypt(b"secret", padding.PKCS1v15())
    block = terminal.send(0x80, 0x62, 0x0121, sealed, 512).data
    assert len(block) == 128
    assert block[:2] == b"\x00\x02"
    assert block.endswith(b"\x00secret")
    assert terminal.listed() == [0xCC00, 0xCC01, 0x2F02]


def test_generating_is_counted_by_the_kind_and_the_size_of_the_key() -> None:
    spent: list[tuple[Work, int]] = []
    terminal = Terminal(spend=lambda work, bits: spent.append((work, bits))).ready()
    spent.clear()
    terminal.send(0x00, 0x46, 0x0100, rsa_request(1024), 65536)
    terminal.send(0x00, 0x46, 0x0200, ec_request(P256), 65536)
    assert [unit for unit in spent if unit[0] is not Work.APDU] == [
        (Work.RSA_GENERATE, 1024),
        (Work.FILE_WRITE, 0),
        (Work.EC_GENERATE, 256),
        (Work.FILE_WRITE, 0),
    ]


@pytest.mark.parametrize("curve", ["secp192k1", "secp521r1", "brainpoolP320r1", "brainpoolP256t1"])
def test_keys_are_generated_on_the_curve_whose_parameters_are_given(curve: str) -> None:
    terminal = Terminal().ready()
    assert terminal.send(0x00, 0x46, 0x0300, ec_request(Curve.by_name(curve)), 65536).sw == SW.OK
    key = terminal.card.image.memory.keys[3]
    assert isinstance(key, EcKey)
    assert key.curve.name == curve


@pytest.mark.parametrize(
    ("p1p2", "data", "sw"),
    [
        (0x0101, rsa_request(1024), SW.WRONG_P1P2),
        (0x0000, rsa_request(1024), SW.UNSUPPORTED_FOR_KEY),
        (0x0100, rsa_request(1025), SW.WRONG_DATA),
        (0x0100, rsa_request(1024)[:-1], SW.WRONG_DATA),
        (0x0100, b"", SW.WRONG_DATA),
    ],
)
def test_a_key_that_cannot_be_generated(terminal: Terminal, p1p2: int, data: bytes, sw: SW) -> None:
    before = terminal.card.image
    assert terminal.send(0x00, 0x46, p1p2, data, 65536) == (b"", sw)
    assert terminal.card.image is before


def test_a_key_that_does_not_fit_is_not_kept(terminal: Terminal) -> None:
    terminal.card.memory_limit = terminal.card.image.memory.used + 9 * 32 - 1
    assert terminal.send(0x00, 0x46, 0x0300, ec_request(P256), 65536) == (b"", SW.NO_SPACE)
    assert terminal.listed() == [0xCC00, 0xCC01, 0xCC02, 0x2F02]
    terminal.card.memory_limit += 1
    assert terminal.send(0x00, 0x46, 0x0300, ec_request(P256), 65536).sw == SW.OK


@pytest.mark.parametrize(
    ("cla", "ins", "p1p2", "data"),
    [
        (0x00, 0x46, 0x0300, ec_request(P256)),
        (0x80, 0x62, 0x0121, bytes(128)),
        (0x80, 0x62, 0x0280, EC.public_point),
        (0x80, 0x68, 0x0273, b"message"),
        (0x80, 0x68, 0x0973, b"message"),
    ],
)
def test_keys_are_used_with_the_pin_only(
    terminal: Terminal, cla: int, ins: int, p1p2: int, data: bytes
) -> None:
    terminal.select_applet()
    assert terminal.send(cla, ins, p1p2, data, 512) == (b"", SW.NOT_LOGGED_IN)


@pytest.mark.parametrize(
    ("ins", "p1p2", "data", "sw"),
    [
        (0x62, 0x0921, bytes(128), SW.NOT_FOUND),
        (0x62, 0x0021, bytes(128), SW.UNSUPPORTED_FOR_KEY),
        (0x62, 0x0221, bytes(128), SW.UNSUPPORTED_FOR_KEY),
        (0x62, 0x0180, EC.public_point, SW.UNSUPPORTED_FOR_KEY),
        (0x62, 0x0222, bytes(128), SW.UNSUPPORTED_FOR_KEY),
        (0x62, 0x0122, bytes(127), SW.WRONG_DATA),
        (0x62, 0x0123, bytes(128), SW.WRONG_P1P2),
        (0x62, 0x0121, bytes(127), SW.WRONG_DATA),
        (0x62, 0x0121, b"\xff" * 128, SW.WRONG_DATA),
        (0x62, 0x0280, b"\x04" + bytes(64), SW.WRONG_DATA),
        (0x62, 0x0280, EC.public_point[1:], SW.WRONG_DATA),
        (0x68, 0x0973, b"message", SW.NOT_FOUND),
        (0x68, 0x0073, b"message", SW.UNSUPPORTED_FOR_KEY),
        (0x68, 0x0173, b"message", SW.UNSUPPORTED_FOR_KEY),
        (0x68, 0x0233, b"message", SW.UNSUPPORTED_FOR_KEY),
        (0x68, 0x01FF, b"message", SW.WRONG_P1P2),
        (0x68, 0x0120, bytes(127), SW.WRONG_DATA),
    ],
)
def test_what_a_key_cannot_do(terminal: Terminal, ins: int, p1p2: int, data: bytes, sw: SW) -> None:
    assert terminal.send(0x80, ins, p1p2, data, 512) == (b"", sw)
    work = terminal.card.counters.work
    assert not any(work[kind] for kind in (Work.RSA_PRIVATE, Work.EC_AGREE, Work.EC_SIGN))


def test_private_key_operations_are_counted(terminal: Terminal) -> None:
    terminal.send(0x80, 0x62, 0x0121, bytes(128), 512)
    terminal.send(0x80, 0x68, 0x0133, b"message", 512)
    terminal.send(0x80, 0x62, 0x0280, EC.public_point, 512)
    terminal.send(0x80, 0x68, 0x0273, b"message", 512)
    work = terminal.card.counters.work
    assert (work[Work.RSA_PRIVATE], work[Work.EC_AGREE], work[Work.EC_SIGN]) == (2, 1, 1)


def test_a_message_is_deciphered_with_its_padding_or_without(terminal: Terminal) -> None:
    public = rsa.RSAPublicNumbers(*reversed(RSA.public)).public_key()
    block = public.encrypt(b"message", padding.PKCS1v15())
    assert terminal.send(0x80, 0x62, 0x0122, block, 512) == (b"message", SW.OK)
    padded = terminal.send(0x80, 0x62, 0x0121, block, 512).data
    assert (len(padded), padded[:2], padded[-8:]) == (128, b"\x00\x02", b"\x00message")


def test_what_has_no_padding_is_refused_after_the_work(terminal: Terminal) -> None:
    assert terminal.send(0x80, 0x62, 0x0122, bytes(128), 512) == (b"", SW.WRONG_DATA)
    assert terminal.card.counters.work[Work.RSA_PRIVATE] == 1


def test_both_sides_agree_on_the_same_point(terminal: Terminal) -> None:
    peer = EcKey.generate(P256)
    assert terminal.send(0x80, 0x62, 0x0280, peer.public_point, 512) == (peer.agree(EC.public_point), SW.OK)


def test_signatures_verify(terminal: Terminal) -> None:
    signature = terminal.send(0x80, 0x68, 0x0273, b"message", 512).data
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), EC.public_point)
    public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    given = digest.finalize()
    signature = terminal.send(0x80, 0x68, 0x0140, given, 512).data
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    rsa.RSAPublicNumbers(*reversed(RSA.public)).public_key().verify(
        signature, given, pss, Prehashed(hashes.SHA256())
    )


def test_a_key_can_be_deleted_and_described_but_not_written(terminal: Terminal) -> None:
    assert terminal.write(0xCC03, b"key") == SW.NOT_LOGGED_IN
    assert terminal.select(0xCC01).data[2:6].hex() == "81020000"
    assert terminal.delete(0xCC01) == SW.OK
    assert terminal.send(0x80, 0x62, 0x0121, bytes(128), 512).sw == SW.NOT_FOUND
    assert terminal.delete(0xCC01) == SW.NOT_FOUND
