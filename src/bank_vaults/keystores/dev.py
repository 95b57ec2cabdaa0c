"""The ``dev`` store for ``vault server -dev``: the root token that is there already, and nothing else.

The token is ``BAO_TOKEN`` or ``VAULT_TOKEN``, else the content of ``$HOME/.vault-token``. Writing does
nothing, as in Go Bank-Vaults; an initialisation is refused all the same, since its test value cannot be
read back.
"""

from __future__ import annotations

import os

from bank_vaults.domain import names
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import NotFoundError, StoreDescription, StoreError


class DevStore:
    """Answers ``vault-root`` only."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    @classmethod
    def open(cls, settings: Settings) -> DevStore:  # noqa: ARG003 - every store is opened from the settings
        """Find the token. Raises StoreError when there is none."""
        token = os.environ.get("BAO_TOKEN") or os.environ.get("VAULT_TOKEN", "")
        path = os.path.join(os.environ.get("HOME", "/"), ".vault-token")
        if not token:
            try:
                with open(path) as file:
                    token = file.read().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise StoreError(
                    f"the dev store needs a root token: VAULT_TOKEN is not set and {path} cannot be read "
                    f"({getattr(error, 'strerror', None) or 'it is not text'})"
                ) from None
        if not token:
            raise StoreError(f"the dev store needs a root token: VAULT_TOKEN is not set and {path} is empty")
        return cls(Secret(token))

    def get(self, name: str) -> bytes:
        """The root token; every other name is not found."""
        if name != names.ROOT:
            raise NotFoundError(f"the dev store has no value {name!r}")
        return self._token.reveal_bytes()

    def origin(self, name: str) -> str:  # noqa: ARG002
        """Not told by a token of the environment."""
        return ""

    def put(self, name: str, value: bytes) -> None:
        """Nothing: a development server keeps nothing either."""

    def create(self, name: str, value: bytes) -> None:
        """Nothing."""

    def delete(self, name: str) -> None:
        """Nothing."""

    def list(self) -> frozenset[str]:
        """The one name there is."""
        return frozenset({names.ROOT})

    def prepare(self) -> None:
        """Nothing."""

    def describe(self) -> StoreDescription:
        """What this is."""
        return StoreDescription(
            mode="dev",
            location="VAULT_TOKEN or $HOME/.vault-token",
            atomic_create=False,
            protection="none: for development servers only",
        )
