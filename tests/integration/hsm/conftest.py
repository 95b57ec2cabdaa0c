"""A real module with a real token, in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from bank_vaults.hsm.binding import Module
from tests.support.softhsm import MODULE, PIN, SO_PIN, SoftToken


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """A SoftHSM token with a user PIN. SoftHSM reads its configuration and tokens at C_Initialize only."""
    home, label = tmp_path_factory.mktemp("softhsm"), "bank-vaults"
    (home / "tokens").mkdir()
    configuration = home / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {home / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN],
        check=True,
        capture_output=True,
        timeout=30,
    )
    module = Module(MODULE)
    module.initialize()
    slot = next(slot for slot in module.slots(token_present=True) if module.token_info(slot).label == label)
    yield SoftToken(module, slot, label)
    module.finalize()
    del os.environ["SOFTHSM2_CONF"]
