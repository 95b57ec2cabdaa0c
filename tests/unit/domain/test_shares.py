"""Promises about shares: read in every form they come in, and a damaged one is found among the others.

The reference here makes shares its own way: schoolbook multiplication, and polynomials by Horner's rule.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.shares import CandidateSet, DamagedShareError, Share, candidate_sets, families, parse

KEY = bytes(range(32))


def _times(a: int, b: int) -> int:
    """Multiply bit by bit, then divide by x^8+x^4+x^3+x+1."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11B << (bit - 8)
    return product


def _split(key: bytes, shares: int, threshold: int, chance: random.Random) -> list[bytes]:
    """Shares as the servers make them: one polynomial for each byte, the x coordinate at the end."""
    polynomials = [[chance.randrange(256) for _ in range(threshold - 1)] + [byte] for byte in key]
    coordinates = chance.sample(range(1, 256), shares)
    return [bytes(_at(polynomial, x) for polynomial in polynomials) + bytes([x]) for x in coordinates]


def _at(polynomial: list[int], x: int) -> int:
    value = 0
    for coefficient in polynomial:  # the highest power first
        value = _times(value, x) ^ coefficient
    return value


def _combine(points: list[bytes]) -> bytes:
    """The key from exactly threshold many shares: Lagrange at 0, inverses by search."""
    key = bytearray(len(points[0]) - 1)
    for mine in points:
        weight = 1
        for other in points:
            if other is not mine:
                distance = mine[-1] ^ other[-1]
                inverse = next(i for i in range(1, 256) if _times(i, distance) == 1)
                weight = _times(weight, _times(other[-1], inverse))
        for column in range(len(key)):
            key[column] ^= _times(weight, mine[column])
    return bytes(key)


def _shares(points: list[bytes]) -> list[Share]:
    return [Share(index, Secret(point.hex())) for index, point in enumerate(points)]


def _indices(candidate: CandidateSet) -> tuple[int, ...]:
    return tuple(share.number for share in candidate.shares)


def _damage(point: bytes, position: int, flip: int) -> bytes:
    return point[:position] + bytes([point[position] ^ flip]) + point[position + 1 :]


sizes = st.integers(2, 6).flatmap(lambda t: st.tuples(st.just(t), st.integers(t, t + 3)))
chances = st.integers(0, 2**32).map(random.Random)


def test_the_reference_of_these_tests_is_right() -> None:
    assert _times(0x57, 0x83) == 0xC1  # FIPS 197, 4.2
    points = _split(KEY, 5, 3, random.Random(1))
    assert all(_combine(list(chosen)) == KEY for chosen in itertools.combinations(points, 3))
    assert _combine(points[:2]) != KEY


@given(sizes, chances)
def test_shares_of_one_key_agree_and_any_threshold_of_them_will_do(
    size: tuple[int, int], chance: random.Random
) -> None:
    threshold, count = size
    points = _split(KEY, count, threshold, chance)
    chance.shuffle(points)
    (found,) = candidate_sets(_shares(points), threshold)
    assert _indices(found) == tuple(range(threshold))
    assert (found.supporters, found.outliers) == (count - threshold, ())
    assert _combine([points[index] for index in _indices(found)]) == KEY


@settings(max_examples=60)
@given(sizes, chances, st.integers(0), st.integers(0, 32), st.integers(1, 255))
def test_any_damaged_byte_of_any_share_is_found_with_two_shares_to_spare(
    size: tuple[int, int], chance: random.Random, which: int, position: int, flip: int
) -> None:
    threshold, _ = size
    points = _split(KEY, threshold + 2, threshold, chance)
    damaged = which % len(points)
    points[damaged] = _damage(points[damaged], position, flip)
    best = candidate_sets(_shares(points), threshold)[0]
    assert best.outliers == (damaged,)
    assert best.supporters == 1
    assert _combine([points[index] for index in _indices(best)]) == KEY


