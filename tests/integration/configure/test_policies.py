"""Policies on real servers: written once, found to be the same, and taken by the server where we say so."""

from __future__ import annotations

from bank_vaults.configure import hcl
from bank_vaults.configure.config import Configuration, Policy, Purge
from bank_vaults.configure.model import Action, Identity, Place, Shown
from bank_vaults.configure.sections import policies
from bank_vaults.configure.sections.mount import Mount
from bank_vaults.configure.server import FACTS, Server, facts
from tests.support.configuring import Applier
from tests.support.policy_texts import BAD, GOOD

PLACE = Place("vault-config.yml", 1, 1)


def server_of(applier: Applier) -> Server:
    return facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})


def named(*texts: str) -> tuple[Policy, ...]:
    return tuple(Policy(PLACE, f"policy-{index}", text) for index, text in enumerate(texts))


def test_policies_are_written_once(applier: Applier) -> None:
    configuration = Configuration(policies=(*named(*GOOD), Policy(PLACE, "team/one", "# x\r\n")))
    first = applier.apply_twice(policies.wanted(configuration, server_of(applier)))
    assert {change.action for change in first.changes} == {Action.CREATE}


def test_what_we_cannot_parse_the_server_cannot_parse_either(applier: Applier) -> None:
    for text in BAD:
        assert hcl.check(text) is not None
        assert applier.call("PUT", "sys/policies/acl/bad", {"policy": text}).status == 400, text


def test_k24_the_accessor_of_a_method_that_was_created_anew_is_written(applier: Applier) -> None:
    mount = Mount(Identity("auth", "mount", "app"), PLACE, "sys/auth", "app", "approle")
    rules = 'path "x/{{identity.entity.aliases.__accessor__app.name}}" { capabilities = ["read"] }'
    known = server_of(applier)._replace(auth=frozenset({"app"}))
    wanted = (mount, *policies.wanted(Configuration(policies=named(rules)), known))
    applier.apply_twice(wanted)
    assert applier.call("DELETE", "sys/auth/app").status < 300
    again = applier.apply_twice(wanted)
    assert [str(change.identity) for change in again.todo] == ["auth mount app", "policies policy policy-0"]


def test_k4_policies_nobody_has_are_deleted_and_those_in_capital_letters_are_not(applier: Applier) -> None:
    for name in ("Kept", "gone"):
        assert applier.call("PUT", f"sys/policies/acl/{name}", {"policy": "# x"}).status < 300
    configuration = Configuration(policies=(Policy(PLACE, "kept", "# x"),), purge=Purge(enabled=True))
    doomed = policies.unmanaged(configuration, applier.shown)
    assert [change.identity.name for change in doomed] == ["gone"]
    applier.apply(applier.plan((), doomed))
    assert policies.unmanaged(configuration, applier.shown) == ()


def test_a_policy_that_the_server_needs_is_kept_by_it_and_that_is_no_failure(applier: Applier) -> None:
    (doomed,) = policies.unmanaged(
        Configuration(purge=Purge(enabled=True)), lambda path: Shown({"keys": ["response-wrapping"]})
    )
    (request,) = doomed.requests
    answer = applier.call(request.method, request.path)
    assert answer.status == 400
    assert request.forgives in str(answer.body)
