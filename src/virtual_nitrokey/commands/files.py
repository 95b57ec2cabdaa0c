"""Commands on files: SELECT, READ BINARY, UPDATE BINARY, DELETE FILE (ISO/IEC 7816-4 and -9), ENUMERATE."""

from __future__ import annotations

from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.context import Context, Session
from virtual_nitrokey.memory import rule
from virtual_nitrokey.status import SW, CardError

APPLET = bytes.fromhex("E82B0601040181C31F0201")

_BY_FID, _BY_AID, _BY_PATH = 0x00, 0x04, 0x08  # P1 of SELECT
_TEMPLATE, _NOTHING = (0x00, 0x04), 0x0C  # P2 of SELECT: what to answer
_FCP, _SIZE, _KIND, _IDENTIFIER, _NAME, _PROPRIETARY = 0x62, 0x81, 0x82, 0x83, 0x84, 0x85
_TRANSPARENT = b"\x01"
_PLATFORM = 0x00
_OFFSET, _DATA = 0x54, 0x53
_DELETE_BY_FID = 0x0200


def select(context: Context, command: Command) -> bytes:
    """SELECT: the applet, which ends what was logged in, or a file. Answers its control parameters."""
    if command.p2 not in (*_TEMPLATE, _NOTHING):
        raise CardError(SW.WRONG_P1P2)
    if command.p1 == _BY_AID:
        template = _select_applet(context, command.data)
    elif command.p1 == _BY_FID:
        template = _select_file(context, command.data)
    elif command.p1 == _BY_PATH:
        template = _select_path(context, command.data)
    else:
        raise CardError(SW.WRONG_P1P2)
    return b"" if command.p2 == _NOTHING else template


def _select_applet(context: Context, aid: bytes) -> bytes:
    if aid != APPLET:
        raise CardError(SW.NOT_FOUND)
    context.session = Session(selected=True)
    image = context.image
    proprietary = image.options.to_bytes(2, "big") + bytes((_PLATFORM, *image.version))
    return tlv.encode(
        _FCP,
        tlv.join((_KIND, _TRANSPARENT), (_IDENTIFIER, b"\0\0"), (_NAME, APPLET), (_PROPRIETARY, proprietary)),
    )


def _select_file(context: Context, identifier: bytes) -> bytes:
    fid = _fid(identifier)
    size = len(context.image.memory.content(fid))
    context.session = context.session._replace(current=fid)
    return tlv.encode(
        _FCP,
        tlv.join((_SIZE, size.to_bytes(2, "big")), (_KIND, _TRANSPARENT), (_IDENTIFIER, identifier)),
    )


def _select_path(context: Context, path: bytes) -> bytes:
    if len(path) == 4:  # a directory and a file: there are no directories
        raise CardError(SW.NOT_FOUND)
    return _select_file(context, path)


def read_binary(context: Context, command: Command) -> bytes:
    """READ BINARY with an offset data object: up to Le bytes, none at the end of the file."""
    if command.le is None:
        raise CardError(SW.WRONG_LENGTH)
    fid = _file(context, command)
    context.require(rule(fid).read)
    (offset,) = _objects(command.data, _OFFSET)
    at = _offset(offset)
    content = context.image.memory.content(fid)
    if at > len(content):
        raise CardError(SW.WRONG_OFFSET)
    context.session = context.session._replace(current=fid)
    return content[at : at + command.le]


def update_binary(context: Context, command: Command) -> bytes:
    """UPDATE BINARY with offset and data objects; creates the file. It becomes the current one."""
    fid = _file(context, command)
    context.require(rule(fid).write)
    offset, part = _objects(command.data, _OFFSET, _DATA)
    context.store(context.image.memory.written(fid, _offset(offset), part), len(part))
    context.session = context.session._replace(current=fid)
    return b""


def delete(context: Context, command: Command) -> bytes:
    """DELETE FILE: a file, or a private key."""
    if command.p1p2 != _DELETE_BY_FID:
        raise CardError(SW.WRONG_P1P2)
    fid = _fid(command.data)
    context.require(rule(fid).delete)
    context.store(context.image.memory.without(fid), 0)
    if context.session.current == fid:
        context.session = context.session._replace(current=None)
    return b""


def enumerate_files(context: Context, command: Command) -> bytes:
    """ENUMERATE OBJECTS: the identifiers of all keys and files, two bytes each."""
    if command.p1p2:
        raise CardError(SW.WRONG_P1P2)
    return b"".join(fid.to_bytes(2, "big") for fid in context.image.memory.identifiers())


def _file(context: Context, command: Command) -> int:
    """The file a command is about: the one that P1 and P2 name, or else the current one."""
    if command.p1p2:
        return command.p1p2
    if context.session.current is None:
        raise CardError(SW.NOT_ALLOWED)
    return context.session.current


def _fid(data: bytes) -> int:
    if len(data) != 2:
        raise CardError(SW.WRONG_LENGTH)
    return int.from_bytes(data, "big")


def _objects(data: bytes, *tags: int) -> tuple[bytes, ...]:
    """The values of exactly these data objects, in this order."""
    try:
        items = tlv.parse(data)
    except ValueError:
        raise CardError(SW.WRONG_DATA) from None
    if tuple(item.tag for item in items) != tags:
        raise CardError(SW.WRONG_DATA)
    return tuple(item.value for item in items)


def _offset(value: bytes) -> int:
    if len(value) != 2:
        raise CardError(SW.WRONG_DATA)
    return int.from_bytes(value, "big")
