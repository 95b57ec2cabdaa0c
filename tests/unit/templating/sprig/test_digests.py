"""Promises of the checksums."""

from __future__ import annotations

import hashlib

from bank_vaults.templating.sprig.digests import FUNCTIONS


def test_checksums_are_of_the_bytes_of_a_text() -> None:
    assert FUNCTIONS["sha1sum"]("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert FUNCTIONS["sha256sum"]("é") == hashlib.sha256(b"\xc3\xa9").hexdigest()
    assert FUNCTIONS["sha512sum"]("\udcff") == hashlib.sha512(b"\xff").hexdigest()
    assert FUNCTIONS["adler32sum"]("abc") == "38600999"
    assert FUNCTIONS["adler32sum"]("") == "1"
