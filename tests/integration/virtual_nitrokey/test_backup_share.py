"""A share of a key domain: made by the tool, kept in a file under a password, imported by the tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.virtual_nitrokey.bench import Bench
from tests.integration.virtual_nitrokey.holder import OAEP, Holder
from tests.support.opensc import OpenSC
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

PASSWORD = ("--password", "a password")
PLAINTEXT = b"vault-unseal-0"
PATIENCE = 180.0  # seconds; ten million rounds of a hash take ten to fifteen of a processor


@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.usefixtures("can_run_pcscd")
def test_a_share_from_the_tool_opens_the_domain_to_the_keys_that_were_wrapped_in_it(
    system_opensc: OpenSC, tmp_path: Path
) -> None:
    """With one OpenSC only, as it takes so long; the command to the card is tried with all of them."""
    with Rig([Image.new("DENK0100001")]) as rig:
        bench = Bench(rig, system_opensc, tmp_path)
        holder = Holder(bench, 0)
        holder.initialise("--dkek-shares", "1")
        share = str(tmp_path / "share")
        made = bench.run("sc-hsm-tool", "--create-dkek-share", share, *PASSWORD, timeout=PATIENCE)
        assert made.returncode == 0
        assert "1 share(s) still missing" in holder.tool()[1]
        imported = bench.run("sc-hsm-tool", "--import-dkek-share", share, *PASSWORD, timeout=PATIENCE)
        assert "DKEK share imported" in imported.stdout
        assert f"DKEK key check value : {holder.check_value()}" in imported.stdout
        ciphertext = holder.generate().encrypt(PLAINTEXT, OAEP)
        assert holder.unwrap(holder.wrap()) == "Key successfully imported"
        assert holder.decrypt(ciphertext) == PLAINTEXT
