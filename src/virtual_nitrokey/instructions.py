"""The instructions of the card by name, as traces and faults call them (ISO/IEC 7816-4, 5.4.2)."""

from __future__ import annotations

from enum import IntEnum


class Instruction(IntEnum):
    """The INS byte of each command that the card knows."""

    VERIFY = 0x20
    CHANGE_PIN = 0x24  # CHANGE REFERENCE DATA
    UNBLOCK_PIN = 0x2C  # RESET RETRY COUNTER
    GENERATE = 0x46  # GENERATE ASYMMETRIC KEY PAIR
    INITIALISE = 0x50  # INITIALIZE DEVICE
    KEY_DOMAIN = 0x52  # MANAGE KEY DOMAIN
    ENUMERATE = 0x58  # ENUMERATE OBJECTS
    DECIPHER = 0x62
    SIGN = 0x68
    WRAP = 0x72
    UNWRAP = 0x74
    CHALLENGE = 0x84  # GET CHALLENGE
    SELECT = 0xA4
    READ = 0xB1  # READ BINARY
    UPDATE = 0xD7  # UPDATE BINARY
    DELETE = 0xE4  # DELETE FILE

    @classmethod
    def of(cls, raw: bytes) -> Instruction | None:
        """The instruction of a command of whatever form; None if the card knows none such."""
        try:
            return cls(raw[1])
        except (IndexError, ValueError):
            return None

    @property
    def word(self) -> str:
        """The name as people write it: ``key-domain``."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def named(cls, word: str) -> Instruction:
        """The instruction that is called so. ValueError that lists the names."""
        for instruction in cls:
            if instruction.word == word:
                return instruction
        known = ", ".join(instruction.word for instruction in cls)
        raise ValueError(f"{word!r} is no instruction: there are {known}")
