"""Random templates, most of them well formed: what the fuzz test asks Go and us about."""

from __future__ import annotations

from random import Random as _Random

from tests.support.templates import Case


class Random(_Random):
    """Random numbers; ``wild`` is whether functions get whatever there is, or mostly what they take."""

    wild = False
    inside = False
    """A template is being made that others call: it calls none, because Go goes 100,000 deep."""


_ATOMS = (
    "0", "1", "-1", "2", "7", "1.5", "-0.0", "1e3", "0x1F", "'a'", "1i", "1_0", "010", '"a"', '""',
    '"x y"', '"é日"', "`r`", '"<&\'>"', '"%d|%v|%s"', '"\\n\\xff"', "true", "false", "nil", ".", "$",
    ".Env", ".Env.A", ".Env.NOPE", "$.Env.A", ".a", ".a.b", "$x", "$y", "$x.a", "$.x", "list", "dict",
    "print", "(list 1 nil)", '(dict "a" 1)', '(dict "a" (dict "b" nil))', "(list)", "(until 3)",
    '(goBytes "hi")', "(goUint64 3)", "(goInt8 -3)", "(int64 5)", '(goError "e")',
    '(splitList "," "a,b")', '(toDate "2006-01-02" "2021-03-04")', '(duration "0")', '(split "," "a,b")',
    "1+2i", "99", "0b11",
)  # fmt: skip
_PLAIN = (
    "print", "println", "html", "js", "urlquery", "len", "not", "quote", "squote", "upper", "lower",
    "toString", "first", "last", "rest", "initial", "reverse", "uniq", "compact", "empty", "kindOf",
    "typeOf", "int", "int64", "float64", "add1", "floor", "ceil", "trim", "title", "b64enc", "toJson",
    "list", "keys", "fail", "atoi", "call", "toStrings", "sortAlpha", "nospace", "untitle", "swapcase",
)  # fmt: skip
_WITH_TWO = (
    "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "index", "default", "print", "add", "sub", "mul",
    "div", "mod", "append", "prepend", "has", "without", "trunc", "indent", "hasPrefix", "contains",
    "get", "hasKey", "join", "splitList", "max", "min", "addf", "coalesce", "cat", "kindIs", "printf",
    "concat", "deepEqual", "dict", "trimAll",
)  # fmt: skip
_WITH_THREE = ("ternary", "replace", "substr", "index", "eq", "print", "and", "or", "slice", "printf", "dig")
_SAFE = (
    "0", "1", "-1", "7", "1.5", "1e3", "'a'", '"a"', '""', '"x y"', '"é日"', "`r`", "true", "false", ".",
    "$", ".Env", ".Env.A", ".Env.NOPE", "$.Env.A", "$x", "$y", "list", "(list 1 nil)", '(dict "a" 1)',
    "(until 3)", "(int64 5)", '(goBytes "hi")', "(goUint64 3)", '(splitList "," "a,b")', '(duration "0")',
    '(dict "a" 1).a', "(dict).b", '(toDate "2006-01-02" "2021-03-04")', '(toDate "2006" "2021").Day',
)  # fmt: skip
_SAFE_PLAIN = (
    "print", "println", "html", "js", "urlquery", "not", "quote", "squote", "toString", "empty", "kindOf",
    "typeOf", "int", "int64", "float64", "add1", "list", "toStrings", "toJson",
)  # fmt: skip
_SAFE_WITH_TWO = (
    "and",
    "or",
    "default",
    "print",
    "add",
    "coalesce",
    "cat",
    "list",
    "printf `%v/%5v`",
    "any",
    "all",
)
_ITERABLE = (
    "3",
    "list 1 $x nil",
    '(dict "a" $y "b" 2)',
    ".Env",
    "until 2",
    "$.Env.NOPE",
    "goBytes `ab`",
    "int64 2",
)
_FORMATS = (
    "%v",
    "%d",
    "%s",
    "%q",
    "%x",
    "%5v",
    "%-6d|",
    "%+.2f",
    "%#v",
    "%08.3f",
    "%t",
    "%c",
    "%U",
    "%e",
    "%[1]v",
)
_TEXTS = ("", " ", "a", "\n", " b \n", "é", "$", "{", "}", "  \t")
_NAMES = ('"t"', '"u"', "`t`", '"nope"')


