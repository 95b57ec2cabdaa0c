"""A thin ``ctypes`` binding of a PKCS#11 module (v2.40), made for unattended use.

What differs from the bindings on PyPI is why it exists: ``C_Decrypt`` is called once, with a buffer (the
usual question for the length costs OpenSC a whole private-key operation and blocks the session when it
fails); the module is told that there are threads; buffers with secrets are wiped; each return code is an
exception of its own that names the function.

Nothing here locks or retries: one thread of the worker process owns the module.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from bank_vaults.hsm import ck
from bank_vaults.hsm.ck import Attribute, Mechanism, MechanismFlag, SlotFlag, TokenFlag, Ulong
from bank_vaults.hsm.errors import BufferTooSmallError, ModuleError, error_of

Value = bool | int | bytes | str
Template = Mapping[Attribute, Value]

_FIND_AT_ONCE = 64
_LONGEST_RESULT = 4096  # bytes of one private-key operation: RSA-16384 would fit twice
_LONGEST_VALUE = 1 << 20  # bytes of one attribute; a larger answer is a defect of the module


class ModuleInfo(NamedTuple):
    """C_GetInfo: texts without padding; versions as "2.40"."""

    cryptoki: str
    manufacturer: str
    description: str
    version: str


class SlotInfo(NamedTuple):
    """C_GetSlotInfo."""

    description: str
    manufacturer: str
    flags: SlotFlag


class TokenInfo(NamedTuple):
    """C_GetTokenInfo. ``label`` is as the token gives it, without padding (blanks, NULs)."""

    label: str
    manufacturer: str
    model: str
    serial: str
    flags: TokenFlag
    shortest_pin: int
    longest_pin: int
    firmware: str


class MechanismInfo(NamedTuple):
    """C_GetMechanismInfo; sizes in bits for RSA and EC."""

    smallest: int
    largest: int
    flags: MechanismFlag


class Oaep(NamedTuple):
    """The parameter of RSA-OAEP: one hash for label and MGF1, empty label (RFC 8017, 7.1)."""

    hash: Mechanism


class Ecdh(NamedTuple):
    """The parameter of ECDH: the other side's point, 04 || x || y, no KDF."""

    point: bytes


Parameter = Oaep | Ecdh | None


