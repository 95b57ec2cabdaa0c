"""Go's ``base64.StdEncoding``, whose errors name the byte."""

from __future__ import annotations

from binascii import a2b_base64
from itertools import islice
from typing import Final

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import octets

_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NEWLINES: Final = b"\r\n"


def decoded(string: str) -> bytes:
    """The bytes that are encoded there; ends of lines do not count. Raises FunctionError with Go's text."""
    written = octets(string)
    compact = written.translate(None, _NEWLINES)
    wrong = _first_wrong(written, compact)
    if wrong is not None:
        raise FunctionError(f"illegal base64 data at input byte {wrong}")
    return a2b_base64(compact)


def _first_wrong(written: bytes, compact: bytes) -> int | None:
    """The byte that Go complains about; None where all is well."""
    end = next((place for place, octet in enumerate(compact) if octet not in _ALPHABET), len(compact))
    over = end % 4
    if end == len(compact):
        return len(written) - over if over else None
    if compact[end : end + 1] != b"=" or over < 2:
        return _place_in(written, end)
    behind = end + 1
    if over == 2:
        if behind == len(compact):
            return len(written)
        if compact[behind : behind + 1] != b"=":
            return _place_in(written, behind) - 1
        behind += 1
    return _place_in(written, behind) if behind < len(compact) else None


def _place_in(written: bytes, compact_place: int) -> int:
    """The index with the ends of lines that stand before it."""
    places = (place for place, octet in enumerate(written) if octet not in _NEWLINES)
    return next(islice(places, compact_place, None))
