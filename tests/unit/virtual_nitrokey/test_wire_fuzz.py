"""Whatever comes over the wire: each command gets a status word, and one that is none changes nothing."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.reader import Reader
from tests.unit.virtual_nitrokey.test_card_properties import KNOWN, SENSIBLE, START
from virtual_nitrokey import apdu, vpcd
from virtual_nitrokey.card import Card
from virtual_nitrokey.status import SW, CardError
from virtual_nitrokey.stick import Stick
from virtual_nitrokey.vpcd import ATR, Control

NO_CONTROL = [code for code in range(256) if code not in tuple(Control)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A command with one place cut, doubled or overwritten."""
    command = draw(SENSIBLE | KNOWN)
    begin = draw(st.integers(0, len(command)))
    end = draw(st.integers(begin, len(command)))
    return command[:begin] + draw(st.binary(max_size=4) | st.just(2 * command[begin:end])) + command[end:]


COMMANDS = (SENSIBLE | damaged() | st.binary(min_size=2, max_size=300)).filter(lambda raw: len(raw) > 1)
SILENT = st.just(b"") | st.sampled_from([*NO_CONTROL, *set(Control) - {Control.ATR}]).map(
    lambda code: bytes((code,))
)


def is_command(raw: bytes) -> bool:
    try:
        apdu.parse(raw)
    except CardError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(COMMANDS | SILENT, st.integers(0, 300)), max_size=30))
def test_every_command_gets_a_status_word_and_one_that_is_none_changes_nothing(
    frames: list[tuple[bytes, int]],
) -> None:
    card = Card(START)
    stick = Stick("DENK0100001", card)
    with Reader() as reader, closing(stick):
        stick.start(reader.connect)
        reader.see_card()
        for payload, cut in frames:
            before = card.image
            frame = vpcd.encode(payload)
            for piece in (frame[:cut], frame[cut:]):
                reader.card.sendall(piece)
            if len(payload) > 1:
                sw = int.from_bytes(reader.answer()[-2:], "big")
                assert sw == SW.OK or (0x6282 <= sw <= 0x6E00)
                assert is_command(payload) or (sw != SW.OK and card.image is before)
            assert reader.atr() == ATR
