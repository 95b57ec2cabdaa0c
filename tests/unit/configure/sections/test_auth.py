"""Auth methods: which requests the elements of a document become."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.config import Auth, Configuration, MountOptions, Named, Purge
from bank_vaults.configure.model import Action, Context, Identity, Place, Stage, Wanted, WriteOnly
from bank_vaults.configure.sections import auth
from bank_vaults.configure.sections.item import Item
from bank_vaults.configure.sections.mount import Mount
from bank_vaults.configure.sections.refused import Refused
from bank_vaults.configure.server import Server
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 3, 5)
CONTEXT = Context(digest, WriteOnly.CHANGED)


def method(kind: str, path: str = "", **given: Any) -> Auth:
    made = Auth(PLACE, path or kind, kind, None, None, None, None, None, (), (), (), (), {})
    return made._replace(**given)


def named(name: str | None, **body: Any) -> tuple[Named, ...]:
    return (Named(name, {"name": name, **body}, PLACE),)


def wanted(element: Auth, **environment: str) -> tuple[Wanted, ...]:
    return auth.wanted(Configuration(auth=(element,)), Server(environment=environment))


def writes(element: Auth, **environment: str) -> dict[str, Any]:
    """What is written beside the mount, by path."""
    return {each.path: each.fields for each in wanted(element, **environment) if isinstance(each, Item)}


def refusals(element: Auth) -> list[tuple[str, str]]:
    return [(str(each.identity), each.reason) for each in wanted(element) if isinstance(each, Refused)]


def test_the_mount_comes_first_and_everything_needs_it() -> None:
    element = method("jwt", "team/jwt", config={"default_role": "d"}, roles=named("d"), description="ours")
    mount, *items = wanted(element)
    assert isinstance(mount, Mount)
    assert (mount.path, mount.type, mount.description, mount.first_description) == (
        "team/jwt",
        "jwt",
        "ours",
        "jwt backend",
    )
    changes = [item.plan(shows({}), None, CONTEXT) for item in items]
    assert [change.stage for change in changes] == [Stage.AUTH_CONFIG, Stage.AUTH_ITEMS]
    assert {change.needs for change in changes} == {frozenset({Identity("auth", "mount", "team/jwt")})}


CASES: list[tuple[Auth, dict[str, Any]]] = [
    (
        method("approle", roles=named("r", policies="a", ttl=None)),
        {"auth/approle/role/r": {"policies": "a"}},
    ),
    (method("cert", roles=named("c", certificate="x")), {"auth/cert/certs/c": {"certificate": "x"}}),
    (
        method("userpass", users=(Named("u", {"username": "u", "password": "p"}, PLACE),)),
        {"auth/userpass/users/u": {"password": "p"}},
    ),
    (
        method(
            "ldap", config={"url": "l"}, users=named("U", groups="g"), groups=named("Dev/x", policies="p")
        ),
        {
            "auth/ldap/config": {"url": "l"},
            "auth/ldap/users/U": {"groups": "g"},
            "auth/ldap/groups/Dev/x": {"policies": "p"},
        },
    ),
    (method("okta", config={}), {"auth/okta/config": {}}),
    (
        method("github", maps={"teams": named("dev", value="a,b"), "users": named("me", value="c")}),
        {
            "auth/github/map/teams/dev": {"value": "a,b"},
            "auth/github/map/users/me": {"value": "c"},
        },
    ),
    (
        method(
            "aws",
            config={"access_key": "A", "aws-identity-integration": {"iam_alias": "x"}},
            crossaccountroles=(
                Named("012345678901", {"sts_account": "012345678901", "sts_role": "arn"}, PLACE),
            ),
            roles=named("dev", period="1h"),
        ),
        {
            "auth/aws/config/client": {"access_key": "A"},
            "auth/aws/config/identity": {"iam_alias": "x"},
            "auth/aws/config/sts/012345678901": {"sts_role": "arn"},
            "auth/aws/role/dev": {"period": "1h"},
        },
    ),
    (
        method("aws", config={"aws-identity-integration": {"iam_alias": "x"}}),
        {"auth/aws/config/identity": {"iam_alias": "x"}},
    ),
    (
        method("gcp", config={"credentials": "c", "aws-identity-integration": {"a": 1}}),
        {"auth/gcp/config": {"credentials": "c"}, "auth/gcp/config/identity": {"a": 1}},
    ),
    (method("token", roles=named("r", orphan=True)), {"auth/token/roles/r": {"orphan": True}}),
    (
        method("token", "elsewhere", roles=named("r", orphan=True)),
        {"auth/token/roles/r": {"orphan": True}},
    ),
    (method("token", config={}), {}),
]


@pytest.mark.parametrize(("element", "written"), CASES, ids=lambda case: getattr(case, "type", ""))
def test_what_is_written(element: Auth, written: dict[str, Any]) -> None:
    assert writes(element) == written


@pytest.mark.parametrize(
    ("element", "written"),
    [
        (
            method("radius", config={"host": "h"}, users=named("Big", policies="p")),
            {"auth/radius/config": {"host": "h"}, "auth/radius/users/big": {"policies": "p"}},
        ),
        (
            method("kerberos", config={"ldap": {"url": "l"}, "keytab": "k"}, groups=named("g")),
            {
                "auth/kerberos/config": {"keytab": "k"},
                "auth/kerberos/config/ldap": {"url": "l"},
                "auth/kerberos/groups/g": {},
            },
        ),
        (method("cf", roles=named("r")), {"auth/cf/roles/r": {}}),
        (
            method("ours", "p", config={"a": 1}, roles=named("r", b=2), users=named("u"), groups=named("g")),
            {
                "auth/p/config": {"a": 1},
                "auth/p/role/r": {"b": 2},
                "auth/p/users/u": {},
                "auth/p/groups/g": {},
            },
        ),
    ],
)
def test_k20_other_types_are_written_and_not_dropped(element: Auth, written: dict[str, Any]) -> None:
    assert writes(element) == written


@pytest.mark.parametrize("kind", ["approle", "userpass", "token"])
def test_k20_a_config_where_there_is_none_is_told(kind: str) -> None:
    ((identity, reason),) = refusals(method(kind, config={"a": 1}))
    assert identity == f"auth config {kind}"
    assert "no config" in reason


def test_k20_users_may_be_a_map_or_a_list() -> None:
    from_map = method("userpass", users=(Named("u", {"password": "p"}, PLACE),))
    from_list = method("userpass", users=(Named("u", {"username": "u", "password": "p"}, PLACE),))
    assert writes(from_map) == writes(from_list)


def test_passwords_are_not_to_be_seen() -> None:
    (_, user) = wanted(method("userpass", users=named("u", password="p", policies="a")))
    change = user.plan(shows({}), None, CONTEXT)
    assert {each.field for each in change.differences if each.secret} == {"password"}


@pytest.mark.parametrize(
    ("config", "host", "written"),
    [
        (None, "10.0.0.1", {"kubernetes_host": "https://10.0.0.1"}),
        ({"kubernetes_host": ""}, "fd00::1", {"kubernetes_host": "https://[fd00::1]"}),
        ({"kubernetes_host": "https://k"}, "10.0.0.1", {"kubernetes_host": "https://k"}),
        ({"issuer": "i"}, "", {"issuer": "i"}),
    ],
)
def test_the_address_of_kubernetes_comes_from_the_environment(
    config: dict[str, Any] | None, host: str, written: dict[str, Any]
) -> None:
    element = method("kubernetes", config=config)
    assert writes(element, KUBERNETES_SERVICE_HOST=host) == {"auth/kubernetes/config": written}


def test_without_a_config_nothing_is_written() -> None:
    assert writes(method("kubernetes")) == {}
    assert writes(method("jwt")) == {}


def test_claims_may_be_a_json_text() -> None:
    element = method("oidc", roles=named("r", bound_claims='{"a": ["b"]}', claim_mappings=""))
    assert writes(element) == {"auth/oidc/role/r": {"bound_claims": {"a": ["b"]}, "claim_mappings": {}}}


@pytest.mark.parametrize("claims", ["group=x", "[1]", [1], 5, "[" * 100_000])
def test_claims_that_are_no_map_are_refused_and_not_left_out(claims: object) -> None:
    element = method("jwt", roles=named("r", bound_claims=claims))
    assert refusals(element) == [("auth role jwt/r", "bound_claims is no map")]
    assert writes(element) == {}


@pytest.mark.parametrize("name", [None, "", "a/b", "..", ".", "a?b", "a\nb"])
def test_names_that_lead_elsewhere_are_refused(name: str | None) -> None:
    element = method("approle", roles=named(name))
    assert len(refusals(element)) == 1
    assert writes(element) == {}


def test_a_path_that_leads_elsewhere_is_refused_with_all_that_belongs_to_it() -> None:
    element = method("approle", "a/../b", roles=named("r"))
    assert [type(each) for each in wanted(element)] == [Refused]


def test_the_token_method_is_tuned_and_never_mounted() -> None:
    tune = MountOptions({"default_lease_ttl": "1h"}, {})
    (mount,) = wanted(method("token", tune=tune))
    assert isinstance(mount, Mount)
    assert refusals(method("token", "second")) == [
        ("auth mount second", "the method of the type token is at token, and there is no second one")
    ]


# -- deletions ---------------------------------------------------------------------------------------------

ANSWERS: dict[str, Any] = {
    "sys/auth": {
        "token/": {"type": "token"},
        "jwt/": {"type": "jwt"},
        "old/": {"type": "userpass"},
    },
    "sys/plugins/catalog": {"detailed": [{"name": "jwt"}, {"name": "userpass"}]},
    "auth/old/users?list=true": {"keys": ["a", "b"]},
}


def test_k5_a_managed_method_is_not_deleted_and_others_are_with_a_count() -> None:
    configuration = Configuration(auth=(method("jwt"),), purge=Purge(enabled=True))
    assert auth.listings(configuration) == ("sys/auth", "sys/plugins/catalog")
    assert auth.details(configuration, shows(ANSWERS)) == ("auth/old/users?list=true",)
    (change,) = auth.unmanaged(configuration, shows(ANSWERS))
    assert (change.action, str(change.identity), change.contents) == (Action.DELETE, "auth mount old", 2)
    quiet = configuration._replace(purge=Purge())
    assert auth.listings(quiet) == auth.details(quiet, shows(ANSWERS)) == ()


def test_k19_what_is_inside_of_managed_methods_is_deleted_where_asked() -> None:
    elements = (
        method("approle", "app", roles=named("Kept")),
        method("token", roles=named("r")),
        method("token", "again", roles=named("s")),
        method("github", maps={"teams": named("dev", value="a")}),
        method("userpass"),
    )
    configuration = Configuration(auth=elements, purge=Purge(enabled=True, within=True))
    lists = {
        "auth/app/role?list=true": {"keys": ["kept", "old"]},
        "auth/token/roles?list=true": {"keys": ["r", "s", "t"]},
        "auth/github/map/teams?list=true": {"keys": ["dev"]},
        "auth/userpass/users?list=true": {"keys": ["nobody manages users"]},
    }
    answers: dict[str, Any] = {**ANSWERS, "sys/auth": {}, **lists}
    assert set(auth.listings(configuration)) == {"sys/auth", "sys/plugins/catalog", *list(lists)[:3]}
    changes = auth.unmanaged(configuration, shows(answers))
    assert [change.requests[0].path for change in changes] == ["auth/app/role/old", "auth/token/roles/t"]
    outside = configuration._replace(purge=Purge(enabled=True))
    assert auth.unmanaged(outside, shows(answers)) == ()
