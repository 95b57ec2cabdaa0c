"""The fixtures for tests of one's own, and the sticks that are exchanged between tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.virtual_nitrokey.conftest import Readers
from tests.support.opensc import OpenSC
from virtual_nitrokey.card import Work
from virtual_nitrokey.pcscd import MOST_READERS, SEEN_BY_OPENSC, Pcscd
from virtual_nitrokey.testing import Nitrokey, ReaderPool
from virtual_nitrokey.timing import INSTANT

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.usefixtures("can_run_pcscd")

PIN, SO_PIN = "648219", "3537363231383830"

Nitrokeys = Callable[[int], list[Nitrokey]]


def inserted(readers: Readers, pcscd: Pcscd) -> set[str]:
    """The readers with a stick in them."""
    return {name for name, card in readers(pcscd.environment()).items() if card}


def initialise(opensc: OpenSC, pcscd: Pcscd, *options: str) -> None:
    pins = ("--so-pin", SO_PIN, "--pin", PIN)
    done = opensc.run("sc-hsm-tool", "--initialize", *pins, *options, env=pcscd.environment())
    assert done.returncode == 0, done.stderr


# -- the fixtures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(3))
def test_each_test_gets_a_stick_without_anything_from_others(
    nitrokey: Nitrokey, pcscd: Pcscd, readers: Readers, system_opensc: OpenSC, turn: int
) -> None:
    assert inserted(readers, pcscd) == {nitrokey.reader}
    assert nitrokey.image.pins == {}
    assert nitrokey.counters.work[Work.INITIALISE] == 0
    assert nitrokey.trace == []
    initialise(system_opensc, pcscd)  # what the next turn must not see
    assert nitrokey.image.pins


def test_programs_find_the_sticks_by_the_environment_of_the_process(pcscd: Pcscd, nitrokey: Nitrokey) -> None:
    assert os.environ.items() >= pcscd.environment().items()
    assert nitrokey.serial in nitrokey.reader


def test_several_sticks_are_told_apart(nitrokeys: Nitrokeys, pcscd: Pcscd, readers: Readers) -> None:
    one, other = nitrokeys(2)
    assert inserted(readers, pcscd) == {one.reader, other.reader}
    assert one.serial != other.serial
    one.remove()
    assert inserted(readers, pcscd) == {other.reader}


def test_sticks_can_be_asked_for_one_after_the_other(
    nitrokey: Nitrokey, nitrokeys: Nitrokeys, pcscd: Pcscd, readers: Readers
) -> None:
    (other,) = nitrokeys(1)
    assert inserted(readers, pcscd) == {nitrokey.reader, other.reader}
    with pytest.raises(ValueError, match="7 sticks besides 2: 8 are the most at once"):
        nitrokeys(7)


def test_more_than_two_sticks_are_seen_by_opensc_and_each_can_be_used(
    nitrokey: Nitrokey, nitrokeys: Nitrokeys, pcscd: Pcscd, readers: Readers, system_opensc: OpenSC
) -> None:
    initialise(system_opensc, pcscd)  # the one that is there when pcscd gets readers for more
    sticks = [nitrokey, *nitrokeys(3)]
    assert os.environ.items() >= pcscd.environment().items()
    assert inserted(readers, pcscd) == {stick.reader for stick in sticks}
    for number in range(1, 4):
        initialise(system_opensc, pcscd, "--reader", str(2 * number), "--label", f"stick-{number}")
    listed = system_opensc.run("pkcs11-tool", "--list-token-slots", env=pcscd.environment()).stdout
    assert re.findall(r"serial num +: (\w+)", listed) == [stick.serial for stick in sticks]
    options = ("--login", "--pin", PIN, "--token-label", "stick-3", "--key-type", "EC:prime256v1")
    system_opensc.run("pkcs11-tool", "--keypairgen", *options, env=pcscd.environment())
    assert [stick.counters.work[Work.EC_GENERATE] for stick in sticks] == [0, 0, 0, 1]


def test_clients_see_removal_and_insertion_when_they_are_over(
    nitrokey: Nitrokey, pcscd: Pcscd, readers: Readers
) -> None:
    for _ in range(2):
        nitrokey.remove()
        assert inserted(readers, pcscd) == set()
        nitrokey.insert()
        assert inserted(readers, pcscd) == {nitrokey.reader}


def test_a_stick_is_there_again_after_a_restart_of_pcscd(
    nitrokey: Nitrokey, pcscd: Pcscd, readers: Readers
) -> None:
    pcscd.restart()
    nitrokey.settle()
    assert inserted(readers, pcscd) == {nitrokey.reader}


def test_faults_counters_and_trace_are_at_hand(
    nitrokey: Nitrokey, pcscd: Pcscd, system_opensc: OpenSC
) -> None:
    initialise(system_opensc, pcscd)
    generate = ("--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01")
    nitrokey.fault("generate status=6F00")
    assert system_opensc.run("pkcs11-tool", *generate, env=pcscd.environment()).returncode != 0
    assert nitrokey.counters.work[Work.EC_GENERATE] == 0
    nitrokey.fault("generate status=6F00 times=always")
    nitrokey.clear_faults()
    assert system_opensc.run("pkcs11-tool", *generate, env=pcscd.environment()).returncode == 0
    assert nitrokey.counters.work[Work.EC_GENERATE] == 1
    assert nitrokey.counters.pins_right == 2
    outcomes = [line.partition(" -> ")[2][:4] for line in nitrokey.trace if " GENERATE " in line]
    assert outcomes[0] == "6F00"
    assert len(outcomes) == 2
    assert PIN not in "\n".join(nitrokey.trace)


# -- the exchange of sticks ------------------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    with tempfile.TemporaryDirectory(prefix="pool-") as directory:
        with ReaderPool(Path(directory), INSTANT, 1.0) as pool:
            yield pool
        assert not pool.pcscd.running


def lend(pool: ReaderPool, readers: Readers, count: int = 1) -> list[str]:
    with pool.lend(count) as sticks:
        expected = {nitrokey.reader for nitrokey in sticks}
        assert inserted(readers, pool.pcscd) == expected
        assert len(expected) == count
        return [nitrokey.serial for nitrokey in sticks]


def test_there_are_more_readers_for_as_long_as_more_sticks_are_lent(
    pool: ReaderPool, readers: Readers
) -> None:
    usual = pool.pcscd.environment()
    assert lend(pool, readers, MOST_READERS) == [f"DENK{number:07d}" for number in range(1, MOST_READERS + 1)]
    with pool.lend(3) as three, pool.lend(1):
        assert len(readers(pool.pcscd.environment())) == 4
        assert all(nitrokey.stick.visible for nitrokey in three)
    lend(pool, readers)
    assert len(readers(pool.pcscd.environment())) == SEEN_BY_OPENSC
    assert pool.pcscd.environment() == usual


def test_a_stick_that_would_come_back_stays_away(pool: ReaderPool, readers: Readers) -> None:
    with pool.lend(1) as (nitrokey,):
        nitrokey.stick.remove(0.1)
    lend(pool, readers)
    lend(pool, readers)


def test_a_stopped_pcscd_is_started_for_the_next_one(pool: ReaderPool, readers: Readers) -> None:
    with pool.lend(1):
        pool.pcscd.stop()
    lend(pool, readers)


@pytest.mark.parametrize("count", [0, MOST_READERS + 1])
def test_more_or_fewer_sticks_are_refused(pool: ReaderPool, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} sticks besides 0: 8 are the most"), pool.lend(count):
        pass


# -- the plugin in a suite of somebody else --------------------------------------------------------------


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("CI", "PCSCLITE_CSOCK_NAME", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    # The import of other plugins takes five times as long as all the rest.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugins = ("-p", "virtual_nitrokey.pytest_plugin", "-p", "no:cacheprovider")
    return suite.runpytest_subprocess("-W", "error", *plugins, *arguments, timeout=60)


def test_workers_have_a_pcscd_each(suite: pytest.Pytester, system_opensc: OpenSC) -> None:
    suite.makepyfile(
        f"""
        import os, subprocess

        def test_only_one(nitrokey, pcscd):
            listed = subprocess.run([{str(system_opensc.tool("opensc-tool"))!r}, "--list-readers"],
                                    capture_output=True, text=True, timeout=60, check=True).stdout
            assert listed.count("Yes") == 1
            print("PCSCD", os.environ["PYTEST_XDIST_WORKER"], pcscd.environment()["PCSCLITE_CSOCK_NAME"])
        """
    )
    result = run(suite, "-p", "xdist.plugin", "-n", "2", "--dist", "each", "-rP")
    result.assert_outcomes(passed=2)
    found = dict(re.findall(r"(?m)^PCSCD (\w+) (.+)$", result.stdout.str()))
    assert len(set(found.values())) == 2
    assert not any(os.path.lexists(path) for path in found.values())


def test_the_environment_is_as_before_in_the_end(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", "/the/systems")
    suite.makeconftest(
        """
        import os

        def pytest_unconfigure():
            print("\\nfinally", os.environ.get("PCSCLITE_CSOCK_NAME"))
        """
    )
    suite.makepyfile(
        """
        import os

        def test_before():
            assert os.environ["PCSCLITE_CSOCK_NAME"] == "/the/systems"

        def test_within(pcscd):
            assert os.environ["PCSCLITE_CSOCK_NAME"] != "/the/systems"
        """
    )
    result = run(suite)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["finally /the/systems"])


def test_profile_and_time_scale_are_options(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_clock(nitrokey):
            clock = nitrokey.stick._clock
            assert (clock._profile.name, clock._time_scale) == ("nitrokey-hsm", 0.25)
        """
    )
    run(suite, "--nitrokey-profile", "nitrokey-hsm", "--nitrokey-time-scale", "0.25").assert_outcomes(
        passed=1
    )
    refused = run(suite, "--nitrokey-profile", "pico")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*--nitrokey-profile: invalid choice: 'pico'*"])


