"""Names and C structures of PKCS#11 v2.40 (OASIS), as far as this program needs them.

On Linux ``CK_ULONG`` is ``unsigned long`` and structures are not packed; Windows, where both differ, is
not supported.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum, IntFlag

Ulong = ctypes.c_ulong

UNAVAILABLE = Ulong(-1).value
"""CK_UNAVAILABLE_INFORMATION: what ``ulValueLen`` holds when an attribute cannot be read."""


class Attribute(IntEnum):
    """CKA_*: attributes of objects."""

    CLASS = 0x000
    TOKEN = 0x001
    PRIVATE = 0x002
    LABEL = 0x003
    APPLICATION = 0x010
    VALUE = 0x011
    KEY_TYPE = 0x100
    ID = 0x102
    SENSITIVE = 0x103
    ENCRYPT = 0x104
    DECRYPT = 0x105
    VERIFY = 0x10A
    DERIVE = 0x10C
    MODULUS = 0x120
    MODULUS_BITS = 0x121
    PUBLIC_EXPONENT = 0x122
    VALUE_LEN = 0x161
    EXTRACTABLE = 0x162
    EC_PARAMS = 0x180
    EC_POINT = 0x181


class ObjectClass(IntEnum):
    """CKO_*: classes of objects."""

    DATA = 0
    CERTIFICATE = 1
    PUBLIC_KEY = 2
    PRIVATE_KEY = 3
    SECRET_KEY = 4


class KeyType(IntEnum):
    """CKK_*: types of keys."""

    RSA = 0
    EC = 3
    GENERIC_SECRET = 0x10


class Mechanism(IntEnum):
    """CKM_*: mechanisms; the hashes are there as parameters of OAEP."""

    RSA_PKCS_KEY_PAIR_GEN = 0x0000
    RSA_PKCS = 0x0001
    RSA_PKCS_OAEP = 0x0009
    SHA_1 = 0x0220
    SHA256 = 0x0250
    EC_KEY_PAIR_GEN = 0x1040
    ECDH1_DERIVE = 0x1050


class TokenFlag(IntFlag):
    """CKF_* of CK_TOKEN_INFO."""

    RNG = 1 << 0
    WRITE_PROTECTED = 1 << 1
    LOGIN_REQUIRED = 1 << 2
    USER_PIN_INITIALIZED = 1 << 3
    PROTECTED_AUTHENTICATION_PATH = 1 << 8
    TOKEN_INITIALIZED = 1 << 10
    USER_PIN_COUNT_LOW = 1 << 16
    USER_PIN_FINAL_TRY = 1 << 17
    USER_PIN_LOCKED = 1 << 18
    USER_PIN_TO_BE_CHANGED = 1 << 19
    SO_PIN_COUNT_LOW = 1 << 20
    SO_PIN_FINAL_TRY = 1 << 21
    SO_PIN_LOCKED = 1 << 22


class SlotFlag(IntFlag):
    """CKF_* of CK_SLOT_INFO."""

    TOKEN_PRESENT = 1 << 0
    REMOVABLE_DEVICE = 1 << 1
    HARDWARE = 1 << 2


class MechanismFlag(IntFlag):
    """CKF_* of CK_MECHANISM_INFO."""

    HARDWARE = 1 << 0
    ENCRYPT = 1 << 8
    DECRYPT = 1 << 9
    GENERATE_KEY_PAIR = 1 << 16
    DERIVE = 1 << 19


OS_LOCKING_OK = 0x2  # CKF_OS_LOCKING_OK of CK_C_INITIALIZE_ARGS
SERIAL_SESSION = 0x4  # CKF_SERIAL_SESSION, must be set
RW_SESSION = 0x2  # CKF_RW_SESSION
SO = 0  # CKU_SO
USER = 1  # CKU_USER
MGF1_SHA1 = 1  # CKG_MGF1_SHA1
MGF1_SHA256 = 2  # CKG_MGF1_SHA256
OAEP_DATA_SPECIFIED = 1  # CKZ_DATA_SPECIFIED
KDF_NULL = 1  # CKD_NULL


class Version(ctypes.Structure):
    """CK_VERSION."""

    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class Info(ctypes.Structure):
    """CK_INFO."""

    _fields_ = (
        ("cryptokiVersion", Version),
        ("manufacturerID", ctypes.c_char * 32),
        ("flags", Ulong),
        ("libraryDescription", ctypes.c_char * 32),
        ("libraryVersion", Version),
    )


class SlotInfoStruct(ctypes.Structure):
    """CK_SLOT_INFO."""

    _fields_ = (
        ("slotDescription", ctypes.c_char * 64),
        ("manufacturerID", ctypes.c_char * 32),
        ("flags", Ulong),
        ("hardwareVersion", Version),
        ("firmwareVersion", Version),
    )


class TokenInfoStruct(ctypes.Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturerID", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serialNumber", ctypes.c_char * 16),
        ("flags", Ulong),
        ("ulMaxSessionCount", Ulong),
        ("ulSessionCount", Ulong),
        ("ulMaxRwSessionCount", Ulong),
        ("ulRwSessionCount", Ulong),
        ("ulMaxPinLen", Ulong),
        ("ulMinPinLen", Ulong),
        ("ulTotalPublicMemory", Ulong),
        ("ulFreePublicMemory", Ulong),
        ("ulTotalPrivateMemory", Ulong),
        ("ulFreePrivateMemory", Ulong),
        ("hardwareVersion", Version),
        ("firmwareVersion", Version),
        ("utcTime", ctypes.c_char * 16),
    )


class MechanismInfoStruct(ctypes.Structure):
    """CK_MECHANISM_INFO."""

    _fields_ = (("ulMinKeySize", Ulong), ("ulMaxKeySize", Ulong), ("flags", Ulong))


class MechanismStruct(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("mechanism", Ulong), ("pParameter", ctypes.c_void_p), ("ulParameterLen", Ulong))


class AttributeStruct(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", Ulong), ("pValue", ctypes.c_void_p), ("ulValueLen", Ulong))


class InitializeArgs(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("CreateMutex", ctypes.c_void_p),
        ("DestroyMutex", ctypes.c_void_p),
        ("LockMutex", ctypes.c_void_p),
        ("UnlockMutex", ctypes.c_void_p),
        ("flags", Ulong),
        ("pReserved", ctypes.c_void_p),
    )


class OaepParams(ctypes.Structure):
    """CK_RSA_PKCS_OAEP_PARAMS."""

    _fields_ = (
        ("hashAlg", Ulong),
        ("mgf", Ulong),
        ("source", Ulong),
        ("pSourceData", ctypes.c_void_p),
        ("ulSourceDataLen", Ulong),
    )


class Ecdh1DeriveParams(ctypes.Structure):
    """CK_ECDH1_DERIVE_PARAMS."""

    _fields_ = (
        ("kdf", Ulong),
        ("ulSharedDataLen", Ulong),
        ("pSharedData", ctypes.c_void_p),
        ("ulPublicDataLen", Ulong),
        ("pPublicData", ctypes.c_void_p),
    )


# fmt: off
FUNCTIONS = (
    "C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList",
    "C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken",
    "C_InitPIN", "C_SetPIN", "C_OpenSession", "C_CloseSession", "C_CloseAllSessions",
    "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState", "C_Login", "C_Logout",
    "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize", "C_GetAttributeValue",
    "C_SetAttributeValue", "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal",
    "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate", "C_EncryptFinal", "C_DecryptInit", "C_Decrypt",
    "C_DecryptUpdate", "C_DecryptFinal", "C_DigestInit", "C_Digest", "C_DigestUpdate",
    "C_DigestKey", "C_DigestFinal", "C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal",
    "C_SignRecoverInit", "C_SignRecover", "C_VerifyInit", "C_Verify", "C_VerifyUpdate",
    "C_VerifyFinal", "C_VerifyRecoverInit", "C_VerifyRecover", "C_DigestEncryptUpdate",
    "C_DecryptDigestUpdate", "C_SignEncryptUpdate", "C_DecryptVerifyUpdate", "C_GenerateKey",
    "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_SeedRandom",
    "C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction", "C_WaitForSlotEvent",
)
# fmt: on
"""The members of CK_FUNCTION_LIST after its version, in their order."""


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST."""

    _fields_ = (("version", Version), *((name, ctypes.c_void_p) for name in FUNCTIONS))
