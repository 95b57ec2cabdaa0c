"""Each argument vector that the Bank-Vaults operator builds is understood, empty values included."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from tests.unit.cli.conftest import Cli

LABELS = "app.kubernetes.io/name=vault,vault_cr=vault"
K8S = ["--k8s-secret-namespace", "default", "--k8s-secret-name", "vault-unseal-keys"]
HSM = [
    "--hsm-module-path",
    "/usr/lib/opensc-pkcs11.so",
    "--hsm-slot-id",
    "0",
    "--hsm-key-label",
    "bank-vaults",
]
VAULT = ["--mode", "vault", "--vault-addr", "https://vault:8200"]
VAULT += ["--vault-unseal-keys-path", "secret/data/vault-keys"]

OPTIONS = [
    [],
    ["--pre-flight-checks=false"],
    ["--store-root-token=false"],
    ["--secret-shares", "5", "--secret-threshold", "3"],
    [
        "--pre-flight-checks=false",
        "--store-root-token=false",
        "--secret-shares",
        "7",
        "--secret-threshold",
        "7",
    ],
]


def google(text: str) -> list[str]:
    names = ["kms-key-ring", "kms-crypto-key", "kms-location", "kms-project", "storage-bucket"]
    return ["--mode", "google-cloud-kms-gcs", *_pairs("google-cloud", names, text)]


def oci(text: str) -> list[str]:
    names = ["key-ocid", "cryptographic-endpoint", "bucket-namespace", "bucket-name", "bucket-prefix"]
    return ["--mode", "oci", *_pairs("oci", names, text)]


def aws(text: str) -> list[str]:
    names = ["kms-key-id", "kms-region", "s3-bucket", "s3-prefix", "s3-region", "s3-sse-algo"]
    return ["--mode", "aws-kms-s3", *_pairs("aws", names, text)]


def alibaba(text: str) -> list[str]:
    names = ["kms-region", "kms-key-id", "oss-endpoint", "oss-bucket", "oss-prefix"]
    return ["--mode", "alibaba-kms-oss", *_pairs("alibaba", names, text)]


def _pairs(prefix: str, names: list[str], text: str) -> list[str]:
    return list(itertools.chain.from_iterable((f"--{prefix}-{name}", text) for name in names))


MODES = [
    google("x"),
    google(""),
    ["--mode", "azure-key-vault", "--azure-key-vault-name", "kv"],
    ["--mode", "azure-key-vault", "--azure-key-vault-name", "", "--azure-key-vault-prefix", "p"],
    oci("x"),
    oci(""),
    aws("eu-west-1"),
    aws("eu-west-1,eu-central-1"),
    aws(""),
    [*aws("x"), "--aws-kms-encryption-context", "Service=Vault"],
    [*aws("x"), "--aws-kms-encryption-context", "Service=Vault,Tool=bank-vaults"],
    alibaba("x"),
    alibaba(""),
    [*VAULT, "--vault-token", "s.token"],
    [*VAULT, "--vault-token-path", "/token"],
    [*VAULT, "--vault-role", "default", "--vault-auth-path", "kubernetes"],
    [*VAULT, "--vault-role", "default", "--vault-auth-path", ""],
    ["--mode", "vault", "--vault-addr", "", "--vault-unseal-keys-path", ""],
    ["--mode", "hsm", *HSM],
    ["--mode", "hsm", *HSM, "--hsm-pin", "banzai"],
    ["--mode", "hsm", *HSM, "--hsm-pin", "banzai", "--hsm-token-label", "bank-vaults"],
    ["--mode", "hsm-k8s", *HSM, "--hsm-pin", "banzai", *K8S, "--k8s-secret-labels", LABELS],
    ["--mode", "hsm", "--hsm-module-path", "", "--hsm-slot-id", "0", "--hsm-key-label", ""],
    ["--mode", "k8s", *K8S, "--k8s-secret-labels", LABELS],
]

FLAGS = [
    [],
    ["--auto"],
    ["--raft", "--raft-leader-address", "https://vault:8200"],
    ["--auto", "--raft", "--raft-leader-address", "https://leader:8200", "--raft-secondary"],
    ["--raft-ha-storage"],
    ["--auto", "--raft-ha-storage"],
]

FILES = [
    [],
    ["--vault-config-file", "/config/vault-configurer/vault-config.yml"],
    [
        "--vault-config-file",
        "/config/a/vault-config.yml",
        "--vault-config-file",
        "/config/b/vault-config.yaml",
    ],
]

LISTS = {"aws-kms-key-id", "aws-kms-region", "aws-s3-bucket", "aws-s3-region", "aws-s3-sse-algo"}
MAPS = {"aws-kms-encryption-context", "k8s-secret-labels"}
INTEGERS = {"hsm-slot-id", "secret-shares", "secret-threshold"}


def read(settings: Settings, name: str) -> object:
    if name in LISTS:
        return settings.items(name)
    if name in MAPS:
        return settings.mapping(name)
    if name in INTEGERS:
        return settings.integer(name)
    if name in ("hsm-pin", "vault-token"):
        return settings.secret(name)
    return settings.text(name)


def meant(name: str, text: str) -> object:
    if name in LISTS:
        return tuple(text.split(",")) if text else ()
    if name in MAPS:
        return dict(pair.split("=") for pair in text.split(","))
    if name in INTEGERS:
        return int(text)
    if name in ("hsm-pin", "vault-token"):
        return Secret(text)
    return text


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_the_store_arguments_mean_what_they_say_for_unsealer_and_configurer(
    cli: Cli, options: list[str], mode: list[str]
) -> None:
    for command in (["unseal", "--init"], ["configure"]):
        outcome = cli(*command, *options, *mode)
        assert outcome.code == 0, outcome.stderr
        for name, text in zip(mode[::2], mode[1::2], strict=True):
            found = read(outcome.given, name.removeprefix("--"))
            assert found == meant(name.removeprefix("--"), text)
            assert not isinstance(found, Mapping) or found
        assert outcome.given.flag("pre-flight-checks") is ("--pre-flight-checks=false" not in options)
        assert outcome.given.flag("store-root-token") is ("--store-root-token=false" not in options)


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_the_arguments_of_the_unsealer_mean_what_they_say(cli: Cli, flags: list[str]) -> None:
    settings = cli("unseal", "--init", *flags, "--mode", "k8s", *K8S).given
    assert settings.flag("init") is True
    for name in ("auto", "raft", "raft-secondary", "raft-ha-storage"):
        assert settings.flag(name) is (f"--{name}" in flags)
    assert settings.text("raft-leader-address") == next((word for word in flags if "://" in word), "")


@pytest.mark.parametrize("files", FILES, ids=" ".join)
def test_the_arguments_of_the_configurer_mean_what_they_say(cli: Cli, files: list[str]) -> None:
    settings = cli("configure", "--mode", "k8s", *K8S, *files).given
    assert settings.items("vault-config-file") == (tuple(files[1::2]) or ("vault-config.yml",))


def test_the_arguments_of_the_init_container_are_understood(cli: Cli, tmp_path: Path) -> None:
    source, target = tmp_path / "vault-config.json", tmp_path / "vault.json"
    source.write_text('{"api_addr": "${ .Env.VAULT_API_ADDR }"}')
    environment = {"VAULT_API_ADDR": "https://vault:8200"}
    outcome = cli("-template", f"{source}:{target}", program="template", env=environment)
    assert outcome.code == 0
    assert target.read_text() == '{"api_addr": "https://vault:8200"}'
