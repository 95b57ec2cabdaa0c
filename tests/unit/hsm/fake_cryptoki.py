"""A PKCS#11 module in memory, with tokens as a test wants them, that writes down what is asked of it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from ctypes import sizeof
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bank_vaults.hsm import errors
from bank_vaults.hsm.binding import (
    Ecdh,
    ModuleInfo,
    Oaep,
    Parameter,
    SlotInfo,
    Template,
    TokenInfo,
    Value,
)
from bank_vaults.hsm.ck import Attribute, KeyType, Mechanism, ObjectClass, SlotFlag, TokenFlag, Ulong
from bank_vaults.hsm.pin import PinMemory

PIN = b"banzai"
CODES = {name: code for code, name in errors.NAMES.items()}
FLAGS = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED | TokenFlag.LOGIN_REQUIRED

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Attributes = dict[Attribute, bytes]


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:  # each number has a key of its own
    """An RSA key, the same at each call."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """An EC key, the same at each call."""
    return ec.generate_private_key(curve())


def raw(value: Value) -> bytes:
    """A value as a token keeps it."""
    if isinstance(value, bool):
        return bytes((value,))
    if isinstance(value, int):
        return value.to_bytes(sizeof(Ulong), sys.byteorder)
    return value.encode() if isinstance(value, str) else value


class FakeToken:
    """A token: its objects by handle, the oldest first; ``tries`` are left of three."""

    def __init__(self, label: str = "bank-vaults", serial: str = "DENK0100001", pin: bytes = PIN) -> None:
        self.label = label
        self.serial = serial
        self.pin = pin
        self.tries = 3
        self.flags = FLAGS
        self.objects: dict[int, Attributes] = {}
        self.keys: dict[int, PrivateKey] = {}
        self.operations: list[str] = []
        """The private-key operations, by what they were asked for."""
        self.pkcs1: bytes | None = None
        """What it answers to any block of PKCS#1 v1.5, if not what is in it."""
        self._handles = itertools.count(1)

    def add(self, template: Template) -> int:
        """A new object; its handle."""
        handle = next(self._handles)
        self.objects[handle] = {attribute: raw(value) for attribute, value in template.items()}
        return handle

    def add_data(self, label: str, value: bytes) -> int:
        """A new data object as Go Bank-Vaults writes it through an old OpenSC: a public one."""
        return self.add({Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label, Attribute.VALUE: value})

    def add_private(
        self,
        key: PrivateKey,
        label: str = "bank-vaults",
        key_id: bytes = b"\1",
        extra: Template | None = None,
    ) -> int:
        """The private half of a key pair."""
        handle = self.add(
            {
                Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                Attribute.PRIVATE: True,
                Attribute.KEY_TYPE: KeyType.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyType.EC,
                Attribute.LABEL: label,
                Attribute.ID: key_id,
                **(extra or {}),
            }
        )
        self.keys[handle] = key
        return handle

    def add_public(
        self,
        key: PrivateKey,
        label: str = "bank-vaults",
        key_id: bytes = b"\1",
        extra: Template | None = None,
    ) -> int:
        """The public half."""
        numbers: Template
        if isinstance(key, rsa.RSAPrivateKey):
            found = key.public_key().public_numbers()
            numbers = {
                Attribute.KEY_TYPE: KeyType.RSA,
                Attribute.MODULUS: found.n.to_bytes(key.key_size // 8),
                Attribute.PUBLIC_EXPONENT: found.e.to_bytes(3),
            }
        else:
            point = key.public_key().public_numbers()
            size = key.key_size // 8
            bare = b"\4" + point.x.to_bytes(size) + point.y.to_bytes(size)
            numbers = {
                Attribute.KEY_TYPE: KeyType.EC,
                Attribute.EC_POINT: bytes((4, len(bare))) + bare,
            }
        common: Template = {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.LABEL: label,
            Attribute.ID: key_id,
        }
        return self.add({**common, **numbers, **(extra or {})})

    def add_pair(self, key: PrivateKey, label: str = "bank-vaults", key_id: bytes = b"\1") -> None:
        """Both halves."""
        self.add_private(key, label, key_id)
        self.add_public(key, label, key_id)

    def values(self, label: str) -> list[bytes]:
        """The values of the data objects with this label, the oldest first."""
        return [
            found[Attribute.VALUE]
            for found in self.objects.values()
            if found[Attribute.CLASS] == raw(ObjectClass.DATA) and found[Attribute.LABEL] == raw(label)
        ]

    def info(self) -> TokenInfo:
        """As C_GetTokenInfo shows it."""
        counted = {3: TokenFlag(0), 2: TokenFlag.USER_PIN_COUNT_LOW}.get(
            self.tries, TokenFlag.USER_PIN_FINAL_TRY if self.tries else TokenFlag.USER_PIN_LOCKED
        )
        return TokenInfo(
            self.label,
            "www.CardContact.de",
            "PKCS#15 emulated",
            self.serial,
            self.flags | counted,
            6,
            15,
            "3.5",
        )


class FakeCryptoki:
    """The module. ``slots`` by number; a slot without a token holds None.

    ``calls`` is what was asked, in its order, without what only reads attributes. ``hooks`` are called
    with the name of each function before it works, and may raise.
    """

    def __init__(self, *tokens: FakeToken | None) -> None:
        self.tokens = dict(enumerate(tokens))
        self.calls: list[str] = []
        self.hooks: list[Callable[[str], None]] = []
        self.templates: list[Attributes] = []
        """Of all objects that were created."""
        self._sessions: dict[int, int] = {}
        self._logged_in: set[int] = set()
        self._numbers = itertools.count(100)
        self.generated = itertools.count(10)

    def fail(self, function: str, *codes: str | None) -> None:
        """The next calls of a function return these codes; None: that one works."""
        left = list(codes)

        def hook(called: str) -> None:
            if called == function and left and (name := left.pop(0)):
                raise errors.error_of(function, CODES[name])

        self.hooks.append(hook)

    def initialize(self) -> None:
        self._called("C_Initialize")

    def finalize(self) -> None:
        self._called("C_Finalize")
        self._sessions.clear()
        self._logged_in.clear()

    def info(self) -> ModuleInfo:
        return ModuleInfo("2.40", "Test", "A module in memory", "1.0")

    def slots(self, *, token_present: bool) -> tuple[int, ...]:
        self._called("C_GetSlotList")
        return tuple(slot for slot, token in self.tokens.items() if token or not token_present)

    def slot_info(self, slot: int) -> SlotInfo:
        self._called("C_GetSlotInfo")
        return SlotInfo(f"Reader {slot}", "Test", SlotFlag.TOKEN_PRESENT)

    def token_info(self, slot: int) -> TokenInfo:
        self._called("C_GetTokenInfo")
        return self._token(slot, "C_GetTokenInfo").info()

    def open_session(self, slot: int, *, read_write: bool) -> int:
        self._called("C_OpenSession")
        assert read_write
        self._token(slot, "C_OpenSession")
        session = next(self._numbers)
        self._sessions[session] = slot
        return session

    def close_all_sessions(self, slot: int) -> None:
        self._called("C_CloseAllSessions")
        self._sessions = {session: found for session, found in self._sessions.items() if found != slot}
        self._logged_in.discard(slot)

    def login(self, session: int, pin: bytes) -> None:
        self._called("C_Login")
        slot, token = self._of(session, "C_Login")
        if slot in self._logged_in:
            raise errors.error_of("C_Login", CODES["CKR_USER_ALREADY_LOGGED_IN"])
        if token.tries == 0:
            raise errors.error_of("C_Login", CODES["CKR_PIN_LOCKED"])
        if pin != token.pin:
            token.tries -= 1
            name = "CKR_PIN_INCORRECT" if token.tries else "CKR_PIN_LOCKED"
            raise errors.error_of("C_Login", CODES[name])
        token.tries = 3
        self._logged_in.add(slot)

    def find(self, session: int, template: Template) -> tuple[int, ...]:
        self._called("C_FindObjects")
        slot, token = self._of(session, "C_FindObjects")
        wanted = {attribute: raw(value) for attribute, value in template.items()}.items()
        return tuple(
            handle
            for handle, found in token.objects.items()
            if wanted <= found.items()
            and (slot in self._logged_in or found.get(Attribute.PRIVATE) != raw(value=True))
        )

    def attribute(self, session: int, handle: int, attribute: Attribute) -> bytes:
        for hook in self.hooks:
            hook("C_GetAttributeValue")
        _, token = self._of(session, "C_GetAttributeValue")
        try:
            return token.objects[handle][attribute]
        except KeyError:
            raise errors.error_of("C_GetAttributeValue", CODES["CKR_ATTRIBUTE_TYPE_INVALID"]) from None

    def create_object(self, session: int, template: Template) -> int:
        self._called(f"C_CreateObject {template[Attribute.LABEL]!r}")
        handle = self._of(session, "C_CreateObject")[1].add(template)
        self.templates.append(self._of(session, "C_CreateObject")[1].objects[handle])
        return handle

    def destroy_object(self, session: int, handle: int) -> None:
        _, token = self._of(session, "C_DestroyObject")
        self._called(f"C_DestroyObject {token.objects[handle][Attribute.LABEL].decode()!r}")
        del token.objects[handle]

    def generate_key_pair(
        self, session: int, mechanism: Mechanism, public: Template, private: Template
    ) -> tuple[int, int]:
        self._called("C_GenerateKeyPair")
        assert mechanism is Mechanism.RSA_PKCS_KEY_PAIR_GEN
        token = self._of(session, "C_GenerateKeyPair")[1]
        key = rsa_key(next(self.generated))
        common = {"label": str(public[Attribute.LABEL]), "key_id": raw(public[Attribute.ID])}
        halves = (
            token.add_public(key, **common, extra=public),  # type: ignore[arg-type]
            token.add_private(key, **common, extra=private),  # type: ignore[arg-type]
        )
        self.templates.extend(token.objects[half] for half in halves)
        return halves

    def decrypt(
        self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, ciphertext: bytes
    ) -> bytes:
        self._called("C_Decrypt")
        token = self._of(session, "C_Decrypt")[1]
        private = token.keys[key]
        if not isinstance(private, rsa.RSAPrivateKey):
            raise errors.error_of("C_DecryptInit", CODES["CKR_KEY_TYPE_INCONSISTENT"])
        padded: padding.AsymmetricPadding = padding.PKCS1v15()
        if mechanism is Mechanism.RSA_PKCS_OAEP:
            assert isinstance(parameter, Oaep)
            hash_ = hashes.SHA1() if parameter.hash is Mechanism.SHA_1 else hashes.SHA256()
            padded = padding.OAEP(padding.MGF1(hash_), hash_, None)
        token.operations.append(padded.name)
        if mechanism is Mechanism.RSA_PKCS and token.pkcs1 is not None:
            return token.pkcs1
        try:
            return private.decrypt(ciphertext, padded)
        except ValueError:  # as SoftHSM says it
            raise errors.error_of("C_Decrypt", CODES["CKR_GENERAL_ERROR"]) from None

    def derive(self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, size: int) -> bytes:
        self._called("C_DeriveKey")
        assert mechanism is Mechanism.ECDH1_DERIVE
        assert isinstance(parameter, Ecdh)
        assert size == 32
        token = self._of(session, "C_DeriveKey")[1]
        private = token.keys[key]
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        token.operations.append("ECDH")
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), parameter.point)
        return private.exchange(ec.ECDH(), theirs)

    def _called(self, function: str) -> None:
        self.calls.append(function)
        for hook in self.hooks:
            hook(function.partition(" ")[0])

    def _token(self, slot: int, function: str) -> FakeToken:
        token = self.tokens.get(slot)
        if token is None:
            raise errors.error_of(function, CODES["CKR_TOKEN_NOT_PRESENT"])
        return token

    def _of(self, session: int, function: str) -> tuple[int, FakeToken]:
        if session not in self._sessions:
            raise errors.error_of(function, CODES["CKR_SESSION_HANDLE_INVALID"])
        slot = self._sessions[session]
        return slot, self._token(slot, function)


class FakeMemory:
    """Refused PINs in memory, written down beside the calls of the module."""

    def __init__(self, calls: list[str] | None = None) -> None:
        self.records: dict[str, bytes] = {}
        self.calls = [] if calls is None else calls
        self.writable = True

    def recall(self, serial: str) -> PinMemory:
        self.calls.append("recall")
        return PinMemory.decode(self.records[serial]) if serial in self.records else PinMemory()

    def remember(self, serial: str, memory: PinMemory) -> None:
        self.calls.append("remember the attempt" if memory.attempt else "remember")
        if not self.writable:
            raise OSError("Read-only file system")
        self.records[serial] = memory.encode()

    def known(self, serial: str = "DENK0100001") -> PinMemory:
        """What stands in the record."""
        return PinMemory.decode(self.records[serial])


def since(calls: Sequence[str], start: str) -> list[str]:
    """What was called from the last occurrence of a call on."""
    return list(calls[len(calls) - 1 - list(reversed(calls)).index(start) :])
