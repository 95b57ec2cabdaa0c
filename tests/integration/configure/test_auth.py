"""Auth methods on real servers, every type that they have: written once, and nothing left to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bank_vaults.configure.config import Auth, Configuration, Named, Purge
from bank_vaults.configure.model import Action, Place
from bank_vaults.configure.sections import auth
from bank_vaults.configure.server import FACTS, Server, facts
from tests.support.configuring import Applier, RefusedByServerError, configuration_of
from tests.support.discovery import Provider
from tests.support.every_type import methods

PLACE = Place("vault-config.yml", 1, 1)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def method(kind: str, path: str = "", **given: Any) -> Auth:
    made = Auth(PLACE, path or kind, kind, None, None, None, None, None, (), (), (), (), {})
    return made._replace(**given)


def named(name: str, **body: Any) -> tuple[Named, ...]:
    return (Named(name, {"name": name, **body}, PLACE),)


def types_of(applier: Applier) -> set[str]:
    """The types of auth methods that the server has."""
    plugins = (applier.shown("sys/plugins/catalog").fields or {})["detailed"]
    return {plugin["name"] for plugin in plugins if plugin["type"] == "auth"} | {"token"}


def server_of(applier: Applier, **environment: str) -> Server:
    return facts({path: applier.shown(path) for path in FACTS}.__getitem__, environment)


def every(provider: Provider) -> tuple[Auth, ...]:
    return configuration_of(yaml.safe_dump({"auth": methods(provider)})).auth


def test_every_type_is_written_once(applier: Applier, provider: Provider) -> None:
    types = types_of(applier)
    configuration = Configuration(auth=tuple(each for each in every(provider) if each.type in types))
    wanted = auth.wanted(configuration, server_of(applier, KUBERNETES_SERVICE_HOST="10.0.0.1"))
    first = applier.apply_twice(wanted)
    changed = [str(change.identity) for change in first.changes if change.action is Action.KEEP]
    assert changed in ([], ["auth config cert"])
    assert len(applier.memory.records) > 0
    applier.memory = applier.memory.empty()
    left = applier.plan(wanted)
    assert {difference.secret for change in left.todo for difference in change.differences} <= {True}
    applier.apply(left)
    assert not applier.plan(wanted).todo


def test_a_changed_role_and_a_changed_password_are_written_alone(applier: Applier) -> None:
    def configuration(password: str, policies: str) -> Configuration:
        users = named("a", password=password, policies="p") + named("b", password="b", policies=policies)
        return Configuration(auth=(method("userpass", users=users),))

    server = server_of(applier)
    applier.apply_twice(auth.wanted(configuration("first-pass", "p"), server))
    changes = applier.apply_twice(auth.wanted(configuration("second-pass", "p"), server)).todo
    assert [str(change.identity) for change in changes] == ["auth user userpass/a"]
    assert "first-pass" not in repr(changes)
    assert "second-pass" not in repr(changes)
    assert applier.call("PUT", "auth/userpass/login/a", {"password": "second-pass"}).status == 200
    changes = applier.apply_twice(auth.wanted(configuration("second-pass", "q"), server)).todo
    assert [str(change.identity) for change in changes] == ["auth user userpass/b"]


def test_drift_is_found_and_corrected(applier: Applier) -> None:
    element = method("approle", roles=named("r", token_policies=["a"], token_ttl="1h"))
    wanted = auth.wanted(Configuration(auth=(element,)), server_of(applier))
    applier.apply_twice(wanted)
    assert applier.call("PUT", "auth/approle/role/r", {"token_ttl": "2h"}).status < 300
    (change,) = applier.apply_twice(wanted).todo
    assert [each.field for each in change.differences] == ["token_ttl"]


def test_k20_what_a_type_does_not_have_is_an_error(applier: Applier) -> None:
    element = method("userpass", roles=named("r", policies="a"))
    wanted = auth.wanted(Configuration(auth=(element,)), server_of(applier))
    with pytest.raises(RefusedByServerError, match="unsupported path"):
        applier.apply(applier.plan(wanted))


def test_k5_paths_are_without_slashes_and_a_managed_method_is_not_deleted(applier: Applier) -> None:
    configuration = Configuration(
        auth=(method("approle", "team/app"), method("userpass")), purge=Purge(enabled=True)
    )
    applier.apply_twice(auth.wanted(configuration, server_of(applier)))
    assert auth.unmanaged(configuration, applier.shown) == ()
    assert applier.call("PUT", "auth/userpass/users/u", {"password": "p"}).status < 300
    left = configuration._replace(auth=configuration.auth[:1])
    assert auth.details(left, applier.shown) == ("auth/userpass/users?list=true",)
    (doomed,) = auth.unmanaged(left, applier.shown)
    assert (doomed.identity.name, doomed.contents) == ("userpass", 1)
    applier.apply(applier.plan((), [doomed]))
    assert auth.unmanaged(left, applier.shown) == ()


def test_k19_roles_that_no_document_has_are_deleted_where_asked(applier: Applier) -> None:
    elements = (method("approle", roles=named("Kept", policies="a")), method("token", roles=named("r")))
    configuration = Configuration(auth=elements, purge=Purge(enabled=True, within=True))
    applier.apply_twice(auth.wanted(configuration, server_of(applier)))
    for path in ("auth/approle/role/old", "auth/token/roles/old"):
        assert applier.call("PUT", path, {"token_no_default_policy": False}).status < 300
    doomed = auth.unmanaged(configuration, applier.shown)
    assert [change.requests[0].path for change in doomed] == ["auth/approle/role/old", "auth/token/roles/old"]
    applier.apply(applier.plan((), doomed))
    assert auth.unmanaged(configuration, applier.shown) == ()
    assert not applier.plan(auth.wanted(configuration, server_of(applier))).todo