@pytest.mark.parametrize(
    "damaged", [*itertools.combinations(range(7), 1), *itertools.combinations(range(7), 2)]
)
def test_the_right_set_comes_first_with_one_or_two_damaged_shares_of_seven(damaged: tuple[int, ...]) -> None:
    points = _split(KEY, 7, 3, random.Random(3))
    for index in damaged:
        points[index] = _damage(points[index], 5, 0x40)
    best = candidate_sets(_shares(points), 3)[0]
    assert _combine([points[index] for index in _indices(best)]) == KEY
    assert best.outliers == damaged


@pytest.mark.parametrize("damaged", range(4))
def test_with_one_share_to_spare_the_right_set_is_among_few(damaged: int) -> None:
    points = _split(KEY, 4, 3, random.Random(4))
    points[damaged] = _damage(points[damaged], 0, 1)
    found = candidate_sets(_shares(points), 3)
    assert len(found) == 4
    assert any(_combine([points[index] for index in _indices(candidate)]) == KEY for candidate in found)


@pytest.mark.parametrize(("threshold", "count"), [(8, 15), (12, 20), (26, 30)])
@pytest.mark.parametrize("damaged", [(0,), (0, 1), (3, 7)])
def test_damage_in_the_first_of_many_shares_is_found_within_the_sets_looked_at(
    threshold: int, count: int, damaged: tuple[int, ...]
) -> None:
    points = _split(KEY[:16], count, threshold, random.Random(5))
    for index in damaged:
        points[index] = _damage(points[index], 2, 0x80)
    best = candidate_sets(_shares(points), threshold)[0]
    assert best.outliers == damaged
    assert best.supporters == count - threshold - len(damaged)


def test_shares_of_two_clusters_are_told_apart() -> None:
    ours = _split(KEY, 4, 3, random.Random(6))
    foreign = _split(bytes(32), 3, 3, random.Random(7))
    found = candidate_sets(_shares([*foreign, *ours]), 3)
    assert _combine([[*foreign, *ours][index] for index in _indices(found[0])]) == KEY
    assert found[0].outliers == (0, 1, 2)


def test_a_copy_of_a_share_under_a_second_name_supports_nothing() -> None:
    points = _split(KEY, 5, 3, random.Random(8))
    points[0] = _damage(points[0], 9, 0x11)
    points[3] = points[0]
    best = candidate_sets(_shares(points), 3)[0]
    assert all(candidate.supporters == 0 for candidate in candidate_sets(_shares(points), 3))
    assert len(best.shares) == 3
    assert any(
        _combine([points[i] for i in _indices(found)]) == KEY for found in candidate_sets(_shares(points), 3)
    )


def test_the_bare_key_in_place_of_a_share_supports_nothing() -> None:
    points = _split(KEY, 4, 3, random.Random(9))
    (found,) = candidate_sets(_shares([*points, KEY + b"\x00"]), 3)
    assert (found.supporters, found.outliers) == (1, (4,))


@pytest.mark.parametrize("other", [b"\x05" * 16, b"\x05" * 65])
def test_a_share_of_another_length_is_an_outlier(other: bytes) -> None:
    points = _split(KEY, 4, 3, random.Random(10))
    best = candidate_sets(_shares([other, *points]), 3)[0]
    assert best.outliers == (0,)
    assert _indices(best) == (1, 2, 3)


def test_the_copies_of_an_unsplit_key_outvote_a_damaged_one() -> None:
    found = candidate_sets(_shares([_damage(KEY, 3, 1), KEY, KEY]), 1)
    assert [(_indices(candidate), candidate.outliers) for candidate in found] == [
        ((1,), (0,)),
        ((0,), (1, 2)),
    ]


@pytest.mark.parametrize("threshold", [3, 4])
def test_too_few_shares_give_no_set(threshold: int) -> None:
    assert candidate_sets(_shares(_split(KEY, 2, 2, random.Random(11))), threshold) == []


def test_shares_with_equal_coordinates_make_no_set() -> None:
    point = _split(KEY, 2, 2, random.Random(12))[0]
    assert candidate_sets(_shares([point, _damage(point, 0, 1)]), 2) == []


