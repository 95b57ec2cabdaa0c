"""Promises of the functions for paths."""

from __future__ import annotations

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.sprig.paths import FUNCTIONS


@pytest.mark.parametrize(
    ("path", "base", "directory", "extension", "clean", "absolute"),
    [
        ("", ".", ".", "", ".", False),
        ("/", "/", "/", "", "/", True),
        ("//", "/", "/", "", "/", True),
        ("a", "a", ".", "", "a", False),
        ("/a/", "a", "/a", "", "/a", True),
        ("a//b", "b", "a", "", "a/b", False),
        ("/../a", "a", "/", "", "/a", True),
        ("a/../..", "..", ".", ".", "..", False),
        ("../a/../../b", "b", "../..", "", "../../b", False),
        ("./a.b/c.tar.gz", "c.tar.gz", "a.b", ".gz", "a.b/c.tar.gz", False),
        ("/a.b/", "a.b", "/a.b", "", "/a.b", True),
        ("é/ü.ö", "ü.ö", "é", ".ö", "é/ü.ö", False),
    ],
)
def test_a_path_is_taken_by_its_text_alone(
    path: str, base: str, directory: str, extension: str, clean: str, absolute: bool
) -> None:
    for names in (
        ("base", "dir", "ext", "clean", "isAbs"),
        ("osBase", "osDir", "osExt", "osClean", "osIsAbs"),
    ):
        assert [FUNCTIONS[name](path) for name in names] == [base, directory, extension, clean, absolute]


def test_a_path_of_too_many_parts_is_refused() -> None:
    most = limits.MAX_ITEMS
    with pytest.raises(FunctionError, match=f"^the result would have {most + 1} elements, more than {most}$"):
        FUNCTIONS["clean"]("/" * (most + 1))
