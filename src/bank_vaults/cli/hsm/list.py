"""``bank-vaults hsm list``: slots, tokens, keys and values, as they are now."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bank_vaults.cli.hsm.common import client
from bank_vaults.cli.output import coloured, row, say
from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.condition import PinCondition, condition
from bank_vaults.hsm.selection import plain_label
from bank_vaults.hsm.survey import Kind, ObjectView, SlotView, Survey
from bank_vaults.keystores import hsm_token

_COLOURS = {PinCondition.OK: "green", PinCondition.WRONG_TRIED: "yellow"}


def run(settings: Settings) -> int:
    """Print what the module shows. Raises StoreError."""
    login = settings.flag("login")
    access = hsm_token.access(settings, needs_pin=login)
    with client(settings, access) as token:
        seen = token.survey(login=login)
    if settings.text("output") == "json":
        say(json.dumps(_as_json(seen), indent=2))
    else:
        _print_table(seen)
    return ExitCode.OK


def _as_json(seen: Survey) -> dict[str, object]:
    return {
        "module": seen.module._asdict(),
        "uses_pcscd": seen.uses_pcscd,
        "slots": [_slot_as_json(slot) for slot in seen.slots],
    }


def _slot_as_json(slot: SlotView) -> dict[str, object]:
    token = slot.token
    return {
        "slot": slot.id,
        "description": slot.info.description,
        "token": token
        and {
            "label": plain_label(token.label),
            "serial": token.serial,
            "manufacturer": token.manufacturer,
            "model": token.model,
            "firmware": token.firmware,
            "pin": condition(token.flags).value,
            "objects": [_object_as_json(view) for view in slot.objects],
        },
        "error": slot.error or None,
    }


def _object_as_json(view: ObjectView) -> dict[str, object]:
    return {
        "kind": view.kind.value,
        "label": view.label,
        "private": view.private,
        "id": view.id.hex() or None,
        "key_type": view.key_type or None,
        "bits": view.bits or None,
        "fingerprint": view.fingerprint.hex() or None,
    }


def _print_table(seen: Survey) -> None:
    module = seen.module
    row("module", f"{module.manufacturer}, {module.description} {module.version}")
    if not seen.slots:
        row("slots", "none")
    for slot in seen.slots:
        row(f"slot {slot.id}", slot.info.description)
        if slot.token is None and not slot.error:
            row("  token", "none")
        if slot.token is not None:
            token = slot.token
            words = (f"serial {token.serial or 'none'}", f"{token.manufacturer} {token.model}".strip())
            row("  token", ", ".join((plain_label(token.label) or "no label", *words)))
            how = condition(token.flags)
            row("  PIN", coloured(how.value, _COLOURS.get(how, "red")))
            _print_objects(slot.objects)
        if slot.error:
            row("  error", coloured(slot.error, "red"))


def _print_objects(objects: Sequence[ObjectView]) -> None:
    private = {view.id for view in objects if view.kind is Kind.PRIVATE_KEY}
    public = [view for view in objects if view.kind is Kind.PUBLIC_KEY]
    for view in public:
        # Without a login no token shows private keys.
        lonely = private and view.id not in private
        row("  key", _key(view) + (", without its private half" if lonely else ""))
    for view in objects:
        if view.kind is Kind.PRIVATE_KEY and view.id not in {half.id for half in public}:
            row("  key", _key(view) + ", without its public half")
    ours = [view.label for view in objects if view.kind is Kind.DATA and view.label.startswith(names.PREFIX)]
    if ours:
        row("  values", ", ".join(ours))
    keys = (Kind.PUBLIC_KEY, Kind.PRIVATE_KEY)
    others = len([view for view in objects if view.kind not in keys]) - len(ours)
    if others:
        row("  others", f"{others} other objects" if others > 1 else "1 other object")


def _key(view: ObjectView) -> str:
    size = f" {view.bits}" if view.bits else ""
    return f"{view.label or 'no label'}, {view.key_type}{size}, ID {view.id.hex() or 'none'}"
