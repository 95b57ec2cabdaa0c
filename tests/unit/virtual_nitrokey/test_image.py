"""Promises about the state of a stick and the file it is kept in."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.terminal import FACTORY, PIN, SO_PIN, Terminal
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.image import Image, ImageError, Option, locked
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.memory import LARGEST_FILE, Memory
from virtual_nitrokey.pins import Pin, Reference

RSA = RsaKey.generate(1024, 65537)
FULL = Image(
    serial="DENK0000042",
    memory=Memory(
        {0x2F02: FACTORY.memory.content(0x2F02), 0xCF01: b"", 0xCD00: b"secret"},
        {0: FACTORY.device_key, 5: RSA, 3: EcKey(Curve.by_name("brainpoolP512t1"), 5)},
    ),
    version=(4, 0),
    options=Option.SESSION_PIN,
    pins={Reference.USER: Pin(PIN, 0, 3, True), Reference.SO: Pin(SO_PIN, 7, 15)},
    key_domain=KeyDomain(3, (bytes(32), b"\x01" * 32)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stick.json"


@pytest.mark.parametrize(
    "image", [FACTORY, FULL, replace(FULL, key_domain=KeyDomain.new(0))], ids=["new", "full", "own domain"]
)
def test_what_is_saved_is_loaded(path: Path, image: Image) -> None:
    image.save(path)
    loaded = Image.load(path)
    assert loaded == image
    assert list(loaded.memory.identifiers()) == list(image.memory.identifiers())


def test_a_stick_goes_on_where_it_was(path: Path) -> None:
    terminal = Terminal().ready()
    terminal.write(0xCD00, b"secret")
    terminal.verify(b"000000")
    terminal.saved[-1].save(path)
    later = Terminal(Image.load(path))
    assert later.pin_state() == 0x63C2
    later.verify()
    assert later.read(0xCD00).data == b"secret"


def test_a_new_stick_has_a_serial_number_of_its_own() -> None:
    first, second = Image.new(), Image.new()
    assert re.fullmatch(r"DENK\d{7}", first.serial)
    assert first.serial != second.serial
    assert first.device_key != second.device_key
    assert first.holder_reference == first.serial.encode() + b"00001"
    assert first.holder_reference in first.memory.content(0x2F02)
    assert (first.version, first.options, first.pins, first.key_domain) == ((3, 5), 1, {}, None)


@pytest.mark.parametrize(
    "serial", ["", "DENK", "DENK123456", "DENK12345678", "denk0000001", "DENK000000\u0661"]
)
def test_a_serial_number_of_another_form_is_refused(serial: str) -> None:
    with pytest.raises(ValueError, match="seven digits"):
        Image.new(serial)


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    FACTORY.save(path)
    path.chmod(0o644)
    FACTORY.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_printed_image_shows_no_secret() -> None:
    shown = repr(FULL)
    for secret in (PIN, SO_PIN, b"secret", bytes(32)):
        assert secret.decode() not in shown
        assert repr(secret)[2:-1] not in shown
    assert str(RSA.p) not in shown


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FACTORY.save(path)

    def full(*names: str) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("virtual_nitrokey.image.os.replace", full)
    with pytest.raises(OSError, match="full"):
        FULL.save(path)
    assert Image.load(path) == FACTORY
    assert os.listdir(path.parent) == [path.name]


def test_a_save_that_fails_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for path in (tmp_path / "none" / "stick", tmp_path / "directory"):
        with pytest.raises(OSError, match=f"'{path}'$"):
            FACTORY.save(path)
    assert os.listdir(tmp_path) == ["directory"]


def test_a_relative_name_is_saved_where_one_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    FACTORY.save("stick.json")
    assert Image.load(path) == FACTORY


def test_a_file_that_is_not_there_is_said_so(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Image.load(path)


def _set(*place: str | int, to: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in place[:-1]:
            document = document[step]
        document[place[-1]] = to

    return change


def _remove(*place: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in place[:-1]:
            document = document[step]
        del document[place[-1]]

    return change


DAMAGES: dict[str, list[Callable[[Any], None]]] = {
    "format: ": [_set("format", to=0), _set("format", to=2), _set("format", to="1"), _remove("format")],
    "the whole: its members are not": [_remove("serial"), _set("more", to=1)],
    "serial: ": [_set("serial", to="DENK1"), _set("serial", to=None)],
    "version: ": [_set("version", to=[3]), _set("version", to="3.5")],
    "version/1: ": [_set("version", 1, to=256), _set("version", 1, to=0.5)],
    "options: ": [_set("options", to=8), _set("options", to=-1), _set("options", to=True)],
    "pins: ": [_remove("pins", "SO"), _remove("pins", "USER"), _set("pins", to=[]), _set("pins", to=None)],
    "pins/USER: ": [_remove("pins", "USER", "tries"), _set("pins", "USER", to=None)],
    "pins/USER/value: ": [
        _set("pins", "USER", "value", to="NDQ0"),
        _set("pins", "USER", "value", to="?"),
        _set("pins", "USER", "value", to=7),
        _set("pins", "USER", "value", to="\u00e9"),
    ],
    "pins/USER/tries: ": [_set("pins", "USER", "tries", to=4), _set("pins", "USER", "tries", to=-1)],
    "pins/USER/maximum: ": [_set("pins", "USER", "maximum", to=4), _set("pins", "USER", "maximum", to=0)],
    "pins/USER/transport: ": [_set("pins", "USER", "transport", to=0)],
    "pins/SO/maximum: ": [_set("pins", "SO", "maximum", to=16)],
    "pins/SO/value: ": [_set("pins", "SO", "value", to="NDQ0NDQ0")],
    "key domain: ": [_set("key domain", to=1), _remove("key domain", "total")],
    "key domain/total: ": [_set("key domain", "total", to=256)],
    "key domain/shares: ": [_set("key domain", "shares", to=None)],
    "key domain/shares/0: ": [_set("key domain", "shares", 0, to="NDQ0")],
    "key domain/shares/1: ": [_set("key domain", "total", to=1)],
    "keys: ": [_remove("keys", "00"), _set("keys", to=[])],
    "keys/05: ": [_set("keys", "05", to="NDQ0"), _set("keys", "05", to="")],
    "keys/5: ": [_set("keys", "5", to="NDQ0")],
    "files: ": [_remove("files", "2F02")],
    "files/CD00: ": [_set("files", "CD00", to="A" * (LARGEST_FILE // 3 * 4 + 4))],
    "files/CC01: ": [_set("files", "CC01", to="")],
    "files/3F00: ": [_set("files", "3F00", to="")],
    "files/cd00: ": [_set("files", "cd00", to="")],
}


@pytest.mark.parametrize(
    ("place", "damage"), [(place, damage) for place, several in DAMAGES.items() for damage in several]
)
def test_a_damaged_file_is_refused_by_its_name_and_the_place(
    path: Path, place: str, damage: Callable[[Any], None]
) -> None:
    FULL.save(path)
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ImageError, match=f"{re.escape(str(path))} is no image of a stick: {place}") as caught:
        Image.load(path)
    assert PIN.decode() not in str(caught.value)


def test_the_key_of_the_device_is_on_a_curve(path: Path) -> None:
    FULL.save(path)
    document = json.loads(path.read_text())
    document["keys"]["00"] = document["keys"]["05"]
    path.write_text(json.dumps(document))
    with pytest.raises(ImageError, match="keys: "):
        Image.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": 1, "a": 1}', b'{"format": 1}']
)
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ImageError, match="is no image"):
        Image.load(path)


@given(data=st.data())
def test_no_part_and_no_flipped_bit_is_half_loaded(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    FULL.save(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with contextlib.suppress(ImageError):
        assert isinstance(Image.load(path), Image)


def test_two_processes_never_run_one_stick(path: Path) -> None:
    with locked(path):
        with pytest.raises(ImageError, match=re.escape(f"{path} is in use")), locked(path):
            pytest.fail("locked twice")
        with locked(path.with_name("other.json")):
            pass
    with locked(path):
        pass
