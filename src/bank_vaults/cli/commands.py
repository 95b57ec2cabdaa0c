"""The table of the commands."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from bank_vaults.cli.options import OPTIONS, Option


class Words(Enum):
    """What a command does with arguments that are no flags."""

    REFUSED = 0
    IGNORED = 1
    """With a warning; old command lines may have some."""
    SHELL = 2
    """One name of a shell."""


class Command(NamedTuple):
    """One command: the first line of its help, the rest, examples, and what it does with words."""

    name: str
    summary: str
    text: str
    examples: tuple[str, ...]
    words: Words = Words.REFUSED
    ignores_global_flags: bool = False
    """Accepts the global flags, so that one set of arguments fits all commands, and does not read them."""

    @property
    def options(self) -> tuple[Option, ...]:
        """The flags that the command accepts."""
        return tuple(
            option
            for option in OPTIONS
            if self.name in option.commands or (self.ignores_global_flags and option.is_global)
        )


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "init",
            "Initialise a server and keep its keys.",
            "Creates the unseal keys and the root token and puts them into the key store. Does not unseal. "
            "A server that is initialised already is left alone.",
            (
                "bank-vaults init --mode file --file-path /var/lib/bank-vaults",
                "bank-vaults init --mode k8s --k8s-secret-namespace vault --k8s-secret-name unseal-keys",
                "bank-vaults init --secret-shares 1 --secret-threshold 1",
            ),
            Words.IGNORED,
        ),
        Command(
            "unseal",
            "Unseal a server, and go on doing so.",
            "Watches the server and unseals it with the keys of the key store whenever it is sealed. "
            "With --init it initialises first, with --raft it joins a cluster.",
            (
                "bank-vaults unseal --init --mode file --file-path /var/lib/bank-vaults",
                "bank-vaults unseal --init --raft --raft-leader-address https://vault-0:8200",
                "bank-vaults unseal --once --server-addr https://a:8200 --server-addr https://b:8200",
            ),
            Words.IGNORED,
        ),
        Command(
            "configure",
            "Apply configuration files to a server.",
            "Applies the files in their order, then watches them. Not built yet: the flags are checked.",
            ("bank-vaults configure --vault-config-file policies.yml --vault-config-file auth.yml --once",),
            Words.IGNORED,
        ),
        Command(
            "status",
            "Show the state of a server and of its keys.",
            "Ends with 0 if the server is unsealed, 2 if it is sealed, 3 if it is not initialised, "
            "1 if it does not answer.",
            ("bank-vaults status", "bank-vaults status --output json --mode k8s --k8s-secret-name keys"),
        ),
        Command(
            "template",
            "Render files from templates.",
            "Each --template is a source and a destination with a colon between. Where VAULT_LOCAL_CONFIG is "
            "set, its text is rendered to --file instead. Not built yet: the flags are checked.",
            ("template -template /tmp/vault-config.json:/vault/config/vault.json",),
            Words.IGNORED,
        ),
        Command(
            "version",
            "Show the version.",
            "Shows the versions of this program and of what it runs on.",
            ("bank-vaults version", "bank-vaults version --output json"),
            ignores_global_flags=True,
        ),
        Command(
            "completion",
            "Print a completion script for a shell.",
            "The script completes commands, flags and values. The shells are bash, zsh, fish and powershell.",
            ('eval "$(bank-vaults completion bash)"', "bank-vaults completion fish | source"),
            Words.SHELL,
            ignores_global_flags=True,
        ),
    )
}

HELP = Command("help", "Show the help of a command.", "", ("bank-vaults help unseal",))
"""Stands apart: it has a word like a command's name, no flags, and is done before settings are read."""

SHELLS = ("bash", "zsh", "fish", "powershell")
