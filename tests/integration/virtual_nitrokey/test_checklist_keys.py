"""Key pairs on a stick, and that what the tools do with them is what everybody else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from tests.integration.virtual_nitrokey.bench import (
    INITIALISE,
    KEYPAIR,
    LABEL,
    LOGIN,
    SERIAL,
    VERIFY,
    Bench,
    Prepared,
)
from tests.support.opensc import OpenSC
from virtual_nitrokey.card import Work
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

RSA_ID, EC_ID = "a1", "ec"
MESSAGE = b"what is signed"
PLAINTEXT = b"vault-unseal-0"
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-1": hashes.SHA1(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


@pytest.fixture(scope="module")
def both(prepared: Prepared, opensc: OpenSC, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A stick with an RSA and a P-256 key, for all tests here that change nothing on it."""
    with Rig([prepared.initialised]) as rig:
        bench = Bench(rig, opensc, tmp_path_factory.mktemp("keys"))
        bench.done("pkcs11-tool", *KEYPAIR, "rsa:2048", "--id", RSA_ID)
        bench.done("pkcs11-tool", *KEYPAIR, "EC:prime256v1", "--id", EC_ID)
        yield bench


def public_key(bench: Bench, identifier: str) -> str:
    """As PEM."""
    return bench.done("pkcs15-tool", "--read-public-key", identifier)


