"""A virtual Nitrokey made ready for a benchmark by the vendor's and OpenSC's own tools."""

from __future__ import annotations

import subprocess
import tempfile

MODULE = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
PIN = "banzai"
LABEL = "bank-vaults"
_SO_PIN = "3537363231383830"


def prepare() -> None:
    """Initialise the one stick that is plugged in, and make an RSA-2048 key pair on it."""
    _run("sc-hsm-tool", "--initialize", "--label", LABEL, "--pin", PIN, "--so-pin", _SO_PIN)
    _run(*_pkcs11_tool(), "--keypairgen", "--key-type", "rsa:2048", "--label", LABEL)


def fill(count: int) -> None:
    """Put so many private data objects of the size of a share on it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(430))
        file.flush()
        for number in range(count):
            _run(*_pkcs11_tool(), "--write-object", file.name, "--type", "data", "--private",
                 "--label", f"object-{number}")  # fmt: skip


def _pkcs11_tool() -> tuple[str, ...]:
    return ("pkcs11-tool", "--module", MODULE, "--login", "--pin", PIN)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)
