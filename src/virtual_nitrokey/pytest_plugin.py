"""Fixtures of pytest: ``nitrokey``, a fresh stick for each test; ``nitrokeys``, for several; ``pcscd``.

Importing this costs next to nothing, because pytest does it wherever the package is installed; what the
fixtures need is imported by them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from virtual_nitrokey.pcscd import Pcscd
    from virtual_nitrokey.testing import Nitrokey, ReaderPool

_LENT = pytest.StashKey["list[Nitrokey]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("virtual-nitrokey", "sticks in software (virtual-nitrokey)")
    group.addoption(
        "--nitrokey-profile",
        choices=("instant", "nitrokey-hsm"),
        default="instant",
        help="how long the sticks take: no time (instant, the default), or as long as real ones",
    )
    group.addoption(
        "--nitrokey-time-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="multiply that by X (default: 1)",
    )


@pytest.fixture(scope="session")
def _reader_pool(request: pytest.FixtureRequest) -> Iterator[ReaderPool]:
    try:
        from virtual_nitrokey.pcscd import PcscdError
        from virtual_nitrokey.testing import ReaderPool
        from virtual_nitrokey.timing import PROFILES
    except ModuleNotFoundError as error:
        _skip_or_fail(f"{error.name} is not installed: install the extra virtual-nitrokey")
    with ExitStack() as stack:
        # Short, because the name of a socket has room for 107 characters only.
        directory = stack.enter_context(TemporaryDirectory(prefix="virtual-nitrokey-"))
        profile = PROFILES[request.config.getoption("nitrokey_profile")]
        pool = ReaderPool(Path(directory), profile, request.config.getoption("nitrokey_time_scale"))
        try:
            stack.enter_context(pool)
        except PcscdError as error:
            if error.layer not in ("installation", "namespaces"):
                raise
            _skip_or_fail(str(error))
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in pool.pcscd.environment().items():
            environment.setenv(name, value)
        yield pool


@pytest.fixture(scope="session")
def pcscd(_reader_pool: ReaderPool) -> Pcscd:
    """The pcscd that all sticks of this process are in. From now on every client in it uses this one."""
    return _reader_pool.pcscd


@pytest.fixture
def nitrokeys(
    request: pytest.FixtureRequest, _reader_pool: ReaderPool
) -> Iterator[Callable[[int], list[Nitrokey]]]:
    """Call it with a number of sticks to have so many of them: fresh, not initialised, inserted."""
    lent = request.node.stash[_LENT] = []
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())

        def lend(count: int) -> list[Nitrokey]:
            sticks = stack.enter_context(_reader_pool.lend(count))
            lent.extend(sticks)
            for name, value in _reader_pool.pcscd.environment().items():  # more of it for more sticks
                environment.setenv(name, value)
            return sticks

        yield lend


@pytest.fixture
def nitrokey(nitrokeys: Callable[[int], list[Nitrokey]]) -> Nitrokey:
    """A fresh stick: not initialised, inserted, the only one that clients see."""
    return nitrokeys(1)[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the sticks were asked."""
    report = yield
    if report.failed:
        report.sections += [
            (f"trace of {nitrokey.serial}", "\n".join(nitrokey.trace))
            for nitrokey in item.stash.get(_LENT, [])
        ]
    return report


def _skip_or_fail(reason: str) -> NoReturn:
    """Skip at a desk; in CI, where everything should be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
