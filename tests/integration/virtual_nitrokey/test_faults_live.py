"""The bad days of a stick, and what the clients make of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.integration.virtual_nitrokey.bench import LABEL, LOGIN, Bench, Prepared
from tests.integration.virtual_nitrokey.client import Client
from tests.support.opensc import OpenSC
from virtual_nitrokey.card import Work
from virtual_nitrokey.rig import Rig

PLAINTEXT = b"vault-unseal-0"
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
UPDATES = ("update nth=2 status=6A84", "update nth=3 status=6F00", "update nth=2 drop")


@pytest.fixture(scope="module")
def common(prepared: Prepared, opensc: OpenSC, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A stick with a key and a ciphertext, for the faults that leave no trace on it."""
    with Rig([prepared.with_key]) as rig:
        bench = Bench(rig, opensc, tmp_path_factory.mktemp("faults"))
        key = load_der_public_key(bench.read(LABEL, "--type", "pubkey"))
        assert isinstance(key, rsa.RSAPublicKey)
        (bench.directory / "ciphertext").write_bytes(key.encrypt(PLAINTEXT, OAEP))
        yield bench


@pytest.fixture
def steady(common: Bench) -> Iterator[Bench]:
    """The same, and what the test broke is whole afterwards."""
    yield common
    mend(common)


def mend(bench: Bench) -> None:
    """No more faults, and the stick is in."""
    bench.rig.stick().clear_faults()
    bench.rig.insert()
    bench.rig.settle()


def decryption(bench: Bench) -> tuple[str, ...]:
    """The command line."""
    files = (
        "--input-file",
        str(bench.directory / "ciphertext"),
        "--output-file",
        str(bench.directory / "plain"),
    )
    oaep = ("--mechanism", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256")
    return ("pkcs11-tool", "--decrypt", *LOGIN, *oaep, *files)


def decrypts(bench: Bench) -> bool:
    (bench.directory / "plain").unlink(missing_ok=True)
    bench.done(*decryption(bench))
    return (bench.directory / "plain").read_bytes() == PLAINTEXT


# -- one command goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "decipher drop",
        "decipher drop-before",
        "decipher remove=0",
        "decipher remove",
        "decipher status=6F00 times=always",
        "decipher status=6A84 times=always",
        "decipher status=6982 times=always",
        "decipher status-after=6F00 times=always",
        "decipher reset-login times=always",
    ],
)
def test_a_client_fails_and_the_next_one_decrypts(steady: Bench, fault: str) -> None:
    before = steady.rig.stick().card.image
    steady.fault(fault)
    assert steady.refused(*decryption(steady))
    mend(steady)
    assert decrypts(steady)
    assert steady.rig.stick().card.image == before


@pytest.mark.parametrize(
    "fault",
    [
        "any drop",
        "any nth=9 status=6F00",
        "any nth=12 remove=0.05",
        "read nth=3 drop",
        "verify drop-before",
        "verify nth=2 status=6F00",
    ],
)
def test_whatever_happens_while_a_client_begins_the_next_one_decrypts(steady: Bench, fault: str) -> None:
    before = steady.rig.stick().card.image
    steady.fault(fault)
    steady.run(*decryption(steady))
    assert steady.rig.stick().rules == ()
    mend(steady)
    assert decrypts(steady)
    assert steady.rig.stick().card.image == before


@pytest.mark.parametrize("fault", ["decipher status=6982", "decipher reset-login"])
def test_a_login_lost_before_a_decryption_is_healed_with_the_pin_that_opensc_keeps(
    steady: Bench, fault: str
) -> None:
    before = steady.rig.stick().card.counters.pins_right
    steady.fault(fault)
    assert decrypts(steady)
    assert steady.rig.stick().card.counters.pins_right == before + 2


@pytest.mark.parametrize("seconds", [0.01, 1.2])
def test_a_delay_is_waited_for(steady: Bench, seconds: float) -> None:
    steady.fault(f"decipher delay={seconds}")
    assert decrypts(steady)


def test_other_processes_that_take_the_card_do_not_disturb_decryptions(steady: Bench) -> None:
    ciphertext = (steady.directory / "ciphertext").read_bytes().hex()
    with Client(steady) as client:
        client.log_in()
        for _ in range(14):
            steady.done("opensc-tool", "--name")
            assert client.call("decrypt", label=LABEL, ciphertext=ciphertext) == PLAINTEXT.hex()


# -- writing ---------------------------------------------------------------------------------------------


def write(bench: Bench, value: bytes) -> str | None:
    """Let a client write a data object; the error it reports, if it reports any."""
    with Client(bench) as client:
        client.log_in()
        return client.error("write", label="new", value=value.hex())


def found(bench: Bench) -> list[str]:
    """What a client that comes later reads."""
    with Client(bench) as client:
        client.log_in()
        values: list[str] = client.call("read", label="new")
        return values


@pytest.mark.parametrize(
    "fault", ["update nth=2 status=6A84", "update nth=3 status=6F00", "update nth=2 drop"]
)
def test_only_reading_back_tells_whether_a_value_was_written(keyed: Bench, fault: str) -> None:
    before = keyed.rig.stick().card.image.memory
    keyed.fault(fault)
    value = bytes(600)
    reported = write(keyed, value)
    # From 0.26 on the module takes no notice of what the card answers, and says that all is well.
    assert (reported is not None) == (keyed.opensc.release < (0, 26))
    keyed.rig.settle()
    assert value.hex() not in found(keyed)
    after = keyed.rig.stick().card.image.memory
    assert {fid: after.files[fid] for fid in before.files} == before.files
    assert after.keys == before.keys


def test_what_does_not_fit_any_more_is_refused_and_what_was_there_stays(keyed: Bench) -> None:
    card = keyed.rig.stick().card
    before = card.image.memory
    keyed.rig.limit_memory(before.used + 300)
    value = bytes(600)
    reported = write(keyed, value)
    assert (reported is not None) == (keyed.opensc.release < (0, 26))
    assert value.hex() not in found(keyed)
    assert card.image.memory.used <= card.memory_limit
    assert card.image.memory.keys == before.keys
    with Client(keyed) as client:
        client.log_in()
        assert client.error("generate_rsa", label="second", bits=2048) == "DeviceMemory"
        client.call("destroy_key", label=LABEL)
        client.call("generate_rsa", label="second", bits=2048)


def test_a_login_lost_before_a_write_or_a_deletion_is_not_healed(keyed: Bench) -> None:
    with Client(keyed) as client:
        client.log_in()
        client.call("write", label="old", value="01")
        for call, arguments in (
            ("write", {"label": "new", "value": "02"}),
            ("delete", {"label": "old"}),
            ("generate_rsa", {"label": "second", "bits": 2048}),
            ("destroy_key", {"label": LABEL}),
        ):
            before = keyed.rig.stick().card.image
            keyed.done("opensc-tool", "--name")
            silent = call == "write" and keyed.opensc.release >= (0, 26)
            assert client.error(call, **arguments) == (None if silent else "UserNotLoggedIn")
            assert keyed.rig.stick().card.image == before
            client.call("reinitialize")
            client.log_in()


def test_work_that_is_done_is_counted_even_if_the_answer_is_lost(steady: Bench) -> None:
    before = steady.rig.stick().card.counters.work[Work.RSA_PRIVATE]
    steady.fault("decipher drop")
    assert steady.refused(*decryption(steady))
    assert steady.rig.stick().card.counters.work[Work.RSA_PRIVATE] == before + 1
