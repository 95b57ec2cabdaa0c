"""SoftHSM 2, the token that never locks a PIN and loses objects without CKA_TOKEN."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bank_vaults.hsm.binding import Module

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "banzai"
SO_PIN = "12345678"


class SoftToken(NamedTuple):
    """A token in the module of this process."""

    module: Module
    slot: int
    label: str


class SoftHsm:
    """A directory of tokens of its own, in ``directory``, for processes with ``environment``.

    They are read when a process initialises the module: one that runs sees no later token.
    """

    def __init__(self, directory: Path) -> None:
        self.tokens = directory / "tokens"
        self.tokens.mkdir(parents=True)
        self._directory = directory
        configuration = directory / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\n")
        self.environment: Mapping[str, str] = {"SOFTHSM2_CONF": str(configuration)}

    def add(self, label: str, pin: str = PIN) -> None:
        """A token with a user PIN and nothing on it."""
        self._run(
            "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", SO_PIN
        )

    def import_key(
        self,
        token: str,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
        label: str = "bank-vaults",
        key_id: str = "01",
    ) -> None:
        """Put a key pair onto the token with this label, for decryption or, if it is of EC, for ECDH."""
        use = "--usage-decrypt" if isinstance(key, rsa.RSAPrivateKey) else "--usage-derive"
        halves = {
            "privkey": key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
            "pubkey": key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        }
        for kind, half in halves.items():
            file = self._directory / kind
            file.write_bytes(half)
            place = ("--module", MODULE, "--token-label", token, "--login", "--pin", PIN)
            named = ("--type", kind, use, "--label", label, "--id", key_id)
            self._run("pkcs11-tool", *place, "--write-object", str(file), *named)
            file.unlink()

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            timeout=30,
        )
