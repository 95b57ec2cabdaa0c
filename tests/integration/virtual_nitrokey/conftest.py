"""Fixtures of the tests that run a real pcscd."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.virtual_nitrokey.bench import INITIALISE, KEYPAIR, SERIAL, Bench, Prepared
from tests.support.opensc import OpenSC, all_opensc
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import Pcscd, PcscdError, Reader
from virtual_nitrokey.rig import Rig

Readers = Callable[[Mapping[str, str]], dict[str, bool]]
SetUp = Callable[..., Bench]


@pytest.fixture(scope="session")
def can_run_pcscd(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips the test where no pcscd can be had, with the reason; fails it in CI."""
    try:
        with Pcscd([Reader("DENK0100001")], tmp_path_factory.mktemp("pcscd")):
            pass
    except PcscdError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def system_opensc() -> OpenSC:
    """The OpenSC of the system. One that is missing skips the test at a desk and fails it in CI."""
    found = all_opensc()[0]
    if not isinstance(found, OpenSC):
        message = f"{found.name} is missing: {found.remedy}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def readers(system_opensc: OpenSC) -> Readers:
    """Asks ``opensc-tool`` in an environment which readers there are, and whether there is a card in each.

    The second slot, which the driver gives each reader and which is always empty, is left out.
    """

    def ask(environment: Mapping[str, str]) -> dict[str, bool]:
        listed = system_opensc.run("opensc-tool", "--list-readers", env=environment).stdout
        lines = re.findall(r"(?m)^\d+ +(Yes|No) +(.+ 00 0[01])$", listed)
        assert all(card == "No" for card, name in lines if name.endswith("01"))
        return {name: card == "Yes" for card, name in lines if name.endswith("00 00")}

    return ask


@pytest.fixture
def source() -> Path:
    """Where the package is imported from."""
    import virtual_nitrokey

    return Path(virtual_nitrokey.__file__).parents[1]


@pytest.fixture
def set_up(can_run_pcscd: None, opensc: OpenSC, tmp_path: Path) -> Iterator[SetUp]:
    """Sets up a bench with copies of these images, in a rig with these options that runs or does not yet."""
    rigs: list[Rig] = []

    def bench(*images: Image, start: bool = True, **options: Any) -> Bench:
        rig = Rig(images, **options)
        rigs.append(rig)
        if start:
            rig.start()
        return Bench(rig, opensc, tmp_path)

    yield bench
    for rig in rigs:
        rig.stop()
        print(*(line.text for line in rig.journal.after(0)), sep="\n")  # shown if the test has failed


@pytest.fixture(scope="session")
def prepared(can_run_pcscd: None, opensc: OpenSC, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Sticks that this OpenSC has prepared."""
    factory = Image.new(SERIAL)
    with Rig([factory]) as rig:
        bench = Bench(rig, opensc, tmp_path_factory.mktemp("prepared"))
        bench.done("sc-hsm-tool", *INITIALISE)
        initialised = rig.stick().card.image
        bench.done("pkcs11-tool", *KEYPAIR, "rsa:2048")
        return Prepared(factory, initialised, rig.stick().card.image)


@pytest.fixture
def fresh(set_up: SetUp, prepared: Prepared) -> Bench:
    """A bench with a stick that was never initialised."""
    return set_up(prepared.factory)


@pytest.fixture
def initialised(set_up: SetUp, prepared: Prepared) -> Bench:
    """A bench with a stick without keys."""
    return set_up(prepared.initialised)


@pytest.fixture
def keyed(set_up: SetUp, prepared: Prepared) -> Bench:
    """A bench with a stick with a key pair."""
    return set_up(prepared.with_key)
