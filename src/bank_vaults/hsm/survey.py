"""Everything that the tokens of a module show at the moment: slots, keys, data objects.

:func:`read` runs in the worker process, :func:`decoded` gives the other side the same values. Nothing is
changed, and no PIN is presented: whoever wants to see private objects logs in before.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from bank_vaults.domain import names
from bank_vaults.hsm import cipher
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, Template, TokenInfo
from bank_vaults.hsm.ck import Attribute, KeyType, ObjectClass, SlotFlag, TokenFlag
from bank_vaults.hsm.errors import Pkcs11Error
from bank_vaults.hsm.selection import Candidate


class Kind(StrEnum):
    """What an object is."""

    PUBLIC_KEY = "public key"
    PRIVATE_KEY = "private key"
    SECRET_KEY = "secret key"  # noqa: S105
    CERTIFICATE = "certificate"
    DATA = "data"


_CLASSES = {
    ObjectClass.PUBLIC_KEY: Kind.PUBLIC_KEY,
    ObjectClass.PRIVATE_KEY: Kind.PRIVATE_KEY,
    ObjectClass.SECRET_KEY: Kind.SECRET_KEY,
    ObjectClass.CERTIFICATE: Kind.CERTIFICATE,
    ObjectClass.DATA: Kind.DATA,
}
_TYPES: dict[int, str] = {KeyType.RSA: "RSA", KeyType.EC: "EC"}


class ObjectView(NamedTuple):
    """One object. What it has not, or does not tell, is empty or 0."""

    kind: Kind
    label: str
    private: bool
    """Whether it is shown after a login only (CKA_PRIVATE)."""
    id: bytes = b""
    key_type: str = ""
    """"RSA", "EC", or the number of another CKK."""
    bits: int = 0
    fingerprint: bytes = b""
    """SHA-256 of a public key that values can be sealed to; it names the pair whatever its label."""
    value: bytes = b""
    """Of our own data objects, as stored: sealed."""


class SlotView(NamedTuple):
    """One slot, which is a reader or a part of one, and its token."""

    id: int
    info: SlotInfo
    token: TokenInfo | None = None
    mechanisms: tuple[int, ...] = ()
    objects: tuple[ObjectView, ...] = ()
    error: str = ""
    """Why something of it cannot be read."""


class Survey(NamedTuple):
    """The module and all its slots."""

    module: ModuleInfo
    uses_pcscd: bool
    slots: tuple[SlotView, ...]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The tokens to choose from."""
        return tuple(Candidate(slot.id, slot.info, slot.token) for slot in self.slots if slot.token)

    def slot(self, number: int) -> SlotView:
        """The slot with this id, which has to be one of them."""
        return next(slot for slot in self.slots if slot.id == number)


class Cryptoki(Protocol):
    """What is needed of a module: see :class:`bank_vaults.hsm.binding.Module`."""

    def slots(self, *, token_present: bool) -> tuple[int, ...]: ...
    def slot_info(self, slot: int) -> SlotInfo: ...
    def token_info(self, slot: int) -> TokenInfo: ...
    def mechanisms(self, slot: int) -> frozenset[int]: ...
    def open_session(self, slot: int, *, read_write: bool) -> int: ...
    def close_session(self, session: int) -> None: ...
    def find(self, session: int, template: Template) -> tuple[int, ...]: ...
    def attribute(self, session: int, handle: int, attribute: Attribute) -> bytes: ...


def read(module: Cryptoki) -> tuple[SlotView, ...]:
    """All slots. One that cannot be read does not hide the others. Raises Pkcs11Error."""
    return tuple(_slot(module, slot) for slot in module.slots(token_present=False))


def decoded(answer: Any) -> tuple[SlotView, ...]:  # JSON
    """The slots as :func:`read` gave them, after they crossed the wire. TypeError, ValueError for others."""
    return tuple(_slot_of(*slot) for slot in answer)


def _slot(module: Cryptoki, slot: int) -> SlotView:
    view = SlotView(slot, SlotInfo("", "", SlotFlag(0)))
    try:
        view = view._replace(info=module.slot_info(slot))
        if SlotFlag.TOKEN_PRESENT not in view.info.flags:
            return view
        token = module.token_info(slot)
        view = view._replace(token=token)
        if TokenFlag.TOKEN_INITIALIZED in token.flags:  # some answer nothing else before
            view = view._replace(mechanisms=tuple(sorted(module.mechanisms(slot))))
            view = view._replace(objects=_objects(module, slot))
    except Pkcs11Error as error:
        return view._replace(error=str(error))
    return view


def _objects(module: Cryptoki, slot: int) -> tuple[ObjectView, ...]:
    session = module.open_session(slot, read_write=False)
    try:
        return tuple(
            _object(_Reader(module, session, handle), kind)
            for class_, kind in _CLASSES.items()
            for handle in module.find(session, {Attribute.CLASS: class_})
        )
    finally:
        module.close_session(session)


class _Reader(NamedTuple):
    """The attributes of one object."""

    module: Cryptoki
    session: int
    handle: int

    def read(self, attribute: Attribute) -> bytes:
        """The value; empty for an object that has none, or does not give it out."""
        with suppress(Pkcs11Error):
            return self.module.attribute(self.session, self.handle, attribute)
        return b""


def _object(reader: _Reader, kind: Kind) -> ObjectView:
    label = reader.read(Attribute.LABEL).rstrip(b"\0").decode("utf-8", "replace")
    view = ObjectView(kind, label, private=any(reader.read(Attribute.PRIVATE)))
    if kind is Kind.DATA:
        # What others keep there is none of our business.
        return view._replace(value=reader.read(Attribute.VALUE)) if label.startswith(names.PREFIX) else view
    view = view._replace(id=reader.read(Attribute.ID))
    if kind is Kind.CERTIFICATE:
        return view
    number = int.from_bytes(reader.read(Attribute.KEY_TYPE), sys.byteorder)
    view = view._replace(key_type=_TYPES.get(number, hex(number)))
    public = _public_key(reader, number) if kind is Kind.PUBLIC_KEY else None
    if public is None:
        return view
    return view._replace(bits=public.key_size, fingerprint=cipher.fingerprint(public))


def _public_key(reader: _Reader, key_type: int) -> cipher.PublicKey | None:
    """None for a key that nothing can be sealed to, as one on another curve."""
    with suppress(cipher.CipherError):
        if key_type == KeyType.RSA:
            return cipher.rsa_public_key(
                reader.read(Attribute.MODULUS), reader.read(Attribute.PUBLIC_EXPONENT)
            )
        if key_type == KeyType.EC:
            return cipher.ec_public_key(reader.read(Attribute.EC_POINT))
    return None


def _slot_of(number: int, info: Any, token: Any, mechanisms: Any, objects: Any, error: str) -> SlotView:
    return SlotView(
        number,
        SlotInfo(*info)._replace(flags=SlotFlag(info[2])),
        token and TokenInfo(*token)._replace(flags=TokenFlag(token[4])),
        tuple(mechanisms),
        tuple(ObjectView(*found)._replace(kind=Kind(found[0])) for found in objects),
        error,
    )
