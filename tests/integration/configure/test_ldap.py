"""Users of a real directory log in as a document says, and its passwords are rotated; none is ever told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import skip_or_fail
from tests.support.binaries import MissingBinary
from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy
from tests.support.ldap import ADMIN, GROUPS, SUFFIX, USERS, Directory, find_openldap
from tests.support.program import Finished

BIND_PASSWORD = "bind-password-of-the-document"
PEOPLE = {"someone": "password-of-someone", "other": "password-of-other", "robot": "password-of-robot"}
GROUP_MEMBERS = {"developers": ["someone", "other"]}
ROBOT = f"uid=robot,{USERS}"


@pytest.fixture
def directory() -> Iterator[Directory]:
    programs = find_openldap()
    if isinstance(programs, MissingBinary):
        skip_or_fail(programs)
    with Directory(programs, BIND_PASSWORD, PEOPLE, GROUP_MEMBERS) as running:
        yield running


def carried(place: Place, kind: str, name: str = "ldap") -> None:
    """Skip where the server has no such plugin built in: OpenBao from 2.7 on has none for LDAP."""
    if name not in (place.shown("sys/plugins/catalog") or {})[kind]:
        pytest.skip(f"this server has no {kind} plugin {name} built in")


def method(directory: Directory, password: str = BIND_PASSWORD, **policies: str) -> dict[str, Any]:
    given = {"team": "team", "own": "own", **policies}
    return {
        "auth": [
            {
                "type": "ldap",
                "config": {
                    "url": directory.url,
                    "binddn": ADMIN,
                    "bindpass": password,
                    "userattr": "uid",
                    "userdn": USERS,
                    "groupdn": GROUPS,
                    "token_ttl": "10m",
                },
                "groups": {"developers": {"policies": given["team"]}, "night": {"policies": "night"}},
                "users": {"someone": {"groups": "night", "policies": given["own"]}},
            }
        ]
    }


def engine(directory: Directory, kind: str = "ldap", **config: Any) -> dict[str, Any]:
    return {
        "secrets": [
            {
                "type": kind,
                "path": "ldap",
                "configuration": {
                    "config": [
                        {
                            "binddn": ADMIN,
                            "bindpass": BIND_PASSWORD,
                            "url": directory.url,
                            "userdn": USERS,
                            "userattr": "uid",
                            "rotate": True,
                            **config,
                        }
                    ],
                    "static-role": [
                        {"name": "robot", "username": "robot", "dn": ROBOT, "rotation_period": "24h"}
                    ],
                    "role": [
                        {
                            "name": "guest",
                            "creation_ldif": (
                                f"dn: uid={{{{.Username}}}},{USERS}\nchangetype: add\n"
                                "objectClass: inetOrgPerson\nuid: {{.Username}}\n"
                                "cn: {{.Username}}\nsn: guest\nuserPassword: {{.Password}}\n"
                            ),
                            "deletion_ldif": f"dn: uid={{{{.Username}}}},{USERS}\nchangetype: delete\n",
                            "default_ttl": "1h",
                        }
                    ],
                },
            }
        ]
    }


def policies_of(place: Place, user: str, password: str) -> set[str]:
    answer = place.call("PUT", f"auth/ldap/login/{user}", {"password": password})
    assert answer.status == 200, answer
    return set(answer.body["auth"]["policies"]) - {"default"}


def tells_nothing(place: Place, *done: Finished) -> None:
    """Neither what was printed and logged, nor the state, has a password of the directory in it."""
    text = "".join(each.output + each.log for each in done) + place.state.read_text(errors="replace")
    for secret in (BIND_PASSWORD, *PEOPLE.values()):
        assert secret not in text


def test_users_of_a_directory_log_in_with_the_policies_of_the_document(
    place: Place, directory: Directory
) -> None:
    carried(place, "auth")
    place.write(method(directory))
    verbose = "--log-level=debug"
    planned, first = place.plan(verbose), place.once(verbose)
    assert (planned.code, first.code) == (2, 0), first.log + first.output
    assert policies_of(place, "someone", PEOPLE["someone"]) == {"own", "night", "team"}
    assert policies_of(place, "other", PEOPLE["other"]) == {"team"}
    assert place.call("PUT", "auth/ldap/login/other", {"password": "wrong"}).status == 400
    with FaultProxy(place.server) as proxy:
        second = place.once(verbose, address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log
    tells_nothing(place, planned, first, second)


def test_another_group_and_another_bind_password_are_written_alone_and_count(
    place: Place, directory: Directory
) -> None:
    carried(place, "auth")
    place.write(method(directory, "not-the-one-of-the-directory"))
    assert place.once().code == 0
    assert place.call("PUT", "auth/ldap/login/other", {"password": PEOPLE["other"]}).status == 400
    place.write(method(directory, team="team,more"))
    with FaultProxy(place.server) as proxy:
        done = place.once(address=proxy.address)
        assert done.code == 0, done.log
        assert sorted(place.writes(proxy)) == [
            ("PUT", "auth/ldap/config"),
            ("PUT", "auth/ldap/groups/developers"),
        ]
    assert policies_of(place, "other", PEOPLE["other"]) == {"team", "more"}
    tells_nothing(place, done)


@pytest.mark.parametrize("kind", ["ldap", "openldap"])
def test_k8_the_bind_password_is_rotated_once_and_the_engine_goes_on(
    place: Place, directory: Directory, kind: str
) -> None:
    carried(place, "secret", kind)
    place.write(engine(directory, kind))
    with FaultProxy(place.server) as proxy:
        first = place.once("--log-level=debug", address=proxy.address)
        assert first.code == 0, first.log + first.output
        sent = [path for _, path in place.writes(proxy) if path.startswith("ldap/")]
    assert sent[:2] == ["ldap/config", "ldap/rotate-root"]
    assert set(sent[2:]) == {"ldap/static-role/robot", "ldap/role/guest"}
    assert not directory.can_log_in(ADMIN, BIND_PASSWORD)
    assert not directory.can_log_in(ROBOT, PEOPLE["robot"])
    robot = place.shown("ldap/static-cred/robot") or {}
    assert directory.can_log_in(ROBOT, robot["password"])
    guest = place.shown("ldap/creds/guest") or {}
    assert directory.can_log_in(f"uid={guest['username']},{USERS}", guest["password"])
    with FaultProxy(place.server) as proxy:
        second = place.once("--log-level=debug", address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log
    assert directory.can_log_in(ROBOT, robot["password"])
    tells_nothing(place, first, second)


def test_k8_what_else_of_the_connection_changes_is_written_without_the_password_of_the_document(
    place: Place, directory: Directory
) -> None:
    carried(place, "secret")
    place.write(engine(directory))
    assert place.once().code == 0
    place.write(engine(directory, userdn=SUFFIX, request_timeout="7s"))
    with FaultProxy(place.server) as proxy:
        done = place.once(address=proxy.address)
        assert (done.code, place.writes(proxy)) == (0, [("PUT", "ldap/config")]), done.log + done.output
    shown = place.shown("ldap/config") or {}
    assert (shown["userdn"], shown["request_timeout"]) == (SUFFIX, 7)
    assert place.call("PUT", "ldap/rotate-role/robot").status < 300  # the password that it has still counts
    tells_nothing(place, done)


def test_k8_a_lost_state_costs_one_more_rotation_and_locks_nobody_out(
    place: Place, directory: Directory
) -> None:
    carried(place, "secret")
    place.write(engine(directory))
    assert place.once().code == 0
    place.state.unlink()
    with FaultProxy(place.server) as proxy:
        done = place.once(address=proxy.address)
        assert (done.code, place.writes(proxy)) == (0, [("PUT", "ldap/rotate-root")]), done.log + done.output
    assert place.call("PUT", "ldap/rotate-role/robot").status < 300
