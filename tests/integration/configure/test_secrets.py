"""Secrets engines on real servers: what a document says is there, and a second run has nothing to do."""

from __future__ import annotations

import pytest

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Request, WriteOnly
from bank_vaults.configure.sections import secrets
from bank_vaults.configure.server import FACTS, Server, facts
from tests.support.configuring import Applier, configuration_of
from tests.support.every_type import ENGINES


def server_of(applier: Applier) -> Server:
    return facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})


def test_everything_is_written_once(applier: Applier) -> None:
    wanted = secrets.wanted(configuration_of(ENGINES), server_of(applier))
    first = applier.apply_twice(wanted)
    assert {change.action for change in first.changes} == {Action.CREATE}
    saved = applier.call("GET", "secret/data/pki/ca").body["data"]["data"]
    assert "PRIVATE KEY" in saved["private_key"]
    assert applier.call("GET", "pki/roles/empty").status == 200
    assert applier.call("GET", "rabbitmq/roles/prod").body["data"]["vhosts"]["/web"]["read"] == "p.*"


def test_a_lost_memory_costs_one_writing_of_what_is_not_shown_and_makes_nothing_anew(
    applier: Applier,
) -> None:
    wanted = secrets.wanted(configuration_of(ENGINES), server_of(applier))
    applier.apply_twice(wanted)
    applier.memory = Memory.empty()
    again = applier.plan(wanted)
    assert {change.identity.name for change in again.todo} <= {
        "rabbitmq/config/connection",
        "totp/keys/given",
        "database/config/main",
        "kubernetes/config",
        "ssh-otp/roles/otp",
    }
    applier.apply(again)
    assert not applier.plan(wanted).todo


def test_nothing_that_is_made_once_is_made_again_where_values_are_written_always(applier: Applier) -> None:
    wanted = secrets.wanted(configuration_of(ENGINES), server_of(applier))
    applier.apply(applier.plan(wanted))
    again = applier.plan(wanted, write_only=WriteOnly.ALWAYS)
    written = {change.identity.name for change in again.todo}
    assert "rabbitmq/config/connection" in written
    assert not written & {
        "pki/root/generate/exported",
        "intermediate/intermediate/generate/internal",
        "ssh-client-signer/config/ca",
        "totp/keys/made",
        "tenant/transit/keys/autounseal",
    }


def test_what_was_changed_by_hand_or_in_the_document_is_written_and_nothing_else(applier: Applier) -> None:
    applier.apply(applier.plan(secrets.wanted(configuration_of(ENGINES), server_of(applier))))
    assert applier.call("PUT", "pki/roles/default", {"ttl": "5m"}).status < 300
    text = ENGINES.replace("expiry: 72h", "expiry: 48h").replace("password: guest", "password: other")
    wanted = secrets.wanted(configuration_of(text), server_of(applier))
    changed = applier.plan(wanted)
    assert {change.identity.name for change in changed.todo} == {
        "pki/roles/default",
        "pki/config/crl",
        "rabbitmq/config/connection",
    }
    assert "other" not in repr(changed)
    assert "guest" not in repr(changed)
    applier.apply(changed)
    assert not applier.plan(wanted).todo


def test_k10_a_field_that_is_not_in_the_document_is_not_sent(applier: Applier) -> None:
    text = "secrets: [{type: ssh, configuration: {roles: [{name: r, key_type: otp, default_user: u}]}}]"
    applier.apply_twice(secrets.wanted(configuration_of(text), server_of(applier)))
    (request,) = [request for request in applier.requests if request.path == "ssh/roles/r"]
    assert request.body == {"key_type": "otp", "default_user": "u"}


def test_k11_an_empty_item_is_written(applier: Applier) -> None:
    text = "secrets: [{type: pki, configuration: {roles: [{name: r}], config: [{name: urls}]}}]"
    applier.apply_twice(secrets.wanted(configuration_of(text), server_of(applier)))
    assert applier.call("GET", "pki/roles/r").status == 200


def test_k9_the_urls_are_in_the_root_certificate_wherever_the_document_has_them(applier: Applier) -> None:
    text = """
secrets:
  - type: pki
    configuration:
      root/generate: [{name: internal, common_name: root.example}]
      config:
        - {name: issuers, default: first}
        - {name: urls, crl_distribution_points: "https://vault.example/crl"}
"""
    wanted = secrets.wanted(
        configuration_of(text.replace("common_name", "issuer_name: first, common_name")), server_of(applier)
    )
    applier.apply(applier.plan(wanted))
    paths = [request.path for request in applier.requests]
    assert paths == ["sys/mounts/pki", "pki/config/urls", "pki/root/generate/internal", "pki/config/issuers"]


