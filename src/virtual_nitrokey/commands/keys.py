"""Commands on keys: GENERATE ASYMMETRIC KEY PAIR, DECIPHER, SIGN; and GET CHALLENGE.

(ISO/IEC 7816-8; ISO/IEC 7816-4.) The private key is named by P1, the algorithm by P2.
"""

from __future__ import annotations

import os

from virtual_nitrokey import cvc
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.context import Context, Work
from virtual_nitrokey.keys import EcKey, RsaKey, without_padding
from virtual_nitrokey.memory import DEVICE_KEY, Access, PrivateKey
from virtual_nitrokey.status import SW, CardError

_RSA_RAW, _RSA_PKCS1, _ECDH = 0x21, 0x22, 0x80  # algorithms of DECIPHER
_LONGEST_CHALLENGE = 1024


def generate(context: Context, command: Command) -> bytes:
    """GENERATE ASYMMETRIC KEY PAIR: answers an authenticated request (BSI TR-03110-3, appendix C)."""
    if command.p2:
        raise CardError(SW.WRONG_P1P2)
    context.require(Access.USER)
    number = user_key_number(command)
    request = cvc.parse_generation(command.data)
    key: PrivateKey
    if request.curve is None:
        key = RsaKey.generate(request.bits, request.exponent)
        context.spend(Work.RSA_GENERATE, key.bits)
    else:
        key = EcKey.generate(request.curve)
        context.spend(Work.EC_GENERATE, key.bits)
    image = context.image
    answer = cvc.key_request(key, request.car, request.chr, image.device_key, image.holder_reference)
    context.store(image.memory.with_key(number, key), 0)
    return answer


def decipher(context: Context, command: Command) -> bytes:
    """DECIPHER: RSA, with the padding left in place or, of PKCS#1 v1.5, taken off; or the Diffie-Hellman
    agreement with a point.
    """
    key = _usable(context, command)
    if command.p2 in (_RSA_RAW, _RSA_PKCS1):
        if not isinstance(key, RsaKey):
            raise CardError(SW.UNSUPPORTED_FOR_KEY)
        block = key.decipher(command.data)
        context.spend(Work.RSA_PRIVATE, key.bits)  # also where the padding is none: that is seen afterwards
        return block if command.p2 == _RSA_RAW else without_padding(block)
    if command.p2 == _ECDH:
        if not isinstance(key, EcKey):
            raise CardError(SW.UNSUPPORTED_FOR_KEY)
        point = key.agree(command.data)
        context.spend(Work.EC_AGREE, key.bits)
        return point
    raise CardError(SW.WRONG_P1P2)


def sign(context: Context, command: Command) -> bytes:
    """SIGN: with an RSA or an EC key, of a hash or of a message, as the algorithm says."""
    key = _usable(context, command)
    signature = key.sign(command.p2, command.data)
    context.spend(Work.RSA_PRIVATE if isinstance(key, RsaKey) else Work.EC_SIGN, key.bits)
    return signature


def get_challenge(_context: Context, command: Command) -> bytes:
    """GET CHALLENGE: Le random bytes, up to 1024."""
    if command.p1p2:
        raise CardError(SW.WRONG_P1P2)
    if command.le is None or command.le > _LONGEST_CHALLENGE:
        raise CardError(SW.WRONG_LENGTH)
    return os.urandom(command.le)


def user_key_number(command: Command) -> int:
    """P1 as the number of a key of the user's. CardError (6A81) for the device's own."""
    if command.p1 == DEVICE_KEY:
        raise CardError(SW.UNSUPPORTED_FOR_KEY)
    return command.p1


def user_key(context: Context, command: Command) -> PrivateKey:
    """The key that P1 names. CardError (6A82) if there is none."""
    try:
        return context.image.memory.keys[user_key_number(command)]
    except KeyError:
        raise CardError(SW.NOT_FOUND) from None


def _usable(context: Context, command: Command) -> PrivateKey:
    context.require(Access.USER)
    return user_key(context, command)
