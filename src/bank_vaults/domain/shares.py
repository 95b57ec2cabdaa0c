"""Unseal shares: their text form, and which of them belong together.

Vault and OpenBao split the key with Shamir's scheme over GF(2^8), the AES field: each share is one point
of a polynomial for every byte of the key, its last byte the x coordinate. So shares can be checked
against each other without the server and without rebuilding the key: with more than ``threshold`` of
them, those on one polynomial outvote a damaged one. (A. Shamir, "How to share a secret", 1979; the share
layout is that of the servers' documentation and is proved on real servers in the tests.)
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, islice
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_SHORTEST, _LONGEST = 16, 65  # bytes; what both servers accept lies between
_MOST_SETS = 400  # sets looked at when shares disagree; beyond that the search would only burn time


class DamagedShareError(ValueError):
    """The stored text cannot be a share. The message says why and never shows the text."""


class Share(NamedTuple):
    """One well-formed share: ``number`` as in its stored name, ``value`` as hexadecimal text.

    ``origin``: which initialisation it is of, empty where the store does not tell.
    """

    number: int
    value: Secret
    origin: str = ""


class CandidateSet(NamedTuple):
    """``threshold`` shares to try together.

    ``supporters`` counts further shares on the same polynomial; ``outliers`` are the indices of those
    that are not. With at least one supporter the outliers are certainly damaged or foreign.
    """

    shares: tuple[Share, ...]
    supporters: int
    outliers: tuple[int, ...]


def parse(number: int, stored: bytes, origin: str = "") -> Share:
    """Read a stored share: hexadecimal as we write it, or base64 as people copy it from ``operator init``.

    White space around it is forgiven. Raises DamagedShareError.
    """
    try:
        text = stored.decode("ascii").strip()
    except UnicodeDecodeError:
        raise DamagedShareError("it is not text") from None
    if not text:
        raise DamagedShareError("it is empty")
    if _HEX.fullmatch(text):
        length = len(text) // 2
        value = text.lower()
    else:
        try:
            raw = binascii.a2b_base64(text, strict_mode=True)
        except (binascii.Error, ValueError):
            raise DamagedShareError("it is neither hexadecimal nor base64") from None
        length = len(raw)
        value = raw.hex()
    if not _SHORTEST <= length <= _LONGEST:
        raise DamagedShareError(f"it has {length} bytes, a share has {_SHORTEST} to {_LONGEST}")
    return Share(number, Secret(value), origin)


def families(shares: Sequence[Share]) -> list[tuple[Share, ...]]:
    """Shares that may belong together, the most first: of one origin, or of one that is not told."""
    origins = dict.fromkeys(share.origin for share in shares if share.origin) or {"": None}
    found = [tuple(share for share in shares if share.origin in ("", origin)) for origin in origins]
    return sorted(found, key=lambda family: -len(family))


def candidate_sets(shares: Sequence[Share], threshold: int) -> list[CandidateSet]:
    """All sets of ``threshold`` (from 1) shares worth trying, the best supported first.

    Never of two origins. Of sets that lie on one polynomial only the first is listed: the others would
    give the same key. Looks at no more than the first 400 sets of an origin, which leave out any one share,
    and any two up to a threshold of 26.
    """
    points = {share.number: bytes.fromhex(share.value.reveal()) for share in shares}
    found: list[CandidateSet] = []
    covered: list[frozenset[int]] = []
    chances = (islice(_choices(family, threshold), _MOST_SETS) for family in families(shares))
    for chosen in chain.from_iterable(chances):
        indices = frozenset(share.number for share in chosen)
        if any(indices <= family for family in covered):
            continue
        base = [points[share.number] for share in chosen]
        if not _plausible(base):
            continue
        origins = {share.origin for share in chosen} - {""}
        others = [share for share in shares if share.number not in indices]
        supporters = [
            share.number
            for share in others
            if len(origins | ({share.origin} - {""})) <= 1 and _lies_on(base, points[share.number])
        ]
        covered.append(indices | frozenset(supporters))
        outliers = tuple(share.number for share in others if share.number not in supporters)
        found.append(CandidateSet(chosen, len(supporters), outliers))
    return sorted(found, key=lambda candidate: -candidate.supporters)


def _choices(shares: Sequence[Share], threshold: int) -> Iterator[tuple[Share, ...]]:
    """All sets of ``threshold`` shares, those first that skip the fewest of the shares before their last."""
    for last in range(threshold - 1, len(shares)):
        for others in combinations(shares[:last], threshold - 1):
            yield (*others, shares[last])


def _plausible(points: Sequence[bytes]) -> bool:
    """Same length, and distinct x coordinates other than 0, as far as there are several points."""
    if len({len(point) for point in points}) != 1:
        return False
    if len(points) == 1:
        return True
    coordinates = {point[-1] for point in points}
    return len(coordinates) == len(points) and 0 not in coordinates


def _lies_on(base: Sequence[bytes], point: bytes) -> bool:
    """Whether ``point`` lies on the polynomial of lowest degree through ``base`` (for each byte)."""
    if len(point) != len(base[0]):
        return False
    if len(base) == 1:
        return point == base[0]  # an unsplit key: every copy is the key itself
    at = point[-1]
    if at == 0 or any(at == known[-1] for known in base):
        return False  # the key itself or a copy of a share: neither says anything about the others
    weights = [_weight(base, position, at) for position in range(len(base))]
    for column in range(len(point) - 1):
        value = 0
        for weight, known in zip(weights, base, strict=True):
            value ^= _multiply(weight, known[column])
        if value != point[column]:
            return False
    return True


def _weight(base: Sequence[bytes], position: int, at: int) -> int:
    """The Lagrange basis polynomial of ``position`` at the x coordinate ``at``."""
    weight = 1
    own = base[position][-1]
    for other in range(len(base)):
        if other != position:
            x = base[other][-1]
            weight = _multiply(weight, _multiply(at ^ x, _invert(own ^ x)))
    return weight


def _tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Powers of the generator 3 in GF(2^8) modulo x^8+x^4+x^3+x+1 (FIPS 197, 4.2), and their logarithms."""
    powers, logarithms = [1] * 255, [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent] = value
        logarithms[value] = exponent
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
    return tuple(powers), tuple(logarithms)


_POWERS, _LOGARITHMS = _tables()


def _multiply(a: int, b: int) -> int:
    return _POWERS[(_LOGARITHMS[a] + _LOGARITHMS[b]) % 255] if a and b else 0


def _invert(a: int) -> int:
    return _POWERS[-_LOGARITHMS[a] % 255]
