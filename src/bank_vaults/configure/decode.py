"""From a located tree to a Configuration, by the table of ``configure.schema``.

All that is wrong is told to the reporter; what is right is there all the same, so that one look finds
everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bank_vaults.configure import values
from bank_vaults.configure.config import (
    Audit,
    Auth,
    Configuration,
    Free,
    Group,
    GroupAlias,
    MemberAlias,
    MountOptions,
    Plugin,
    Policy,
    Purge,
    SecretKey,
    Secrets,
    StartupSecret,
)
from bank_vaults.configure.elements import decoded, twice
from bank_vaults.configure.merge import IDENTITIES, Key, section_name
from bank_vaults.configure.model import Place
from bank_vaults.configure.problems import Path, Reporter
from bank_vaults.configure.schema import DOCUMENT
from bank_vaults.templating.yaml12 import Located

_LISTS: Final = ("roles", "users", "groups", "crossaccountrole")

Given = Mapping[str, Any]
"""The members of an element that are given and usable, by the names of their fields."""


def decode(tree: Located | None, reporter: Reporter) -> Configuration:
    """The configuration of a document; of an empty one, None, it is empty as well."""
    if tree is None or tree.value is None:
        return Configuration()
    if not isinstance(tree.value, dict):
        values.unexpected(tree, "a map of sections", (), reporter)
        return Configuration()
    given = decoded(tree, DOCUMENT, (), reporter)
    sections = {
        section: tuple(
            made
            for members, place, path in given.get(section_name(section), ())
            if (made := build(members, place, path, reporter)) is not None
        )
        for section, build in _BUILDERS.items()
    }
    for section, elements in sections.items():
        _expect_single(section, elements, reporter)
    return Configuration(**sections, purge=_purge(given.get("purgeUnmanagedConfig", {})))


def _purge(given: Given) -> Purge:
    excluded = frozenset(section for section, is_excluded in given.get("exclude", {}).items() if is_excluded)
    return Purge(given.get("enabled", False), excluded, given.get("within", False))


def _audit(given: Given, place: Place, path: Path, reporter: Reporter) -> Audit:  # noqa: ARG001
    return Audit(
        place,
        given.get("path") or given["type"],
        given["type"],
        given.get("description"),
        given.get("options", {}),
        given.get("local"),
    )


def _plugin(given: Given, place: Place, path: Path, reporter: Reporter) -> Plugin:  # noqa: ARG001
    body = {name: value for name, value in given.items() if name not in ("plugin_name", "type")}
    return Plugin(place, given["plugin_name"], given["type"], body)


def _auth(given: Given, place: Place, path: Path, reporter: Reporter) -> Auth:
    if "usersOrGroupsKey" in given:
        reporter.warning(place.line, place.column, path, "'usersOrGroupsKey' has no effect")
    tune, description = _tuned(given, "options", place, path, reporter)
    return Auth(
        place=place,
        path=given.get("path") or given["type"],
        type=given["type"],
        description=description,
        local=given.get("local"),
        seal_wrap=given.get("seal_wrap"),
        tune=tune,
        config=given.get("config"),
        roles=given.get("roles", ()),
        users=given.get("users", ()),
        groups=given.get("groups", ()),
        crossaccountroles=given.get("crossaccountrole", ()),
        maps=given.get("map", {}),
        emptied=frozenset(name for name in _LISTS if given.get(name) == ()),
    )


def _secrets(given: Given, place: Place, path: Path, reporter: Reporter) -> Secrets:
    tune, description = _tuned(given, "config", place, path, reporter)
    plugin_name = given.get("plugin_name")
    if tune is not None and "plugin_name" in tune.fields:
        fields = {name: value for name, value in tune.fields.items() if name != "plugin_name"}
        plugin_name = plugin_name or tune.fields["plugin_name"]
        tune = tune._replace(fields=fields)
    if "options" in given:
        tune = MountOptions(tune.fields if tune else {}, given["options"])
    return Secrets(
        place=place,
        path=given.get("path") or given["type"],
        type=given["type"],
        description=description,
        plugin_name=plugin_name,
        local=given.get("local"),
        seal_wrap=given.get("seal_wrap"),
        max_versions=given.get("max_versions"),
        tune=tune,
        configuration=given.get("configuration", {}),
    )


def _tuned(
    given: Given, field: str, place: Place, path: Path, reporter: Reporter
) -> tuple[MountOptions | None, str | None]:
    """How a mount is tuned, and its description: that of the options, else that of the entry."""
    description = given.get("description")
    if field not in given:
        return None, description
    tuned = given[field]
    inner = tuned.get("description")
    if inner is not None:
        if description not in (None, inner):
            sentence = f"the description in '{field}' goes before the one of the entry"
            reporter.warning(place.line, place.column, path, sentence)
        description = inner
    fields = {name: value for name, value in tuned.items() if name not in ("description", "options")}
    return MountOptions(fields, tuned.get("options", {})), description


def _group(given: Given, place: Place, path: Path, reporter: Reporter) -> Group:
    body = {name: value for name, value in given.items() if name not in ("name", "type")}
    if "member_entity_aliases" in body:
        body["member_entity_aliases"] = tuple(
            MemberAlias(alias["mountpath"], alias["name"]) for alias, _, _ in body["member_entity_aliases"]
        )
    if given["type"] == "external" and any(name.startswith("member_") for name in body):
        sentence = "the members of an external group come through its aliases"
        reporter.problem(
            place.line, place.column, path, sentence, "leave them away, or make it an internal group"
        )
    return Group(place, given["name"], given["type"], body)


def _group_alias(given: Given, place: Place, path: Path, reporter: Reporter) -> GroupAlias:  # noqa: ARG001
    return GroupAlias(place, given["name"], given["mountpath"], given["group"])


def _policy(given: Given, place: Place, path: Path, reporter: Reporter) -> Policy:
    if "RulesFormatted" in given:
        reporter.warning(place.line, place.column, path, "'RulesFormatted' has no effect")
    if "rules" not in given:
        reporter.warning(place.line, place.column, path, "there are no rules: the policy allows nothing")
    return Policy(place, given["name"], given.get("rules", ""))


def _startup_secret(given: Given, place: Place, path: Path, reporter: Reporter) -> StartupSecret:
    content = given["data"]
    references = tuple(SecretKey(key["name"], key["key"]) for key, _, _ in content.get("secretKeyRef", ()))
    data: Free | None = content.get("data")
    if data and references:
        reporter.problem(place.line, place.column, path, "there are both data and a secretKeyRef")
    elif data is None and not references:
        sentence = "there are neither data nor a secretKeyRef"
        reporter.problem(place.line, place.column, path, sentence, "give one of them below 'data'")
    if given["type"] == "pki" and not references and data is not None and len(data) < 2:
        sentence = "the data of 'pki' have at least two parts, a key and a certificate"
        reporter.problem(place.line, place.column, path, sentence)
    return StartupSecret(
        place=place,
        path=given["path"],
        type=given["type"],
        max_versions=given.get("max_versions"),
        data=None if references else data,
        options=content.get("options", {}),
        references=references,
        create_only=given.get("create_only", False),
    )


_BUILDERS: Final[Mapping[str, Callable[[Given, Place, Path, Reporter], Any]]] = {
    "audit": _audit,
    "plugins": _plugin,
    "auth": _auth,
    "groups": _group,
    "group_aliases": _group_alias,
    "policies": _policy,
    "secrets": _secrets,
    "startup_secrets": _startup_secret,
}
"""By field of Configuration."""


def _expect_single(section: str, elements: Sequence[Any], reporter: Reporter) -> None:
    known: dict[Key, Place] = {}
    for element in elements:
        key = IDENTITIES[section](element)
        if key in known:
            name = "/".join(filter(None, key))
            twice(repr(name), element.place, known[key], (section_name(section),), reporter)
        known.setdefault(key, element.place)
