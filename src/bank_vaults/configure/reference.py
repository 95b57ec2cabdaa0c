"""The reference page of the format, written from the table.

``python -m bank_vaults.configure.reference > docs/configuration-format.md``
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import Final

from bank_vaults.configure.schema import (
    ACCEPTED,
    AUDIT,
    AUTH,
    DOCUMENT,
    EXCLUDE,
    GROUP,
    GROUP_ALIAS,
    MEMBER_ALIAS,
    MOUNT,
    PLUGIN,
    POLICY,
    PURGE,
    SECRET_DATA,
    SECRET_KEY,
    SECRETS,
    STARTUP_SECRET,
    USER_LOCKOUT,
    Element,
    Field,
)

_WIDTH: Final = 110

_HEAD = """\
# Format of the configuration

This page is generated: `python -m bank_vaults.configure.reference > docs/configuration-format.md`.

`bank-vaults configure` keeps a server as its documents say. The format is the one of Go Bank-Vaults, read
more strictly where that lost something silently; what is new in it is marked. Editors check documents by
[configuration.schema.json](configuration.schema.json): begin the file with `# yaml-language-server:
$schema=` and the place of the schema.

```yaml
policies:
  - name: app
    rules: path "secret/data/app/*" { capabilities = ["read"] }
auth:
  - type: approle
    roles:
      - {name: app, token_policies: app, token_ttl: 20m}
secrets:
  - path: secret
    type: kv
    options: {version: 2}
startupSecrets:
  - type: kv
    path: secret/data/app/db
    create_only: true
    data: {data: {password: "${ env `DB_PASSWORD` }"}}
```

## Rules

A file is rendered first ([templates.md](templates.md)), then it is JSON, or else YAML 1.2. An empty file,
`null` and nothing but comments are documents in which nothing is given; such ones may also stand before and
after the one with content (a file that ends in `---`). A second one with content is refused: it needs a file
of its own.

- **Unknown members are errors**, with file, line, column and a suggestion; so is a name that one map has
  twice. The whole file is refused then: nothing of it is applied. All problems of all files are told at
  once.
- A free-form map takes anything. Everything in it is sent as it is, members that are `null` excepted.
- Names of members may be written in capitals, except in free-form maps.
- `null` is the same as not given. Only deeper in a free-form map, as in the `data` of a start-up secret, it
  is a value.
- A single value stands for a list of one, an empty map for an empty list, a list of maps for one map.
- Where a text is wanted, a number becomes its decimal form, and a boolean `1` or `0`. Where a boolean is
  wanted, `1`, `t`, `true`, `0`, `f`, `false` and an empty text are taken, and numbers. Where a whole number
  is wanted, a text of one is taken.
- YAML has no other booleans than `true` and `false`: `yes`, `no`, `on` and `off` are texts. `017` and
  `0o17` are octal, `1_000` is 1000, dates are texts.
- **Names and paths are what is written**, also where that is a number: `sts_account: 012345678901` keeps
  its zero, and is warned of. In a free-form map such a number loses its zero, and is warned of too: put it
  in quotes.
- A name is refused that is missing where one is needed, has control characters, white space at its ends, or
  `.`, `..` or nothing between slashes. Slashes at the ends of a path are taken off.
- Lines and columns are those of the file. Where a template has changed the number of lines they are those
  of the rendered file, and called so. Behind an action of a template a column is one of the rendered line.

| kind | accepted |
| --- | --- |
"""

_FILES = """\
## Several files

`--vault-config-file` may be given several times. The configuration is the union of the last good documents
of all files. An element is known by what is said in the table; it has to be there once in a file. Where two
files have it, the file that comes later on the command line has it **as a whole**: no field is inherited
from the other one, and the log says so. What is removed from its file is gone from the configuration.

| section | an element is known by |
| --- | --- |
| `audit`, `auth`, `secrets` | its path |
| `plugins` | type, name and version |
| `groups`, `policies` | its name |
| `group-aliases` | name and path of the auth method |
| `startupSecrets` | its path |
"""

_AFTER: Final = {
    AUTH.title: """\
Any type may have `config`, `roles`, `users` and `groups`. `path` and `type` of an auth method that is there
are not changed. Policies of `map` are a text with commas or a list:

```yaml
auth:
  - type: github
    config: {organization: example}
    map: {teams: {dev: [dev, read-only]}}
```
""",
    GROUP.title: """\