class Module:
    """A loaded module. Every method raises Pkcs11Error as PKCS#11 says it."""

    def __init__(self, path: str) -> None:
        """Load the library at ``path`` without initialising it. Raises ModuleError."""
        self.path = path
        try:
            self._library = ctypes.CDLL(path, handle=_loaded(path))
            get_list = self._library.C_GetFunctionList
        except OSError as error:
            raise ModuleError(f"the PKCS#11 module cannot be loaded: {error}") from None
        except AttributeError:
            raise ModuleError(
                f"{path} is a library but not a PKCS#11 module: it has no C_GetFunctionList"
            ) from None
        found = ctypes.POINTER(ck.FunctionList)()
        code = get_list(ctypes.byref(found))
        if code != 0 or not found:
            raise ModuleError(f"{path} gives no list of functions: C_GetFunctionList returned 0x{code:08X}")
        self._list = found.contents
        if self._list.version.major != 2:
            raise ModuleError(
                f"{path} speaks PKCS#11 {self._list.version.major}.{self._list.version.minor}, not 2.x"
            )
        self._functions: dict[str, ctypes._CFunctionType] = {}

    def initialize(self) -> None:
        """C_Initialize with CKF_OS_LOCKING_OK: vendor modules have threads of their own."""
        arguments = ck.InitializeArgs(flags=ck.OS_LOCKING_OK)
        self._call("C_Initialize", ctypes.byref(arguments))

    def finalize(self) -> None:
        """C_Finalize."""
        self._call("C_Finalize", None)

    def info(self) -> ModuleInfo:
        """C_GetInfo."""
        found = ck.Info()
        self._call("C_GetInfo", ctypes.byref(found))
        return ModuleInfo(
            cryptoki=_version(found.cryptokiVersion),
            manufacturer=_text(found, "manufacturerID"),
            description=_text(found, "libraryDescription"),
            version=_version(found.libraryVersion),
        )

    def slots(self, *, token_present: bool) -> tuple[int, ...]:
        """C_GetSlotList: the ids, of all slots or of those with a token."""
        only = ctypes.c_ubyte(token_present)
        while True:
            count = Ulong()
            self._call("C_GetSlotList", only, None, ctypes.byref(count))
            ids = (Ulong * count.value)()
            try:
                self._call("C_GetSlotList", only, ids, ctypes.byref(count))
            except BufferTooSmallError:  # a reader came between the two calls
                continue
            return tuple(ids[: count.value])

    def slot_info(self, slot: int) -> SlotInfo:
        """C_GetSlotInfo."""
        found = ck.SlotInfoStruct()
        self._call("C_GetSlotInfo", Ulong(slot), ctypes.byref(found))
        return SlotInfo(
            description=_text(found, "slotDescription"),
            manufacturer=_text(found, "manufacturerID"),
            flags=SlotFlag(found.flags),
        )

    def token_info(self, slot: int) -> TokenInfo:
        """C_GetTokenInfo: asks the token anew each time, so the PIN flags are those of this moment."""
        found = ck.TokenInfoStruct()
        self._call("C_GetTokenInfo", Ulong(slot), ctypes.byref(found))
        return TokenInfo(
            label=_text(found, "label"),
            manufacturer=_text(found, "manufacturerID"),
            model=_text(found, "model"),
            serial=_text(found, "serialNumber"),
            flags=TokenFlag(found.flags),
            shortest_pin=found.ulMinPinLen,
            longest_pin=found.ulMaxPinLen,
            firmware=_version(found.firmwareVersion),
        )

    def mechanisms(self, slot: int) -> frozenset[int]:
        """C_GetMechanismList: CKM_* numbers, also those without a name here."""
        count = Ulong()
        self._call("C_GetMechanismList", Ulong(slot), None, ctypes.byref(count))
        found = (Ulong * count.value)()
        self._call("C_GetMechanismList", Ulong(slot), found, ctypes.byref(count))
        return frozenset(found[: count.value])

    def mechanism_info(self, slot: int, mechanism: Mechanism) -> MechanismInfo:
        """C_GetMechanismInfo."""
        found = ck.MechanismInfoStruct()
        self._call("C_GetMechanismInfo", Ulong(slot), Ulong(mechanism), ctypes.byref(found))
        return MechanismInfo(found.ulMinKeySize, found.ulMaxKeySize, MechanismFlag(found.flags))

    def open_session(self, slot: int, *, read_write: bool) -> int:
        """C_OpenSession: the handle."""
        flags = ck.SERIAL_SESSION | (ck.RW_SESSION if read_write else 0)
        handle = Ulong()
        self._call("C_OpenSession", Ulong(slot), Ulong(flags), None, None, ctypes.byref(handle))
        return handle.value

    def close_session(self, session: int) -> None:
        """C_CloseSession."""
        self._call("C_CloseSession", Ulong(session))

    def close_all_sessions(self, slot: int) -> None:
        """C_CloseAllSessions: also logs out."""
        self._call("C_CloseAllSessions", Ulong(slot))

    def init_token(self, slot: int, so_pin: bytes, label: str) -> None:
        """C_InitToken: destroys every object. Sets the SO-PIN of a fresh token; else the SO-PIN has to be
        the token's, and a wrong one costs one of few tries. ``label``: at most 32 bytes of UTF-8.
        """
        with _wiped(so_pin) as buffer:
            padded = ctypes.create_string_buffer(label.encode().ljust(32), 32)
            self._call("C_InitToken", Ulong(slot), buffer, Ulong(len(so_pin)), padded)

    def init_pin(self, session: int, pin: bytes) -> None:
        """C_InitPIN: sets the user PIN, in a session that is logged in as the security officer."""
        with _wiped(pin) as buffer:
            self._call("C_InitPIN", Ulong(session), buffer, Ulong(len(pin)))

    def login(self, session: int, pin: bytes, user: int = ck.USER) -> None:
        """C_Login, as the user if not said otherwise. A refused PIN costs a try: callers ask the PIN guard
        first.
        """
        with _wiped(pin) as buffer:
            self._call("C_Login", Ulong(session), Ulong(user), buffer, Ulong(len(pin)))

    def logout(self, session: int) -> None:
        """C_Logout."""
        self._call("C_Logout", Ulong(session))

    def find(self, session: int, template: Template) -> tuple[int, ...]:
        """C_FindObjects: the handles of all objects that match, oldest first where the token keeps order."""
        attributes, _kept = _template(template)
        self._call("C_FindObjectsInit", Ulong(session), attributes, Ulong(len(template)))
        try:
            handles: list[int] = []
            batch = (Ulong * _FIND_AT_ONCE)()
            count = Ulong()
            while True:
                self._call("C_FindObjects", Ulong(session), batch, Ulong(_FIND_AT_ONCE), ctypes.byref(count))
                handles.extend(batch[: count.value])
                if count.value < _FIND_AT_ONCE:
                    return tuple(handles)
        finally:
            # Not checked: an error of the search itself is the one to report.
            self._function("C_FindObjectsFinal")(Ulong(session))

    def attribute(self, session: int, handle: int, attribute: Attribute) -> bytes:
        """C_GetAttributeValue of one attribute, the bytes as they are.

        One at a time: a module fails the whole list when one attribute is unknown to it.
        """
        wanted = ck.AttributeStruct(type=attribute)
        asked = (Ulong(session), Ulong(handle), ctypes.byref(wanted), Ulong(1))
        self._call("C_GetAttributeValue", *asked)
        size = wanted.ulValueLen
        if size > _LONGEST_VALUE:
            raise ModuleError(f"{self.path}: attribute {attribute.name} claims to have {size} bytes")
        buffer = ctypes.create_string_buffer(max(size, 1))
        wanted.pValue = ctypes.addressof(buffer)
        try:
            self._call("C_GetAttributeValue", *asked)
            return buffer.raw[: wanted.ulValueLen]
        finally:
            _wipe(buffer)  # the secret of an ECDH is an attribute

    def create_object(self, session: int, template: Template) -> int:
        """C_CreateObject: the handle."""
        attributes, _kept = _template(template)
        handle = Ulong()
        self._call("C_CreateObject", Ulong(session), attributes, Ulong(len(template)), ctypes.byref(handle))
        return handle.value

    def destroy_object(self, session: int, handle: int) -> None:
        """C_DestroyObject."""
        self._call("C_DestroyObject", Ulong(session), Ulong(handle))

    def generate_key_pair(
        self, session: int, mechanism: Mechanism, public: Template, private: Template
    ) -> tuple[int, int]:
        """C_GenerateKeyPair: the handles of the public and the private half."""
        public_attributes, _kept_public = _template(public)
        private_attributes, _kept_private = _template(private)
        described, _kept = _mechanism(mechanism, None)
        first, second = Ulong(), Ulong()
        self._call(
            "C_GenerateKeyPair",
            Ulong(session),
            ctypes.byref(described),
            public_attributes,
            Ulong(len(public)),
            private_attributes,
            Ulong(len(private)),
            ctypes.byref(first),
            ctypes.byref(second),
        )
        return first.value, second.value

    def decrypt(
        self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, ciphertext: bytes
    ) -> bytes:
        """C_DecryptInit and one C_Decrypt with a buffer: one private-key operation.

        After an error the session is not to be trusted: close it.
        """
        described, _kept = _mechanism(mechanism, parameter)
        self._call("C_DecryptInit", Ulong(session), ctypes.byref(described), Ulong(key))
        buffer = ctypes.create_string_buffer(_LONGEST_RESULT)
        size = Ulong(_LONGEST_RESULT)
        try:
            self._call(
                "C_Decrypt",
                Ulong(session),
                ctypes.create_string_buffer(ciphertext, len(ciphertext) or 1),
                Ulong(len(ciphertext)),
                buffer,
                ctypes.byref(size),
            )
            return buffer.raw[: size.value]
        finally:
            _wipe(buffer)

    def derive(self, session: int, mechanism: Mechanism, parameter: Parameter, key: int, size: int) -> bytes:
        """C_DeriveKey to a session key of ``size`` bytes, and its value: one private-key operation."""
        template: Template = {
            Attribute.CLASS: ck.ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: ck.KeyType.GENERIC_SECRET,
            Attribute.TOKEN: False,  # OpenSC calls the template incomplete without it
            Attribute.SENSITIVE: False,
            Attribute.EXTRACTABLE: True,
            Attribute.VALUE_LEN: size,
        }
        attributes, _kept_template = _template(template)
        described, _kept = _mechanism(mechanism, parameter)
        handle = Ulong()
        self._call(
            "C_DeriveKey",
            Ulong(session),
            ctypes.byref(described),
            Ulong(key),
            attributes,
            Ulong(len(template)),
            ctypes.byref(handle),
        )
        try:
            return self.attribute(session, handle.value, Attribute.VALUE)
        finally:
            self._function("C_DestroyObject")(Ulong(session), handle)  # a session object: gone anyway

    def _function(self, name: str) -> ctypes._CFunctionType:
        function = self._functions.get(name)
        if function is None:
            address = getattr(self._list, name)
            if not address:
                raise ModuleError(f"{self.path} has no {name}")
            # The GIL is released during calls, so that a slow token does not stop other threads.
            function = ctypes.CFUNCTYPE(Ulong)(address)
            self._functions[name] = function
        return function

    def _call(self, name: str, *arguments: object) -> None:
        code = self._function(name)(*arguments)
        if code != 0:
            raise error_of(name, code)


