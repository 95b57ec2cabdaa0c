"""The binding calls a real module as PKCS#11 says, and turns its codes into exceptions with names."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bank_vaults.hsm import binding, ck, errors
from bank_vaults.hsm.binding import Ecdh, Module, Oaep, Template
from bank_vaults.hsm.ck import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
from tests.support.softhsm import PIN, SoftToken

P256 = bytes.fromhex("06082a8648ce3d030107")  # the OID of prime256v1, DER


def _halves(kind: KeyType, label: str) -> tuple[Template, Template]:
    specific: Template = {Attribute.MODULUS_BITS: 2048, Attribute.PUBLIC_EXPONENT: b"\1\0\1"}
    if kind is KeyType.EC:
        specific = {Attribute.EC_PARAMS: P256}
    use = Attribute.DERIVE if kind is KeyType.EC else Attribute.DECRYPT
    common: Template = {Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.ID: b"\x42"}
    return {**common, **specific}, {**common, use: True, Attribute.PRIVATE: True, Attribute.SENSITIVE: True}


@pytest.fixture
def session(token: SoftToken) -> Iterator[int]:
    """A session that is logged in."""
    handle = token.module.open_session(token.slot, read_write=True)
    token.module.login(handle, PIN.encode())
    yield handle
    token.module.close_all_sessions(token.slot)


def test_module_slot_and_token_describe_themselves_without_padding(token: SoftToken) -> None:
    module = token.module
    assert module.info().manufacturer == "SoftHSM"
    assert module.info().cryptoki.startswith("2.")
    found = module.token_info(token.slot)
    assert (found.label, found.manufacturer) == (token.label, "SoftHSM project")
    assert TokenFlag.USER_PIN_INITIALIZED in found.flags
    assert "SoftHSM slot" in module.slot_info(token.slot).description
    assert set(module.slots(token_present=False)) >= {token.slot}
    assert Mechanism.RSA_PKCS_OAEP in module.mechanisms(token.slot)
    oaep = module.mechanism_info(token.slot, Mechanism.RSA_PKCS_OAEP)
    assert MechanismFlag.DECRYPT in oaep.flags
    assert oaep.smallest <= 2048 <= oaep.largest


def test_what_software_encrypted_to_the_public_half_the_token_decrypts(
    token: SoftToken, session: int
) -> None:
    module = token.module
    public, private = module.generate_key_pair(
        session, Mechanism.RSA_PKCS_KEY_PAIR_GEN, *_halves(KeyType.RSA, "rsa")
    )
    modulus = int.from_bytes(module.attribute(session, public, Attribute.MODULUS))
    exponent = int.from_bytes(module.attribute(session, public, Attribute.PUBLIC_EXPONENT))
    outside = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    for plain in (b"share", b"", b"x" * 214):
        sealed = outside.encrypt(plain, oaep)
        opened = module.decrypt(session, Mechanism.RSA_PKCS_OAEP, Oaep(Mechanism.SHA_1), private, sealed)
        assert opened == plain
    old = outside.encrypt(b"old", padding.PKCS1v15())
    assert module.decrypt(session, Mechanism.RSA_PKCS, None, private, old) == b"old"


def test_a_failed_decryption_leaves_the_session_usable(token: SoftToken, session: int) -> None:
    module = token.module
    _, private = module.generate_key_pair(
        session, Mechanism.RSA_PKCS_KEY_PAIR_GEN, *_halves(KeyType.RSA, "rsa")
    )
    for _ in range(2):
        with pytest.raises(errors.Pkcs11Error) as caught:
            module.decrypt(session, Mechanism.RSA_PKCS_OAEP, Oaep(Mechanism.SHA_1), private, b"\1" * 256)
        assert not isinstance(caught.value, errors.OperationActiveError)
        assert caught.value.function == "C_Decrypt"
    with pytest.raises(errors.Pkcs11Error) as refused:  # SoftHSM 2.6 knows OAEP with SHA-1 only
        module.decrypt(session, Mechanism.RSA_PKCS_OAEP, Oaep(Mechanism.SHA256), private, b"\1" * 256)
    assert str(refused.value) == "C_DecryptInit: CKR_ARGUMENTS_BAD"


def test_an_ecdh_secret_is_the_one_that_the_other_side_has(token: SoftToken, session: int) -> None:
    module = token.module
    public, private = module.generate_key_pair(session, Mechanism.EC_KEY_PAIR_GEN, *_halves(KeyType.EC, "ec"))
    point = module.attribute(session, public, Attribute.EC_POINT)[2:]  # a DER OCTET STRING
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    ours = ec.generate_private_key(ec.SECP256R1())
    numbers = ours.public_key().public_numbers()
    own_point = b"\4" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    secret = module.derive(session, Mechanism.ECDH1_DERIVE, Ecdh(own_point), private, 32)
    assert secret == ours.exchange(ec.ECDH(), theirs)
    with pytest.raises(errors.Pkcs11Error):
        module.derive(session, Mechanism.ECDH1_DERIVE, Ecdh(b"\4"), private, 32)


def test_what_held_a_pin_or_a_secret_of_the_token_is_wiped(
    token: SoftToken, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, wipe = token.module, binding._wipe
    held: list[bytes] = []

    def watched(buffer: ctypes.Array[ctypes.c_char]) -> None:
        held.append(buffer.raw)
        wipe(buffer)
        assert not any(buffer.raw)

    monkeypatch.setattr(binding, "_wipe", watched)
    module.logout(session)
    module.login(session, PIN.encode())
    public, private = module.generate_key_pair(
        session, Mechanism.RSA_PKCS_KEY_PAIR_GEN, *_halves(KeyType.RSA, "rsa")
    )
    modulus = int.from_bytes(module.attribute(session, public, Attribute.MODULUS))
    outside = rsa.RSAPublicNumbers(65537, modulus).public_key()
    sealed = outside.encrypt(b"share", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    assert (
        module.decrypt(session, Mechanism.RSA_PKCS_OAEP, Oaep(Mechanism.SHA_1), private, sealed) == b"share"
    )
    public, private = module.generate_key_pair(session, Mechanism.EC_KEY_PAIR_GEN, *_halves(KeyType.EC, "ec"))
    point = module.attribute(session, public, Attribute.EC_POINT)[2:]
    secret = module.derive(session, Mechanism.ECDH1_DERIVE, Ecdh(point), private, 32)
    for wanted in (PIN.encode(), b"share", secret):
        assert any(wanted in raw for raw in held)
    with pytest.raises(errors.Pkcs11Error):
        module.login(session, b"a wrong one")
    assert held[-1].startswith(b"a wrong one")


def test_objects_are_found_read_and_destroyed(token: SoftToken, session: int) -> None:
    module = token.module
    common: Template = {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.PRIVATE: True}
    handles = {
        module.create_object(session, {**common, Attribute.LABEL: f"v-{i}", Attribute.VALUE: b"\0" * i})
        for i in range(70)  # more than one batch of C_FindObjects
    }
    assert set(module.find(session, common)) == handles
    (found,) = module.find(session, {Attribute.LABEL: "v-65"})
    assert module.attribute(session, found, Attribute.VALUE) == bytes(65)
    assert module.attribute(session, found, Attribute.LABEL) == b"v-65"
    with pytest.raises(errors.AttributeTypeInvalidError):
        module.attribute(session, found, Attribute.MODULUS)
    module.destroy_object(session, found)
    assert module.find(session, {Attribute.LABEL: "v-65"}) == ()
    module.logout(session)
    assert module.find(session, common) == ()


def test_each_return_code_is_an_exception_that_names_its_function(token: SoftToken) -> None:
    module = token.module
    module.close_all_sessions(token.slot)
    session = module.open_session(token.slot, read_write=False)
    with pytest.raises(errors.PinIncorrectError, match=r"^C_Login: CKR_PIN_INCORRECT$"):
        module.login(session, b"wrong")
    module.login(session, PIN.encode())
    with pytest.raises(errors.UserAlreadyLoggedInError):
        module.login(session, PIN.encode())
    with pytest.raises(errors.Pkcs11Error, match="C_CreateObject: CKR_SESSION_READ_ONLY"):
        module.create_object(session, {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True})
    module.close_session(session)
    with pytest.raises(errors.Pkcs11Error, match="CKR_SESSION_HANDLE_INVALID") as caught:
        module.close_session(session)
    assert caught.value.code == 0xB3
    with pytest.raises(errors.CryptokiAlreadyInitializedError):
        module.initialize()
    with pytest.raises(errors.Pkcs11Error, match="C_GetTokenInfo: CKR_SLOT_ID_INVALID"):
        module.token_info(987654321)


def test_an_unknown_code_keeps_its_number() -> None:
    error = errors.error_of("C_Decrypt", 0x80000001)
    assert type(error) is errors.Pkcs11Error
    assert str(error) == "C_Decrypt: 0x80000001"


def test_every_named_code_has_a_class_of_its_own() -> None:
    assert len(set(errors.CLASSES.values())) == len(errors.NAMES)
    assert all(errors.CLASSES[code].name == name for code, name in errors.NAMES.items())


@pytest.mark.parametrize(
    ("path", "words"),
    [("/nowhere/module.so", "cannot be loaded"), ("libc.so.6", "no C_GetFunctionList")],
)
def test_what_is_no_module_is_refused_by_name(path: str, words: str) -> None:
    with pytest.raises(errors.ModuleError, match=words) as caught:
        Module(path)
    assert Path(path).name in str(caught.value)


def test_the_function_list_has_the_members_of_version_2_40() -> None:
    assert len(ck.FUNCTIONS) == 68
    assert ck.FUNCTIONS[0] == "C_Initialize"
    assert ck.FUNCTIONS[-1] == "C_WaitForSlotEvent"
