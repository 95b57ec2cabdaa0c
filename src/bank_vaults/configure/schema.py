"""The format of a document, as one table.

From here come the decoding, the errors for unknown members, the reference page (``configure.reference``) and
the JSON Schema (``configure.jsonschema``).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """What a member takes, and what becomes of it; the text is its name on the reference page."""

    TEXT = "text"
    NAME = "name"
    """A text as written, also of a number; becomes a part of a path."""
    LOWER_NAME = "name in small letters"
    PATH = "path"
    """As a name; slashes at its ends are taken off."""
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DURATION = "duration"
    """A text; a number becomes the text of its digits."""
    TEXTS = "list of texts"
    WORDS = "list of words"
    """As a list of texts; a single text is split at its commas."""
    TEXT_MAP = "map of texts"
    """Numbers and booleans become texts as written."""
    FREE = "free-form map"
    ITEMS = "list of items"
    """Free-form maps, each with its name in it; or a map of them by their names."""
    CONFIGURATION = "map of lists of items"
    """Lists of items by option; the name in an item may be missing."""
    MAPPINGS = "map of maps"
    """By kind and name: a text, or a list of texts."""
    ELEMENT = "element"
    ELEMENTS = "list of elements"


ACCEPTED: Final = {
    Kind.TEXT: "a text",
    Kind.NAME: "a text, as written; becomes a part of a path",
    Kind.LOWER_NAME: "a name; servers know it in small letters only",
    Kind.PATH: "a name; slashes at its ends are taken off",
    Kind.BOOLEAN: "`true`, `false`",
    Kind.INTEGER: "a whole number",
    Kind.DURATION: "`90s`, `1h30m`; digits are seconds; an empty text is the server's default",
    Kind.TEXTS: "texts; commas do not split them",
    Kind.WORDS: "texts; a single text is split at its commas",
    Kind.TEXT_MAP: "texts by name; numbers and booleans as they are written",
    Kind.FREE: "anything by name",
    Kind.ITEMS: "free-form maps with their names in them, or a map of them by name; a name is there once",
    Kind.CONFIGURATION: "by option free-form maps with their names in them; those of `config` may be without",
    Kind.MAPPINGS: "by kind and name a text; a list becomes one text with commas",
    Kind.ELEMENT: "a map with the members of one of the tables below",
    Kind.ELEMENTS: "such maps, any number",
}
"""What a kind takes, in words, in Markdown."""


class Field(NamedTuple):
    """A member of an element."""

    name: str
    kind: Kind
    help: str
    """A sentence without a full stop, in Markdown."""
    required: bool = False
    default: str = ""
    """In words."""
    choices: tuple[str, ...] = ()
    """Accepted texts; empty: any."""
    element: Element | None = None
    """What an element, or each of a list of elements, consists of."""
    keys: tuple[str, ...] = ("name",)
    """Members of an item that hold its name; the first one that is there."""
    aliases: tuple[str, ...] = ()
    new: bool = False
    """Not in the format of Go Bank-Vaults."""


class Element(NamedTuple):
    """A map with members of its own; others are errors."""

    title: str
    fields: tuple[Field, ...]
    help: str = ""
    """Sentences, in Markdown."""


_K = Kind

USER_LOCKOUT: Final = Element(
    "User lockout",
    (
        Field("lockout_threshold", _K.TEXT, "failed logins after which a user is locked out"),
        Field("lockout_duration", _K.DURATION, "how long"),
        Field(
            "lockout_counter_reset_duration",
            _K.DURATION,
            "after which time without a failure the count begins anew",
            aliases=("lockout_counter_reset",),
        ),
        Field("lockout_disable", _K.BOOLEAN, "whether nobody is locked out"),
    ),
)

MOUNT: Final = Element(
    "Mount options",
    (
        Field("default_lease_ttl", _K.DURATION, "lifetime of leases and tokens where nothing else is said"),
        Field("max_lease_ttl", _K.DURATION, "their longest lifetime"),
        Field("description", _K.TEXT, "for people; goes before the one of the entry"),
        Field("force_no_cache", _K.BOOLEAN, "whether nothing of the mount is cached"),
        Field(
            "audit_non_hmac_request_keys", _K.WORDS, "parts of requests that audit devices show as they are"
        ),
        Field("audit_non_hmac_response_keys", _K.WORDS, "the same of answers"),
        Field("listing_visibility", _K.TEXT, "`unauth` or `hidden`: whether user interfaces show the mount"),
        Field("passthrough_request_headers", _K.WORDS, "headers that reach the plugin"),
        Field("allowed_response_headers", _K.WORDS, "headers that the plugin may answer with"),
        Field("allowed_managed_keys", _K.WORDS, "managed keys that the mount may use"),
        Field("delegated_auth_accessors", _K.WORDS, "auth methods to which the mount may delegate"),
        Field(
            "token_type", _K.TEXT, "of an auth method: `service`, `batch`, `default-service`, `default-batch`"
        ),
        Field("identity_token_key", _K.TEXT, "key that signs identity tokens of the plugin"),
        Field("plugin_name", _K.TEXT, "of an entry of the type `plugin`"),
        Field("plugin_version", _K.TEXT, "version of the plugin", aliases=("pluginversion",)),
        Field("trim_request_trailing_slashes", _K.BOOLEAN, "whether slashes that end a path are ignored"),
        Field(
            "user_lockout_config",
            _K.ELEMENT,
            "when users of an auth method are locked out",
            element=USER_LOCKOUT,
            aliases=("userlockoutconfig",),
        ),
        Field("options", _K.TEXT_MAP, "options of the plugin, as `version` of `kv`"),
    ),
    "What can be tuned on a mount, by the names of the API: `options` of an auth method, `config` of a "
    "secrets engine. What is not given is left as it is on the server; `false`, an empty text and an empty "
    "list are sent, so that a value can be taken back.",
)

PURGE_SECTIONS: Final = ("audit", "auth", "groups", "group-aliases", "plugins", "policies", "secrets")

EXCLUDE: Final = Element(
    "Excluded from the purge",
    tuple(Field(section, _K.BOOLEAN, f"leave `{section}` alone") for section in PURGE_SECTIONS),
)

PURGE: Final = Element(
    "Purge",
    (
        Field("enabled", _K.BOOLEAN, "delete what is on the server and in no document", default="false"),
        Field("exclude", _K.ELEMENT, "sections that are left alone", element=EXCLUDE),
        Field(
            "within",
            _K.BOOLEAN,
            "delete inside of managed mounts as well, from the lists that are there, `roles: []` too",
            default="false",
            new=True,
        ),
    ),
    "A section that no document has counts as one in which nothing is wanted. The purge is enabled when one "
    "document says so, and a section is left alone when one document says so.",
)

AUDIT: Final = Element(
    "Audit device",
    (
        Field("type", _K.NAME, "`file`, `syslog`, `socket`", required=True),
        Field("path", _K.PATH, "where it is mounted", default="the type"),
        Field("description", _K.TEXT, "for people"),
        Field("options", _K.TEXT_MAP, "of the device, as `file_path`"),
        Field("local", _K.BOOLEAN, "whether it is not replicated", new=True),
    ),
)

AUTH: Final = Element(
    "Auth method",
    (
        Field("type", _K.NAME, "`approle`, `kubernetes`, `jwt`, …", required=True),
        Field("path", _K.PATH, "where it is mounted", default="the type"),
        Field("description", _K.TEXT, "for people", new=True),
        Field("local", _K.BOOLEAN, "whether it is not replicated", new=True),
        Field("seal_wrap", _K.BOOLEAN, "whether its storage is wrapped by the seal", new=True),
        Field("options", _K.ELEMENT, "how the mount is tuned", element=MOUNT),
        Field("config", _K.FREE, "what is written to its `config`"),
        Field("roles", _K.ITEMS, "its roles (certificates of `cert`), each with its `name`"),
        Field(
            "users",
            _K.ITEMS,
            "its users: a list, each with its `username`, or a map by name",
            keys=("username", "name"),
        ),
        Field("groups", _K.ITEMS, "its groups: a map by name, or a list, each with its `name`"),
        Field(
            "crossaccountrole",
            _K.ITEMS,
            "of `aws`: roles in other accounts, each with its `sts_account`",
            keys=("sts_account",),
        ),
        Field("map", _K.MAPPINGS, "of `github`: policies of `teams` and of `users` by their names"),
        Field("usersOrGroupsKey", _K.TEXT, "has no effect, as in Go Bank-Vaults"),
    ),
)

MEMBER_ALIAS: Final = Element(
    "Alias of a member",
    (
        Field("name", _K.NAME, "as the auth method calls the entity", required=True),
        Field("mountpath", _K.PATH, "path of the auth method", required=True),
    ),
)

GROUP: Final = Element(
    "Group",
    (
        Field("name", _K.NAME, "servers find it by capitals and small letters alike", required=True),
        Field(
            "type",
            _K.TEXT,
            "`external` (members come through aliases) or `internal`",
            required=True,
            choices=("external", "internal"),
        ),
        Field("policies", _K.TEXTS, "policies of its members"),
        Field("metadata", _K.FREE, "texts for people and for templated policies, by name"),
        Field("member_entities", _K.TEXTS, "of an internal group: entities, by their names", new=True),
        Field(
            "member_entity_aliases",
            _K.ELEMENTS,
            "of an internal group: entities, by the names that auth methods have for them",
            element=MEMBER_ALIAS,
            new=True,
        ),
        Field("member_groups", _K.TEXTS, "of an internal group: groups, by their names", new=True),
        Field("member_entity_ids", _K.TEXTS, "of an internal group: entities, by ID", new=True),
        Field("member_group_ids", _K.TEXTS, "of an internal group: groups, by ID", new=True),
    ),
    "The members of an internal group are looked up on the server: a name that it does not have fails this "
    "group alone. A group of a document may be named before the server has it; it is made first. What is "
    "given by names and by IDs is taken together. Where nothing is said of entities, or of groups, the "
    "server keeps those that it has; an empty list takes them away.",
)

GROUP_ALIAS: Final = Element(
    "Alias of an external group",
    (
        Field("name", _K.NAME, "as the auth method calls the group", required=True),
        Field("mountpath", _K.PATH, "path of the auth method", required=True),
        Field("group", _K.NAME, "name of the group, which can have one alias only", required=True),
    ),
)

PLUGIN: Final = Element(
    "Plugin",
    (
        Field("plugin_name", _K.NAME, "by which mounts ask for it", required=True),
        Field(
            "type", _K.TEXT, "what it is a plugin for", required=True, choices=("auth", "database", "secret")
        ),
        Field("command", _K.TEXT, "what is started, below the plugin directory; arguments may follow"),
        Field("sha256", _K.TEXT, "of the file", aliases=("sha_256",)),
        Field("args", _K.TEXTS, "arguments", new=True),
        Field("env", _K.TEXTS, "`NAME=value` each", new=True),
        Field("version", _K.NAME, "several versions of one plugin may stand side by side", new=True),
        Field("oci_image", _K.TEXT, "image of a plugin that runs in a container", new=True),
        Field("runtime", _K.TEXT, "name of its container runtime", new=True),
    ),
)

POLICY: Final = Element(
    "Policy",
    (
        Field("name", _K.LOWER_NAME, "by which tokens, roles and groups have it", required=True),
        Field("rules", _K.TEXT, "HCL or JSON; `__accessor__PATH` becomes the accessor of that auth method"),
        Field("RulesFormatted", _K.TEXT, "has no effect, as in Go Bank-Vaults"),
    ),
)

SECRETS: Final = Element(
    "Secrets engine",
    (
        Field("type", _K.NAME, "`kv`, `pki`, `database`, …; `plugin` with a `plugin_name`", required=True),
        Field("path", _K.PATH, "where it is mounted", default="the type"),
        Field("description", _K.TEXT, "for people"),
        Field("plugin_name", _K.TEXT, "of an engine of the type `plugin`"),
        Field("local", _K.BOOLEAN, "whether it is not replicated"),
        Field("seal_wrap", _K.BOOLEAN, "whether its storage is wrapped by the seal"),
        Field("max_versions", _K.INTEGER, "of `kv` version 2: default of its `startupSecrets`"),
        Field("options", _K.TEXT_MAP, "options of the engine, as `version`; go before those in `config`"),
        Field("config", _K.ELEMENT, "how the mount is tuned", element=MOUNT),
        Field(
            "configuration",
            _K.CONFIGURATION,
            "what is written inside: by option (`config`, `roles`, `root/generate`), items that are written "
            "to `PATH/OPTION/NAME`",
        ),
    ),
)

SECRET_KEY: Final = Element(
    "Key of a Kubernetes Secret",
    (
        Field(
            "name",
            _K.NAME,
            "of the Secret, in the namespace `$NAMESPACE`, else that of the pod",
            required=True,
        ),
        Field("key", _K.NAME, "in the Secret; also the name that its value gets", required=True),
    ),
)

SECRET_DATA: Final = Element(
    "Data of a start-up secret",
    (
        Field("data", _K.FREE, "what is written; of `pki` at least a key and a certificate"),
        Field("options", _K.FREE, "of the request, as `cas`"),
        Field(
            "secretKeyRef",
            _K.ELEMENTS,
            "instead of `data`: keys of Kubernetes Secrets",
            element=SECRET_KEY,
        ),
    ),
)

STARTUP_SECRET: Final = Element(
    "Start-up secret",
    (
        Field("type", _K.TEXT, "of the engine", required=True, choices=("kv", "pki")),
        Field("path", _K.PATH, "complete, as `secret/data/NAME` or `pki/config/ca`", required=True),
        Field("max_versions", _K.INTEGER, "of `kv` version 2"),
        Field(
            "data",
            _K.ELEMENT,
            "what is written, or where it is taken from",
            required=True,
            element=SECRET_DATA,
        ),
        Field("create_only", _K.BOOLEAN, "write it only where there is none", default="false", new=True),
    ),
)

DOCUMENT: Final = Element(
    "Document",
    (
        Field("purgeUnmanagedConfig", _K.ELEMENT, "whether what no document has is deleted", element=PURGE),
        Field("audit", _K.ELEMENTS, "audit devices", element=AUDIT),
        Field("plugins", _K.ELEMENTS, "the plugin catalogue", element=PLUGIN),
        Field("auth", _K.ELEMENTS, "auth methods with their roles, users and groups", element=AUTH),
        Field("groups", _K.ELEMENTS, "groups of the identity store", element=GROUP),
        Field("group-aliases", _K.ELEMENTS, "names of groups in auth methods", element=GROUP_ALIAS),
        Field("policies", _K.ELEMENTS, "policies", element=POLICY),
        Field("secrets", _K.ELEMENTS, "secrets engines with what is inside", element=SECRETS),
        Field("startupSecrets", _K.ELEMENTS, "secrets that are written into engines", element=STARTUP_SECRET),
    ),
)
