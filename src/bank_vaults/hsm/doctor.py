"""Layer by layer from the PKCS#11 module to the values on the token: what is well, what fails, what next.

Each layer stands on the one before, so whoever asks stops at the first that fails.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.hsm import inventory, pcscd, pin
from bank_vaults.hsm.binding import TokenInfo
from bank_vaults.hsm.ck import KeyType, Mechanism
from bank_vaults.hsm.client import BoundToken, TokenClient, TokenError, TokenUnusableError, ValueDamagedError
from bank_vaults.hsm.condition import PinCondition, condition
from bank_vaults.hsm.inventory import Format, Item, Role
from bank_vaults.hsm.pin import PinMemoryError, PinRefusedError, PinState
from bank_vaults.hsm.selection import Choice, SelectionError, another_library, choose_token, plain_label
from bank_vaults.hsm.survey import SlotView, Survey
from bank_vaults.hsm.token import Access, Memory, named, remembered_as

_PROBE = "doctor"
"""The name that a test value is sealed for; it is not stored."""

_NEEDED = {KeyType.RSA: Mechanism.RSA_PKCS_OAEP, KeyType.EC: Mechanism.ECDH1_DERIVE}

_STEPS = {
    PinCondition.NOT_INITIALISED: "bank-vaults hsm prepare",
    PinCondition.LOCKED: "unlock it with its SO-PIN: pkcs11-tool --login --login-type so --init-pin",
    PinCondition.LAST_TRY: "log in with the right PIN by --hsm-allow-final-try or another tool",
}


class Layer(Enum):
    """In the order in which they are looked at."""

    MODULE = "module"
    PCSCD = "pcscd"
    READER = "reader"
    TOKEN = "token"  # noqa: S105
    PIN = "PIN"
    LOGIN = "login"
    KEY = "key pair"
    MECHANISMS = "mechanisms"
    ENCRYPTION = "encryption"
    VALUES = "values"
    STORE = "store"
    SERVER = "server"


class Verdict(Enum):
    """How a layer is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "not looked at"


class Finding(NamedTuple):
    """One layer. ``next_step`` is empty where there is none, or the sentence says it; ``code`` is the exit
    code if the layer failed.
    """

    layer: Layer
    verdict: Verdict
    sentence: str
    next_step: str = ""
    code: ExitCode = ExitCode.OK


def failed(layer: Layer, sentence: str, next_step: str = "", code: ExitCode = ExitCode.STORE) -> Finding:
    """A layer that fails."""
    return Finding(layer, Verdict.FAILED, sentence, next_step, code)


def examine(
    client: TokenClient, access: Access, memory: Memory, environ: Mapping[str, str], *, login: bool
) -> Iterator[Finding]:
    """The layers from the module to the values. After one that failed the next one is not to be asked for.

    Without ``login`` no PIN is presented. ``access`` and ``memory`` are those of the client.
    """
    try:
        seen = client.survey(login=False)
    except (TokenError, TokenUnusableError) as error:
        yield failed(
            Layer.MODULE, str(error), "see that it is the right file, and that ldd(1) misses nothing"
        )
        return
    module = seen.module
    if another := another_library(module, access.criteria):
        yield failed(Layer.MODULE, f"it has {another} as --hsm-uri says", "name the right --hsm-module-path")
        return
    words = f"{module.manufacturer}, {module.description} {module.version}, PKCS#11 {module.cryptoki}"
    yield Finding(Layer.MODULE, Verdict.OK, words)
    yield _pcscd(seen, pcscd.socket_path(environ))
    yield reader(seen)
    yield (finding := token(seen, access))
    if finding.verdict is Verdict.FAILED:
        return
    slot = seen.slot(choose_token(seen.candidates, access.criteria).candidate.slot)
    yield pin_state(slot, access, memory, login=login)
    if not login:
        words = "needs --login"
        for layer in (Layer.LOGIN, Layer.KEY, Layer.MECHANISMS, Layer.ENCRYPTION, Layer.VALUES):
            yield Finding(layer, Verdict.SKIPPED, words)
        return
    yield from _with_login(client, slot)


def _pcscd(seen: Survey, path: str) -> Finding:
    if not seen.uses_pcscd:
        return Finding(Layer.PCSCD, Verdict.SKIPPED, "the module does not go through it")
    trouble = pcscd.trouble(path)
    if trouble:
        return failed(Layer.PCSCD, trouble.sentence, trouble.next_step)
    return Finding(Layer.PCSCD, Verdict.OK, f"answers at {path}")


def reader(seen: Survey) -> Finding:
    """Whether the module shows a slot at all."""
    if not seen.slots:
        step = "plug the token in"
        if seen.uses_pcscd:
            step += "; pcscd needs its driver (Debian: libccid), and newer ones ask polkit who may use it"
        return failed(Layer.READER, "the module shows no reader", step)
    names = ((slot.id, " ".join(slot.info.description.split())) for slot in seen.slots)
    shown = "; ".join(f"slot {number}: {name}" for number, name in names)
    broken = "; ".join(f"slot {slot.id} cannot be read: {slot.error}" for slot in seen.slots if slot.error)
    verdict = Verdict.WARNING if broken else Verdict.OK
    return Finding(Layer.READER, verdict, "; ".join(filter(None, (shown, broken))))


