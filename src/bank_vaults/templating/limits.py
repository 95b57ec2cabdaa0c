"""How much a template may ask for: whoever writes a configuration file must not stop the process.

The evaluator counts steps and output. A function whose result is not bounded by the size of what it is given
asks here before it makes it. Together they keep a rendering below 256 MiB of memory and some ten seconds
(``tests/integration/templating/test_hostile.py``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bank_vaults.templating.errors import FunctionError

MAX_TEXT: Final = 8 * 1024 * 1024
"""Characters of one text, and of a whole output beyond those of the template."""
MAX_ITEMS: Final = 200_000
"""Elements of one list."""
MAX_STEPS: Final = 5_000_000
"""What one rendering may do, with all texts of a document in the safe mode.

A step is a node of the tree that is visited; long texts and lists that functions take or give are more.
"""
MAX_MEMORY: Final = 96 * 1024 * 1024
"""Bytes that functions may give in one rendering: nobody knows which of them are kept."""
MAX_WORDS: Final = 400_000
"""Names, texts, numbers and signs of one template: what its tree is made of."""
MAX_DEPTH: Final = 200
"""Templates that call one another, and constructs within one another."""
STEPS_OF_TEXT: Final = 25
"""Of a template, however short: to parse it."""
STEPS_OF_SECOND: Final = 500_000
"""Of the processor, of functions that are counted by its time."""


class Extra(NamedTuple):
    """Steps and memory that a call of a function counts for besides."""

    call: int = 0
    """Steps, however little it is given."""
    argument: int = 0
    """Steps for each argument."""
    character: int = 0
    """Steps for each character of the texts that it is given: it is a loop over them."""
    visit: int = 0
    """Steps for each value in lists and maps that it is given: it visits them all, within one another too."""
    is_new: bool = False
    """The elements of what it gives did not exist before, so that their memory counts as well."""
    is_timed: bool = False
    """It counts by the time that it takes, which nothing tells in advance."""


_GROUPS: Final = {
    Extra(250_000): "genPrivateKey",
    Extra(125_000): "derivePassword",
    Extra(50_000): "genCA genSelfSignedCert",
    Extra(150_000): "genSignedCert",
    Extra(150_000, character=50): "genSignedCertWithKey",
    Extra(10_000, character=50): "genCAWithKey genSelfSignedCertWithKey",
    Extra(5_000, character=25): "buildCustomCert",
    Extra(35_000): "bcrypt htpasswd",
    Extra(argument=20): "addf add1f subf divf mulf round",
    Extra(50, character=1): (
        "date dateInZone date_in_zone dateModify date_modify mustDateModify must_date_modify htmlDate "
        "htmlDateInZone toDate mustToDate ago duration durationRound semver semverCompare"
    ),
    Extra(character=1): (
        "urlParse upper lower title untitle initials camelcase kebabcase snakecase swapcase shuffle expandenv"
    ),
    Extra(character=1, visit=1): "js quote",
    Extra(visit=4): "toYaml",
    Extra(visit=1): (
        "print println printf html urlquery squote cat join toString deepEqual has mustHas uniq mustUniq "
        "without mustWithout merge mergeOverwrite mustMerge mustMergeOverwrite dict toJson toPrettyJson "
        "toRawJson mustToJson mustToPrettyJson mustToRawJson"
    ),
    Extra(visit=1, is_new=True): "toStrings sortAlpha deepCopy mustDeepCopy",
    Extra(character=1, is_new=True): "fromJson mustFromJson fromYaml",
    Extra(is_new=True): "until untilStep split splitn splitList chunk mustChunk",
    Extra(is_new=True, is_timed=True): (
        "regexMatch regexFindAll regexFind regexReplaceAll regexReplaceAllLiteral regexSplit mustRegexMatch "
        "mustRegexFindAll mustRegexFind mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit"
    ),
}
EXTRAS: Final = {name: extra for extra, names in _GROUPS.items() for name in names.split()}
"""By the names of functions."""


class Allowance:
    """What one rendering may still write and do; templates that share it are one rendering."""

    __slots__ = ("characters", "memory", "steps")

    def __init__(self, length: int) -> None:
        """``length`` is that of the template."""
        self.characters = length + MAX_TEXT
        self.memory = MAX_MEMORY
        self.steps = MAX_STEPS


def text_of(length: int) -> None:
    """A text of that length is about to be made. Raises FunctionError where it is too long."""
    if length > MAX_TEXT:
        raise FunctionError(f"the result would have {length} characters, more than {MAX_TEXT}")


def input_of(what: str, length: int, most: int) -> None:
    """A text of that length is about to be read. Raises FunctionError where it is too long."""
    if length > most:
        raise FunctionError(f"{what} has {length} characters, more than {most}")


def items_of(count: int) -> None:
    """A list of that many elements is about to be made. Raises FunctionError where it is too long."""
    if count > MAX_ITEMS:
        raise FunctionError(f"the result would have {count} elements, more than {MAX_ITEMS}")
