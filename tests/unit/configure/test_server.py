"""What is known of a server, and which names hide a value."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from bank_vaults.configure.config import Configuration, Purge
from bank_vaults.configure.model import Shown
from bank_vaults.configure.secrecy import secret_names
from bank_vaults.configure.sections import groups, within
from bank_vaults.configure.server import (
    NamespaceError,
    Server,
    UnreadableError,
    accessors,
    facts,
    keys,
    listing,
)
from tests.support.configuring import shows


@pytest.mark.parametrize(
    ("text", "product", "version"),
    [
        ("v2.7.2+builtin.bao", "openbao", (2, 7, 2)),
        ("v1.21.4+builtin.vault", "vault", (1, 21, 4)),
        ("v1.15.0-beta1+ent.builtin.vault", "vault", (1, 15, 0)),
        ("v3.0.0+builtin.other", "", (3, 0, 0)),
        ("", "", (0, 0, 0)),
    ],
)
def test_product_and_version_are_those_of_a_built_in_plugin(
    text: str, product: str, version: tuple[int, int, int]
) -> None:
    shown = shows({"sys/auth": {"token/": {"running_plugin_version": text}, "a/b/": {}}})
    assert facts(shown, {"A": "b"}) == Server(product, version, frozenset({"token", "a/b"}), {"A": "b"})  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "fits"), [("ns_token", True), ("token", False), (None, False)])
def test_a_namespace_is_not_taken_for_the_root_namespace(kind: str | None, fits: bool) -> None:
    found = facts(shows({"sys/auth": {"token/": {"type": kind}}}), {})
    found.check("")
    with nullcontext() if fits else pytest.raises(NamespaceError, match=r"'one'.*unset VAULT_NAMESPACE"):
        found.check("one")


def test_a_token_that_may_not_read_what_everything_rests_on_is_told_what_may_be_wrong_with_it() -> None:
    with pytest.raises(UnreadableError, match=r"403: permission denied; .* has ended, .*configure policy"):
        facts({"sys/auth": Shown(None, "403: permission denied")}.__getitem__, {})


@pytest.mark.parametrize("garbage", ["abc", {"a": 1}, 5])
def test_k16_nothing_is_deleted_from_a_listing_that_is_none(garbage: object) -> None:
    with pytest.raises(UnreadableError, match="no list"):
        keys(shows({"x?list=true": {"keys": garbage}}), "x?list=true")
    inside = within.Inside("secrets", "item", "db/roles", frozenset({"kept"}))
    with pytest.raises(UnreadableError, match="no list"):
        within.unmanaged((inside,), shows({inside.listing: {"keys": garbage}}))


def test_k16_aliases_that_are_no_list_are_an_error() -> None:
    configuration = Configuration(purge=Purge(enabled=True))
    answers = {groups.GROUPS: None, groups.ALIASES: {"key_info": ["abc"]}}
    with pytest.raises(UnreadableError, match="no list"):
        groups.unmanaged(configuration, shows(answers))


def test_accessors_by_path() -> None:
    shown = shows({"sys/auth": {"token/": {"accessor": "t"}, "a/b/": {"accessor": "x"}, "request_id": "no"}})
    assert accessors(shown) == {"token": "t", "a/b": "x"}


def test_k16_a_listing_that_cannot_be_read_is_an_error_and_an_absent_one_is_empty() -> None:
    for read in (listing, keys):
        assert not read(shows({}), "sys/x")
        with pytest.raises(UnreadableError, match="sys/x cannot be read: denied"):
            read(lambda path: Shown(None, "denied"), "sys/x")


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "bindpass",
        "client_secret",
        "oidc_client_secret",
        "token_reviewer_jwt",
        "secret_key",
        "keytab",
        "connection_url",
        "connection_uri",
        "private_key",
        "credentials",
        "api_token",
        "SECRET",
        "password_hash",
        "secret_id",
    ],
)
def test_values_under_such_names_are_hidden(name: str) -> None:
    assert secret_names({name: "x"}) == {name}


@pytest.mark.parametrize(
    "name",
    [
        "policies",
        "token_ttl",
        "url",
        "jwks_url",
        "oidc_discovery_url",
        "public_key",
        "identity_token_key",
        "kubernetes_host",
        "token_policies",
        "secret_id_ttl",
        "bind_secret_id",
        "kubernetes_ca_cert",
    ],
)
def test_values_under_such_names_are_shown(name: str) -> None:
    assert secret_names({name: "x"}) == frozenset()


@pytest.mark.parametrize(
    "value",
    [
        {"deep": {"password": "x"}},
        [{"secret": "x"}],
        "-----BEGIN RSA PRIVATE KEY-----",
        "postgresql://user:password@host/db",
        "otpauth://totp/Example:me?issuer=Example&secret=Y64VEVMBTSXC",
        "host=db.example user=root password=x",
        ["--ca-cert=/tls/ca.crt", "--db-password=x"],
        ["HOME=/", "API_TOKEN=x"],
        ["ALTER USER app WITH ENCRYPTED PASSWORD 'x';"],
        'create user u identified by "x"',
        "CREATE USER u IDENTIFIED WITH caching_sha2_password BY 'x'",
        "CREATE LOGIN u WITH PASSWORD = 'x'",
    ],
)
def test_values_with_a_secret_inside_are_hidden(value: object) -> None:
    assert secret_names({"harmless": value, "other": 1}) == {"harmless"}


@pytest.mark.parametrize(
    "value",
    [
        "https://idp.example/authorize?client_id=x",
        "(&(objectClass=person)(uid={{.Username}}))",
        ["--ca-cert=/tls/ca.crt"],
        'path "secret/*" {\n  min_wrapping_ttl = "1s"\n}',
        "a token = b, password=",
        ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"],
        "ALTER USER u IDENTIFIED BY '{{password}}'",
        "ALTER USER u WITH PASSWORD ''",
    ],
)
def test_values_without_a_secret_inside_are_shown(value: object) -> None:
    assert secret_names({"harmless": value}) == frozenset()


def test_nothing_is_secret_that_is_true_or_false() -> None:
    assert secret_names({"generate_signing_key": True, "disable_local_ca_jwt": False}) == frozenset()
