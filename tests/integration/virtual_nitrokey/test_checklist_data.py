"""Data objects on a stick: any size, public and private, listed, read and deleted by their labels."""

from __future__ import annotations

import os

import pytest

from tests.integration.virtual_nitrokey.bench import LABEL, LOGIN, Bench
from tests.integration.virtual_nitrokey.client import Client

SIZES = (0, 1, 127, 128, 255, 256, 257, 5000)
PUBLIC: tuple[str, ...] = ()
PRIVATE = ("--private",)


def write(bench: Bench, label: str, value: bytes, *options: str) -> None:
    source = bench.directory / "value"
    source.write_bytes(value)
    bench.done(
        "pkcs11-tool", "--write-object", str(source), "--type", "data", "--label", label, *LOGIN, *options
    )


def delete(bench: Bench, label: str) -> None:
    bench.done("pkcs11-tool", "--delete-object", "--type", "data", "--label", label, *LOGIN)


def test_objects_of_any_size_come_back_as_they_were(initialised: Bench) -> None:
    values = {f"{size} bytes": os.urandom(size).hex() for size in SIZES}
    with Client(initialised) as client:
        client.log_in()
        for label, value in values.items():
            client.call("write", label=label, value=value)
            client.call("write", label=f"private {label}", value=value, private=True)
    with Client(initialised) as client:
        client.log_in()
        for label, value in values.items():
            assert client.call("read", label=label) == [value]
            assert client.call("read", label=f"private {label}") == [value]


def test_objects_of_many_kilobytes_come_back_as_they_were(initialised: Bench) -> None:
    # The module before 0.26 takes the size of a file for a number with a sign, and reads 1024 bytes of one
    # from 32768 on. pkcs11-tool of that time cuts what it writes at 5000 bytes.
    size = 32767 if initialised.opensc.release < (0, 26) else 60000
    for private in (False, True):
        value = os.urandom(size).hex()
        with Client(initialised) as client:
            client.log_in()
            client.call("write", label="large", value=value, private=private)
        with Client(initialised) as client:
            client.log_in()
            assert client.call("read", label="large") == [value]
            client.call("delete", label="large")


@pytest.mark.parametrize("privacy", [PUBLIC, PRIVATE], ids=["public", "private"])
def test_the_tool_reads_what_the_tool_wrote(initialised: Bench, privacy: tuple[str, ...]) -> None:
    values = {f"{size} bytes": os.urandom(size) for size in (0, 256, 5000)}
    for label, value in values.items():
        write(initialised, label, value, *privacy)
    for label, value in values.items():
        assert initialised.read(label, "--type", "data", *LOGIN) == value
    assert initialised.labels(*LOGIN) == [("Data object", label) for label in values]


def test_everybody_reads_public_objects_and_only_the_owner_private_ones(initialised: Bench) -> None:
    write(initialised, "everybody's", b"public")
    write(initialised, "mine", b"private", *PRIVATE)
    assert initialised.labels() == [("Data object", "everybody's")]
    assert initialised.read("everybody's") == b"public"
    assert sorted(initialised.labels(*LOGIN)) == [("Data object", "everybody's"), ("Data object", "mine")]
    answer = initialised.run("pkcs11-tool", "--read-object", "--type", "data", "--label", "mine")
    assert answer.returncode
    assert "object not found" in answer.stderr
    select, read = "00A4000002CD0100", "00B10000045402000000"
    assert initialised.statuses(select, read) == ["9000", "6982"]  # nor does one who asks the card


def test_nobody_writes_without_the_pin(initialised: Bench) -> None:
    before = initialised.rig.stick().card.image
    (initialised.directory / "value").write_bytes(b"value")
    write = ("--write-object", str(initialised.directory / "value"), "--type", "data", "--label", "new")
    if initialised.opensc.release < (0, 26):
        assert initialised.refused("pkcs11-tool", *write) == "CKR_USER_NOT_LOGGED_IN"
    else:  # it believes that it has written, whatever the card answered
        initialised.done("pkcs11-tool", *write)
    assert initialised.rig.stick().card.image == before
    assert initialised.labels(*LOGIN) == []


def test_an_object_is_deleted_by_its_label_with_all_that_belongs_to_it(keyed: Bench) -> None:
    before = keyed.rig.stick().card.image.memory
    write(keyed, "public", b"1")
    write(keyed, "private", b"2", *PRIVATE)
    delete(keyed, "public")
    assert keyed.read("private", "--type", "data", *LOGIN) == b"2"
    delete(keyed, "private")
    assert keyed.rig.stick().card.image.memory == before
    assert keyed.labels(*LOGIN) == [("Private Key Object", LABEL), ("Public Key Object", LABEL)]


def test_two_objects_of_one_label_are_two_objects(initialised: Bench) -> None:
    write(initialised, "twice", b"older")
    write(initialised, "twice", b"newer")
    assert initialised.labels() == [("Data object", "twice")] * 2
    assert initialised.read("twice") == b"older"
    delete(initialised, "twice")
    assert initialised.read("twice") == b"newer"
