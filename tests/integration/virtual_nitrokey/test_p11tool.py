"""``p11tool``, of GnuTLS, as a client of the stick where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.integration.virtual_nitrokey.bench import LABEL, PIN, SERIAL, Bench

P11TOOL = shutil.which("p11tool")
pytestmark = pytest.mark.skipif(P11TOOL is None, reason="p11tool (package gnutls-bin) is missing")
KEY = f"pkcs11:serial={SERIAL};object={LABEL};type=private"


def p11tool(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = bench.opensc.surroundings(bench.rig.environment())
    return subprocess.run(
        [P11TOOL or "", "--provider", bench.opensc.module, "--login", *arguments],
        env={**environment, "GNUTLS_PIN": PIN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_lists_the_key_pair(keyed: Bench) -> None:
    listed = p11tool(keyed, "--list-all", f"pkcs11:serial={SERIAL}").stdout
    assert re.findall(r"Type: (.*)\n\tLabel: (.*)\n", listed) == [
        ("Private key (RSA-2048)", LABEL),
        ("Public key (RSA-2048)", LABEL),
    ]


def test_it_signs_and_verifies_with_the_key_pair(keyed: Bench) -> None:
    answer = p11tool(keyed, "--test-sign", KEY)
    assert answer.returncode == 0
    assert (answer.stdout + answer.stderr).count("... ok") == 3