def _loaded(path: str) -> int:
    """dlopen(3) with the GIL released, which ctypes keeps: a library may hang in its constructors."""
    libc = ctypes.CDLL(None)
    libc.dlopen.argtypes, libc.dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    libc.dlerror.restype = ctypes.c_char_p
    handle: int | None = libc.dlopen(os.fsencode(path), os.RTLD_NOW)
    if handle is None:
        raise OSError((libc.dlerror() or b"no reason given").decode("utf-8", "replace"))
    return handle


def _template(template: Template) -> tuple[ctypes.Array[ck.AttributeStruct], Sequence[object]]:
    """An array of CK_ATTRIBUTE, and what has to stay alive as long as it is used."""
    array = (ck.AttributeStruct * len(template))()
    kept = []
    for entry, (attribute, value) in zip(array, template.items(), strict=True):
        raw = _raw(value)
        buffer = ctypes.create_string_buffer(raw, len(raw) or 1)
        kept.append(buffer)
        entry.type, entry.pValue, entry.ulValueLen = attribute, ctypes.addressof(buffer), len(raw)
    return array, kept


def _raw(value: Value) -> bytes:
    if isinstance(value, bool):
        return bytes((value,))
    if isinstance(value, int):
        return bytes(Ulong(value))
    return value.encode() if isinstance(value, str) else value


