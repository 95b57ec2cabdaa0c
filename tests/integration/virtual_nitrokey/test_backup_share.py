"""A share of a key domain as the tool keeps it, in a file under a password, imported by the tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.virtual_nitrokey.bench import Bench
from tests.integration.virtual_nitrokey.holder import OAEP, Holder
from tests.support.opensc import OpenSC
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

PASSWORD = ("--password", "a password")
FILE = bytes.fromhex(
    "53616c7465645f5fe9061206904a4999e1dab054a7585d4f2a2123eff5ed3050"
    "a030ade960484e929b5a2d8fb46ef0733153c38ea611573ab4c578e4573e34d6"
)
"""As ``sc-hsm-tool --create-dkek-share`` of OpenSC 0.23 wrote it, which takes as long as an import: one is
made and one imported in two tests, side by side.
"""
SHARE = "877dec6b11b5e8b2f1445b4a5b7bc4e5d34324c0c5d5d23e1e46c6a5127ca4f2"
"""What is in it."""
PLAINTEXT = b"vault-unseal-0"
PATIENCE = 600.0  # seconds; ten million rounds of a hash take ten to twenty of a processor, which is shared


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.usefixtures("can_run_pcscd")
def test_the_tool_makes_a_share_with_the_stick(system_opensc: OpenSC, tmp_path: Path) -> None:
    with Rig([Image.new("DENK0100001")]) as rig:
        bench = Bench(rig, system_opensc, tmp_path)
        share = tmp_path / "share"
        bench.run("sc-hsm-tool", "--create-dkek-share", str(share), *PASSWORD, timeout=PATIENCE)
        assert (share.read_bytes()[:8], share.stat().st_size) == (FILE[:8], len(FILE))
        assert share.read_bytes() != FILE


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.usefixtures("can_run_pcscd")
def test_a_share_from_the_tool_opens_the_domain_to_the_keys_that_were_wrapped_in_it(
    system_opensc: OpenSC, tmp_path: Path
) -> None:
    """With one OpenSC only, as it takes so long; the command to the card is tried with all of them."""
    with Rig([Image.new("DENK0100001")]) as rig:
        bench = Bench(rig, system_opensc, tmp_path)
        holder = Holder(bench, 0)
        holder.initialise("--dkek-shares", "1")
        (tmp_path / "share").write_bytes(FILE)
        assert "1 share(s) still missing" in holder.tool()[1]
        imported = bench.run(
            "sc-hsm-tool", "--import-dkek-share", str(tmp_path / "share"), *PASSWORD, timeout=PATIENCE
        )
        assert "DKEK share imported" in imported.stdout
        assert f"DKEK key check value : {holder.check_value()}" in imported.stdout
        domain = rig.stick().card.image.key_domain
        assert domain is not None
        assert [share.hex() for share in domain.shares] == [SHARE]
        ciphertext = holder.generate().encrypt(PLAINTEXT, OAEP)
        assert holder.unwrap(holder.wrap()) == "Key successfully imported"
        assert holder.decrypt(ciphertext) == PLAINTEXT
