"""Random programs over all functions there are, given what they take, or whatever there is.

They are not compared with Go's answers (``random_templates`` is for that): whatever comes out has to be a
text or an error of the template.
"""

from __future__ import annotations

import json
from random import Random
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ed25519

from bank_vaults.templating import own, sprig
from bank_vaults.templating.language import builtins
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.policy import Policy, policy
from bank_vaults.templating.render import SCALAR, TEXT
from bank_vaults.templating.sprig import keys

_TEXTS: Final = (
    '""', '"a"', '"x y\\tz\\n"', '"é日😀"', '"\\xff\\xc3"', '"\\x00"', '"-1"', '"1.5"', '"1e400"', '"0x1F"',
    '"NaN"',
    '"99999999999999999999"', '"2006-01-02T15:04:05.999Z07:00 MST"', '"2021-03-04"', '"_2 Jan 06 .000"',
    '"1h30m"',
    '"-9999999h"', '"[a-z]+(x|)"', '"(?P<n>a)|b*"', '"(["', '"$1${n}$$"', '"\\\\pL\\\\C"', '"s3://b/k"',
    '"file:///nonexistent/x"', '"file://./x?prefix=../"', '"gs://"', '"azblob://c/k?domain=x"',
    '"http://u:p@h:1/p?q=1#f"',
    '"//[::1%25x]/%zz"', '"1.2.3-rc.1+x"', '">=1.2 <2 || ~3"', '"1 - 2"', '"v18446744073709551616"', '"UTC"',
    '"Europe/Berlin"', '"../etc"', '"rsa"', '"ed25519"', '"dGVzdA=="',
    '"-----BEGIN X-----\\nAAAA\\n-----END X-----\\n"',
    '"{\\"a\\": [1, null, {\\"b\\": 1e9}]}"', '"[1,"', '"a: &x [1, *x]"', '"a: !!int x"', '"? [a]\\n: 1"',
    '"- <<: 1"',
    '"%d %s %q %x %v %T %*d %[3]d %!"', '"%999999999d"', '"%+#08.3f|%U|%c"', '"$HOME ${A} $$ ${"',
    '"127.0.0.1"', '"::ffff:1.2.3.4"',
    '"string"', '"map[string]interface {}"', '"int64"', '"A"', '"NOPE"', '"maximum"', '"127.0.0.1/8"',
    '(repeat 300 "aB_ 1")',
    '(b64enc "x")', '(toJson $)', '(printf "%c" 55296)',
)  # fmt: skip
_NUMBERS: Final = (
    "0", "1", "-1", "2", "7", "63", "64", "1000", "9223372036854775807", "-9223372036854775808", "'a'",
    "0x10FFFF", "1_000",
)  # fmt: skip
_FLOATS: Final = ("0.0", "1.5", "-0.0", "1e308", "5e-324", "1e3", "(divf 1 3)")
_MAPS: Final = (
    "(dict)", '(dict "a" 1)', '(dict "a" (dict "b" nil) "c" (list 1))',
    '(fromJson "{\\"a\\": {\\"b\\": 1}}")', "$m", ".Env",
    '(split "," "a,b")', '(urlParse "http://u@h/p?q")',
)  # fmt: skip
_LISTS: Final = (
    "(list)", "(list 1 nil)", '(list "b" "a" "a")', "(until 3)", '(splitList "" "é\\xffb")',
    "(list (list 1) (dict))", "$l", "(keys $m)",
    "(chunk 1 (until 2))", '(list 1.5 true "x" nil .)',
)  # fmt: skip
_OTHERS: Final = (
    "nil", "true", "false", ".", "$", ".Env.A", ".Env.NOPE", "$m.a.b", "1i", "1+2i", "now",
    '(toDate "2006-01-02" "2021-03-04")',
    '(duration "90")', '(semver "1.2.3-a")', '(mustToDate "2006" "2021").Month', "(now.Sub now)",
    '((semver "1").IncMajor)',
    "18446744073709551615", '(now.AppendFormat nil "2006")', "($m)", '(index "ab" 0)', "(print)", "$c",
    "(now.Location)",
)  # fmt: skip
_OF_TYPE: Final = {
    "string": _TEXTS,
    "int": _NUMBERS,
    "uint32": _NUMBERS,
    "float64": _FLOATS,
    "bool": ("true", "false", '(contains "a" "ab")'),
    "map[string]interface {}": _MAPS,
    "[]interface {}": ("nil", "(list)", '(list "127.0.0.1")', '(list "a.b")', "(list 1)"),
    "time.Time": ("now", '(toDate "2006-01-02" "2021-03-04")', '(mustDateModify "-99999h" now)'),
    "sprig.certificate": ("$c", "nil"),
}
_OWN: Final = (
    "env", "expandenv", "getHostByName", "file", "blob", "awskms", "gcpkms", "accessor", "toYaml", "fromYaml",
)  # fmt: skip
OF_GO: Final = (
    "and", "or", "call", "not", "len", "index", "print", "println", "printf", "html", "js", "urlquery",
    "eq", "ne", "lt", "le",
    "gt", "ge",
)  # fmt: skip
"""The functions that every template has."""
_ANY: Final = (*_TEXTS, *_NUMBERS, *_FLOATS, *_MAPS, *_LISTS, *_OTHERS)
_POLICIES: Final = (
    policy([], []),
    policy(["env:A", "file:/etc"], []),
    policy(["function:*"], []),
    policy([], ["env:*", "function:must*"]),
    policy([], ["function:print*", "function:index", "file:/", "host:*"]),
    policy(["env:*", "blob:s3://b/dir", "host:127.*"], ["function:upper"]),
)
_PREFIX: Final = '${ $m := dict "a" (dict "b" 1) }${ $l := list 1 "x" nil }'
_KEY: Final = keys.written(ed25519.Ed25519PrivateKey.generate())
_WITH_CERTIFICATE: Final = f"${{ $c := genCAWithKey `a` 1 `{_KEY}` }}"
_WITHOUT_CERTIFICATE: Final = "${ $c := 1 }"


