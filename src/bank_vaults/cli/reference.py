"""The reference page of the command line, written from the tables.

``python -m bank_vaults.cli.reference > docs/reference/cli.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bank_vaults.cli.commands import COMMANDS
from bank_vaults.cli.options import HSM, OPTIONS, ROOT, Option

_HEAD = """\
# Command line

This page is generated: `python -m bank_vaults.cli.reference > docs/reference/cli.md`.

## Rules

- Flags are written `--name value` or `--name=value`, before or after the command.
- A boolean flag takes its value only after `=`: `--once`, `--store-root-token=false`.
- The order is: flag, environment, default. An empty environment variable counts as not set.
- The same forms are accepted in flags and in the environment. A wrong value ends the program with 64 before
  anything is done.

| kind | accepted |
| --- | --- |
| boolean | `true`, `false`, `t`, `f`, `1`, `0` |
| integer | decimal, `0x…`, `0o…`, `0…` (octal), `0b…`, with `_` between digits |
| duration | `5s`, `1m30s`, `500ms`; digits alone are seconds |
| list | CSV, as in `a,b` or `"a,b",c`; a flag may be repeated and appends. In the environment white space \
separates too |
| map | `key=value,key2=value2` or a JSON object of strings; a flag may be repeated and adds |
| octal | a file mode: `640`, `0640` and `0o640` are the same |
| secret | any text. Better not on the command line, where the process list shows it |

A secret `--X` is looked for in this order: `--X`, the file `--X-file`, the variable of `--X`, the file named
by the variable of `--X-file`, the systemd credential `X` (`$CREDENTIALS_DIRECTORY/X`). One line end that ends
a file is not part of the secret.

Exit codes: [exit-codes.md](../exit-codes.md).
"""


def page() -> str:
    """The page in Markdown, with a line end at its end."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Commands\n"
    for command in COMMANDS.values():
        yield f"### {command.name}\n"
        yield f"{command.summary} {command.text}\n"
        yield "```sh"
        yield from command.examples
        yield "```\n"
    yield "## Flags\n"
    ignoring = ", ".join(f"`{name}`" for name, command in COMMANDS.items() if command.ignores_global_flags)
    yield (
        f"All commands are {_code(ROOT)}. {ignoring} accept the same flags, and ignore those for which they "
        "are not named.\n"
    )
    section = ""
    for option in sorted(OPTIONS, key=lambda option: _SECTIONS.index(option.section)):
        if option.section != section:
            section = option.section
            yield f"### {section}\n" if option is OPTIONS[0] else f"\n### {section}\n"
            yield "| flag | kind | default | commands | environment | meaning |"
            yield "| --- | --- | --- | --- | --- | --- |"
        yield _row(option)
    yield ""


_SECTIONS = tuple(dict.fromkeys(option.section for option in OPTIONS))


def _code(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in COMMANDS if name in names)


def _commands(names: frozenset[str]) -> str:
    """As short as possible: "all" for all on servers and stores, "`hsm …`" for all on tokens."""
    parts = []
    if names >= ROOT:
        parts, names = ["all"], names - ROOT
    tokens = []
    if names >= HSM:
        tokens, names = ["`hsm …`"], names - HSM
    return ", ".join((*parts, *filter(None, [_code(names)]), *tokens))


def _row(option: Option) -> str:
    choices = f": {', '.join(f'`{choice}`' for choice in option.choices if choice)}" if option.choices else ""
    default = f"`{option.default_text}`" if option.default_text else ""
    cells = (
        f"`--{option.name}`",
        option.kind.value,
        default,
        _commands(option.commands),
        f"`{option.variable}`",
        option.help + choices,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
