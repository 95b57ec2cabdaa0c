"""The functions of sprig 3.3.0 for texts, with sprig's argument order and conversions.

``CATALOGUE`` says for every function which module has it and what it takes; the module is imported when a
template first uses one of its functions. Each module offers ``FUNCTIONS``: its functions by sprig's names.
``env``, ``expandenv`` and ``getHostByName`` look outside and stand with our own (``templating.own``).
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from bank_vaults.templating.functions import Function, signature

CATALOGUE: Final = """\
[strings]
trim func(string)
trimAll func(string, string)
trimall func(string, string)
trimSuffix func(string, string)
trimPrefix func(string, string)
repeat func(int, string)
substr func(int, int, string)
nospace func(string)
trunc func(int, string)
abbrev func(int, string)
abbrevboth func(int, int, string)
initials func(string)
wrap func(int, string)
wrapWith func(int, string, string)
contains func(string, string)
hasPrefix func(string, string)
hasSuffix func(string, string)
quote func(...interface {})
squote func(...interface {})
cat func(...interface {})
indent func(int, string)
nindent func(int, string)
replace func(string, string, string)
plural func(string, string, int)
toString func(interface {})
toStrings func(interface {})
hello func()
join func(string, interface {})
splitList func(string, string)
split func(string, string)
splitn func(string, int, string)
sortAlpha func(interface {})
[cases]
upper func(string)
lower func(string)
title func(string)
untitle func(string)
snakecase func(string)
camelcase func(string)
kebabcase func(string)
swapcase func(string)
[random]
randAlphaNum func(int)
randAlpha func(int)
randNumeric func(int)
randAscii func(int)
randBytes func(int)
randInt func(int, int)
shuffle func(string)
uuidv4 func()
[regex]
regexMatch func(string, string)
regexFindAll func(string, string, int)
regexFind func(string, string)
regexReplaceAll func(string, string, string)
regexReplaceAllLiteral func(string, string, string)
regexSplit func(string, string, int)
regexQuoteMeta func(string)
mustRegexMatch func(string, string)
mustRegexFindAll func(string, string, int)
mustRegexFind func(string, string)
mustRegexReplaceAll func(string, string, string)
mustRegexReplaceAllLiteral func(string, string, string)
mustRegexSplit func(string, string, int)
[lists]
list func(...interface {})
tuple func(...interface {})
first func(interface {})
rest func(interface {})
last func(interface {})
initial func(interface {})
append func(interface {}, interface {})
push func(interface {}, interface {})
prepend func(interface {}, interface {})
concat func(...interface {})
reverse func(interface {})
uniq func(interface {})
without func(interface {}, ...interface {})
has func(interface {}, interface {})
compact func(interface {})
slice func(interface {}, ...interface {})
chunk func(int, interface {})
mustFirst func(interface {})
mustRest func(interface {})
mustLast func(interface {})
mustInitial func(interface {})
mustAppend func(interface {}, interface {})
mustPush func(interface {}, interface {})
mustPrepend func(interface {}, interface {})
mustReverse func(interface {})
mustUniq func(interface {})
mustWithout func(interface {}, ...interface {})
mustHas func(interface {}, interface {})
mustCompact func(interface {})
mustSlice func(interface {}, ...interface {})
mustChunk func(int, interface {})
seq func(...int)
until func(int)
untilStep func(int, int, int)
[maps]
dict func(...interface {})
get func(map[string]interface {}, string)
set func(map[string]interface {}, string, interface {})
unset func(map[string]interface {}, string)
hasKey func(map[string]interface {}, string)
pluck func(string, ...map[string]interface {})
dig func(...interface {})
keys func(...map[string]interface {})
values func(map[string]interface {})
pick func(map[string]interface {}, ...string)
omit func(map[string]interface {}, ...string)
merge func(map[string]interface {}, ...map[string]interface {})
mergeOverwrite func(map[string]interface {}, ...map[string]interface {})
mustMerge func(map[string]interface {}, ...map[string]interface {})
mustMergeOverwrite func(map[string]interface {}, ...map[string]interface {})
deepCopy func(interface {})
mustDeepCopy func(interface {})
[numbers]
add func(...interface {})
add1 func(interface {})
sub func(interface {}, interface {})
div func(interface {}, interface {})
mod func(interface {}, interface {})
mul func(interface {}, ...interface {})
addf func(...interface {})
add1f func(interface {})
subf func(interface {}, ...interface {})
divf func(interface {}, ...interface {})
mulf func(interface {}, ...interface {})
max func(interface {}, ...interface {})
biggest func(interface {}, ...interface {})
min func(interface {}, ...interface {})
maxf func(interface {}, ...interface {})
minf func(interface {}, ...interface {})
ceil func(interface {})
floor func(interface {})
round func(interface {}, int, ...float64)
int func(interface {})
int64 func(interface {})
float64 func(interface {})
atoi func(string)
toDecimal func(interface {})
[logic]
default func(interface {}, ...interface {})
empty func(interface {})
coalesce func(...interface {})
all func(...interface {})
any func(...interface {})
ternary func(interface {}, interface {}, bool)
fail func(string)
[json]
toJson func(interface {})
toPrettyJson func(interface {})
toRawJson func(interface {})
fromJson func(string)
mustToJson func(interface {})
mustToPrettyJson func(interface {})
mustToRawJson func(interface {})
mustFromJson func(string)
[encoding]
b64enc func(string)
b64dec func(string)
b32enc func(string)
b32dec func(string)
[dates]
now func()
date func(string, interface {})
dateInZone func(string, interface {}, string)
date_in_zone func(string, interface {}, string)
dateModify func(string, time.Time)
date_modify func(string, time.Time)
mustDateModify func(string, time.Time)
must_date_modify func(string, time.Time)
ago func(interface {})
duration func(interface {})
durationRound func(interface {})
htmlDate func(interface {})
htmlDateInZone func(interface {}, string)
toDate func(string, string)
mustToDate func(string, string)
unixEpoch func(time.Time)
[digests]
sha1sum func(string)
sha256sum func(string)
sha512sum func(string)
adler32sum func(string)
[passwords]
bcrypt func(string)
htpasswd func(string, string)
derivePassword func(uint32, string, string, string, string)
encryptAES func(string, string)
decryptAES func(string, string)
[certificates]
genPrivateKey func(string)
buildCustomCert func(string, string)
genCA func(string, int)
genCAWithKey func(string, int, string)
genSelfSignedCert func(string, []interface {}, []interface {}, int)
genSelfSignedCertWithKey func(string, []interface {}, []interface {}, int, string)
genSignedCert func(string, []interface {}, []interface {}, int, sprig.certificate)
genSignedCertWithKey func(string, []interface {}, []interface {}, int, sprig.certificate, string)
[paths]
base func(string)
dir func(string)
ext func(string)
clean func(string)
isAbs func(string)
osBase func(string)
osDir func(string)
osExt func(string)
osClean func(string)
osIsAbs func(string)
[urls]
urlParse func(string)
urlJoin func(map[string]interface {})
[types]
typeOf func(interface {})
typeIs func(string, interface {})
typeIsLike func(string, interface {})
kindOf func(interface {})
kindIs func(string, interface {})
deepEqual func(interface {}, interface {})
[semver]
semver func(string)
semverCompare func(string, string)
"""
"""A line for each function, name and what it takes in Go, under the module that has it."""


def _rows() -> dict[str, tuple[str, str]]:
    rows = {}
    module = ""
    for line in CATALOGUE.splitlines():
        if line.startswith("["):
            module = line.strip("[]")
        else:
            name, _, written = line.partition(" ")
            rows[name] = (module, written)
    return rows


_ROWS: Final = _rows()


def lookup(name: str) -> Function | None:
    """The function of that name, None where sprig has none."""
    row = _ROWS.get(name)
    if row is None:
        return None
    module, written = row
    functions = import_module(f"{__name__}.{module}").FUNCTIONS
    return Function(name, signature(written), functions[name])


def names() -> tuple[str, ...]:
    """All names, as the catalogue has them."""
    return tuple(_ROWS)


_OTHERWISE_CALLED: Final = {
    "push": "append",
    "tuple": "list",
    "biggest": "max",
    "osbase": "base",
    "osdir": "dir",
    "osext": "ext",
    "osclean": "clean",
    "osisabs": "isabs",
}


def names_of(name: str) -> tuple[str, ...]:
    """All names of the function that has this one, be it of sprig or not: ``trimAll`` and ``trimall``.

    Names that differ only in how the function fails (``fromJson``, ``mustFromJson``) are names of one.
    """
    wanted = _meant(name)
    return tuple({name: None} | {each: None for each in _ROWS if _meant(each) == wanted})


def _meant(name: str) -> str:
    plain = name.replace("_", "").lower().removeprefix("must")
    return _OTHERWISE_CALLED.get(plain, plain)
