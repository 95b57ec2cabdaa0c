"""Promises about the file system of the card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.curves import Curve
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.memory import CAPACITY, Access, Memory, is_file, rule
from virtual_nitrokey.status import SW, CardError

DEVICE_KEY = EcKey(Curve.by_name("secp256r1"), 7)
CERTIFICATE = b"the certificate"
EMPTY = Memory({0x2F02: CERTIFICATE}, {0: DEVICE_KEY})
RSA_2048 = RsaKey((1 << 1023) + 1, (1 << 1024) - 1, 65537)  # of the right size; nothing computes with it


def refused(sw: SW) -> pytest.RaisesExc[CardError]:
    return pytest.RaisesExc(CardError, check=lambda error: error.sw == sw)


@pytest.mark.parametrize(
    ("fids", "read", "write", "delete"),
    [
        ((0x2F00, 0x2F02), Access.ALWAYS, Access.NEVER, Access.NEVER),
        ((0x2F03,), Access.ALWAYS, Access.USER, Access.USER),
        ((0x2F10,), Access.NEVER, Access.USER, Access.USER),
        ((0xCC00,), Access.NEVER, Access.NEVER, Access.NEVER),
        ((0xCC01, 0xCCFF), Access.NEVER, Access.NEVER, Access.USER),
        ((0xC400, 0xCEFF, 0xC801, 0xCA01, 0xC900, 0xCF00), Access.ALWAYS, Access.USER, Access.USER),
        ((0xCD00, 0xCDFF), Access.USER, Access.USER, Access.USER),
    ],
)
def test_who_may_do_what(fids: tuple[int, ...], read: Access, write: Access, delete: Access) -> None:
    assert {rule(fid) for fid in fids} == {(read, write, delete)}


@pytest.mark.parametrize("fid", [0x0000, 0x3F00, 0x2F01, 0x5015, 0xC000, 0xD001, 0xFFFF])
def test_other_identifiers_never_name_a_file(fid: int) -> None:
    assert not is_file(fid)
    with refused(SW.NOT_FOUND):
        rule(fid)


def test_a_key_is_not_a_file() -> None:
    assert not is_file(0xCC01)


@given(st.binary(max_size=40), st.integers(0, 50), st.binary(max_size=40))
def test_writing_replaces_what_is_there_and_grows_the_file(old: bytes, offset: int, part: bytes) -> None:
    memory = EMPTY.written(0xCF00, 0, old)
    if offset > len(old):
        with refused(SW.WRONG_OFFSET):
            memory.written(0xCF00, offset, part)
        return
    content = memory.written(0xCF00, offset, part).content(0xCF00)
    assert len(content) == max(len(old), offset + len(part))
    assert content[:offset] == old[:offset]
    assert content[offset:][: len(part)] == part
    assert content[offset + len(part) :] == old[offset + len(part) :]


def test_a_file_ends_at_65535_bytes() -> None:
    full = EMPTY.written(0xCF00, 0, bytes(0xFFFF))
    assert full.written(0xCF00, 0xFFFE, b"\x01").content(0xCF00)[-1] == 1
    with refused(SW.NO_SPACE):
        full.written(0xCF00, 0xFFFF, b"\x01")


def test_a_shorter_wrapped_key_leaves_nothing_of_the_longer_one() -> None:
    memory = EMPTY.written(0x2F10, 0, b"longer").written(0x2F10, 0, b"ab").written(0x2F10, 2, b"c")
    assert memory.content(0x2F10) == b"abc"


def test_what_is_not_there_is_not_found() -> None:
    for absent in (0xCF00, 0xCC01, 0x2F00):
        with refused(SW.NOT_FOUND):
            EMPTY.content(absent)
        with refused(SW.NOT_FOUND):
            EMPTY.without(absent)


def test_a_key_looks_like_an_empty_file() -> None:
    assert EMPTY.content(0xCC00) == b""


def test_the_oldest_comes_first_in_the_list_and_keys_before_files() -> None:
    memory = EMPTY.written(0xCF01, 0, b"").written(0xC900, 0, b"").with_key(2, DEVICE_KEY)
    memory = memory.written(0xCF01, 0, b"again")
    assert list(memory.identifiers()) == [0xCC00, 0xCC02, 0x2F02, 0xCF01, 0xC900]
    assert list(memory.without(0xCC02).without(0xCF01).identifiers()) == [0xCC00, 0x2F02, 0xC900]


def test_38_rsa_2048_keys_with_their_descriptions_and_no_more_fit() -> None:
    memory, fitted = EMPTY, 0
    while memory.used <= CAPACITY:
        fitted += 1
        memory = memory.with_key(fitted, RSA_2048)
        memory = memory.written(0xC400 + fitted, 0, bytes(67)).written(0xCE00 + fitted, 0, bytes(678))
    assert fitted - 1 == 38


def test_what_the_maker_put_there_takes_no_space_and_is_never_erased() -> None:
    assert EMPTY.used == 0
    assert EMPTY.with_key(1, DEVICE_KEY).used == 9 * 32
    assert EMPTY.with_key(1, RSA_2048).used == 5 * 256
    assert EMPTY.written(0xCD01, 0, b"secret").with_key(1, RSA_2048).erased() == EMPTY


def test_a_printed_memory_shows_no_content() -> None:
    assert repr(EMPTY.written(0xCD01, 0, b"secret")) == "Memory()"
