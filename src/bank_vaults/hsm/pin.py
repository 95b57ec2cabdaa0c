"""The PIN guard: a wrong PIN costs one try, for each token, over any number of restarts and replicas.

Pure rules. Before each login the flags of the token are read and the memory of refused PINs is asked;
after it the memory is told. The memory is kept as small records (one for each token) by whoever calls.

Replicas that do not share their memories see what the others did by the flags of the token alone: a
wrong PIN that was tried, and not by us, may be the one that we are about to try.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.ck import TokenFlag

_ROUNDS = 20_000
"""Of PBKDF2: about 10 ms. A PIN is short, so this hash is no protection against whoever reads the record;
the record is for its owner only."""
_MOST_REFUSED = 16  # kept for one token; an older one falls out
_WORSE = TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED


class PinMemoryError(ValueError):
    """A record of refused PINs is damaged: it is not known which PINs were refused."""


class Refusal(Enum):
    """Why no login is tried."""

    LOCKED = "locked"
    FINAL_TRY = "final-try"
    NOT_INITIALISED = "not-initialised"
    REFUSED_BEFORE = "refused-before"
    TRIED_ELSEWHERE = "tried-elsewhere"
    WRONG_LENGTH = "wrong-length"
    PIN_PAD = "pin-pad"
    NO_MEMORY = "no-memory"


class PinRefusedError(Exception):
    """The login was not tried, or the token refused it; the sentence says what to do. Ends with its own
    exit code, on which nothing may restart us.
    """

    def __init__(self, message: str, reason: Refusal | None) -> None:
        super().__init__(message)
        self.reason = reason


class SaltedHash(NamedTuple):
    """A PIN as it is remembered."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, pin: Secret) -> SaltedHash:
        """With a fresh salt."""
        salt = os.urandom(16)
        return cls(salt, _digest(pin, salt))

    def matches(self, pin: Secret) -> bool:
        """Whether it is the hash of this PIN."""
        return hmac.compare_digest(self.digest, _digest(pin, self.salt))

    def encode(self) -> list[str]:
        """As it stands in a record."""
        return [self.salt.hex(), self.digest.hex()]

    @classmethod
    def decode(cls, entry: Sequence[str]) -> SaltedHash:
        """From a record. Raises ValueError, TypeError."""
        salt, digest = map(bytes.fromhex, entry)
        return cls(salt, digest)


class Attempt(NamedTuple):
    """A login that was begun: written before C_Login, so that a kill in between leaves a trace."""

    pin: SaltedHash
    flags: int
    """The PIN flags of the token before the login."""


class PinMemory(NamedTuple):
    """What is remembered of one token."""

    refused: tuple[SaltedHash, ...] = ()
    attempt: Attempt | None = None
    accepted: SaltedHash | None = None
    """The PIN of our last login, if that was accepted."""

    def encode(self) -> bytes:
        """The record: JSON, no PIN in it."""
        attempt, accepted = self.attempt, self.accepted
        record = {
            "version": 1,
            "refused": [entry.encode() for entry in self.refused],
            "attempt": attempt and [*attempt.pin.encode(), attempt.flags],
            "accepted": accepted and accepted.encode(),
        }
        return json.dumps(record).encode()

    @classmethod
    def decode(cls, record: bytes) -> PinMemory:
        """Read a record. Raises PinMemoryError."""
        try:
            found = json.loads(record)
            if found["version"] != 1:
                raise PinMemoryError(f"the record of refused PINs has version {found['version']}")
            refused = tuple(map(SaltedHash.decode, found["refused"]))
            accepted = None if found["accepted"] is None else SaltedHash.decode(found["accepted"])
            if found["attempt"] is None:
                return cls(refused, None, accepted)
            *begun, flags = found["attempt"]
            return cls(refused, Attempt(SaltedHash.decode(begun), int(flags)), accepted)
        except PinMemoryError:
            raise
        except (ValueError, KeyError, TypeError):
            raise PinMemoryError("the record of refused PINs is damaged") from None


class PinState(NamedTuple):
    """What the token says of its user PIN at this moment."""

    flags: TokenFlag
    shortest: int
    longest: int


def settle(memory: PinMemory, state: PinState) -> PinMemory:
    """Decide what became of an attempt that a kill cut short.

    If the token counts fewer tries than before, the attempt was refused. If it counts as many, it was not
    made or succeeded. (OpenSC shows the counter from two tries left downwards: for a token with many tries
    a kill within the few milliseconds of a login can go unseen and cost one more.)
    """
    if memory.attempt is None:
        return memory
    worse = (state.flags & _WORSE).value > (memory.attempt.flags & _WORSE.value)
    return remember_refused(memory, memory.attempt.pin) if worse else memory._replace(attempt=None)


