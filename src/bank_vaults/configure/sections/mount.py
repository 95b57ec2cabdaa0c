"""The kind of auth methods and secrets engines: enabled where absent, tuned where different, never replaced.

A mount of another type under the wanted path is refused with a sentence, for what is inside would be lost
with it. All of it is compared with one listing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, NamedTuple

from bank_vaults.configure.comparing import same
from bank_vaults.configure.config import MountOptions
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Difference,
    Fields,
    Identity,
    Place,
    Record,
    Request,
    Shown,
    Stage,
)
from bank_vaults.configure.sections import kv, steps
from bank_vaults.configure.sections.plugins import plugin_identity
from bank_vaults.configure.server import AUTH, CATALOG, MOUNTS, inner, listing, plugins, text

Area = Literal["sys/auth", "sys/mounts"]

NOTHING: Final = MountOptions({}, {})

_ALIASES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "kv-v1": ("kv", {"version": "1"}),
    "kv-v2": ("kv", {"version": "2"}),
    "aws-ec2": ("aws", {}),
}
"""Types that are short for another one."""

_TTLS: Final = frozenset({"default_lease_ttl", "max_lease_ttl"})
_NO_TTL: Final = ("", "0", "0s", "system", 0, None)

_UNSURE: Final = frozenset(
    {
        "force_no_cache",
        "allowed_managed_keys",
        "delegated_auth_accessors",
        "identity_token_key",
        "trim_request_trailing_slashes",
    }
)
"""Fields that one of the servers takes and forgets."""

_LOCKOUT: Final = "user_lockout_config"

_BUILT_IN: Final = frozenset({"system", "identity", "cubbyhole", "token", "agent_registry"})
_EXTERNAL: Final = ("running_sha256", "plugin_version")
"""Fields of a mount whose plugin is not built in."""

_BUILT_IN_PATHS: Final = frozenset({"sys", "identity", "cubbyhole", "agent-registry"})


class Mount(NamedTuple):
    """What is wanted of one mount; None is whatever the server has."""

    identity: Identity
    place: Place
    area: Area
    path: str
    type: str
    plugin_name: str = ""
    """Of ``type: plugin``: the type that the server will show."""
    description: str | None = None
    first_description: str = ""
    """At creation, where no description is given."""
    local: bool | None = None
    seal_wrap: bool | None = None
    tune: MountOptions = NOTHING
    stages: tuple[int, int] = (Stage.AUTH, Stage.AUTH_TUNE)
    """Of its creation, and of later tuning."""

    @property
    def needs(self) -> frozenset[Identity]:
        """See Change."""
        return frozenset({plugin_identity("auth" if self.area == AUTH else "secret", self._type)})

    @property
    def stage(self) -> int:
        """Of everything but tuning."""
        return self.stages[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (self.area,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        found = shown(self.area)
        if found.problem:
            return steps.change(self, Action.REFUSED, f"{self.area} cannot be read: {found.problem}")
        fields, name = found.fields or {}, f"{self.path}/"
        if fields.get(name) is None:
            return self._create(context)
        entry = inner(fields, name, self.area)
        return self._refusal(entry) or self._tune(entry, record, context)

    def _create(self, context: Context) -> Change:
        fields, options = self._wanted()
        description = self.first_description if self._description is None else self._description
        config = {name: value for name, value in fields.items() if name != _LOCKOUT and value is not None}
        body: dict[str, Any] = {"type": self.type, "description": description}
        for name, value in (("local", self.local), ("seal_wrap", self.seal_wrap)):
            if value is not None:
                body[name] = value
        if self.plugin_name:
            body["plugin_name"] = self.plugin_name
        if config:
            body["config"] = config
        if options:
            body["options"] = options
        requests = [Request("POST", f"{self.area}/{self.path}", body)]
        if fields.get(_LOCKOUT):  # servers take it afterwards only
            requests.append(Request("POST", self._tuning, {_LOCKOUT: fields[_LOCKOUT]}))
        own = {name: value for name, value in body.items() if name not in ("config", "options")}
        return steps.change(self, Action.CREATE, "it is not there")._replace(
            requests=tuple(requests),
            differences=tuple(Difference(name, None, value) for name, value in {**own, **fields}.items())
            + tuple(Difference(f"options.{name}", None, value) for name, value in options.items()),
            **self._remembered(context),
        )

    def _refusal(self, entry: Fields) -> Change | None:
        """Of what cannot be changed while the mount exists."""
        _, options = self._wanted()
        wanted, kind = self._type, text(entry, "type", self.area)
        if kind != wanted and {kind, wanted} != {"kv", "generic"}:
            return steps.change(
                self,
                Action.REFUSED,
                f"a mount of type {kind} is at {self.path} and {wanted} is wanted: what is inside would be "
                "lost, so move or disable it first",
                Difference("type", kind, wanted),
            )
        for name, value in (("local", self.local), ("seal_wrap", self.seal_wrap)):
            if value is not None and value != bool(entry.get(name)):
                return steps.change(
                    self,
                    Action.REFUSED,
                    f"{name} of the mount at {self.path} cannot be changed while it exists",
                    Difference(name, entry.get(name), value),
                )
        before = inner(entry, "options", self.area).get("version")
        if wanted == "kv" and before == "2" and options.get("version", "2") != "2":
            return steps.change(
                self,
                Action.REFUSED,
                f"the kv engine at {self.path} has version 2 and cannot go back",
                Difference("options.version", before, options["version"]),
            )
        return None

    def _tune(self, entry: Fields, record: Record | None, context: Context) -> Change:
        fields, options = self._wanted()
        config = inner(entry, "config", self.area)
        fields.pop("plugin_name", None)  # it is the type
        if self._description is not None:
            fields = {"description": self._description, **fields}
        now = {
            name: entry.get("description") if name == "description" else self._shown(name, config, entry)
            for name in fields
        }
        changed = [name for name, value in fields.items() if not _same_field(name, value, now[name])]
        set_options = inner(entry, "options", self.area)
        changed_options = {
            name: value for name, value in options.items() if set_options.get(name, "") != value
        }
        known = record is not None and record.wanted == self._digest(context)
        if known and record is not None and record.shown == context.digest(entry):
            changed, changed_options = [], {}  # so much as the server takes of it
        if not changed and not changed_options:
            return steps.change(self, Action.KEEP, "as wanted")._replace(
                record=record if self._unsure else None
            )
        body: dict[str, Any] = {name: _reset(name, fields[name], self.area) for name in changed}
        if changed_options:
            body["options"] = changed_options
        differences = [Difference(name, now[name], fields[name]) for name in changed]
        differences += [
            Difference(f"options.{name}", set_options.get(name), value)
            for name, value in changed_options.items()
        ]
        names = ", ".join(each.field for each in differences)
        return steps.change(self, Action.UPDATE, f"{names} differ", *differences)._replace(
            requests=(Request("POST", self._tuning, body),),
            stage=self.stages[1],
            **self._remembered(context),
        )

    def _shown(self, name: str, config: Fields, entry: Fields) -> Any:
        if name == _LOCKOUT:
            shown = inner(config, name, self.area)
            return {key.removeprefix("user_"): value for key, value in shown.items()}
        if name == "plugin_version":
            return entry.get(name) or config.get(name)
        return config.get(name)

    @property
    def _type(self) -> str:
        """As the server will show it."""
        name = self.plugin_name or self.tune.fields.get("plugin_name")
        if self.type == "plugin" and name:
            return str(name)
        return _ALIASES.get(self.type, (self.type,))[0]

    @property
    def _description(self) -> str | None:
        """The options may have one too, which goes first as it always did."""
        given: str | None = self.tune.fields.get("description")
        return self.description if given is None else given

    @property
    def _tuning(self) -> str:
        return f"{self.area}/{self.path}/tune"

    @property
    def _unsure(self) -> bool:
        return not _UNSURE.isdisjoint(self.tune.fields)

    def _wanted(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Fields and options that are asked for, by the names that the server understands."""
        fields = {name: value for name, value in self.tune.fields.items() if name != "description"}
        return fields, {**_ALIASES.get(self.type, ("", {}))[1], **self.tune.options}

    def _digest(self, context: Context) -> str:
        return context.digest([self._description, self.tune])

    def _remembered(self, context: Context) -> dict[str, Any]:
        if not self._unsure:
            return {}
        return {"record": Record(self._digest(context)), "look": f"{self.area}/{self.path}"}


