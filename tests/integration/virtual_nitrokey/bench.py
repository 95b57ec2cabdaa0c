"""A workbench: virtual sticks in a rig, and one OpenSC whose tools are set on them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.opensc import OpenSC
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.image import Image
from virtual_nitrokey.rig import Rig

SERIAL = "DENK0100001"
LABEL, PIN, SO_PIN = "bank-vaults", "banzai", "3537363231383830"
LOGIN = ("--login", "--pin", PIN)
INITIALISE = ("--initialize", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN)
SELECT = "00A404000BE82B0601040181C31F0201"
VERIFY = f"0020008106{PIN.encode().hex()}"
KEYPAIR = ("--keypairgen", *LOGIN, "--token-label", LABEL, "--label", LABEL, "--key-type")


class Prepared(NamedTuple):
    """Sticks as one OpenSC leaves them; each test works on a copy, as an image is a value."""

    factory: Image
    """Never initialised."""
    initialised: Image
    """With the label, the PIN and the SO-PIN from above."""
    with_key: Image
    """And with an RSA-2048 key pair of that label: the private key is number 1."""


class Bench:
    """What runs here sees the sticks of ``rig`` and no others; files go to ``directory``."""

    def __init__(self, rig: Rig, opensc: OpenSC, directory: Path) -> None:
        self.rig = rig
        self.opensc = opensc
        self.directory = directory

    def run(self, tool: str, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a tool to its end, however it ends."""
        return self.opensc.run(tool, *arguments, env=self.rig.environment(), timeout=timeout)

    def done(self, tool: str, *arguments: str) -> str:
        """Run a tool that has to succeed: what it prints."""
        answer = self.run(tool, *arguments)
        assert answer.returncode == 0, f"{tool} {' '.join(arguments)}: {answer.stdout}{answer.stderr}"
        return answer.stdout

    def refused(self, tool: str, *arguments: str) -> str:
        """Run a tool that has to fail: the return value of PKCS#11 it gives as the reason."""
        answer = self.run(tool, *arguments)
        assert answer.returncode, f"{tool} {' '.join(arguments)}: {answer.stdout}{answer.stderr}"
        reason = re.search(r"rv = (CKR_\w+)", answer.stderr)
        assert reason is not None, answer.stderr
        return reason[1]

    def statuses(self, *apdus: str, reader: int = 0) -> list[str]:
        """Send commands to the card, after selecting its applet: the status words it answers."""
        options = [word for apdu in (SELECT, *apdus) for word in ("--send-apdu", apdu)]
        sent = self.done("opensc-tool", "--reader", str(reader), *options)
        selected, *others = re.findall(r"Received \(SW1=0x(..), SW2=0x(..)\)", sent)
        assert selected == ("90", "00")
        return ["".join(words) for words in others]

    def fault(self, text: str) -> None:
        """Let something go wrong from the next command on (virtual_nitrokey.faults)."""
        self.rig.stick().add_fault(Rule.parse(text))

    def token_flags(self) -> set[str]:
        """The flags of the first token."""
        listed = self.done("pkcs11-tool", "--list-token-slots")
        flags = re.search(r"token flags +: (.*)", listed)
        assert flags is not None, listed
        return set(flags[1].split(", "))

    def pin_tries(self) -> dict[str, int]:
        """Which PINs have how many tries left, by the names of ``sc-hsm-tool``; locked ones are left out."""
        listed = self.done("sc-hsm-tool")
        return {
            name: int(tries) for name, tries in re.findall(r"(\S+PIN|User PIN) tries left *: (\d+)", listed)
        }

    def labels(self, *arguments: str) -> list[tuple[str, str]]:
        """Kind and label of each object that ``pkcs11-tool --list-objects`` shows, in its order."""
        found: list[tuple[str, str]] = []
        kind = ""
        for line in self.done("pkcs11-tool", "--list-objects", *arguments).splitlines():
            if line.startswith("  label:"):
                found.append((kind, line.removeprefix("  label:").strip(" '")))
            elif not line.startswith(" "):
                kind = line[: line.lower().index("object") + len("object")]
        return found

    def read(self, label: str, *arguments: str) -> bytes:
        """The value of a data object, or of a public key with ``--type pubkey``."""
        path = self.directory / "read"
        path.unlink(missing_ok=True)
        kind = arguments or ("--type", "data")
        self.done("pkcs11-tool", "--read-object", "--label", label, "--output-file", str(path), *kind)
        return path.read_bytes()