def rsa_key(bench: Bench, identifier: str = RSA_ID) -> rsa.RSAPublicKey:
    key = load_pem_public_key(public_key(bench, identifier).encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def ec_key(bench: Bench) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(public_key(bench, EC_ID).encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def use(bench: Bench, what: str, mechanism: str, identifier: str, data: bytes, *options: str) -> bytes:
    """What ``pkcs11-tool`` makes of the data with a private key: signs, decrypts or derives."""
    source, target = bench.directory / "input", bench.directory / "output"
    source.write_bytes(data)
    target.unlink(missing_ok=True)
    files = ("--input-file", str(source), "--output-file", str(target))
    bench.done("pkcs11-tool", what, "--mechanism", mechanism, "--id", identifier, *LOGIN, *files, *options)
    return target.read_bytes()


# -- making and listing ----------------------------------------------------------------------------------


def test_everybody_who_comes_later_finds_the_keys(both: Bench) -> None:
    public = [("Public Key Object", LABEL)] * 2
    assert both.labels() == public
    assert sorted(both.labels(*LOGIN)) == [("Private Key Object", LABEL)] * 2 + public


def test_the_module_passes_the_test_that_opensc_brings_along(both: Bench) -> None:
    before = both.rig.stick().card.counters.work[Work.RSA_PRIVATE]
    assert both.done("pkcs11-tool", "--test", *LOGIN).endswith("No errors\n")
    assert both.rig.stick().card.counters.work[Work.RSA_PRIVATE] > before


@pytest.mark.parametrize("bits", [1024, 3072])
def test_rsa_keys_of_other_sizes(initialised: Bench, bits: int) -> None:
    initialised.done("pkcs11-tool", *KEYPAIR, f"rsa:{bits}", "--id", RSA_ID)
    key = rsa_key(initialised)
    assert (key.key_size, key.public_numbers().e) == (bits, 65537)
    signature = use(initialised, "--sign", "SHA256-RSA-PKCS", RSA_ID, MESSAGE)
    key.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.usefixtures("can_run_pcscd")
def test_the_largest_rsa_key(system_opensc: OpenSC, tmp_path: Path) -> None:
    with Rig([Image.new(SERIAL)]) as rig:  # once, as it takes seconds to make
        bench = Bench(rig, system_opensc, tmp_path)
        bench.done("sc-hsm-tool", *INITIALISE)
        bench.done("pkcs11-tool", *KEYPAIR, "rsa:4096", "--id", RSA_ID)
        ciphertext = rsa_key(bench).encrypt(PLAINTEXT, padding.PKCS1v15())
        assert use(bench, "--decrypt", "RSA-PKCS", RSA_ID, ciphertext) == PLAINTEXT


def test_a_private_key_that_is_deleted_is_gone_with_its_description_and_its_number_is_free(
    keyed: Bench,
) -> None:
    card = keyed.rig.stick().card
    keyed.done("pkcs11-tool", "--delete-object", "--type", "privkey", "--label", LABEL, *LOGIN)
    assert list(card.image.memory.keys) == [0]
    assert 0xC401 not in card.image.memory.files
    assert keyed.labels(*LOGIN) == []
    keyed.done("pkcs11-tool", *KEYPAIR, "rsa:2048")
    assert list(card.image.memory.keys) == [0, 1]
    assert keyed.labels(*LOGIN) == [("Private Key Object", LABEL), ("Public Key Object", LABEL)]


def test_a_private_key_cannot_be_read_even_by_its_owner(both: Bench) -> None:
    read = "00B1CC01045402000000"  # key 1
    assert both.statuses(VERIFY, read) == ["9000", "6982"]


def test_the_stick_gives_random_bytes_to_everybody_as_many_as_are_wanted(fresh: Bench) -> None:
    def drawn(count: int) -> bytes:
        target = fresh.directory / "random"
        fresh.done("pkcs11-tool", "--generate-random", str(count), "--output-file", str(target))
        return target.read_bytes()

    assert len(drawn(1000)) == 1000
    assert drawn(32) != drawn(32)
    assert any("CHALLENGE" in line.text for line in fresh.rig.journal.after(0))


# -- using -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SHA-1", "SHA256"])
def test_what_was_encrypted_with_oaep_is_decrypted(both: Bench, name: str) -> None:
    algorithm = HASHES[name]
    oaep = padding.OAEP(padding.MGF1(algorithm), algorithm, None)
    ciphertext = rsa_key(both).encrypt(PLAINTEXT, oaep)
    options = ("--hash-algorithm", name, "--mgf", f"MGF1-{name.replace('-', '')}")
    assert use(both, "--decrypt", "RSA-PKCS-OAEP", RSA_ID, ciphertext, *options) == PLAINTEXT


def test_what_was_encrypted_with_pkcs1_is_decrypted(both: Bench) -> None:
    ciphertext = rsa_key(both).encrypt(PLAINTEXT, padding.PKCS1v15())
    assert use(both, "--decrypt", "RSA-PKCS", RSA_ID, ciphertext) == PLAINTEXT


def test_what_was_encrypted_for_another_key_is_refused_and_the_next_one_is_decrypted(both: Bench) -> None:
    alien = rsa.generate_private_key(65537, 2048).public_key().encrypt(PLAINTEXT, padding.PKCS1v15())
    (both.directory / "alien").write_bytes(alien)
    decrypt = ("--decrypt", "--mechanism", "RSA-PKCS", "--id", RSA_ID, *LOGIN)
    files = ("--input-file", str(both.directory / "alien"), "--output-file", str(both.directory / "plain"))
    assert both.refused("pkcs11-tool", *decrypt, *files)
    test_what_was_encrypted_with_pkcs1_is_decrypted(both)


def test_an_agreement_is_the_other_sides(both: Bench) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    spki = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    before = both.rig.stick().card.counters.work[Work.EC_AGREE]
    secret = use(both, "--derive", "ECDH1-DERIVE", EC_ID, spki)
    assert secret == other.exchange(ec.ECDH(), ec_key(both))
    assert both.rig.stick().card.counters.work[Work.EC_AGREE] == before + 1


@pytest.mark.parametrize("name", HASHES)
def test_signatures_with_pkcs1_hold(both: Bench, name: str) -> None:
    mechanism = f"{name.replace('-', '')}-RSA-PKCS"
    signature = use(both, "--sign", mechanism, RSA_ID, MESSAGE)
    rsa_key(both).verify(signature, MESSAGE, padding.PKCS1v15(), HASHES[name])


@pytest.mark.parametrize("name", HASHES)
def test_signatures_with_pss_hold(both: Bench, name: str) -> None:
    algorithm = HASHES[name]
    pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    of_message = use(both, "--sign", f"{name.replace('-', '')}-RSA-PKCS-PSS", RSA_ID, MESSAGE)
    rsa_key(both).verify(of_message, MESSAGE, pss, algorithm)
    digest = hashes.Hash(algorithm)
    digest.update(MESSAGE)
    value = digest.finalize()
    of_hash = use(both, "--sign", "RSA-PKCS-PSS", RSA_ID, value, "--hash-algorithm", name)
    rsa_key(both).verify(of_hash, value, pss, utils.Prehashed(algorithm))


@pytest.mark.parametrize("name", HASHES)
def test_signatures_with_ecdsa_hold(both: Bench, name: str) -> None:
    mechanism = f"ECDSA-{name.replace('-', '')}"
    signature = use(both, "--sign", mechanism, EC_ID, MESSAGE, "--signature-format", "openssl")
    ec_key(both).verify(signature, MESSAGE, ec.ECDSA(HASHES[name]))
