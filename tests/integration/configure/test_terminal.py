"""What ``configure`` and ``plan`` show on a terminal, and only there."""

from __future__ import annotations

import re
import sys
from typing import Any

from tests.support.configured import Place

ON_A_TERMINAL = (
    sys.executable,
    "-c",
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
)
"""A prefix for a program, whose output and log are those of a terminal."""

DOCUMENT: dict[str, Any] = {
    "policies": [{"name": f"p{number}", "rules": "# nothing"} for number in range(5)],
    "auth": [{"type": "no-such-type"}, {"type": "nor-such-a-type"}],
}


def test_a_run_tells_how_far_it_is_and_every_message_begins_a_line(place: Place) -> None:
    place.write(DOCUMENT)
    shown = place.once("--parallelism=1", prefix=ON_A_TERMINAL)
    assert shown.code == 1
    lines = shown.output.splitlines()
    assert "1 of 7 changes" in lines
    assert "7 of 7 changes" in lines
    messages = [line for line in lines if re.search(r" .*(INFO|WARN|ERROR)", line)]
    assert len(messages) > 3
    for line in messages:
        assert re.match(r"\d{4}/\d\d/\d\d ", line), shown.output
    elsewhere = place.once()
    assert "changes" not in elsewhere.log + elsewhere.output


def test_a_plan_has_colours_on_a_terminal_only(place: Place) -> None:
    place.write(DOCUMENT)
    shown = place.once("--plan", prefix=ON_A_TERMINAL)
    assert shown.code == 2
    assert "\x1b[32m+ policies policy p0\x1b[0m: it is not there" in shown.output
    assert "\x1b" not in place.once("--plan").output
