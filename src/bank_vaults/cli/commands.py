"""The table of the commands."""

from __future__ import annotations

from collections.abc import Sequence
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
    """One command: the first line of its help, the rest, examples, and what it does with words.

    The name is one word, or that of a group and another one.
    """

    name: str
    summary: str
    text: str
    examples: tuple[str, ...]
    words: Words = Words.REFUSED
    ignores_global_flags: bool = False
    """Accepts the global flags, so that one set of arguments fits all commands, and reads few of them."""

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
            "Brings the server to what the files say, writing only what is different, then watches the "
            "files. With --once it ends with 0 if everything is as wanted, and with 1 if not. --plan shows "
            "what would be done (see the command plan), --validate checks the files without a server, and "
            "configure policy prints the policy that they need. docs/configure.md tells the rest.",
            (
                "bank-vaults configure --vault-config-file policies.yml --vault-config-file auth.yml --once",
                "bank-vaults configure --vault-config-file vault.yml --drift-interval 5m",
                "bank-vaults configure --vault-config-file vault.yml --once --plan-file plan.json",
            ),
            Words.IGNORED,
        ),
        Command(
            "configure policy",
            "Print the policy that configuration files need.",
            "A policy for a token that may apply these files and nothing else, for --auth. Asks no server.",
            ("bank-vaults configure policy --vault-config-file vault.yml > configure.hcl",),
            ignores_global_flags=True,
        ),
        Command(
            "plan",
            "Show what configuration files would change.",
            "Reads the server and writes nothing. Secret values are not shown. Ends with 0 if nothing is to "
            "be done, with 2 if something is, with 1 on errors.",
            (
                "bank-vaults plan --vault-config-file vault.yml",
                "bank-vaults plan --vault-config-file vault.yml --plan-file plan.json --output json",
            ),
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
            "set, its text is rendered to --file instead. A file is replaced as a whole, or stays as it was. "
            "Ends with 0; with 1 at the first template that cannot be read, rendered or written. "
            "docs/templates.md tells the language.",
            (
                "template -template /tmp/vault-config.json:/vault/config/vault.json",
                "bank-vaults template --template vault.json.in:vault.json --mode 0600 --template-mode scalar",
                "bank-vaults template --template vault.json.in:vault.json --check",
            ),
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
        Command(
            "hsm list",
            "Show slots, tokens, keys and values.",
            "Shows the PKCS#11 module and, for each token, the state of its PIN, its key pairs and our "
            "values. Nothing is changed and no PIN is presented; with --login the PIN is, and private "
            "objects are shown too. Ends with 0; with 74 if the module cannot be used, with 77 if the PIN "
            "is refused.",
            (
                "bank-vaults hsm list --hsm-module-path /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
                "bank-vaults hsm list --login --hsm-pin-file pin --output json",
            ),
            ignores_global_flags=True,
        ),
        Command(
            "hsm doctor",
            "Find the layer that fails, and the next step.",
            "Looks at module, pcscd, reader, token and PIN; with --login also logs in and looks at key "
            "pair, mechanisms, a test encryption, values and key store; then at the server. Stops at the "
            "first layer that fails. Without --login no PIN is presented. With it, a PIN that was refused "
            "before is tried once more, and is forgotten as refused if it is right. Changes nothing on the "
            "token. Ends with 0 if nothing fails; else with 74 for the token and the store, 77 for the PIN, "
            "65 for keys that are wrong or missing, 1 for the server.",
            (
                "bank-vaults hsm doctor",
                "bank-vaults hsm doctor --login --mode hsm --hsm-serial DENK0100001 --hsm-pin-file pin",
            ),
            ignores_global_flags=True,
        ),
        Command(
            "hsm prepare",
            "Initialise a token and make the key pair.",
            "Destroys everything on the token, sets its label, SO-PIN and user PIN (--hsm-pin), and makes "
            "the key pair. Asks before; a token with keys or values on it has to be named by "
            "--destroy-keys, and no server that answers may be initialised (--force). A token that is "
            "initialised already wants its SO-PIN; one that never was gets a random one, which is shown "
            "once on the terminal, or written to --so-pin-out: without it the token can never be "
            "initialised again. The key pair cannot be copied to another token (docs/hsm.md). Ends with 0; "
            "with 1 if the answer is no, with 64 if something has to be said by a flag, with 74 if the "
            "token fails, with 77 if it refuses the SO-PIN.",
            (
                "bank-vaults hsm prepare --hsm-serial DENK0100001 --hsm-pin-file pin --new-token",
                "bank-vaults hsm prepare --hsm-pin-file pin --so-pin-file so-pin --destroy-keys DENK0100001",
            ),
            ignores_global_flags=True,
        ),
        Command(
            "hsm objects",
            "Show our values on a token.",
            "Shows each data object of ours: name, size, format, the key pair it is sealed to, and the "
            "initialisation it belongs to; then others whose names begin with vault-. Logs in. Ends with 0; "
            "with 74 if the token cannot be used, with 77 if the PIN is refused.",
            ("bank-vaults hsm objects --hsm-serial DENK0100001 --hsm-pin-file pin",),
            ignores_global_flags=True,
        ),
        Command(
            "hsm purge",
            "Delete our values from a token.",
            "Shows our data objects and deletes test values that a crash has left. Keys, and the journal of "
            "an initialisation, are deleted only if --destroy-keys names the serial number of the token, "
            "and no server that answers says that it is initialised (--force): who deletes the only keys of "
            "a server can never open it again. Objects of others and key pairs stay. Logs in, and asks "
            "before. Ends with 0; with 1 if the answer is no or a server may need the keys, with 64 if "
            "something has to be said by a flag, with 74 if the token fails, with 77 if the PIN is refused.",
            (
                "bank-vaults hsm purge --hsm-pin-file pin",
                "bank-vaults hsm purge --hsm-pin-file pin --destroy-keys DENK0100001 --yes",
            ),
            ignores_global_flags=True,
        ),
    )
}

GROUPS = {
    group.name: group
    for group in (
        Command(
            "hsm",
            "Look at a token, prepare it, clear it.",
            "A token is a Nitrokey HSM, or anything else with a PKCS#11 module; docs/hsm.md.",
            ("bank-vaults hsm list", "bank-vaults help hsm doctor"),
        ),
    )
}
"""First words of commands that have two."""

HELP = Command("help", "Show the help of a command.", "", ("bank-vaults help unseal",))
"""Stands apart: it has a word like a command's name, no flags, and is done before settings are read."""

SHELLS = ("bash", "zsh", "fish", "powershell")


def split(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The name of a command, which may be none, that words begin with, and the other words."""
    length = 2 if len(words) > 1 and (words[0] in GROUPS or " ".join(words[:2]) in COMMANDS) else 1
    return " ".join(words[:length]), words[length:]


def beginning(group: str) -> tuple[Command, ...]:
    """The commands and groups that stand behind a group; behind nothing, where it is empty."""
    if group:
        return tuple(command for command in COMMANDS.values() if command.name.startswith(f"{group} "))
    single = (command for command in COMMANDS.values() if " " not in command.name)
    return (*single, *GROUPS.values(), HELP)