def test_a_failure_shows_what_the_sticks_were_asked(suite: pytest.Pytester, system_opensc: OpenSC) -> None:
    suite.makepyfile(
        f"""
        import subprocess

        def test_fails(nitrokey):
            tool = {str(system_opensc.tool("opensc-tool"))!r}
            subprocess.run([tool, "--send-apdu", "00:84:00:00:08"], timeout=60)
            assert False

        def test_passes(nitrokey):
            pass
        """
    )
    result = run(suite, "-rP")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*trace of DENK0000001*", "* DENK0000001 CHALLENGE 0000 -> *9000 ok*"])
    result.stdout.no_fnmatch_line("*trace of DENK0000002*")


@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        ("import virtual_nitrokey.pcscd as p; p._DRIVERS = ()", "install the package vsmartcard-vpcd"),
        ("import sys; sys.modules['ecdsa'] = None", "ecdsa is not installed: install the extra"),
    ],
    ids=["package", "extra"],
)
def test_what_is_missing_skips_at_a_desk_and_fails_in_ci(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: bool, lack: str, reason: str
) -> None:
    if ci:
        monkeypatch.setenv("CI", "true")
    suite.makeconftest(lack)
    suite.makepyfile("def test_stick(nitrokey): pass\ndef test_pcscd(pcscd): pass\ndef test_other(): pass")
    result = run(suite, "-rs")
    result.assert_outcomes(passed=1, **({"errors": 2} if ci else {"skipped": 2}))
    result.stdout.fnmatch_lines([f"*{reason}*"])


def test_a_pcscd_that_breaks_is_an_error_at_a_desk_as_well(suite: pytest.Pytester) -> None:
    suite.makeconftest("import virtual_nitrokey.pcscd as p; p._pcscd = lambda: '/bin/false'")
    suite.makepyfile("def test_stick(nitrokey): pass")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pcscd ended at once*"])


def test_a_suite_without_sticks_pays_nothing() -> None:
    program = (
        "import sys, virtual_nitrokey.pytest_plugin\n"
        "ours = ('virtual_nitrokey', 'cryptography', 'ecdsa')\n"
        "print(*sorted(name for name in sys.modules if name.startswith(ours)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout.split() == ["virtual_nitrokey", "virtual_nitrokey.pytest_plugin"]
