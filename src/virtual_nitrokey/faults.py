"""Faults on demand: which commands go wrong, and how. Immutable rules; the stick carries them out.

A rule is written as the instruction it waits for, or ``any``, then in any order what happens and when::

    decipher nth=2 status=6F00      the second DECIPHER from now on answers 6F00
    any nth=5 drop                  the fifth command loses its connection in the middle of the answer
    update delay=3 times=2          each of the next two UPDATE BINARY takes 3 s more
    sign remove=2 times=always      the stick is pulled during each SIGN and comes back after 2 s
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from virtual_nitrokey.instructions import Instruction
from virtual_nitrokey.timing import LONGEST_WAIT

_ANY = "any"
_ALWAYS = "always"


class Kind(Enum):
    """What happens to a command."""

    DELAY = "delay"
    """It takes so many seconds more."""
    RESET_LOGIN = "reset-login"
    """Before it, the applet is selected anew, as another process does: nobody is logged in any more."""
    DROP_BEFORE = "drop-before"
    """The connection is lost before the card sees it."""
    DROP = "drop"
    """It is carried out, but the connection is lost in the middle of the answer. This and the one before are
    a loose contact, over before pcscd looks for the card: it may not even notice a removal."""
    REMOVE = "remove"
    """The stick is pulled while it works and the operation never happens; it comes back after so many
    seconds, without a number when somebody inserts it. A command without such work (timing) is carried out,
    and its answer lost: a PIN that it counted or changed stays so."""
    STATUS = "status"
    """It is not carried out; this status word answers it."""
    STATUS_AFTER = "status-after"
    """It is carried out, but this status word answers it."""

    @property
    def is_status(self) -> bool:
        """Whether its value is a status word."""
        return self in (Kind.STATUS, Kind.STATUS_AFTER)


_WITHOUT_VALUE = (Kind.RESET_LOGIN, Kind.DROP_BEFORE, Kind.DROP)

Effects = Mapping[Kind, float | None]
"""What happens to one command: each kind with its seconds or status word, if it has any."""


class Rule(NamedTuple):
    """``kind`` happens to commands of one instruction (None: any): to the ``nth`` of them and ``times``
    (None: always) in a row. ``value`` is seconds or a status word, as the kind wants it.
    """

    instruction: Instruction | None
    kind: Kind
    value: float | None = None
    nth: int = 1
    times: int | None = 1

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read the text form. ValueError that says which word is wrong and what could stand there."""
        target, *words = text.split() or [""]
        instruction = None if target == _ANY else _instruction(target)
        nth: int | None = None
        times: int | str | None = None
        effect: tuple[Kind, float | None] | None = None
        for word in words:
            name, equals, value = word.partition("=")
            if name == "nth" and nth is None:
                nth = _count(word, value)
            elif name == "times" and times is None:
                times = value if value == _ALWAYS else _count(word, value)
            elif name in ("nth", "times"):
                raise ValueError(f"{name} stands twice")
            elif effect is None:
                effect = _effect(word, name, value if equals else None)
            else:
                raise ValueError(f"{word!r}: one effect is enough, there is {effect[0].value} already")
        if effect is None:
            raise ValueError(f"{text!r} says of no effect: there are {_kinds()}")
        repeats = None if isinstance(times, str) else times or 1
        return cls(instruction, *effect, nth or 1, repeats)

    def __str__(self) -> str:
        """The text form."""
        words = [self.instruction.word if self.instruction else _ANY]
        if self.nth != 1:
            words.append(f"nth={self.nth}")
        if self.value is None:
            words.append(self.kind.value)
        elif self.kind.is_status:
            words.append(f"{self.kind.value}={int(self.value):04X}")
        else:
            words.append(f"{self.kind.value}={repr(float(self.value)).removesuffix('.0')}")
        if self.times != 1:
            words.append(f"times={self.times or _ALWAYS}")
        return " ".join(words)


Rules = tuple[Rule, ...]
"""The rules in force for one stick, the oldest first; each counts from the next command on."""


def meet(rules: Rules, raw: bytes) -> tuple[Rules, Effects]:
    """What a command does to the rules in force, and they to it. A rule that has done its work is gone.

    Of two rules of one kind the older one has its way.
    """
    if not rules:
        return rules, {}
    instruction = Instruction.of(raw)
    left: list[Rule] = []
    effects: dict[Kind, float | None] = {}
    for rule in rules:
        if rule.instruction not in (None, instruction):
            left.append(rule)
        elif rule.nth > 1:
            left.append(rule._replace(nth=rule.nth - 1))
        else:
            effects.setdefault(rule.kind, rule.value)
            if rule.times is None:
                left.append(rule)
            elif rule.times > 1:
                left.append(rule._replace(times=rule.times - 1))
    return tuple(left), effects


def _instruction(word: str) -> Instruction:
    try:
        return Instruction.named(word)
    except ValueError as error:
        raise ValueError(f"{error}, and {_ANY}") from None


def _count(word: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise ValueError(f"{word!r}: not a number from 1 on")
    return int(value)


def _effect(word: str, name: str, value: str | None) -> tuple[Kind, float | None]:
    try:
        kind = Kind(name)
    except ValueError:
        raise ValueError(f"{word!r} is no effect: there are {_kinds()}, and nth=, times=") from None
    if value is None and (kind in _WITHOUT_VALUE or kind is Kind.REMOVE):
        return kind, None
    if value is None or kind in _WITHOUT_VALUE:
        raise ValueError(f"{word!r}: {name} {'needs a' if value is None else 'has no'} value")
    if kind.is_status:
        return kind, _status_word(word, value)
    return kind, _seconds(word, value)


def _status_word(word: str, value: str) -> int:
    try:
        if len(value) == 4:
            return int.from_bytes(bytes.fromhex(value), "big")
    except ValueError:
        pass
    raise ValueError(f"{word!r}: a status word has four hexadecimal digits")


def _seconds(word: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"{word!r}: not a number of seconds")
    return seconds


def _kinds() -> str:
    return ", ".join(kind.value for kind in Kind)
