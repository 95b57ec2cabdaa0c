"""``bank-vaults hsm objects``: our values on a token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bank_vaults.cli.hsm.common import client, logged_in, named
from bank_vaults.cli.output import row, say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm import inventory
from bank_vaults.hsm.inventory import Item, Role
from bank_vaults.hsm.survey import SlotView
from bank_vaults.keystores import hsm_token


def run(settings: Settings) -> int:
    """Log in and print them. Raises StoreError."""
    access = hsm_token.access(settings)
    with client(settings, access) as token:
        slot = logged_in(token, access)
    items = inventory.items(slot.objects)
    if settings.text("output") == "json":
        say(json.dumps(as_json(slot, items), indent=2))
    else:
        show(slot, items)
    return ExitCode.OK


def as_json(slot: SlotView, items: Sequence[Item]) -> dict[str, object]:
    """The token and the values."""
    return {
        "token": slot.token and {"label": slot.token.label, "serial": slot.token.serial, "slot": slot.id},
        "objects": [
            {
                "name": item.name,
                "role": item.role.value,
                "bytes": item.size,
                "format": item.format.value,
                "key": item.key.hex() or None,
                "key_label": _labels(slot).get(item.key),
                "initialisation": item.set_id.hex() or None,
                "newest": item.newest,
            }
            for item in items
        ],
    }


def show(slot: SlotView, items: Sequence[Item]) -> None:
    """A table of the values."""
    row("token", named(slot))
    if not items:
        row("values", "none")
    for item in items:
        row("value" if item.role is not Role.FOREIGN else "not ours", _words(item, _labels(slot)))


def _words(item: Item, labels: Mapping[bytes, str]) -> str:
    words = [item.name, f"{item.size} bytes", item.format.value]
    if item.key:
        label = labels.get(item.key)
        of = f"key pair {label!r}" if label is not None else "another key pair"
        words.append(f"sealed to {of} {item.key.hex()[:8]}, initialisation {item.set_id.hex()[:8]}")
    if not item.newest:
        words.append("an older one of this name")
    return ", ".join(words)


def _labels(slot: SlotView) -> dict[bytes, str]:
    """The key pairs of the token by their fingerprints."""
    return {view.fingerprint: view.label for view in slot.objects if view.fingerprint}