def may_try(
    state: PinState, memory: PinMemory, pin: Secret, *, token: str, allow_final_try: bool, again: bool = False
) -> None:
    """Return if a login may be tried now. Raises PinRefusedError.

    ``token`` names the token for people. ``again``: a person asks for this one try, for example of a PIN
    that was refused before, since the PIN of the token has been changed to it.
    """
    flags = state.flags
    if TokenFlag.USER_PIN_LOCKED in flags:
        raise PinRefusedError(
            f"the PIN of {token} is locked: unlock it with its SO-PIN (the keys stay), "
            "for a Nitrokey HSM: pkcs11-tool --login --login-type so --init-pin",
            Refusal.LOCKED,
        )
    if TokenFlag.USER_PIN_INITIALIZED not in flags:
        raise PinRefusedError(f"{token} has no user PIN yet: initialise it first", Refusal.NOT_INITIALISED)
    if TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags:
        raise PinRefusedError(
            f"{token} wants its PIN on a PIN pad, where nobody is at an unattended start", Refusal.PIN_PAD
        )
    length = len(pin.reveal_bytes())
    if not may_be_so_long(length, state.shortest, state.longest):
        raise PinRefusedError(
            f"the PIN for {token} has a length that it does not take ({state.shortest} to {state.longest} "
            "bytes); it was not tried",
            Refusal.WRONG_LENGTH,
        )
    # Who changes the PIN of a token makes its tries complete again: as long as it counts a wrong one, nobody
    # has changed it to this one.
    may_fit_now = again and TokenFlag.USER_PIN_COUNT_LOW not in flags
    if not may_fit_now and any(entry.matches(pin) for entry in memory.refused):
        raise PinRefusedError(
            f"{token} has refused this PIN before, so it is not tried again: set the right one. If the PIN "
            "of the token was changed to this one since, 'bank-vaults hsm doctor --login' tries it once",
            Refusal.REFUSED_BEFORE,
        )
    if TokenFlag.USER_PIN_FINAL_TRY in flags and not allow_final_try:
        raise PinRefusedError(
            f"{token} has one PIN try left, and a wrong PIN would lock it: make sure that the PIN is right, "
            "then use --hsm-allow-final-try once, or log in with another tool",
            Refusal.FINAL_TRY,
        )
    if TokenFlag.USER_PIN_COUNT_LOW in flags and not (again or allow_final_try or _is_known(memory, pin)):
        raise PinRefusedError(
            f"somebody else has tried a wrong PIN of {token}, perhaps this one, which was never accepted "
            "here: log in once by 'bank-vaults hsm doctor --login' or another tool, which resets the counter",
            Refusal.TRIED_ELSEWHERE,
        )


def may_be_so_long(length: int, shortest: int, longest: int) -> bool:
    """Whether a token that names these limits takes a PIN of so many bytes (PKCS #11 v2.40, CK_TOKEN_INFO).

    Limits that contradict each other, as kryoptic's 8 to 0, say nothing. An empty PIN is none.
    """
    return length > 0 and (longest < shortest or shortest <= length <= longest)


def _is_known(memory: PinMemory, pin: Secret) -> bool:
    """Whether a wrong PIN that was tried is none of this one's business: it was right the last time, or
    the wrong one was ours and another.
    """
    if memory.accepted is not None:
        return memory.accepted.matches(pin)
    return bool(memory.refused)


def may_try_unremembered(state: PinState, *, token: str, error: str) -> None:
    """Return if a login may be tried although it cannot be remembered. Raises PinRefusedError.

    Without a memory only the token can tell that a PIN was refused before, and it may have been ours.
    """
    if state.flags & _WORSE:
        raise PinRefusedError(
            f"{token} says that a wrong PIN was tried, and refused PINs cannot be remembered here ({error}): "
            "make --hsm-state-dir writable, or log in once with another tool, which resets the counter",
            Refusal.NO_MEMORY,
        )


def begin(memory: PinMemory, state: PinState, pin: Secret) -> PinMemory:
    """The memory to write before C_Login."""
    return memory._replace(attempt=Attempt(SaltedHash.of(pin), (state.flags & _WORSE).value))


def remember_refused(memory: PinMemory, refused: SaltedHash) -> PinMemory:
    """The memory after the token refused a PIN."""
    return PinMemory(refused=(*memory.refused, refused)[-_MOST_REFUSED:])


def remember_accepted(memory: PinMemory, pin: Secret) -> PinMemory:
    """The memory after the token accepted a PIN: whatever was refused before, this one is right."""
    return PinMemory(
        refused=tuple(entry for entry in memory.refused if not entry.matches(pin)),
        accepted=SaltedHash.of(pin),
    )


def _digest(pin: Secret, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", pin.reveal_bytes(), salt, _ROUNDS)
