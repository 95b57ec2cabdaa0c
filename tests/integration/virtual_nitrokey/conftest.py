"""Fixtures of the tests that run a real pcscd."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.opensc import OpenSC, all_opensc
from virtual_nitrokey.pcscd import Pcscd, PcscdError, Reader

Readers = Callable[[Mapping[str, str]], dict[str, bool]]


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