def token(seen: Survey, access: Access) -> Finding:
    """Whether exactly one token is meant."""
    try:
        choice: Choice = choose_token(seen.candidates, access.criteria)
    except SelectionError as error:
        step = "" if error.several else "plug it in, or name it by --hsm-serial"
        return failed(Layer.TOKEN, str(error), step)
    found = choice.candidate.token
    words = (
        f"{plain_label(found.label)!r}, serial {found.serial or 'none'}, {found.manufacturer} {found.model}, "
        f"in slot {choice.candidate.slot}"
    )
    if choice.warning:
        return Finding(Layer.TOKEN, Verdict.WARNING, words, choice.warning)
    return Finding(Layer.TOKEN, Verdict.OK, words)


def pin_state(slot: SlotView, access: Access, memory: Memory, *, login: bool) -> Finding:
    """What a login would come to, told without one. A person who asks for it may try a refused PIN again."""
    assert slot.token is not None  # noqa: S101  # it was chosen
    how = condition(slot.token.flags)
    if access.pin:
        try:
            _ask_guard(slot.token, access, memory, again=login)
        except PinRefusedError as error:
            # Of the others the sentence says the next step.
            missing = how is PinCondition.NOT_INITIALISED
            return failed(Layer.PIN, str(error), _STEPS[how] if missing else "", ExitCode.PIN_REFUSED)
        except PinMemoryError as error:
            return failed(
                Layer.PIN, str(error), "if the right PIN is set, delete the record in --hsm-state-dir"
            )
    elif step := _STEPS.get(how):
        return failed(Layer.PIN, how.value, step, ExitCode.PIN_REFUSED)
    words = "no wrong PIN is counted" if how is PinCondition.OK else how.value
    if not access.pin:
        words += "; there is none to log in with (--hsm-pin-file)"
    if how is PinCondition.OK:
        return Finding(Layer.PIN, Verdict.OK, words)
    return Finding(Layer.PIN, Verdict.WARNING, words, "a login with the right PIN resets the counter")


def _ask_guard(found: TokenInfo, access: Access, memory: Memory, *, again: bool) -> None:
    state = PinState(found.flags, found.shortest_pin, found.longest_pin)
    pin.may_try(
        state,
        pin.settle(memory.recall(remembered_as(found)), state),
        access.pin,
        token=named(found),
        allow_final_try=access.allow_final_try,
        again=again,
    )


def _with_login(client: TokenClient, slot: SlotView) -> Iterator[Finding]:
    try:
        inside = client.survey(login=True).slot(slot.id)
    except PinRefusedError as error:
        yield failed(Layer.LOGIN, str(error), code=ExitCode.PIN_REFUSED)
        return
    except (TokenError, TokenUnusableError) as error:
        step = "a SmartCard-HSM that was never initialised answers so: bank-vaults hsm prepare --new-token"
        yield failed(Layer.LOGIN, str(error), step if "CKR_GENERAL_ERROR" in str(error) else "")
        return
    yield Finding(Layer.LOGIN, Verdict.OK, "the PIN is right")
    try:
        bound = client.bind()
    except (TokenError, TokenUnusableError) as error:
        yield failed(Layer.KEY, str(error), "unseal --init makes one if no key pair has the label")
        return
    key = bound.key
    words = f"{key.label!r}, {key.type.name} {key.size}, ID {key.id.hex() or 'none'}"
    yield Finding(Layer.KEY, Verdict.OK, words)
    yield mechanisms(inside, key.type)
    yield _encryption(client)
    yield values(inventory.items(inside.objects), bound)


def mechanisms(slot: SlotView, key_type: KeyType) -> Finding:
    """Whether the token offers what the key pair is used by."""
    needed = _NEEDED[key_type]
    if needed not in slot.mechanisms:
        step = "use another PKCS#11 module for this token, or another kind of key pair"
        return failed(Layer.MECHANISMS, f"the token does not offer CKM_{needed.name}", step)
    return Finding(Layer.MECHANISMS, Verdict.OK, f"CKM_{needed.name}")


def _encryption(client: TokenClient) -> Finding:
    value = os.urandom(32)
    try:
        same = client.open(_PROBE, client.seal(_PROBE, value, None)) == value
    except (TokenError, TokenUnusableError, ValueDamagedError) as error:
        return failed(Layer.ENCRYPTION, str(error))
    if not same:
        return failed(Layer.ENCRYPTION, "the token gives back another value than was sealed")
    return Finding(Layer.ENCRYPTION, Verdict.OK, "a random value was sealed to the key pair and opened again")


def values(found: tuple[Item, ...], bound: BoundToken) -> Finding:
    """What may be wrong with our values on the token."""
    ours = [item for item in found if item.role is not Role.FOREIGN and item.newest]
    sets = Counter(item.set_id for item in ours if item.role is Role.KEY and item.set_id)
    most = max(sets.values(), default=0)
    checks: tuple[tuple[str, Callable[[Item], bool]], ...] = (
        ("of no known format", lambda item: item.format is Format.UNKNOWN),
        ("sealed to another key pair", lambda item: item.key not in (b"", bound.key.fingerprint)),
        (
            "of another initialisation than the others",
            lambda item: item.role is Role.KEY and 0 < sets[item.set_id] < most,
        ),
        ("of an unfinished initialisation", lambda item: item.role in (Role.ANSWER, Role.JOURNAL)),
        ("left over from a pre-flight check", lambda item: item.role is Role.TEST),
    )
    words = [f"{len(ours)}: {', '.join(item.name for item in ours)}" if ours else "none on the token"]
    troubles = []
    for trouble, applies in checks:
        if names := ", ".join(item.name for item in ours if applies(item)):
            troubles.append(f"{trouble}: {names}")
    step = "bank-vaults hsm objects shows more" if troubles else ""
    verdict = Verdict.WARNING if troubles else Verdict.OK
    return Finding(Layer.VALUES, verdict, "; ".join(words + troubles), step)
