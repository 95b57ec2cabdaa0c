"""The end-to-end contract of the original: one daemon; a file that is empty first, filled, and loses entries.

Each section has a list of three entries, one of them without a path where that can be. Whichever is removed,
it is gone from the server, and it alone; in an excluded section it stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.support.binaries import ServerKind
from tests.support.configured import Place, takes_audit
from tests.support.every_type import wallet
from tests.support.program import Program, eventually
from tests.support.servers import Server


class Row(NamedTuple):
    """One section: its entries, how each of them is seen on the server, and a look at all that is there."""

    section: str
    entries: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    there: Callable[[Place], set[str]]


def mounts(area: str) -> Callable[[Place], set[str]]:
    return lambda place: {f"{path} {kind}" for path, kind in place.mounts(area).items()}


def listed(path: str) -> Callable[[Place], set[str]]:
    return lambda place: set((place.shown(f"{path}?list=true") or {}).get("keys") or ())


def aliases(place: Place) -> set[str]:
    infos = (place.shown("identity/group-alias/id?list=true") or {}).get("key_info") or {}
    return {f"{info['mount_path']} {info['name']}" for info in infos.values()}


def plugins(place: Place) -> set[str]:
    detailed = (place.shown("sys/plugins/catalog") or {})["detailed"]
    return {f"{plugin['type']} {plugin['name']}" for plugin in detailed if not plugin["builtin"]}


def audit(path: str | None, file: str) -> dict[str, Any]:
    """With a file of its own: HashiCorp Vault takes none twice."""
    return {"type": "file", "options": {"file_path": file}} | ({"path": path} if path else {})


NAMES: Final = ("foo", "bar", "baz")

ROWS: Final = (
    Row(
        "audit",
        [audit("audit_foo", "/dev/null"), audit("audit_bar", "discard"), audit(None, "stdout")],
        ["audit_foo/ file", "audit_bar/ file", "file/ file"],
        mounts("audit"),
    ),
    Row(
        "plugins",
        [
            {"plugin_name": "foo", "type": "auth"},
            {"plugin_name": "bar", "type": "secret"},
            {"plugin_name": "foo", "type": "database"},
        ],
        ["auth foo", "secret bar", "database foo"],
        plugins,
    ),
    Row(
        "auth",
        [
            {"type": "approle", "path": "auth_foo"},
            {"type": "userpass", "path": "auth_bar"},
            {"type": "userpass"},
        ],
        ["auth_foo/ approle", "auth_bar/ userpass", "userpass/ userpass"],
        mounts("auth"),
    ),
    Row(
        "groups",
        [{"name": f"group_{name}", "type": "external"} for name in NAMES],
        ["group_foo", "group_bar", "group_baz"],
        listed("identity/group/name"),
    ),
    Row(
        "group-aliases",
        [
            {"name": f"group_aliases_{name}", "mountpath": "auth_approle", "group": f"known_{name}"}
            for name in NAMES
        ],
        [f"auth/auth_approle/ group_aliases_{name}" for name in NAMES],
        aliases,
    ),
    Row(
        "policies",
        [{"name": f"policy_{name}", "rules": "# nothing"} for name in NAMES],
        ["policy_foo", "policy_bar", "policy_baz"],
        listed("sys/policies/acl"),
    ),
    Row(
        "secrets",
        [{"type": "kv", "path": "secret_foo"}, {"type": "ssh", "path": "secret_bar"}, {"type": "ssh"}],
        ["secret_foo/ kv", "secret_bar/ ssh", "ssh/ ssh"],
        mounts("mounts"),
    ),
)

KEPT: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "auth": [{"type": "approle", "path": "auth_approle"}],
    "groups": [{"name": f"known_{name}", "type": "external"} for name in NAMES],
    "secrets": [
        {"path": "passwords/v2", "type": "kv", "options": {"version": 2}},
        {"path": "passwords/v1", "type": "kv", "options": {"version": 1}},
    ],
}
"""What the rows stand on."""

STARTUP: Final = [
    {"type": "kv", "path": "passwords/v2/data/foo", "data": {"data": {"SECRET": "foo"}}},
    {"type": "kv", "path": "passwords/v2/data/bar", "data": {"data": {"secret": "bar"}}},
    {"type": "kv", "path": "passwords/v1/baz", "data": {"data": {"secret": "baz"}}},
]


def document(lists: Mapping[str, Sequence[Any]], *exclude: str) -> dict[str, Any]:
    """With what the rows stand on; these sections are excluded from the purge."""
    sections = {section: [*KEPT.get(section, ()), *entries] for section, entries in lists.items()}
    purge = {"enabled": True, "exclude": dict.fromkeys(exclude, True)}
    return {"purgeUnmanagedConfig": purge, **sections}


def applied(program: Program, place: Place, content: Mapping[str, Any] | str) -> None:
    """Write the file, and wait until a pass over everything has been made because of that."""
    before = len(program.log())
    place.write(content)
    passed = re.compile("file has changed: .*successfully configured vault", re.DOTALL)
    eventually(lambda: passed.search(program.log(), before) is not None, "the change is applied")


def values(place: Place) -> list[object]:
    """The start-up secrets as the server has them, those of version 1 as they are."""
    v2 = [(place.shown(f"passwords/v2/data/{name}") or {}).get("data") for name in ("foo", "bar")]
    return [*v2, place.shown("passwords/v1/baz")]


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    """A server that takes audit devices by its API, and has a plugin to be registered."""
    config = f'plugin_directory = "{tmp_path}"\n{takes_audit(server_kind)}'
    with Server(server_kind, config=config) as server:
        yield Place(server, tmp_path)


@pytest.mark.parametrize("at", [0, 1, 2], ids=["first", "middle", "last"])
def test_what_is_removed_is_gone_and_in_an_excluded_section_it_stays(
    place: Place, tmp_path: Path, at: int
) -> None:
    lists: dict[str, list[Any]] = {row.section: list(row.entries) for row in ROWS}
    program_of_plugin = wallet(tmp_path)
    lists["plugins"] = [{**each, **program_of_plugin} for each in lists["plugins"]]
    lists["startupSecrets"] = list(STARTUP)
    names = {row.section: list(row.names) for row in ROWS}

    def remove(section: str) -> str:
        """One of what is left."""
        position = min(at, len(names[section]) - 1)
        del lists[section][position]
        return names[section].pop(position)

    def there(row: Row) -> list[str]:
        """In the order of the document."""
        found = row.there(place)
        return [name for name in row.names if name in found]

    place.write("")
    with place.daemon() as program:
        program.wait_for("successfully configured vault")
        applied(program, place, document(lists))
        assert {row.section: there(row) for row in ROWS} == names
        assert values(place) == [{"SECRET": "foo"}, {"secret": "bar"}, {"secret": "baz"}]

        for row in ROWS:
            remove(row.section)
        del lists["startupSecrets"][at]
        applied(program, place, document(lists))
        assert {row.section: there(row) for row in ROWS} == names
        assert values(place) == [{"SECRET": "foo"}, {"secret": "bar"}, {"secret": "baz"}]  # data are kept

        for row in ROWS:
            kept = remove(row.section)
            applied(program, place, document(lists, row.section))
            assert kept in there(row), f"{row.section} is excluded"
            assert {each.section: there(each) for each in ROWS if each is not row} == {
                section: left for section, left in names.items() if section != row.section
            }
        applied(program, place, document(lists))
        assert {row.section: there(row) for row in ROWS} == names
        assert program.stop() == 0


def test_a_group_and_its_alias_are_removed_one_without_the_other(place: Place) -> None:
    def linked(groups: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
        return document(
            {
                "auth": [],
                "groups": [{"name": name, "type": "external"} for name in groups],
                "group-aliases": [
                    {"name": f"alias_{name}", "mountpath": "auth_approle", "group": name} for name in known
                ],
            }
        )

    def of(known: Sequence[str]) -> set[str]:
        return {f"auth/auth_approle/ alias_{name}" for name in known}

    groups = listed("identity/group/name")
    place.write("")
    with place.daemon() as program:
        program.wait_for("successfully configured vault")
        applied(program, place, linked(["foo", "bar"], ["foo", "bar"]))
        assert {"foo", "bar"} <= groups(place)
        assert aliases(place) == of(["foo", "bar"])
        applied(program, place, linked(["foo", "bar"], ["bar"]))
        assert {"foo", "bar"} <= groups(place)
        assert aliases(place) == of(["bar"])
        # With the group its alias would go, which the document still has.
        applied(program, place, linked(["foo"], ["bar"]))
        assert {"foo", "bar"} <= groups(place)
        assert aliases(place) == of(["bar"])
        applied(program, place, linked(["foo"], []))
        assert "foo" in groups(place)
        assert "bar" not in groups(place)
        assert aliases(place) == set()
