"""Our values among the objects of a token: what each is, in which format, and for which key pair."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from bank_vaults.domain import envelope, names
from bank_vaults.domain.envelope import EnvelopeError
from bank_vaults.hsm.survey import Kind, ObjectView


class Role(Enum):
    """What a value is there for, the most precious first."""

    KEY = "key"
    ANSWER = "answer of sys/init"
    JOURNAL = "journal"
    TEST = "test value"
    FOREIGN = "not ours"
    """Another name that begins like ours."""


class Format(Enum):
    """How a value is stored."""

    ENVELOPE = "envelope"
    RAW = "older"
    """One RSA block, as Go Bank-Vaults writes it."""
    UNKNOWN = "unknown"


class Item(NamedTuple):
    """One data object.

    ``size``: bytes as stored; ``key``: fingerprint of the key pair it is sealed to, 32 bytes, and
    ``set_id``: the initialisation it belongs to, 16 bytes, both empty where the format does not tell;
    ``newest``: there is no newer object of this name, so this is the one that is read.
    """

    name: str
    role: Role
    size: int
    format: Format
    key: bytes
    set_id: bytes
    newest: bool


def role(name: str) -> Role:
    """What the name says."""
    if names.is_key(name):
        return Role.KEY
    if names.is_answer(name):
        return Role.ANSWER
    if names.is_journal(name):
        return Role.JOURNAL
    return Role.TEST if names.is_canary(name) else Role.FOREIGN


def items(objects: Sequence[ObjectView]) -> tuple[Item, ...]:
    """The data objects whose names begin like ours: by role and name, the newest of a name first.

    ``objects``: all of one token, as it lists them, oldest first.
    """
    blocks = {view.bits // 8 for view in objects if view.kind is Kind.PUBLIC_KEY and view.key_type == "RSA"}
    ours = [
        view for view in reversed(objects) if view.kind is Kind.DATA and view.label.startswith(names.PREFIX)
    ]
    seen: set[str] = set()
    found = []
    # The newest first, as the store takes them: by what the values say, else by the order of the token.
    for view in sorted(ours, key=lambda view: envelope.replaced(view.value), reverse=True):
        found.append(_item(view, blocks)._replace(newest=view.label not in seen))
        seen.add(view.label)
    order = list(Role)
    return tuple(sorted(found, key=lambda item: (order.index(item.role), item.name)))


def _item(view: ObjectView, blocks: set[int]) -> Item:
    item = Item(view.label, role(view.label), len(view.value), Format.UNKNOWN, b"", b"", newest=True)
    try:
        key = envelope.decode(view.value).key
    except EnvelopeError:
        raw = not envelope.is_envelope(view.value) and item.size in blocks
        return item._replace(format=Format.RAW) if raw else item
    return item._replace(format=Format.ENVELOPE, key=key.fingerprint, set_id=key.set_id)
