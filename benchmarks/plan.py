"""A plan of 10,000 unchanged objects, without a server. ``python -m benchmarks.plan``."""

from __future__ import annotations

import json
import time
from typing import Any

from bank_vaults.configure import assembly, documents, plan
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import ABSENT, Shown, WriteOnly
from bank_vaults.configure.server import Server
from bank_vaults.templating.own.sources import Sources
from benchmarks.common import arguments, heading, spread, table

_EACH = 5000


def _document() -> dict[str, Any]:
    rules = 'path "secret/data/team-{}/*" {{\n  capabilities = ["create", "read"]\n}}\n'
    roles = [
        {"name": f"role-{n}", "token_policies": [f"policy-{n}"], "token_ttl": "20m"} for n in range(_EACH)
    ]
    return {
        "policies": [{"name": f"policy-{n}", "rules": rules.format(n)} for n in range(_EACH)],
        "auth": [{"type": "approle", "roles": roles}],
    }


def _answers(document: dict[str, Any]) -> dict[str, Shown]:
    """What a server shows where all of it is there."""
    mount = {"type": "approle", "accessor": "auth_approle_1", "description": "", "config": {}}
    found = {"sys/auth": Shown({"approle/": mount})}
    for each in document["policies"]:
        found[f"sys/policies/acl/{each['name']}"] = Shown({"name": each["name"], "policy": each["rules"]})
    for each in document["auth"][0]["roles"]:
        shown = {
            "token_policies": each["token_policies"],
            "token_ttl": 1200,
            "token_max_ttl": 0,
            "bind_secret_id": True,
        }
        found[f"auth/approle/role/{each['name']}"] = Shown(shown)
    return found


def main() -> None:
    """Of one document: how long it takes to read it, and to plan what is the same on the server."""
    options = arguments(__doc__ or "", rounds=10, peer=False)
    heading(f"{2 * _EACH:,} unchanged objects in memory, seconds")
    document = _document()
    text, answers = json.dumps(document), _answers(document)
    reading, planning = [], []
    for _ in range(options.rounds):
        begun = time.monotonic()
        rendered = documents.rendered("vault-config.json", text, Sources({}))
        configuration = documents.document(rendered).configuration
        read = time.monotonic()
        memory = Memory.empty()
        wanted = assembly.wanted(configuration, Server(), lambda _: "", memory)
        made = plan.make(wanted, lambda path: answers.get(path, ABSENT), memory, WriteOnly.CHANGED, ())
        planning.append(time.monotonic() - read)
        reading.append(read - begun)
        if made.todo or len(made.changes) < 2 * _EACH:
            raise SystemExit(f"{len(made.todo)} of {len(made.changes)} have something to do: {made.todo[:1]}")
    table(
        [
            ("what", "rounds", "min", "median", "max"),
            ("the document read (JSON)", str(len(reading)), *spread(reading)),
            ("planned", str(len(planning)), *spread(planning)),
        ]
    )


if __name__ == "__main__":
    main()
