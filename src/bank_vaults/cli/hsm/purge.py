"""``bank-vaults hsm purge``: our values are deleted from a token, by their exact names."""

from __future__ import annotations

import json

from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.hsm import objects
from bank_vaults.cli.hsm.common import client, confirmed, logged_in
from bank_vaults.cli.hsm.servers import WARNING, need_no_keys
from bank_vaults.cli.output import row, say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm import inventory
from bank_vaults.hsm.inventory import Item, Role
from bank_vaults.hsm.survey import SlotView
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import StoreError

_PRECIOUS = (Role.KEY, Role.ANSWER, Role.JOURNAL)


def run(settings: Settings) -> int:
    """Show, ask, delete. Raises UsageError, StoreError."""
    access = hsm_token.access(settings)
    as_json = settings.text("output") == "json"
    with client(settings, access) as token:
        slot = logged_in(token, access)
        items = inventory.items(slot.objects)
        if not as_json:
            objects.show(slot, items)
        doomed = _doomed(settings, slot, items)
        if doomed and not _allowed(settings, doomed):
            return ExitCode.FAILURE
        left = token.purge(doomed) if doomed else frozenset()
    if left:
        raise StoreError(f"the token still has {', '.join(sorted(left))}: run the command again")
    deleted = list(doomed)
    ours = {item.name for item in items if item.role is not Role.FOREIGN}
    kept = sorted(ours - doomed.keys())
    if as_json:
        say(json.dumps({**objects.as_json(slot, items), "deleted": deleted, "kept": kept}, indent=2))
    else:
        row("deleted", ", ".join(deleted) or "nothing")
        if kept:
            row("kept", f"{', '.join(kept)}: they need --destroy-keys with the serial number of the token")
    return ExitCode.OK


def _doomed(settings: Settings, slot: SlotView, items: tuple[Item, ...]) -> dict[str, Role]:
    """What is to be deleted: test values, and what is precious only where the token was named."""
    serial, wanted = slot.token.serial if slot.token else "", settings.text("destroy-keys")
    if wanted and wanted != serial:
        raise UsageError(f"--destroy-keys names {wanted!r}, and the token has the serial number {serial!r}")
    roles = (Role.TEST, *_PRECIOUS) if wanted else (Role.TEST,)
    return {item.name: item.role for item in items if item.role in roles}


def _allowed(settings: Settings, doomed: dict[str, Role]) -> bool:
    """Whether no server says that it needs the keys, and the operator says yes."""
    question = f"Delete {', '.join(doomed)}?"
    if any(role in _PRECIOUS for role in doomed.values()):
        if not need_no_keys(settings):
            return False
        question = f"{WARNING} {question}"
    return settings.flag("yes") or confirmed(question)