def _same_field(name: str, wanted: Any, now: Any) -> bool:
    if name in _TTLS:
        wanted, now = (None if value in _NO_TTL else value for value in (wanted, now))
    if name == "token_type":
        wanted, now = wanted or "default-service", now or "default-service"
    if name == _LOCKOUT and isinstance(wanted, Mapping):
        return all(
            same(value, now.get(key)) or (value in _NO_TTL and not now.get(key))
            for key, value in wanted.items()
        )
    if name == "listing_visibility":
        wanted, now = wanted or "hidden", now or "hidden"
    if isinstance(wanted, bool):
        return wanted == bool(now)
    return same(wanted, now, strict=True)


def _reset(name: str, value: Any, area: Area) -> Any:
    """As it is sent: servers take an empty text for "leave it"."""
    if name in _TTLS and value in _NO_TTL:
        return "0"
    if name == "token_type" and not value and area == "sys/auth":
        return "default-service"
    return value


def reads_of_deletions(area: Area) -> tuple[str, ...]:
    """What ``unmanaged`` has to know."""
    return (area, CATALOG)


def unmanaged(
    section: str, area: Area, managed: Collection[str], shown: Callable[[str], Shown]
) -> tuple[Change, ...]:
    """Deletions of mounts that exist and are not ``managed`` (paths), never of what belongs to the server.

    A type that nobody can mount, because the catalog of plugins does not have it, belongs to the server.
    Raises UnreadableError.
    """
    listed = listing(shown, area)
    types = {str(plugin.get("name")) for plugin in plugins(shown)}
    changes = []
    for key, entry in listed.items():
        path, kind = key.rstrip("/"), str(entry.get("type", ""))
        if path in managed or _is_built_in(area, path, entry, types):
            continue
        reason = f"no document has it ({kind})"
        changes.append(steps.deletion(Identity(section, "mount", path), f"{area}/{path}", reason))
    return tuple(changes)


