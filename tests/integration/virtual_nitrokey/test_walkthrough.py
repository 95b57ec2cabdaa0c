"""The way from a new stick to a key pair and back, each command as an owner types it, with what it answers.

``walkthrough/0.23.txt`` is what OpenSC 0.23 and those after it say, up to the version of the next file.
What differs from run to run is masked, and nothing else: moduli, identifiers and handles.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.integration.virtual_nitrokey.bench import Bench

TRANSCRIPTS = Path(__file__).with_name("walkthrough")
MASKS = (
    (r"(?m)^(  Modulus:    |              )[0-9a-f]{64}$", r"\1<modulus>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<guid>"),
    (r"%[0-9a-f]{40}\b|(?:%[0-9a-f]{2}){20}", "<id>"),
    (r"\b[0-9a-f]{40}\b|\b[0-9a-f]{2}(?::[0-9a-f]{2}){19}\b", "<id>"),
    (r"(?m)^((?:Profile|Data) object) \d+$", r"\1 <handle>"),
)


def transcript(bench: Bench) -> str:
    """Of the newest version that is not newer than this OpenSC."""
    files = {tuple(map(int, path.stem.split("."))): path for path in TRANSCRIPTS.iterdir()}
    return files[max(version for version in files if version <= bench.opensc.release)].read_text()


def typed(bench: Bench, command: str) -> str:
    """What a terminal shows after this line in a shell."""
    environment = bench.opensc.surroundings(bench.rig.environment())
    answer = subprocess.run(
        ["sh", "-c", command],
        env={**environment, "PATH": f"{bench.opensc.prefix / 'bin'}:{environment['PATH']}"},
        cwd=bench.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return answer.stderr + answer.stdout


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def test_every_command_on_the_way_answers_as_it_did_before(fresh: Bench) -> None:
    expected = transcript(fresh)
    commands = re.findall(r"(?m)^\$ (.*)$", expected)
    seen = "".join(f"$ {command}\n{masked(typed(fresh, command))}" for command in commands)
    assert seen == expected