def _mechanism(mechanism: Mechanism, parameter: Parameter) -> tuple[ck.MechanismStruct, Sequence[object]]:
    """A CK_MECHANISM, and what has to stay alive as long as it is used."""
    described = ck.MechanismStruct(mechanism=mechanism)
    if parameter is None:
        return described, ()
    kept: list[object] = []
    structure: ctypes.Structure
    if isinstance(parameter, Oaep):
        mgf = ck.MGF1_SHA1 if parameter.hash is Mechanism.SHA_1 else ck.MGF1_SHA256
        structure = ck.OaepParams(hashAlg=parameter.hash, mgf=mgf, source=ck.OAEP_DATA_SPECIFIED)
    else:
        point = ctypes.create_string_buffer(parameter.point, len(parameter.point) or 1)
        kept.append(point)
        structure = ck.Ecdh1DeriveParams(
            kdf=ck.KDF_NULL, ulPublicDataLen=len(parameter.point), pPublicData=ctypes.addressof(point)
        )
    kept.append(structure)
    described.pParameter = ctypes.addressof(structure)
    described.ulParameterLen = ctypes.sizeof(structure)
    return described, kept


def _text(structure: ctypes.Structure, field: str) -> str:
    """A fixed text field without its padding. Read raw: ctypes ends such a field at the first NUL."""
    place = getattr(type(structure), field)
    raw = ctypes.string_at(ctypes.addressof(structure) + place.offset, place.size)
    return raw.rstrip(b"\0 ").decode("utf-8", "replace")


def _version(version: ck.Version) -> str:
    return f"{version.major}.{version.minor}"


@contextmanager
def _wiped(secret: bytes) -> Iterator[ctypes.Array[ctypes.c_char]]:
    """A buffer that holds the secret for the length of the block."""
    buffer = ctypes.create_string_buffer(secret, len(secret) or 1)
    try:
        yield buffer
    finally:
        _wipe(buffer)


def _wipe(buffer: ctypes.Array[ctypes.c_char]) -> None:
    ctypes.memset(buffer, 0, ctypes.sizeof(buffer))
