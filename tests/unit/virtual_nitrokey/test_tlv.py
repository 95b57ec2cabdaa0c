"""Promises about BER-TLV data objects."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.tlv import Tlv, encode, find, join, parse

TAGS = st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F) | st.tuples(
    st.sampled_from([0x1F, 0x3F, 0x5F, 0x7F, 0x9F, 0xBF, 0xDF, 0xFF]), st.integers(0x1F, 0x7F)
).map(lambda tag: tag[0] << 8 | tag[1])


@given(st.lists(st.tuples(TAGS, st.binary(max_size=300))))
def test_what_is_written_is_read_back(pairs: list[tuple[int, bytes]]) -> None:
    assert parse(join(*pairs)) == tuple(pairs)


@given(st.binary(max_size=300))
def test_any_bytes_are_data_objects_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse(join(*parse(data))) == parse(data)


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8180"),
        (255, "81ff"),
        (256, "820100"),
        (65535, "82ffff"),
        (65536, "83010000"),
    ],
)
def test_lengths_have_their_shortest_form(size: int, length: str) -> None:
    written = encode(0x53, bytes(size))
    assert written[1 : -size or None].hex() == length
    assert parse(written) == (Tlv(0x53, bytes(size)),)


def test_a_longer_form_of_a_length_is_read_as_well() -> None:
    assert parse(bytes.fromhex("53820001AA")) == (Tlv(0x53, b"\xaa"),)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("5f", id="tag without its second byte"),
        pytest.param("7f8101 00", id="tag of three bytes"),
        pytest.param("5f1e00", id="small number in a tag of two bytes"),
        pytest.param("53", id="no length"),
        pytest.param("5380 0000", id="indefinite length"),
        pytest.param("5382 01", id="length cut short"),
        pytest.param("5384 00000001 00", id="length of four bytes"),
        pytest.param("5302 00", id="value cut short"),
        pytest.param("530100 30", id="rest behind the last object"),
    ],
)
def test_malformed_bytes_are_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"^(a|7F81|5F1E) "):
        parse(bytes.fromhex(data))


@pytest.mark.parametrize("tag", [-1, 0x1F, 0x5F, 0x7F80, 0x5F00, 0x5320, 0x10000])
def test_a_tag_of_another_shape_is_not_written(tag: int) -> None:
    with pytest.raises(ValueError, match="tag"):
        encode(tag, b"")


def test_a_value_above_16_mib_is_not_written() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode(0x53, bytes(0x1000000))


def test_the_first_object_of_a_tag_is_found() -> None:
    items = parse(bytes.fromhex("5401AA 5301BB 5301CC"))
    assert find(items, 0x53) == b"\xbb"
    assert find(items, 0x81) is None
