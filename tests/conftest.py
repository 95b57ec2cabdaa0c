"""Fixtures for the whole suite: which servers and which OpenSC there are (docs/development.md)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.binaries import MissingBinary, ServerKind, all_kinds
from tests.support.hsm import LABEL, HsmPlace
from tests.support.opensc import OpenSC, all_opensc
from tests.support.pkcs11_modules import FaultyModule, compiled
from tests.support.servers import Server, running_servers
from tests.support.softhsm import MODULE, SoftHsm

os.environ.pop("PYTHONUNBUFFERED", None)  # programs run as users run them, who seldom have it


def skip_or_fail(missing: MissingBinary) -> NoReturn:
    """Skip the test at a desk, fail it in CI."""
    message = f"{missing.name} is missing: {missing.remedy}"
    if os.environ.get("CI") == "true" and not missing.excused:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(params=all_kinds(), ids=lambda kind: kind.name, scope="session")
def server_kind(request: pytest.FixtureRequest) -> ServerKind:
    """Each server binary in turn. One that is missing skips the test at a desk and fails it in CI."""
    kind = request.param
    if isinstance(kind, MissingBinary):
        skip_or_fail(kind)
    assert isinstance(kind, ServerKind)
    return kind


@pytest.fixture(params=all_opensc(), ids=lambda kind: kind.name, scope="session")
def opensc(request: pytest.FixtureRequest) -> OpenSC:
    """Each OpenSC in turn. One that is missing skips the test at a desk and fails it in CI."""
    kind = request.param
    if isinstance(kind, MissingBinary):
        skip_or_fail(kind)
    assert isinstance(kind, OpenSC)
    return kind


@pytest.fixture
def softhsm(tmp_path: Path) -> SoftHsm:
    """SoftHSM for processes of this test alone, without a token yet."""
    if shutil.which("softhsm2-util") is None:
        skip_or_fail(MissingBinary("softhsm2", "run scripts/setup"))
    return SoftHsm(tmp_path / "softhsm")


def directory_of_run(factory: pytest.TempPathFactory) -> Path:
    """The same for all processes of one run of pytest-xdist, whose directories have one parent."""
    directory = factory.getbasetemp()
    return directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory


@pytest.fixture(scope="session")
def _faulty_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once for all processes of one run."""
    library = compiled(directory_of_run(tmp_path_factory))
    if isinstance(library, MissingBinary):
        skip_or_fail(library)
    return library


@pytest.fixture
def faulty(_faulty_library: Path, tmp_path: Path) -> FaultyModule:
    """A PKCS#11 module in front of SoftHSM that does as this test plans."""
    return FaultyModule(_faulty_library, MODULE, tmp_path)


@pytest.fixture
def hsm(softhsm: SoftHsm, faulty: FaultyModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HsmPlace:
    """Mode hsm for the programs of this test alone, with an empty token."""
    place = HsmPlace(softhsm, faulty, tmp_path, monkeypatch)
    softhsm.add(LABEL)
    return place


@pytest.fixture
def any_server(server_kind: ServerKind) -> Iterator[Server]:
    """A running server of each kind, not initialised, in memory, for this test alone."""
    with Server(server_kind) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers in use with a failure."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {server.name}", server.log()) for server in running_servers()]
    return report
