"""Whoever writes a template cannot make the program take the memory of its container, whatever he thinks of.

Each program runs in a process of its own with the real bounds, and ends with an error of the template.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MOST_MEBIBYTES = 256
"""Resident; what a small container has."""

_RUN = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import render
text, mode = json.load(sys.stdin)
try:
    said = f"rendered: {len(render(text, Sources({'A': 'x' * 100}), mode=mode))} characters"
except TemplateError as error:
    said = str(error)
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
json.dump([said, int(peak) // 1024], sys.stdout)
"""


def _end(text: str, mode: str) -> tuple[str, int]:
    """What the program says at its end, and how much memory it had at most, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps([text, mode]),
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    said, peak = json.loads(done.stdout)
    return said, peak


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${ repeat 1000000000 `a` }", "the result would have 1000000000 characters"),
        ("${ until 1000000000 }", "the result would have 1000000000 elements"),
        ("${ define `a` }${ template `a` }${ end }${ template `a` }", "exceeded maximum template depth"),
        ("${ $x := repeat 8000000 `😀` }${ trimSuffix `x` $x | quote }", "rendering takes more than"),
        ("${ $l := list }${ range 999 }${ $l = append $l (repeat 200000 `😀`) }${ end }", "give more than"),
        ("${ $l := list }${ range 999 }${ $l = append $l (until 200000) }${ end }", "give more than"),
        (
            "${ $l := list }${ range 99 }${ $l = append $l (chunk 1 (until 99999)) }${ end }",
            "give more than",
        ),
        ("${ title (repeat 66000 `a é`) }", ""),
        ("${ $x := splitList `` (repeat 190000 `日`) }${ toYaml $x }", ""),
        ("${ $x := list 1 }${ range 40 }${ $x = list $x $x }${ end }${ toPrettyJson $x }", "more than"),
        ("${ $x := until 190000 }${ range 9 }${ printf `%08d` $x }${ end }", "longer than the template"),
        ("${ repeat 9000000 `x` | regexMatch `(x+x+)+y` }", "the result would have 9000000 characters"),
        ("${ regexReplaceAll `x` (repeat 999999 `x`) `$0$0$0` }", "than"),
        ("${1}" * 80_000, ""),
        ("${1}" * 2_000_000, "words and signs"),
        ("${ print" + " 1" * 4_000_000 + " }", "words and signs"),
    ],
)
def test_a_program_ends_in_little_memory(text: str, sentence: str) -> None:
    said, peak = _end(text, "text")
    assert sentence in said
    assert "out of memory" not in said
    assert peak < MOST_MEBIBYTES


def test_a_document_of_very_many_texts_ends_in_little_memory() -> None:
    said, peak = _end("- ${1}\n" * 250_000, "scalar")
    assert "rendering takes more than" in said
    assert peak < MOST_MEBIBYTES
