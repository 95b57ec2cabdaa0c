"""The table holds every flag that users of Go Bank-Vaults know, with the same default, and ours."""

from __future__ import annotations

import pytest

from bank_vaults.cli.commands import COMMANDS
from bank_vaults.cli.options import HSM, OPTIONS, ROOT, read_by
from bank_vaults.domain.settings import Value

ROOT_DEFAULTS: dict[str, Value] = {
    "mode": "k8s",
    "secret-shares": 5,
    "secret-threshold": 3,
    "store-root-token": True,
    "pre-flight-checks": True,
    "once": False,
    "aws-kms-region": (),
    "aws-kms-key-id": (),
    "aws-kms-encryption-context": {"Tool": "bank-vaults"},
    "aws-s3-region": ("us-east-1",),
    "aws-s3-bucket": (),
    "aws-s3-sse-algo": (),
    "k8s-secret-labels": {},
    "hsm-slot-id": 0,
    "hsm-key-label": "bank-vaults",
    "vault-token": None,
    "hsm-pin": None,
    "alibaba-access-key-secret": None,
    "google-cloud-kms-project": "",
    "google-cloud-kms-location": "",
    "google-cloud-kms-key-ring": "",
    "google-cloud-kms-crypto-key": "",
    "google-cloud-storage-bucket": "",
    "google-cloud-storage-prefix": "",
    "aws-s3-prefix": "",
    "azure-key-vault-name": "",
    "azure-key-vault-prefix": "",
    "oci-key-ocid": "",
    "oci-cryptographic-endpoint": "",
    "oci-bucket-name": "",
    "oci-bucket-namespace": "",
    "oci-bucket-prefix": "",
    "alibaba-access-key-id": "",
    "alibaba-kms-region": "",
    "alibaba-kms-key-id": "",
    "alibaba-oss-endpoint": "",
    "alibaba-oss-bucket": "",
    "alibaba-oss-prefix": "",
    "vault-addr": "",
    "vault-unseal-keys-path": "",
    "vault-role": "",
    "vault-auth-path": "",
    "vault-token-path": "",
    "k8s-secret-namespace": "",
    "k8s-secret-name": "",
    "hsm-module-path": "",
    "hsm-token-label": "",
    "hsm-uri": "",
    "hsm-serial": "",
    "hsm-key-id": "",
    "hsm-generate-key": True,
    "hsm-allow-final-try": False,
    "hsm-blob-format": "auto",
    "hsm-state-dir": "",
    "file-path": "",
}

_APPLYING: dict[str, Value] = {
    "vault-config-file": ("vault-config.yml",),
    "state": "",
    "plan-file": "",
    "parallelism": 8,
    "write-only-policy": "changed",
    "purge-limit": (),
    "purge-protect": (),
    "purge-keep-data": False,
    "auth": "",
    "auth-path": "",
    "auth-role": "",
    "auth-jwt-file": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "auth-role-id": "",
    "auth-secret-id": None,
    "auth-token-file": "",
    "template-mode": "text",
    "template-allow": (),
    "template-deny": (),
    "output": "table",
}

OWN_DEFAULTS: dict[str, dict[str, Value]] = {
    "init": {"init-root-token": None},
    "unseal": {
        "init-root-token": None,
        "init": False,
        "auto": False,
        "raft": False,
        "raft-leader-address": "",
        "raft-secondary": False,
        "raft-ha-storage": False,
        "raft-leader-ca-cert-file": "",
        "raft-leader-client-cert-file": "",
        "raft-leader-client-key-file": "",
        "raft-non-voter": False,
        "server-addr": (),
        "unseal-period": 5.0,
        "metrics-address": ":9091",
        "disable-metrics": False,
    },
    "plan": _APPLYING,
    "configure": {
        **_APPLYING,
        "fatal": False,
        "plan": False,
        "validate": False,
        "drift-interval": 0.0,
        "drift": "correct",
        "unseal-period": 5.0,
        "metrics-address": ":9091",
        "disable-metrics": False,
    },
    "status": {"output": "table", "server-addr": ()},
}


@pytest.mark.parametrize("command", sorted(ROOT))
def test_each_command_has_its_flags_with_their_defaults(command: str) -> None:
    found = {option.name: option.default for option in COMMANDS[command].options if not option.twin_of}
    logging: dict[str, Value] = {"log-format": "text", "log-level": "info"}
    assert found == ROOT_DEFAULTS | OWN_DEFAULTS[command] | logging


HSM_FLAGS = {name for name in ROOT_DEFAULTS if name.startswith("hsm-")} | {
    "log-format",
    "log-level",
    "output",
}
OWN_HSM_FLAGS: dict[str, set[str]] = {
    "hsm list": {"login"},
    "hsm doctor": {"login", "server-addr", "mode", *(n for n in ROOT_DEFAULTS if n.startswith("k8s-"))},
    "hsm prepare": {
        *("label", "so-pin", "new-token", "so-pin-out"),
        *("destroy-keys", "yes", "force", "server-addr"),
    },
    "hsm objects": set(),
    "hsm purge": {"destroy-keys", "yes", "force", "server-addr"},
}


@pytest.mark.parametrize("command", sorted(HSM))
def test_each_command_on_tokens_reads_its_flags(command: str) -> None:
    read = {option.name for option in read_by(command) if not option.twin_of}
    assert read == HSM_FLAGS | OWN_HSM_FLAGS[command]


@pytest.mark.parametrize("name", ["login", "yes", "force", "new-token", "destroy-keys"])
def test_a_confirmation_is_never_a_default(name: str) -> None:
    assert not any(option.default for option in OPTIONS if option.name == name)


def test_every_flag_belongs_to_commands_that_exist() -> None:
    assert {command for option in OPTIONS for command in option.commands} == set(COMMANDS)


@pytest.mark.parametrize("command", ["configure policy", "version", "completion", *sorted(HSM)])
def test_the_other_commands_accept_the_global_flags_as_well(command: str) -> None:
    assert ROOT_DEFAULTS.keys() <= {option.name for option in COMMANDS[command].options}


def test_each_variable_is_the_flag_in_capitals_with_one_exception() -> None:
    for option in OPTIONS:
        usual = "BANK_VAULTS_" + option.name.upper().replace("-", "_")
        template_mode = option.name == "mode" and option.commands == {"template"}
        assert option.variable == ("BANK_VAULTS_FILE_MODE" if template_mode else usual)


def test_no_command_has_two_flags_or_variables_of_one_name() -> None:
    for command in COMMANDS.values():
        assert len({option.name for option in command.options}) == len(command.options)
        assert len({option.variable for option in command.options}) == len(command.options)


def test_a_name_takes_a_value_for_all_commands_or_for_none() -> None:
    takes: dict[str, bool] = {}
    for option in OPTIONS:
        boolean = isinstance(option.default, bool)
        assert takes.setdefault(option.name, boolean) == boolean


def test_every_flag_has_a_section_and_a_help_of_one_line() -> None:
    for option in OPTIONS:
        assert option.section
        assert option.help
        assert option.help.isprintable()
        assert len(option.help) <= 80
