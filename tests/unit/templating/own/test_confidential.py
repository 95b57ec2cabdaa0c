"""Promises about what of the environment is masked in the log."""

from __future__ import annotations

import pytest

from bank_vaults.templating.own.confidential import secrets_of


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("DB_PASSWORD", True),
        ("PGPASSWORD", True),
        ("token", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("HSM_PIN", True),
        ("CLIENT_SECRET_2", True),
        ("AZURE_STORAGE_CONNECTION_STRING", True),
        ("SLACK_WEBHOOK", True),
        ("VAULT_TOKEN_FILE", False),
        ("KEYCLOAK_URL", False),
        ("PINGDOM", False),
        ("DB_HOST", False),
    ],
)
def test_a_variable_that_is_called_like_a_secret_is_masked_whatever_its_value(
    name: str, masked: bool
) -> None:
    for value in ("a plain value", "pin"):
        assert list(secrets_of(name, value)) == [value] * masked


@pytest.mark.parametrize(
    "value",
    [
        "Summer2024!",
        "s3cr3tpass",
        "hunter2hunter2",
        "P@ssword1",
        "correct-horse-battery!",
        "aB3dE5fG7h",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "hvs.CAESIJx4aVb",
        "dGhpcyBpcyBhIHNlY3JldA==",
        '{"user": "a", "code": "b"}',
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----",
    ],
)
def test_a_value_that_looks_like_a_secret_is_masked_whatever_its_name(value: str) -> None:
    assert value in secrets_of("NAME", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a1!",
        "production",
        "InternalServer",
        "eu-central-1",
        "cluster01",
        "vault-configurer-7d9f8b6c5-x2x4z",
        "vault-0.vault.svc.cluster.local",
        "10.96.0.1:8200",
        "https://vault.example.com:8200/v1/x?a=b#c",
        "tcp://10.96.0.1:443",
        "/var/lib/My-App/data_1",
        "/usr/local/bin:/usr/bin:/bin",
        "./relative/Path.yaml",
        "Someone.Else@example.com",
        "ghcr.io/bank-vaults/vault:v1.31.2",
        "v1.28.3-rc.1",
        "720h0m0s",
        "536870912",
        "512MiB, 95%",
        "one,two,three",
        "The Team of Vault: members and guests",
        "cn=admin,dc=example,dc=org",
        "MY_LONG_CONSTANT_NAME_NUMBER_12",
        "Größenwahn",
    ],
)
def test_what_a_log_is_read_for_is_not_masked(value: str) -> None:
    assert list(secrets_of("NAME", value)) == []


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgres://app:pa%20ss@db:5432/app", {"pa%20ss", "pa ss"}),
        ("amqp://user:a@b@host", {"a@b"}),
        ("redis://:hunter2@cache", {"hunter2"}),
        ("https://hooks.example.com/services/T000/B0/a1B2c3D4e5F6g7H8i9J0", {"a1B2c3D4e5F6g7H8i9J0"}),
        ("host=db user=app password=hunter2 port=5432", {"hunter2"}),
        ("host=db;Password='two words';x=1", {"host=db;Password='two words';x=1", "two words"}),
        ("AccountName=me;AccountKey=abc/def==;Suffix=core", {"abc/def=="}),
        ("https://x.blob.example.com/c?sv=2024&sig=abc%3D", {"abc%3D"}),
    ],
)
def test_of_a_longer_text_the_secret_in_it_is_masked(value: str, secret: set[str]) -> None:
    assert set(secrets_of("NAME", value)) == secret