def template(random: Random) -> Case:
    """One case; a third of them with a mistake that was put in."""
    random.wild = random.choice((False, False, True))
    text = "".join(_statement(random, 3) for _ in range(random.randint(1, 4)))
    if not random.wild:
        text = f'${{ $x := 1 }}${{ $y := "y" }}${{ define "nope" }}<${{ . }}>${{ end }}{text}'
    if random.random() < 0.3:
        random.inside = True
        text = f'{text}${{ define "t" }}{_statement(random, 1)}${{ end }}'
        random.inside = False
    if random.wild and random.random() < 0.6:
        text = _broken(random, text)
    return {"template": text, "env": {"A": "x", "B": ""}}


def _broken(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    end = min(len(text), at + random.randint(0, 3))
    return (
        text[:at]
        + random.choice(("", "}", "${", "(", ")", '"', "`", "|", ".", "$", " ", "\n", "-", ",", "end", "="))
        + text[end:]
    )


def _action(random: Random, inside: str) -> str:
    left = random.choice(("${ ", "${ ", "${", "${- ", "${\n"))
    right = random.choice((" }", " }", "}", " -}", "\t}"))
    return f"{left}{inside}{right}"


def _statement(random: Random, depth: int) -> str:
    kind = random.randrange(14 if depth > 0 else 6)
    text = random.choice(_TEXTS)
    if kind < 4:
        return text + _action(random, _pipeline(random, depth))
    if kind == 4:
        sign = random.choice((":=", ":=", "="))
        return text + _action(random, f"{random.choice(('$x', '$y'))} {sign} {_pipeline(random, depth)}")
    if kind == 5:
        return text + random.choice(("${/* c */}", "${- /* c */ -}", _action(random, "print $ .")))
    if kind in (6, 7) and random.inside:
        return text
    if kind == 6:
        return text + _action(random, f"template {random.choice(_NAMES)} {_pipeline(random, 1)}")
    random.inside, outside = random.inside or kind == 7, random.inside
    body = "".join(_statement(random, depth - 1) for _ in range(random.randint(0, 2)))
    random.inside = outside
    end = _action(random, "end")
    if kind == 7:
        return text + _action(random, f"block {random.choice(_NAMES)} {_pipeline(random, 1)}") + body + end
    if kind == 8 and random.random() < 0.5:
        body += _action(random, random.choice(("break", "continue")))
    word = ("if", "with", "range")[kind % 3]
    subject = random.choice(_ITERABLE) if word == "range" and not random.wild else _pipeline(random, depth)
    start = random.choice(
        (
            "",
            "",
            "$x := ",
            "$i, $x := " if word == "range" and subject not in ("3", "int64 2") else "$y := ",
            "$x = ",
        )
    )
    otherwise = ""
    if random.random() < 0.4:
        chained = (
            f"else {word} {_pipeline(random, 1)}" if word != "range" and random.random() < 0.4 else "else"
        )
        otherwise = _action(random, chained) + _statement(random, depth - 1)
    declared = _action(random, "$x := 1") + _action(random, "$y := 2") if random.random() < 0.3 else ""
    return f"{declared}{text}{_action(random, f'{word} {start}{subject}')}{body}{otherwise}{end}"


def _pipeline(random: Random, depth: int) -> str:
    stages = [_command(random, depth)]
    while random.random() < 0.3:
        stages.append(
            random.choice(
                _SAFE_PLAIN
                if not random.wild
                else (*_PLAIN, *(f"{name} {_operand(random, 0)}" for name in _WITH_TWO[:12]))
            )
        )
    return random.choice((" | ", "|", " |")).join(stages)


def _command(random: Random, depth: int) -> str:
    kind = random.randrange(8)
    if kind < 2:
        return _operand(random, depth)
    if kind < 4:
        return f"{random.choice(_PLAIN if random.wild else _SAFE_PLAIN)} {_operand(random, depth)}"
    if kind == 4:
        count = random.randint(0, 3)
        formats = "|".join(random.choice(_FORMATS) for _ in range(random.randint(1, 3)))
        return " ".join((f'printf "{formats}"', *(_operand(random, depth) for _ in range(count))))
    names, count = (_WITH_THREE, 3) if kind == 7 else (_WITH_TWO, 2)
    if not random.wild:
        names = _SAFE_WITH_TWO
    return " ".join((random.choice(names), *(_operand(random, depth) for _ in range(count))))


def _operand(random: Random, depth: int) -> str:
    if depth > 0 and random.random() < 0.3:
        fields = random.choice(("", "", "", ".a", ".a.b", ".Day")) if random.wild else ""
        return f"({_pipeline(random, depth - 1)}){fields}"
    return random.choice(_ATOMS if random.wild else _SAFE)
