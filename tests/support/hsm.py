"""``--mode hsm`` on SoftHSM, behind a module that misbehaves on order: everything that one test needs.

place.softhsm.add("bank-vaults")
with place.program("unseal", "--init", server=server) as program:
    program.wait_for("successfully unsealed vault")
assert sorted(place.values()) == KEYS
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm import BlobFormat, OnToken, Sealed
from bank_vaults.keystores.hsm_token import StoredMemory
from tests.support.pkcs11_modules import FaultyModule
from tests.support.program import Finished, Program, eventually
from tests.support.servers import Server
from tests.support.softhsm import PIN, SoftHsm

LABEL = "bank-vaults"


class HsmPlace:
    """A directory of tokens, the module in front of it, a state directory and a file with the PIN.

    From its making on, every process that a test starts finds this SoftHSM and this module.
    """

    def __init__(
        self, softhsm: SoftHsm, faulty: FaultyModule, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.softhsm = softhsm
        self.faulty = faulty
        self.state = directory / "state"
        self.state.mkdir(mode=0o700)
        self.pin_file = directory / "pin"
        self.pin_file.write_text(PIN)
        self._unused = directory / "unused"  # where mode file would keep its keys
        self._unused.mkdir(mode=0o700)
        for name, value in {**softhsm.environment, **faulty.environment}.items():
            monkeypatch.setenv(name, value)

    def flags(self, state: Path | None = None) -> tuple[str, ...]:
        """The flags that name the token."""
        return (
            "--mode=hsm",
            f"--hsm-module-path={self.faulty.path}",
            f"--hsm-token-label={LABEL}",
            f"--hsm-pin-file={self.pin_file}",
            f"--hsm-state-dir={state or self.state}",
        )

    def program(
        self,
        command: str,
        *flags: str,
        server: Server | None = None,
        address: str | None = None,
        metrics: bool = False,
        environment: Mapping[str, str] | None = None,
        state: Path | None = None,
    ) -> Program:
        """A ``bank-vaults`` process on the token."""
        return Program(
            command,
            *self.flags(state),
            *flags,
            store=self._unused,
            server=server,
            address=address,
            metrics=metrics,
            environment=environment,
        )

    def run(
        self,
        command: str,
        *flags: str,
        server: Server | None = None,
        address: str | None = None,
        state: Path | None = None,
    ) -> Finished:
        """Run a command to its end."""
        with self.program(command, *flags, server=server, address=address, state=state) as program:
            return program.wait()

    @contextmanager
    def client(self) -> Iterator[TokenClient]:
        """A look at the token from outside of every program."""
        access = Access(TokenCriteria(label=LABEL), LABEL, None, Secret(PIN), may_generate=False)
        client = TokenClient(self.faulty.path, access, StoredMemory(str(self.state)))
        try:
            yield client
        finally:
            client.close()

    def wait_for(self, names: Sequence[str]) -> None:
        """Wait until exactly these values are on the token, whoever writes and deletes them meanwhile."""

        def there() -> bool:
            with self.client() as client:
                return sorted(client.labels()) == sorted(names)

        eventually(there, f"the token holds {names} and nothing else")

    def stored(self) -> dict[str, bytes]:
        """What stands on the token, as it is: label to value. No label stands there twice.

        Not while somebody writes: a value can be gone between the look for its label and that for it.
        """
        with self.client() as client:
            labels = client.labels()
            assert len(set(labels)) == len(labels), labels
            return {label: client.values(label)[0] for label in labels}

    def values(self) -> dict[str, str]:
        """The values of the token, opened. No other object is there, and none twice."""
        with self.client() as client:
            store = Sealed(client, OnToken(client), BlobFormat.AUTO)
            labels = sorted(client.labels())
            assert labels == sorted(store.list()), labels
            return {name: store.get(name).decode() for name in labels}

    def assert_unused(self) -> None:
        """Nothing was kept in files."""
        assert os.listdir(self._unused) == []
