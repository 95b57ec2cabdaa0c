"""Which token, and which key on it: pure rules over what the module shows.

A choice is made only when there is exactly one candidate. None, or several, is an error that lists the
candidates, for the wrong token costs PIN tries and the wrong key costs data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import KeyType

_SUFFIX = re.compile(r"(?s)(.*?)[ \0]*\((?:UserPIN|User PIN)\)")


class Candidate(NamedTuple):
    """A token in its slot."""

    slot: int
    slot_info: SlotInfo
    token: TokenInfo


class TokenCriteria(NamedTuple):
    """What the operator says of the token; None or empty: anything.

    The slot counts only without the rest, unless ``slot_too``: a URI means all that it says (RFC 7512, 2.3).
    The library is that of the module, "M.N" its version.
    """

    serial: str | None = None
    label: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_description: str | None = None
    slot_manufacturer: str | None = None
    slot: int | None = None
    slot_too: bool = False
    library_manufacturer: str | None = None
    library_description: str | None = None
    library_version: str | None = None


class Choice(NamedTuple):
    """The token, all slots with a token, and what the operator should be warned of."""

    candidate: Candidate
    slots: tuple[int, ...]
    warning: str | None = None


class KeyObject(NamedTuple):
    """One half of a key pair as the token shows it; ``id`` is CKA_ID, empty where there is none."""

    handle: int
    private: bool
    label: str
    id: bytes
    type: int


class KeyPair(NamedTuple):
    """Both halves of one key pair; ``type`` is CKK_RSA or CKK_EC."""

    private: int
    public: int
    label: str
    id: bytes
    type: KeyType


class SelectionError(Exception):
    """No token or key fits, or several do. ``several`` tells the two apart."""

    def __init__(self, message: str, *, several: bool) -> None:
        super().__init__(message)
        self.several = several


def plain_label(label: str) -> str:
    """A label as people know it: without padding, and without the suffix that OpenSC up to 0.25 adds."""
    stripped = label.rstrip(" \0")
    decorated = _SUFFIX.fullmatch(stripped)
    return decorated[1] if decorated else stripped


def same_label(wanted: str, label: str) -> bool:
    """Whether a token's label is the wanted one, in any form that OpenSC has given it.

    OpenSC cuts a long label so that its suffix fits into the 32 bytes of CK_TOKEN_INFO.
    """
    bare, stripped = wanted.rstrip(" \0"), label.rstrip(" \0")
    if stripped == bare or plain_label(stripped) == plain_label(bare):
        return True
    cut = plain_label(stripped)
    return cut != stripped and len(stripped.encode()) == 32 and cut != "" and bare.startswith(cut)


def choose_token(candidates: Sequence[Candidate], criteria: TokenCriteria) -> Choice:
    """The one token that fits. Raises SelectionError."""
    fitting = [candidate for candidate in candidates if _fits(candidate, criteria)]
    if criteria.slot is not None and not any(criteria[: TokenCriteria._fields.index("slot")]):
        return _by_slot(candidates, criteria.slot)
    if len(fitting) == 1:
        return Choice(fitting[0], _slots(candidates))
    words = _words(criteria)
    if not fitting:
        raise SelectionError(
            f"can't find HSM slot: no token with {words}; {_listed(candidates)}", several=False
        )
    raise SelectionError(
        f"{len(fitting)} tokens with {words}: name one by --hsm-serial or --hsm-uri; {_listed(fitting)}",
        several=True,
    )


def chosen_by(criteria: TokenCriteria) -> str:
    """By what a token is chosen, for people."""
    return " and ".join(name for name, value in _named(criteria) if value) or "slot id"


def another_library(module: ModuleInfo, criteria: TokenCriteria) -> str:
    """In what the module is another one than the criteria say, for people; empty if in nothing."""
    version = criteria.library_version and ".".join(
        str(int(number)) for number in (*criteria.library_version.split("."), "0")[:2]
    )
    named = (
        ("manufacturer", criteria.library_manufacturer, module.manufacturer),
        ("description", criteria.library_description, module.description),
        ("version", version, module.version),
    )
    return " and ".join(
        f"the {name} {found!r}, not {wanted!r}" for name, wanted, found in named if wanted and wanted != found
    )


def _by_slot(candidates: Sequence[Candidate], slot: int) -> Choice:
    in_slot = [candidate for candidate in candidates if candidate.slot == slot]
    if not in_slot:
        raise SelectionError(
            f"can't find HSM slot: no token in slot {slot}; {_listed(candidates)}", several=False
        )
    warning = None
    if len(candidates) > 1:
        warning = (
            f"the token is chosen by slot {slot} alone, and there are {len(candidates)} tokens: slot numbers "
            "follow the order of plugging in. Name the token by --hsm-serial, --hsm-token-label or --hsm-uri"
        )
    return Choice(in_slot[0], _slots(candidates), warning)


def _slots(candidates: Sequence[Candidate]) -> tuple[int, ...]:
    return tuple(candidate.slot for candidate in candidates)


def _fits(candidate: Candidate, criteria: TokenCriteria) -> bool:
    token, slot = candidate.token, candidate.slot_info
    if criteria.label and not same_label(criteria.label, token.label):
        return False
    if criteria.slot_too and candidate.slot != criteria.slot:
        return False
    pairs = (
        (criteria.serial, token.serial),
        (criteria.manufacturer, token.manufacturer),
        (criteria.model, token.model),
        (criteria.slot_description, slot.description),
        (criteria.slot_manufacturer, slot.manufacturer),
    )
    return all(not wanted or wanted == found for wanted, found in pairs)


def _words(criteria: TokenCriteria) -> str:
    return " and ".join(f"{name} {value!r}" for name, value in _named(criteria) if value)


def _named(criteria: TokenCriteria) -> tuple[tuple[str, str | None], ...]:
    return (
        ("serial", criteria.serial),
        ("label", criteria.label),
        ("manufacturer", criteria.manufacturer),
        ("model", criteria.model),
        ("slot description", criteria.slot_description),
        ("slot manufacturer", criteria.slot_manufacturer),
        ("slot", str(criteria.slot) if criteria.slot_too else None),
    )


def _listed(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return "there is no token at all: is it plugged in, and does pcscd run?"
    shown = (
        f"slot {found.slot}: label {plain_label(found.token.label)!r}, serial {found.token.serial!r}, "
        f"{found.token.manufacturer} {found.token.model}".rstrip()
        for found in candidates
    )
    return "present are " + "; ".join(shown)


def choose_key(objects: Sequence[KeyObject], label: str | None, key_id: bytes | None) -> KeyPair | None:
    """The one key pair with this label and CKA_ID (None: any), its halves matched by CKA_ID.

    None only if there is neither half: the one case in which a pair may be generated. Raises
    SelectionError: one half without the other, several pairs, a type that cannot decrypt.
    """
    named = [
        found
        for found in objects
        if (label is None or found.label == label) and (key_id is None or found.id == key_id)
    ]
    words = " and ".join(
        word
        for word in (label is not None and f"label {label!r}", key_id is not None and f"ID {key_id.hex()}")
        if word
    )
    if not named:
        return None
    privates = [found for found in named if found.private]
    publics = [found for found in named if not found.private]
    if len(privates) > 1:
        ids = ", ".join(found.id.hex() or "none" for found in privates)
        raise SelectionError(
            f"{len(privates)} private keys with {words} (IDs: {ids}): name one by --hsm-key-id", several=True
        )
    matching = [found for found in publics if not privates or found.id == privates[0].id]
    if not privates or not matching:
        present = "private" if privates else "public"
        raise SelectionError(
            f"only one of the keys found with the specified label: the {present} half with {words} "
            "has no other half",
            several=False,
        )
    if len(matching) > 1:
        raise SelectionError(f"{len(matching)} public keys with {words} and the same ID", several=True)
    private, public = privates[0], matching[0]
    if private.type not in (KeyType.RSA, KeyType.EC) or public.type != private.type:
        raise SelectionError(f"the key with {words} is neither an RSA nor an EC key pair", several=False)
    return KeyPair(private.handle, public.handle, private.label, private.id, KeyType(private.type))