def _is_built_in(area: Area, path: str, entry: Fields, types: Collection[str]) -> bool:
    kind = str(entry.get("type", "")).removeprefix("ns_")
    if kind in _BUILT_IN or (area == "sys/mounts" and path in _BUILT_IN_PATHS):
        return True
    external = any(entry.get(name) and isinstance(entry[name], str) for name in _EXTERNAL)
    return kind not in types and kind != "generic" and not external


_WITHIN: Final[Mapping[str, tuple[str, ...]]] = {
    "kv": ("",),
    "generic": ("",),
    "pki": ("issuers", "keys", "roles", "certs"),
    "transit": ("keys",),
    "totp": ("keys",),
    "database": ("config", "roles", "static-roles"),
    "ssh": ("roles",),
    "rabbitmq": ("roles",),
    "approle": ("role",),
    "jwt": ("role",),
    "oidc": ("role",),
    "userpass": ("users",),
    "radius": ("users",),
    "okta": ("users", "groups"),
    "kerberos": ("groups",),
    "github": ("map/teams", "map/users"),
    "cert": ("certs",),
}
"""Where the objects of a type are listed."""

_ANYWHERE: Final = (
    "",
    *("roles", "role", "users", "groups", "keys", "key", "config", "issuers", "certs", "library", "scope"),
    *("static-roles", "static-role", "roleset", "static-account"),
)
"""Where those of other types may be."""


def contents_reads(change: Change, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """What has to be read to say how many objects a mount holds that would be deleted.

    Folders of a kv engine count as one object each. Raises UnreadableError.
    """
    area: Area = AUTH if change.identity.section == "auth" else MOUNTS
    path = change.identity.name
    entry = listing(shown, area).get(path + "/", {})
    lists = _WITHIN.get(str(entry.get("type")), _ANYWHERE)
    if entry.get("type") == "kv" and kv.version_of(inner(entry, "options", area)) == 2:
        lists = ("metadata",)
    root = f"auth/{path}" if area == AUTH else path
    return tuple(f"{root}/{name}?list=true" if name else f"{root}?list=true" for name in lists)


def with_contents(change: Change, shown: Callable[[str], Shown]) -> Change:
    """The deletion with the number of objects inside, as far as the paths of ``contents_reads`` show them.

    Where nobody can tell, one object is assumed, so that a mount that may hold data does not count as empty.
    Raises UnreadableError.
    """
    answers = {path: shown(path) for path in contents_reads(change, shown)}
    lists = {path: (answer.fields or {}).get("keys") for path, answer in answers.items()}
    count = sum(len(names) for names in lists.values() if isinstance(names, list))
    lacking = [path for path, answer in answers.items() if "unsupported" in answer.problem]
    refused = [
        path
        for path, answer in answers.items()
        if path not in lacking and (answer.problem or not isinstance(lists[path], list | None))
    ]
    if count or (not refused and len(lacking) < len(answers)):
        return change._replace(contents=count)
    where = refused[0] if refused else "no list"
    return change._replace(contents=1, reason=f"{change.reason}; what is inside cannot be told ({where})")