@given(st.lists(st.binary(min_size=16, max_size=18), max_size=6).map(_shares), st.integers(1, 4))
def test_any_bytes_give_sets_of_the_right_size(shares: list[Share], threshold: int) -> None:
    found = candidate_sets(shares, threshold)
    for candidate in found:
        assert len(candidate.shares) == threshold
        assert threshold + candidate.supporters + len(candidate.outliers) == len(shares)
    assert [candidate.supporters for candidate in found] == sorted(
        (candidate.supporters for candidate in found), reverse=True
    )


def test_the_search_is_bounded() -> None:
    chance = random.Random(13)
    unrelated = [chance.randbytes(16) + bytes([x]) for x in range(1, 21)]
    assert len(candidate_sets(_shares(unrelated), 10)) == 400


blanks = st.text(" \t\r\n", max_size=4)
forms = st.sampled_from(
    [
        lambda raw: raw.hex(),
        lambda raw: raw.hex().upper(),
        lambda raw: base64.b64encode(raw).decode(),
    ]
)


@given(st.binary(min_size=16, max_size=65), forms, blanks, blanks)
def test_hexadecimal_and_base64_are_read_with_blanks_around(
    raw: bytes, form: object, before: str, after: str
) -> None:
    assert callable(form)
    text = form(raw)
    if len(text) % 4 == 0 and not text.endswith("=") and all(c in "0123456789abcdefABCDEF" for c in text):
        raw = bytes.fromhex(text)  # a base64 text of hexadecimal digits only is hexadecimal
    if 16 <= len(raw) <= 65:
        share = parse(4, f"{before}{text}{after}".encode())
        assert (share.number, share.value.reveal()) == (4, raw.hex())


@given(st.binary(max_size=200))
def test_any_stored_bytes_are_a_share_or_damaged(stored: bytes) -> None:
    with contextlib.suppress(DamagedShareError):
        assert 32 <= len(parse(0, stored).value.reveal()) <= 130


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xff\xfe" * 20, "it is not text"),
        (b"g" * 67, "neither hexadecimal nor base64"),
        (KEY.hex().encode()[:-1], "neither hexadecimal nor base64"),
        (base64.b64encode(KEY)[:-1], "neither hexadecimal nor base64"),
        (base64.b64encode(KEY).replace(b"A", b"-"), "neither hexadecimal nor base64"),
        (KEY.hex().encode().replace(b"0a", b"0 "), "neither hexadecimal nor base64"),
        (b"\x00" * 66, "neither hexadecimal nor base64"),
        (b"ab" * 15, "it has 15 bytes, a share has 16 to 65"),
        (b"ab" * 66, "it has 66 bytes, a share has 16 to 65"),
        (base64.b64encode(b"\xff" * 66), "it has 66 bytes, a share has 16 to 65"),
    ],
)
def test_damage_is_named_and_the_text_is_not_shown(stored: bytes, why: str) -> None:
    with pytest.raises(DamagedShareError, match=why) as refused:
        parse(0, stored)
    text = stored.decode(errors="replace").strip()
    assert not text or text not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_no_text_form_of_a_set_shows_a_share() -> None:
    points = _split(KEY, 3, 2, random.Random(14))
    (found,) = candidate_sets(_shares(points), 2)
    assert all(point.hex() not in repr(found) for point in points)


def test_shares_of_two_initialisations_are_never_tried_together() -> None:
    ours = _split(KEY, 5, 3, random.Random(6))
    told = [share._replace(origin="a") for share in _shares(ours)]
    for foreign in itertools.combinations(range(5), 2):  # whatever is in them
        mixed = [share._replace(origin="b") if share.number in foreign else share for share in told]
        (found,) = candidate_sets(mixed, 3)
        assert (found.supporters, found.outliers) == (0, foreign)
        assert families(mixed)[0] == found.shares


def test_shares_of_which_no_origin_is_told_may_belong_to_any() -> None:
    first, second, third, *rest = _shares(_split(KEY, 5, 3, random.Random(6)))
    mixed = [first._replace(origin="a"), second._replace(origin="b"), third, *rest]
    assert families(mixed) == [(mixed[0], third, *rest), (mixed[1], third, *rest)]
    assert candidate_sets(mixed, 3)[0].outliers == (1,)
    assert families([]) == [()]