class Program(NamedTuple):
    """A text to render, and how."""

    text: str
    mode: str
    rules: Policy


class Programs:
    """Makes them, of all functions in turn."""

    def __init__(self, random: Random) -> None:
        self._random = random
        ours = own.functions(Sources({}))
        names = (*sprig.names(), *_OWN, *OF_GO)
        self._functions = {name: ours(name) or builtins.lookup(name) for name in names}
        self._turn: list[str] = []

    def next(self) -> Program:
        """One more."""
        random = self._random
        certificate = _WITH_CERTIFICATE if random.random() < 0.3 else _WITHOUT_CERTIFICATE
        text = _PREFIX + certificate + "".join(self._statement(2) for _ in range(random.randint(1, 2)))
        mode = random.choice((TEXT, TEXT, SCALAR))
        if mode == SCALAR:
            quoted = json.dumps(text)
            text = random.choice(
                (f'{{"a": {quoted}}}', f"a: {quoted}\nb: [1, {quoted}]", f"a: |-\n  {text}\nb: 1")
            )
        return Program(text, mode, random.choice(_POLICIES))

    def _statement(self, depth: int) -> str:
        call = self._call(2)
        if depth == 0:
            return f"${{ {call} }}"
        inside = self._statement(depth - 1)
        return self._random.choice(
            (
                f"${{ {call} }}",
                f"${{ {call} }}",
                f"${{ {call} | {self._name()} }}",
                f"${{ $x := {call} }}${{ printf `%v|%d|%s|%#v|%x` $x $x $x $x $x }}${{ toJson $x }}",
                f"${{ range $k, $v := {call} }}{inside}${{ $k }}${{ $v }}${{ break }}${{ else }}-${{ end }}",
                f"${{ with {call} }}{inside}${{ . }}${{ end }}",
                f"${{ if {call} }}{inside}${{ else if {call} }}${{ end }}",
                f"${{ $l = {call} }}{inside}",
                f"${{ ({call}).a.B }}",
                f"${{ $_ := set $m `x` ({call}) }}{inside}${{ $m }}",
                f"${{ eq ({call}) ({call}) }}${{ lt ({call}) ({call}) }}",
            )
        )

    def _name(self) -> str:
        if not self._turn:
            self._turn = list(self._functions)
            self._random.shuffle(self._turn)
        return self._turn.pop()

    def _call(self, depth: int) -> str:
        name = self._name()
        function = self._functions[name]
        assert function is not None, name
        parameters, variadic = function.signature
        wanted = list(parameters)
        if variadic:
            wanted[-1:] = [parameters[-1]] * self._random.randint(0, 3)
        if self._random.random() < 0.02:
            wanted = wanted[1:]
        return " ".join((name, *(self._argument(each, depth) for each in wanted)))

    def _argument(self, wanted: str, depth: int) -> str:
        fitting = _OF_TYPE.get(wanted, _ANY)
        # What does not fit ends most calls before they begin.
        if depth and self._random.random() < (0.25 if fitting is _ANY else 0.03):
            return f"({self._call(depth - 1)})"
        return self._random.choice(fitting if self._random.random() < 0.96 else _ANY)