```yaml
groups:
  - {name: developers, type: internal, member_entities: [alice], policies: [dev]}
  - name: everybody
    type: internal
    member_groups: [developers]
    member_entity_aliases: [{name: bob, mountpath: userpass}]
```
""",
    SECRETS.title: """\
Items may say how they are written, and these members are not sent: `create_only`, `rotate`, `save_to`.

```yaml
secrets:
  - type: database
    configuration:
      config: [{name: app-db, plugin_name: postgresql-database-plugin, rotate: true}]
      roles: [{name: app, db_name: app-db, default_ttl: 10m}]
```
""",
    SECRET_DATA.title: """\
There is either `data` or `secretKeyRef`. A Secret or key that is missing is an error of this element alone;
[which cluster, what permissions](configure.md#in-kubernetes).
""",
}

_DIFFERENCES = """\
## Different from Go Bank-Vaults

| there | here |
| --- | --- |
| lists of several files are merged by position | union by identity, see above |
| a wrong entry ends the program with the first error | all errors at once; the last good document stays |
| unknown mount options are ignored | errors |
| in mount options `plugin_version`, `user_lockout_config`, numbers, quoted booleans do not work | they do |
| mount options cannot be taken back | `false` and empty values are sent |
| names that are missing or numbers make paths such as `%!s(int=5)` | errors, or the text as written |
| `auth[].description` has no effect | it is the description of the mount |
| `config` and `roles` of unknown auth types are dropped | written |
| `users` of `userpass` as a map, a list in `map` of `github`: nothing | the same as the other form |
| numbers and booleans as options of audit devices are errors | texts as written |
| an element that is twice in a file is written twice | an error with both places |
| a group without a type, a start-up secret without data fail when they are written | errors of the file |
| only the first document of a YAML file is read | a second one is an error |
"""

_ORDER: Final = (
    DOCUMENT,
    PURGE,
    EXCLUDE,
    AUDIT,
    PLUGIN,
    AUTH,
    MOUNT,
    USER_LOCKOUT,
    GROUP,
    MEMBER_ALIAS,
    GROUP_ALIAS,
    POLICY,
    SECRETS,
    STARTUP_SECRET,
    SECRET_DATA,
    SECRET_KEY,
)
_PATHS: Final = {
    DOCUMENT.title: "",
    PURGE.title: "purgeUnmanagedConfig",
    EXCLUDE.title: "purgeUnmanagedConfig.exclude",
    AUDIT.title: "audit[]",
    PLUGIN.title: "plugins[]",
    AUTH.title: "auth[]",
    MOUNT.title: "auth[].options` and `secrets[].config",
    USER_LOCKOUT.title: "user_lockout_config",
    GROUP.title: "groups[]",
    MEMBER_ALIAS.title: "groups[].member_entity_aliases[]",
    GROUP_ALIAS.title: "group-aliases[]",
    POLICY.title: "policies[]",
    SECRETS.title: "secrets[]",
    STARTUP_SECRET.title: "startupSecrets[]",
    SECRET_DATA.title: "startupSecrets[].data",
    SECRET_KEY.title: "startupSecrets[].data.secretKeyRef[]",
}


def page() -> str:
    """The page in Markdown, with a line end at its end."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD + "\n".join(f"| {kind.value} | {accepted} |" for kind, accepted in ACCEPTED.items()) + "\n"
    yield _FILES
    for element in _ORDER:
        yield from _element(element)
    yield _DIFFERENCES.removesuffix("\n")


def _element(element: Element) -> Iterator[str]:
    path = _PATHS[element.title]
    yield f"## {element.title}{f': `{path}`' if path else ''}\n"
    if element.help:
        yield textwrap.fill(element.help, _WIDTH, break_on_hyphens=False) + "\n"
    yield "| member | kind | default | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from map(_row, element.fields)
    yield ""
    if element.title in _AFTER:
        yield _AFTER[element.title]


def _row(field: Field) -> str:
    default = "required" if field.required else field.default
    accepted = f"`{'`, `'.join(field.choices)}`" if field.choices and "`" not in field.help else ""
    meaning = ": ".join(filter(None, (field.help, accepted)))
    new = " (new)" if field.new else ""
    return f"| `{field.name}` | {field.kind.value} | {default} | {meaning}{new} |"


if __name__ == "__main__":
    sys.stdout.write(page())
