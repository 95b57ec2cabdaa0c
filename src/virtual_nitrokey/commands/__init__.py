"""The commands of the card, by class and instruction (ISO/IEC 7816-4; class 80 is the maker's)."""

from __future__ import annotations

from collections.abc import Mapping

from virtual_nitrokey.commands import domain, files, initialise, keys, pins
from virtual_nitrokey.commands.context import Handler

SELECT = (0x00, 0xA4)

COMMANDS: Mapping[tuple[int, int], Handler] = {
    SELECT: files.select,
    (0x00, 0x20): pins.verify,
    (0x00, 0x24): pins.change_reference_data,
    (0x00, 0x2C): pins.reset_retry_counter,
    (0x00, 0x46): keys.generate,
    (0x00, 0x84): keys.get_challenge,
    (0x00, 0xB1): files.read_binary,
    (0x00, 0xD7): files.update_binary,
    (0x00, 0xE4): files.delete,
    (0x80, 0x50): initialise.initialise,
    (0x80, 0x52): domain.manage_key_domain,
    (0x80, 0x58): files.enumerate_files,
    (0x80, 0x62): keys.decipher,
    (0x80, 0x68): keys.sign,
    (0x80, 0x72): domain.wrap,
    (0x80, 0x74): domain.unwrap,
}
