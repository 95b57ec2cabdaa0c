"""The PKCS#11 library is found by path, by p11-kit file, or by name, and a miss says where was looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.hsm.modules import NoModuleError, resolve
from bank_vaults.hsm.uri import Pkcs11Uri


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "modules").mkdir()
    (tmp_path / "lib" / "pkcs11").mkdir(parents=True)
    (tmp_path / "lib" / "pkcs11" / "token.so").touch()
    (tmp_path / "modules" / "relative.module").write_text("# a token\nmodule: token.so\nmanaged: yes\n")
    (tmp_path / "modules" / "absolute.module").write_text(f"module:{tmp_path}/lib/pkcs11/token.so\n")
    (tmp_path / "modules" / "empty.module").write_text("managed: yes\n#module: x\n")
    (tmp_path / "modules" / "elsewhere.module").write_text("module: other.so\n")
    (tmp_path / "modules" / "binary.module").write_bytes(b"\xff\xfe")
    return tmp_path


def _resolve(place: Path, path: str = "", uri: Pkcs11Uri | None = None) -> str:
    return resolve(path, uri or Pkcs11Uri(), [str(place / "modules")], [str(place / "lib*" / "pkcs11")])


def test_a_library_is_found_in_every_form(place: Path) -> None:
    library = str(place / "lib" / "pkcs11" / "token.so")
    assert _resolve(place, library) == library
    assert _resolve(place, uri=Pkcs11Uri(module_path=library)) == library
    assert _resolve(place, uri=Pkcs11Uri(module_name="relative")) == library
    assert _resolve(place, uri=Pkcs11Uri(module_name="absolute")) == library
    assert _resolve(place, str(place / "modules" / "relative.module")) == library


def test_the_flag_goes_before_the_uri(place: Path) -> None:
    library = str(place / "lib" / "pkcs11" / "token.so")
    assert _resolve(place, library, Pkcs11Uri(module_path="/nowhere.so")) == library


@pytest.mark.parametrize(
    ("path", "uri", "words"),
    [
        ("", Pkcs11Uri(), "give --hsm-module-path"),
        ("/nowhere/x.so", Pkcs11Uri(), "/nowhere/x.so does not exist"),
        ("", Pkcs11Uri(module_name="unknown"), "p11-kit knows no module 'unknown'"),
        ("", Pkcs11Uri(module_name="empty"), "has no line 'module:'"),
        ("", Pkcs11Uri(module_name="elsewhere"), "other.so, named by"),
        ("", Pkcs11Uri(module_name="binary"), "it is not text"),
        ("/nowhere/x.module", Pkcs11Uri(), "No such file"),
    ],
)
def test_a_miss_says_what_was_looked_for(place: Path, path: str, uri: Pkcs11Uri, words: str) -> None:
    with pytest.raises(NoModuleError, match=words):
        _resolve(place, path, uri)
