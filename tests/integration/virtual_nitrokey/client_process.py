"""The process of a :class:`client.Client`: requests on its standard input, answers on its standard output.

It is started for each client, so it imports nothing but python-pkcs11.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error, SessionHandleInvalid
from pkcs11.mechanisms import KDF, MGF
from pkcs11.util.ec import encode_named_curve_parameters


class Calls:
    """What the process does with the first token there is, one session at a time."""

    def __init__(self, module: str) -> None:
        self._lib = pkcs11.lib(module)
        self._session: pkcs11.Session | None = None

    # -- the module, the token, the session ----------------------------------------------------------

    def reinitialize(self) -> None:
        self._session = None
        self._lib.reinitialize()

    def readers(self) -> list[str]:
        """Those with a token in it (C_GetSlotList)."""
        return [slot.slot_description for slot in self._lib.get_slots(token_present=True)]

    def flags(self) -> list[str]:
        """Of the token."""
        return [str(flag.name) for flag in self._token().flags]

    def token(self) -> list[str]:
        """Its label and serial number."""
        token = self._token()
        return [token.label, token.serial.decode()]

    def open(self, pin: str | None) -> None:
        """A session, logged in if there is a PIN."""
        self._session = self._token().open(rw=True, user_pin=pin)

    def close(self) -> None:
        session, self._session = self.session, None
        session.close()

    # -- keys ----------------------------------------------------------------------------------------

    def objects(self) -> list[list[str]]:
        """Class and label of each object of these classes that is visible."""
        return [
            [kind.name, found[Attribute.LABEL]]
            for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY, ObjectClass.DATA)
            for found in self.session.get_objects({Attribute.CLASS: kind})
        ]

    def generate_rsa(self, label: str, bits: int) -> None:
        self.session.generate_keypair(KeyType.RSA, bits, label=label, store=True)

    def generate_ec(self, label: str, curve: str) -> None:
        """``curve`` is a name or an object identifier with dots."""
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        domain = self.session.create_domain_parameters(KeyType.EC, parameters, local=True)
        domain.generate_keypair(label=label, store=True)

    def modulus(self, label: str) -> str:
        """Of a public RSA key."""
        key = self.session.get_key(ObjectClass.PUBLIC_KEY, label=label)
        modulus: bytes = key[Attribute.MODULUS]
        return modulus.hex()

    def point(self, label: str) -> str:
        """Of a public EC key: a DER OCTET STRING."""
        point: bytes = self.session.get_key(ObjectClass.PUBLIC_KEY, label=label)[Attribute.EC_POINT]
        return point.hex()

    def decrypt(self, label: str, ciphertext: str, hash_name: str = "SHA256") -> str:
        """RSAES-OAEP without a label."""
        key = self._private(label)
        parameters = (getattr(Mechanism, hash_name), getattr(MGF, hash_name.replace("_", "")), None)
        found: bytes = key.decrypt(
            bytes.fromhex(ciphertext), mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=parameters
        )
        return found.hex()

    def sign(self, label: str, data: str, mechanism: str = "SHA256_RSA_PKCS") -> str:
        found: bytes = self._private(label).sign(bytes.fromhex(data), mechanism=getattr(Mechanism, mechanism))
        return found.hex()

    def derive(self, label: str, point: str) -> str:
        """The secret of ECDH with another's uncompressed point."""
        secret = self._private(label).derive_key(
            KeyType.GENERIC_SECRET,
            256,
            mechanism_param=(KDF.NULL, None, bytes.fromhex(point)),
            template={Attribute.TOKEN: False, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )
        value: bytes = secret[Attribute.VALUE]
        return value.hex()

    def destroy_key(self, label: str) -> None:
        """The private half."""
        self._private(label).destroy()

    # -- data objects --------------------------------------------------------------------------------

    def write(self, label: str, value: str, *, private: bool = False) -> None:
        self.session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: private,
                Attribute.LABEL: label,
                Attribute.VALUE: bytes.fromhex(value),
            }
        )

    def read(self, label: str) -> list[str]:
        """The values of all data objects of this label."""
        return [found[Attribute.VALUE].hex() for found in self._data(label)]

    def delete(self, label: str) -> None:
        """All data objects of this label."""
        for found in self._data(label):
            found.destroy()

    # ------------------------------------------------------------------------------------------------

    @property
    def session(self) -> pkcs11.Session:
        if self._session is None:
            raise SessionHandleInvalid
        return self._session

    def _token(self) -> pkcs11.Token:
        return next(self._lib.get_tokens())

    def _private(self, label: str) -> Any:
        return self.session.get_key(ObjectClass.PRIVATE_KEY, label=label)

    def _data(self, label: str) -> list[pkcs11.Object]:
        attributes = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}
        return list(self.session.get_objects(attributes))


def main(module: str) -> None:
    """Answer the requests on the standard input."""
    calls = Calls(module)
    for line in sys.stdin:
        do, arguments = json.loads(line)
        answer: tuple[str, object]
        try:
            answer = ("ok", getattr(calls, do)(**arguments))
        except (PKCS11Error, StopIteration) as error:  # StopIteration: there is no token
            answer = ("error", type(error).__name__)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
