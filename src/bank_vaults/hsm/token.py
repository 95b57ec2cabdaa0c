"""A token in use: found, logged in to, its key pair known, its data objects at hand.

Runs in the worker process, in one thread. The order of recovery is the one that brings every known module
back after a removal, a restart of pcscd or a reset by another program: close all sessions, list the slots
(without which OpenSC goes on answering CKR_DEVICE_REMOVED), find the token, open, log in. Whoever calls
does it by :meth:`Token.bind`, once; what does not help is answered by a new process.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NamedTuple, Protocol

from bank_vaults.domain import names
from bank_vaults.domain.envelope import Wrapping
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import cipher, pin
from bank_vaults.hsm.binding import (
    Ecdh,
    ModuleInfo,
    Oaep,
    Parameter,
    SlotInfo,
    Template,
    TokenInfo,
)
from bank_vaults.hsm.ck import Attribute, KeyType, Mechanism, ObjectClass
from bank_vaults.hsm.errors import (
    AttributeTypeInvalidError,
    ModuleError,
    PinExpiredError,
    PinIncorrectError,
    PinInvalidError,
    PinLenRangeError,
    PinLockedError,
    Pkcs11Error,
)
from bank_vaults.hsm.pin import PinMemory, PinRefusedError, PinState, SaltedHash
from bank_vaults.hsm.selection import (
    Candidate,
    Choice,
    KeyObject,
    KeyPair,
    SelectionError,
    TokenCriteria,
    another_library,
    choose_key,
    choose_token,
    plain_label,
)

_SHORTEST_SERIAL = 6  # characters of a number that is a token's own
_KEY_ID = 8  # bytes of the CKA_ID of a pair that is generated here
_ABOUT_THE_PIN = (PinIncorrectError, PinInvalidError, PinLenRangeError, PinExpiredError, PinLockedError)
_HASHES = {Wrapping.RSA_OAEP_SHA1: Mechanism.SHA_1, Wrapping.RSA_OAEP_SHA256: Mechanism.SHA256}


class Cryptoki(Protocol):
    """What a token needs of a module: see :class:`bank_vaults.hsm.binding.Module`."""

    def info(self) -> ModuleInfo: ...
    def slots(self, *, token_present: bool) -> tuple[int, ...]: ...
    def slot_info(self, slot: int) -> SlotInfo: ...
    def token_info(self, slot: int) -> TokenInfo: ...
    def open_session(self, slot: int, *, read_write: bool) -> int: ...
    def close_all_sessions(self, slot: int) -> None: ...
    def login(self, session: int, pin: bytes) -> None: ...
    def find(self, session: int, template: Template) -> tuple[int, ...]: ...
    def attribute(self, session: int, handle: int, attribute: Attribute) -> bytes: ...
    def create_object(self, session: int, template: Template) -> int: ...
    def destroy_object(self, session: int, handle: int) -> None: ...
    def generate_key_pair(
        self, session: int, mechanism: Mechanism, public: Template, private: Template
    ) -> tuple[int, int]: ...
    def decrypt(
        self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, ciphertext: bytes
    ) -> bytes: ...
    def derive(
        self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, size: int
    ) -> bytes: ...


class Memory(Protocol):
    """Where refused PINs are remembered, by what :func:`remembered_as` calls the token."""

    def recall(self, token: str) -> PinMemory:
        """What is remembered; an empty memory for a token never seen. Raises PinMemoryError."""

    def remember(self, token: str, memory: PinMemory) -> None:
        """Keep it, durably, before this returns. Raises OSError."""


class Access(NamedTuple):
    """How to get to the token and its key."""

    criteria: TokenCriteria
    key_label: str | None
    key_id: bytes | None
    pin: Secret
    may_generate: bool
    """Whether a missing key pair is generated."""
    allow_final_try: bool = False
    again: bool = False
    """Whether a person asks for one more try of a PIN that was refused before."""


class PublicHalf(NamedTuple):
    """The key pair in use, as software sees it: RSA modulus and exponent, or the EC point alone."""

    label: str
    id: bytes
    type: KeyType
    first: bytes
    second: bytes

    def public_key(self) -> cipher.PublicKey:
        """For encryption in software. Raises CipherError."""
        if self.type is KeyType.RSA:
            return cipher.rsa_public_key(self.first, self.second)
        return cipher.ec_public_key(self.first)


class Bound(NamedTuple):
    """A token that is logged in to."""

    module: ModuleInfo
    choice: Choice
    key: PublicHalf
    generated: bool


class DataObject(NamedTuple):
    """A data object: its handle, which lives as long as the session, and its label."""

    handle: int
    label: str


class NoKeyError(Exception):
    """There is no key pair and none may be generated, or it is not one that can be used."""


class NoPairError(NoKeyError):
    """There is neither half of a key pair, and none may be generated."""


class Token:
    """One token through one module. Every method raises Pkcs11Error beside what it says."""

    def __init__(self, module: Cryptoki, memory: Memory) -> None:
        self._module = module
        self._memory = memory
        self._slot: int | None = None
        self._session = 0
        self._pair: KeyPair | None = None

    def candidates(self) -> tuple[Candidate, ...]:
        """All tokens present; one that cannot be read does not hide the others."""
        found = []
        for slot in self._module.slots(token_present=True):
            with suppress(Pkcs11Error):
                found.append(Candidate(slot, self._module.slot_info(slot), self._module.token_info(slot)))
        return tuple(found)

    def log_in(self, access: Access) -> Choice:
        """Find the token and log in. Raises ModuleError, SelectionError, PinRefusedError, PinMemoryError."""
        self.release()
        if another := another_library(self._module.info(), access.criteria):
            raise ModuleError(f"the PKCS#11 module has {another} as --hsm-uri says")
        choice = choose_token(self.candidates(), access.criteria)
        memory = self._permitted(choice.candidate.token, access)  # first: it knows a blank token, too
        slot = choice.candidate.slot
        self._slot = slot
        self._session = self._module.open_session(slot, read_write=True)
        self._login(choice.candidate.token, memory, access)
        return choice

    def bind(self, access: Access) -> Bound:
        """Find the token, log in, find the key pair. Also the way back after any error.

        Raises as log_in does, and NoKeyError.
        """
        choice = self.log_in(access)
        pair = self._chosen(access)
        generated = pair is None
        if pair is None:
            pair = self._generate(access)
        self._pair = pair
        return Bound(self._module.info(), choice, self._public_half(pair), generated)

    def release(self) -> None:
        """Close every session, which also logs out."""
        if self._slot is not None:
            with suppress(Pkcs11Error):  # of a token that is gone
                self._module.close_all_sessions(self._slot)
        self._slot, self._pair = None, None

    def decrypt(self, block: bytes, wrapping: Wrapping | None) -> bytes:
        """See PrivateHalf.decrypt."""
        private = self._private()
        if wrapping is None:
            return self._module.decrypt(self._session, Mechanism.RSA_PKCS, None, private, block)
        parameter = Oaep(_HASHES[wrapping])
        return self._module.decrypt(self._session, Mechanism.RSA_PKCS_OAEP, parameter, private, block)

    def agree(self, point: bytes) -> bytes:
        """See PrivateHalf.agree. The curve is P-256."""
        return self._module.derive(self._session, Mechanism.ECDH1_DERIVE, Ecdh(point), self._private(), 32)

    def objects(self) -> tuple[DataObject, ...]:
        """All data objects, in the order in which the token shows them."""
        handles = self._module.find(self._session, {Attribute.CLASS: ObjectClass.DATA})
        return tuple(DataObject(handle, self._text(handle, Attribute.LABEL)) for handle in handles)

    def values(self, label: str) -> tuple[tuple[int, bytes], ...]:
        """Handle and value of each data object with this label, the last one found first."""
        wanted: Template = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}
        handles = self._module.find(self._session, wanted)
        read = self._module.attribute
        return tuple((handle, read(self._session, handle, Attribute.VALUE)) for handle in reversed(handles))

    def create(self, label: str, value: bytes) -> int:
        """A new data object on the token, readable after login only; its handle."""
        # CKA_APPLICATION is left out: OpenSC reads it as a C string beyond its end.
        return self._module.create_object(
            self._session,
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.LABEL: label,
                Attribute.VALUE: value,
            },
        )

    def destroy(self, handle: int) -> None:
        """Destroy one data object."""
        self._module.destroy_object(self._session, handle)

    def _permitted(self, token: TokenInfo, access: Access) -> PinMemory:
        """What is remembered of the token, after the guard has let the PIN pass."""
        state = _pin_state(token)
        memory = pin.settle(self._memory.recall(remembered_as(token)), state)
        pin.may_try(
            state,
            memory,
            access.pin,
            token=named(token),
            allow_final_try=access.allow_final_try,
            again=access.again,
        )
        return memory

    def _login(self, token: TokenInfo, memory: PinMemory, access: Access) -> None:
        state = _pin_state(token)
        try:
            self._memory.remember(remembered_as(token), pin.begin(memory, state, access.pin))
        except OSError as error:
            pin.may_try_unremembered(state, token=named(token), error=str(error))
        try:
            self._module.login(self._session, access.pin.reveal_bytes())
        except _ABOUT_THE_PIN as error:
            with suppress(OSError):  # the begun attempt is remembered, or the flags stop the next try but one
                refused = pin.remember_refused(memory, SaltedHash.of(access.pin))
                self._memory.remember(remembered_as(token), refused)
            raise PinRefusedError(
                f"login to HSM failed: {named(token)} refused the PIN ({error}); it is not tried again. "
                "Set the right PIN",
                None,
            ) from None
        # After any other error it is not known whether a try was spent: the attempt stays, to be settled.
        with suppress(OSError):
            self._memory.remember(remembered_as(token), pin.remember_accepted(memory, access.pin))

    def _keys(self) -> tuple[KeyObject, ...]:
        found = []
        for class_ in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            for handle in self._module.find(self._session, {Attribute.CLASS: class_}):
                found.append(
                    KeyObject(
                        handle,
                        class_ is ObjectClass.PRIVATE_KEY,
                        self._text(handle, Attribute.LABEL),
                        self._optional(handle, Attribute.ID),
                        int.from_bytes(self._optional(handle, Attribute.KEY_TYPE), sys.byteorder),
                    )
                )
        return tuple(found)

    def _chosen(self, access: Access) -> KeyPair | None:
        try:
            return choose_key(self._keys(), access.key_label, access.key_id)
        except SelectionError as error:  # unlike a missing token, a missing half is not waited for
            raise NoKeyError(str(error)) from None

    def _generate(self, access: Access) -> KeyPair:
        words = f"label {access.key_label!r}" if access.key_label else "this ID"
        if not access.may_generate or not access.key_label:
            raise NoPairError(
                f"there is no key pair with {words} on the token, and none is generated: name the right key "
                "by --hsm-key-label or --hsm-key-id, or plug in the right token"
            )
        values = sorted(found.label for found in self.objects() if found.label.startswith(names.PREFIX))
        if values:
            raise NoKeyError(
                f"there is no key pair with {words} on the token, but there are values ({', '.join(values)}) "
                "that only a key can open which is not here; a new one would be of no use to them"
            )
        key_id = access.key_id or os.urandom(_KEY_ID)
        common: Template = {
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.TOKEN: True,
            Attribute.LABEL: access.key_label,
            Attribute.ID: key_id,
        }
        self._module.generate_key_pair(
            self._session,
            Mechanism.RSA_PKCS_KEY_PAIR_GEN,
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                **common,
                Attribute.ENCRYPT: True,
                Attribute.VERIFY: True,
                Attribute.PUBLIC_EXPONENT: b"\x01\x00\x01",
                Attribute.MODULUS_BITS: 2048,
            },
            {
                Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                **common,
                Attribute.DECRYPT: True,
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
            },
        )
        found = self._chosen(access)  # as the next start will
        if found is None:
            raise NoKeyError(f"the token does not show the key pair with {words} that it has just generated")
        return found

    def _public_half(self, pair: KeyPair) -> PublicHalf:
        read = self._module.attribute
        if pair.type is KeyType.RSA:
            first = read(self._session, pair.public, Attribute.MODULUS)
            second = read(self._session, pair.public, Attribute.PUBLIC_EXPONENT)
        else:
            first, second = read(self._session, pair.public, Attribute.EC_POINT), b""
        return PublicHalf(pair.label, pair.id, pair.type, first, second)

    def _private(self) -> int:
        if self._pair is None:
            raise NoKeyError("the token is not bound")
        return self._pair.private

    def _text(self, handle: int, attribute: Attribute) -> str:
        return self._optional(handle, attribute).rstrip(b"\0").decode("utf-8", "replace")

    def _optional(self, handle: int, attribute: Attribute) -> bytes:
        with suppress(AttributeTypeInvalidError):
            return self._module.attribute(self._session, handle, attribute)
        return b""


def remembered_as(token: TokenInfo) -> str:
    """Under what its refused PINs are remembered: the serial number.

    With the label where that is too short to be its own: openCryptoki gives 123 to all of its tokens. Not for
    the others: a label can be misread, and a PIN that was refused would be tried once more.
    """
    if len(token.serial) >= _SHORTEST_SERIAL:
        return token.serial
    return f"{token.serial} {plain_label(token.label)}"


def _pin_state(token: TokenInfo) -> PinState:
    return PinState(token.flags, token.shortest_pin, token.longest_pin)


def named(token: TokenInfo) -> str:
    """For people."""
    return f"token {plain_label(token.label)!r} (serial {token.serial or 'none'})"
