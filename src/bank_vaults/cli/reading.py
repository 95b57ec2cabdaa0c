"""What templates may read, for all commands that render some."""

from __future__ import annotations

from bank_vaults.cli.errors import UsageError
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.templating.policy import Policy, policy

_secrets: dict[str, Secret] = {}
"""What templates have read: masked in the log as long as it is here."""


def template_policy(settings: Settings) -> Policy:
    """The policy that the flags make. Raises UsageError."""
    try:
        return policy(settings.items("template-allow"), settings.items("template-deny"))
    except ValueError as error:
        raise UsageError(str(error)) from None


def register_secret(text: str) -> None:
    """Mask a text in everything that this process logs from now on."""
    if text not in _secrets:
        _secrets[text] = Secret(text.encode("utf-8", "surrogateescape"))
