"""A stick of a key domain, and the tools that move its keys."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.integration.virtual_nitrokey.bench import LOGIN, PIN, SO_PIN, Bench

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Holder:
    """One of the sticks of a bench: its number, which is the first of the token's label as well."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.label = f"{number}-of-two"
        # Each stick has two readers, the second of which is always empty.
        self.reader = 2 * number
        self.card = list(bench.rig.sticks.values())[number].card

    def tool(self, *arguments: str) -> tuple[int, str]:
        """Run ``sc-hsm-tool`` on it: exit code, and what it says."""
        answer = self.bench.run("sc-hsm-tool", "--reader", str(self.reader), *arguments)
        return answer.returncode, answer.stdout + answer.stderr

    def initialise(self, *options: str) -> None:
        self.tool("--initialize", "--label", self.label, "--pin", PIN, "--so-pin", SO_PIN, *options)
        assert self.card.image.pins

    def join(self, shares: tuple[bytes, ...]) -> None:
        """Initialise it for the domain of these shares.

        They are imported by the command that ``sc-hsm-tool`` sends, but not by itself: it needs ten million
        rounds of a hash, which are some ten seconds, to decipher a share.
        """
        self.initialise("--dkek-shares", str(len(shares)))
        imports = [f"8052000020{share.hex()}00" for share in shares]
        assert self.bench.statuses(*imports, reader=self.reader) == ["9000"] * len(shares)

    def check_value(self) -> str:
        found = re.search(r"DKEK key check value *: (\w{16})", self.tool()[1])
        assert found is not None
        return found[1]

    def generate(self) -> rsa.RSAPublicKey:
        """Its first key pair."""
        options = ("--keypairgen", "--key-type", "rsa:2048", "--id", "a1", "--label", "shared")
        self.bench.done("pkcs11-tool", *LOGIN, "--token-label", self.label, *options)
        public = self.bench.read("shared", "--type", "pubkey", "--token-label", self.label)
        key = load_der_public_key(public)
        assert isinstance(key, rsa.RSAPublicKey)
        return key

    def wrap(self) -> Path:
        """Its first key as a file."""
        path = self.bench.directory / "wrapped"
        assert self.tool("--wrap-key", str(path), "--key-reference", "1", "--pin", PIN)[0] == 0
        return path

    def unwrap(self, path: Path) -> str:
        """What ``sc-hsm-tool`` says in the end. Its exit code is 1 in 0.27, however it went."""
        _, said = self.tool("--unwrap-key", str(path), "--key-reference", "1", "--force", "--pin", PIN)
        return said.rstrip().splitlines()[-1]

    def decrypt(self, ciphertext: bytes) -> bytes:
        source, target = self.bench.directory / "ciphertext", self.bench.directory / "plaintext"
        source.write_bytes(ciphertext)
        target.unlink(missing_ok=True)
        files = ("--input-file", str(source), "--output-file", str(target))
        mechanism = ("--mechanism", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256")
        which = ("--token-label", self.label, "--id", "a1", *LOGIN)
        self.bench.done("pkcs11-tool", "--decrypt", *which, *mechanism, *files)
        return target.read_bytes()
