"""One key on two sticks of a domain: it leaves the one wrapped, for the other and for no third.

What it is wrapped with, the device key encryption key (DKEK), is put together from shares of custodians.
"""

from __future__ import annotations

import pytest

from tests.integration.virtual_nitrokey.bench import LOGIN, PIN
from tests.integration.virtual_nitrokey.conftest import SetUp
from tests.integration.virtual_nitrokey.holder import OAEP, Holder
from virtual_nitrokey.image import Image

SHARES = (bytes(range(32)), bytes(range(100, 132)))
OTHER_SHARES = (SHARES[0], bytes(32))
PLAINTEXT = b"vault-unseal-0"


@pytest.fixture
def two(set_up: SetUp) -> tuple[Holder, Holder]:
    bench = set_up(Image.new("DENK0100001"), Image.new("DENK0100002"))
    return Holder(bench, 0), Holder(bench, 1)


def test_a_clone_of_the_key_decrypts_what_was_encrypted_to_the_original(two: tuple[Holder, Holder]) -> None:
    original, clone = two
    original.join(SHARES)
    clone.join(SHARES[::-1])
    check_value = original.check_value()
    assert clone.check_value() == check_value
    ciphertext = original.generate().encrypt(PLAINTEXT, OAEP)
    assert clone.unwrap(original.wrap()) == "Key successfully imported"
    assert (original.check_value(), clone.check_value()) == (check_value, check_value)
    assert clone.decrypt(ciphertext) == PLAINTEXT
    assert original.decrypt(ciphertext) == PLAINTEXT
    objects = [holder.bench.labels("--token-label", holder.label, *LOGIN) for holder in (original, clone)]
    assert objects[0] == objects[1] == [("Private Key Object", "shared"), ("Public Key Object", "shared")]


def test_a_key_of_another_domain_or_a_damaged_one_is_refused(two: tuple[Holder, Holder]) -> None:
    original, stranger = two
    original.join(SHARES)
    stranger.join(OTHER_SHARES)
    assert original.check_value() != stranger.check_value()
    original.generate()
    wrapped = original.wrap()
    before = stranger.card.image.memory.keys
    assert stranger.unwrap(wrapped) == "Wrapped key does not match DKEK"
    content = bytearray(wrapped.read_bytes())
    content[100] ^= 1
    wrapped.write_bytes(content)
    assert original.unwrap(wrapped) == "Wrapped key does not match DKEK"
    assert stranger.card.image.memory.keys == before
    assert stranger.bench.labels("--token-label", stranger.label, *LOGIN) == []


def test_no_key_leaves_a_stick_whose_domain_is_missing_or_not_complete(two: tuple[Holder, Holder]) -> None:
    without, waiting = two
    without.initialise()
    waiting.initialise("--dkek-shares", "2")
    assert "DKEK import pending, 2 share(s) still missing" in waiting.tool()[1]
    for holder, reason in ((without, "Card not initialized for key wrap"), (waiting, "")):
        holder.generate()
        path = holder.bench.directory / holder.label
        code, said = holder.tool("--wrap-key", str(path), "--key-reference", "1", "--pin", PIN)
        assert code
        assert reason in said
        assert not path.exists()