def test_k24_accessors_are_put_into_texts_and_lists_of_items(applier: Applier) -> None:
    text = """
auth: [{type: approle, path: team/app}]
secrets:
  - type: pki
    configuration:
      roles:
        - {name: text, allowed_domains: "{{identity.entity.aliases.__accessor__team/app.name}},b"}
        - {name: list, allowed_domains: ["{{identity.entity.aliases.__accessor__team/app.name}}"]}
        - {name: unknown, allowed_domains: "__accessor__nobody"}
"""
    assert applier.call("POST", "sys/auth/team/app", {"type": "approle"}).status < 300
    (*wanted, unknown) = secrets.wanted(configuration_of(text), server_of(applier))
    assert applier.plan([unknown]).changes[0].action is Action.REFUSED
    applier.apply_twice(wanted)
    accessor = applier.call("GET", "sys/auth").body["data"]["team/app/"]["accessor"]
    shown = applier.call("GET", "pki/roles/list").body["data"]["allowed_domains"]
    assert shown == [f"{{{{identity.entity.aliases.{accessor}.name}}}}"]


def test_an_item_without_a_name_that_needs_one_is_an_error_of_this_item_alone(applier: Applier) -> None:
    text = "secrets: [{type: transit, configuration: {cache-config: [{size: 500}], nothing: [{a: 1}]}}]"
    wanted = secrets.wanted(configuration_of(text), server_of(applier))
    applier.apply(applier.plan(wanted[:1]))
    actions = {change.identity.name: change.action for change in applier.plan(wanted).changes}
    assert actions["transit/nothing"] is Action.REFUSED
    assert actions["transit/cache-config"] is Action.UPDATE


def test_what_of_a_transit_key_can_be_changed_is_changed_and_the_rest_is_refused(applier: Applier) -> None:
    text = """
secrets: [{type: transit, configuration: {keys: [{name: k, type: aes256-gcm96, exportable: false}]}}]
"""
    applier.apply_twice(secrets.wanted(configuration_of(text), server_of(applier)))
    more = text.replace(
        "exportable: false", "exportable: true, auto_rotate_period: 24h, deletion_allowed: true"
    )
    changed = applier.apply_twice(secrets.wanted(configuration_of(more), server_of(applier)))
    assert [request.path for change in changed.changes for request in change.requests] == [
        "transit/keys/k/config"
    ]
    for other in (more.replace("aes256-gcm96", "ed25519"), text):
        (refused,) = applier.plan(secrets.wanted(configuration_of(other), server_of(applier))).todo
        assert refused.action is Action.REFUSED


def test_what_is_inside_and_in_no_document_is_deleted_where_that_is_asked_for(applier: Applier) -> None:
    text = """
purgeUnmanagedConfig: {enabled: true, within: true}
secrets:
  - {type: pki, configuration: {roles: [{name: kept}], config: [{name: urls}]}}
  - {type: transit, configuration: {keys: [{name: kept}]}}
  - {path: secret, type: kv, options: {version: 1}, configuration: {some: [{name: thing, a: b}]}}
"""
    configuration = configuration_of(text)
    applier.apply_twice(secrets.wanted(configuration, server_of(applier)))
    for path in ("pki/roles/gone", "transit/keys/other", "secret/some/other"):
        assert applier.call("PUT", path, {"ttl": "1h"}).status < 300
    deletions = secrets.unmanaged(configuration, applier.shown)
    assert [change.requests for change in deletions] == [(Request("DELETE", "pki/roles/gone"),)]
    assert set(secrets.listings(configuration)) >= {"sys/mounts", "pki/roles?list=true"}
    applier.apply(applier.plan((), deletions))
    assert secrets.unmanaged(configuration, applier.shown) == ()
    without = configuration._replace(purge=configuration.purge._replace(within=False))
    assert not any("list=true" in path for path in secrets.listings(without))


def test_an_ldap_engine_is_written_once_where_the_server_has_one(applier: Applier) -> None:
    if "ldap" not in applier.call("GET", "sys/plugins/catalog").body["data"]["secret"]:
        pytest.skip("OpenBao 2.7 has no ldap engine built in")
    text = """
secrets:
  - type: ldap
    configuration:
      config: [{binddn: "cn=admin", bindpass: secret, url: "ldap://127.0.0.1:1", request_timeout: 5s}]
      role:
        - name: dynamic
          creation_ldif: "dn: cn={{.Username}},dc=example\\nobjectClass: person"
          deletion_ldif: "dn: cn={{.Username}},dc=example\\nchangetype: delete"
          default_ttl: 1h
"""
    wanted = secrets.wanted(configuration_of(text), server_of(applier))
    applier.apply_twice(wanted)
    changed = secrets.wanted(
        configuration_of(text.replace("bindpass: secret", "bindpass: new")), server_of(applier)
    )
    assert [change.identity.name for change in applier.apply_twice(changed).todo] == ["ldap/config"]
