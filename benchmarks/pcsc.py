"""A PC/SC client of a few calls (pcsc-lite's winscard.h), to time single APDUs."""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Self

_SYSTEM = 2  # SCARD_SCOPE_SYSTEM
_SHARED = 2  # SCARD_SHARE_SHARED
_T1 = 2  # SCARD_PROTOCOL_T1
_LEAVE = 0  # SCARD_LEAVE_CARD


class _Request(ctypes.Structure):
    """SCARD_IO_REQUEST."""

    _fields_ = (("dwProtocol", ctypes.c_ulong), ("cbPciLength", ctypes.c_ulong))


class Connection:
    """A shared connection to the card in a reader. OSError with the code where a call fails."""

    def __init__(self, reader: str) -> None:
        self._library = ctypes.CDLL("libpcsclite.so.1")
        self._context, self._card = ctypes.c_long(), ctypes.c_long()
        self._call("SCardEstablishContext", ctypes.c_ulong(_SYSTEM), None, None, ctypes.byref(self._context))
        self._call(
            "SCardConnect",
            self._context,
            reader.encode(),
            ctypes.c_ulong(_SHARED),
            ctypes.c_ulong(_T1),
            ctypes.byref(self._card),
            ctypes.byref(ctypes.c_ulong()),
        )

    def transmit(self, command: bytes) -> bytes:
        """SCardTransmit: the answer with its status word."""
        answer = ctypes.create_string_buffer(65544)
        length = ctypes.c_ulong(len(answer))
        request = _Request(_T1, ctypes.sizeof(_Request))
        self._call(
            "SCardTransmit",
            self._card,
            ctypes.byref(request),
            command,
            ctypes.c_ulong(len(command)),
            None,
            answer,
            ctypes.byref(length),
        )
        return answer.raw[: length.value]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call("SCardDisconnect", self._card, ctypes.c_ulong(_LEAVE))
        self._call("SCardReleaseContext", self._context)

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_ulong
        if code := function(*arguments):
            raise OSError(f"{name}: 0x{code:08X}")
