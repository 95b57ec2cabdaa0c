"""SoftHSM 2, the token that never locks a PIN and loses objects without CKA_TOKEN."""

from __future__ import annotations

from typing import NamedTuple

from bank_vaults.hsm.binding import Module

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "banzai"
SO_PIN = "12345678"


class SoftToken(NamedTuple):
    """A token in the module of this process."""

    module: Module
    slot: int
    label: str
