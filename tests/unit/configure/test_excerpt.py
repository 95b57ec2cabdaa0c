"""What is found of a change without reading the whole document is what reading the whole of it would find."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from bank_vaults.configure import documents, excerpt
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.documents import Document, Rendered
from bank_vaults.configure.merge import IDENTITIES
from bank_vaults.configure.problems import DocumentError

FILE = "vault-config.yml"


def read(text: str) -> Document:
    return documents.document(Rendered(FILE, text, same_lines=True), outlined=True)


def changed(old: str, new: str) -> Configuration | None:
    outline = read(old).outline
    return None if outline is None else documents.changed(Rendered(FILE, new, same_lines=True), outline)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpt, "_PIECE", 1)


def names(found: Configuration | None) -> list[str] | None:
    return None if found is None else [policy.name for policy in found.policies]


POLICIES = {"policies": [{"name": f"p{n}", "rules": f'path "a/{n}" {{}}\n'} for n in range(6)]}
YAML = yaml.dump(POLICIES, sort_keys=False)
INDENTED = """---
# ours
policies:
  - name: a
    rules: |
      # a
  - name: b
    rules: '# b'
auth:
  - type: jwt
"""
JSON = json.dumps(POLICIES)


@pytest.mark.parametrize("text", [YAML, JSON, json.dumps(POLICIES, indent=2)])
@pytest.mark.parametrize("name", ["p0", "p3", "p5"])
def test_one_policy_that_has_changed_is_all_that_is_read(text: str, name: str) -> None:
    new = text.replace(f"a/{name[1]}", "b/b")
    found = changed(text, new)
    assert names(found) == [name]
    (whole,) = (each for each in read(new).configuration.policies if each.name == name)
    assert found is not None
    assert found.policies == (whole,)


@pytest.mark.parametrize(
    ("text", "before", "new", "expected"),
    [
        (YAML, "- name: p3", "- name: new\n- name: p3", ["new"]),
        (YAML, "- name: p0", "- name: new\n- name: p0", ["new"]),
        (INDENTED, "auth:", "  - name: c\nauth:", ["c"]),
        (INDENTED, "  - name: b\n    rules: '# b'\n", "", []),
        (JSON, "}]}", '}, {"name": "new"}]}', ["new"]),
        (JSON, '{"policies": [', '{"policies": [{"name": "new"}, ', ["new"]),
        (JSON, ', {"name": "p5"', ', {"name": "new"}, {"name": "p5"', ["new"]),
        (YAML, "- name: p3", "# once\n- name: p3", ["p2"]),
        (INDENTED, "# a", "# c", ["a"]),
        (INDENTED, "jwt", "userpass", []),
        (INDENTED, "", "", []),
    ],
)
def test_what_is_added_or_gone_is_found_where_it_stands(
    text: str, before: str, new: str, expected: list[str]
) -> None:
    found = changed(text, text.replace(before, new, 1))
    assert names(found) == expected


def test_what_is_appended_is_found() -> None:
    assert names(changed(YAML, YAML + "- name: new\n")) == ["new"]


@pytest.mark.parametrize(
    ("text", "before", "new"),
    [
        (YAML, "policies:", "Policies:"),
        (YAML, "- name: p3", "- nme: p3"),
        (YAML, "- name: p3", "- name: p0"),
        (YAML, "- name: p3", "  name: p3"),
        (YAML, "- name: p3", " - name: p3"),
        (YAML, "name: p3", "name: 'p3"),
        (YAML, "name: p3", "name: &anchor [p3"),
        (YAML, "- name: p3", "auth:\n- type: jwt\npolicies:\n- name: p3"),
        (YAML, "- name: p3", "...\n- name: p3"),
        (INDENTED, "auth:", "groups:\n  - name: g\n    type: internal\nauth:"),
        (JSON, '{"name": "p3"', '{"name": "p3'),
        (JSON, '{"name": "p3"', ']}, {"name": "p3"'),
        (JSON, '{"name": "p3"', '{"name": "p3", "name": "p3"'),
        (JSON, '{"name": "p3"', '{"nme": "p3"'),
        (JSON, "}]}", "},]}"),
        (JSON, "}]}", "}]]"),
        (JSON, JSON[JSON.index('{"name": "p5"') : -2], ""),
        (YAML + "auth:\n- type: jwt\n", YAML[YAML.index("- name: p3") :] + "auth:\n", ""),
        (YAML, "{}\n\n    '\n- name: p3", "{}'- name: p3"),
        (YAML + "groups:\n- name: g\n  type: internal\n", "type: internal", "type: external"),
        (YAML + "startupSecrets: {}\n", "startupSecrets: {}", "startupSecrets: []"),
    ],
)
def test_what_cannot_be_told_from_a_part_is_left_to_reading_the_whole(
    text: str, before: str, new: str
) -> None:
    assert before in text
    assert changed(text, text.replace(before, new, 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "policies: []\n",
        "policies: [{name: a}]\n",
        "policies:\n-\n  name: a\n",
        "%TAG ! tag:yaml.org,2002:\n---\npolicies:\n- name: a\n",
        "policies:\n- &a\n  name: a\n- name: b\n  rules: *a\n",
        "policies:\n- name: a\r\n- name: b\r\n",
        "policies:\n- name: a\n...\n",
        " policies:\n - name: a\n",
        '{"policies": []}',
        '{"policies": {"name": "a"}}',
        '{policies: [{"name": "a"}]}',
        "policies:\n- name: a\n<<: {audit: []}\n",
        "policies:\n- name: a\n<<: {}\n",
        "policies:\n- name: a\n!!merge <<: {}\n",
        "startupSecrets: []\n",
    ],
)
def test_what_cannot_be_cut_has_no_outline(text: str) -> None:
    try:
        assert read(text).outline is None
    except DocumentError:
        assert "*a" in text  # a policy is no map


@pytest.mark.parametrize("text", [YAML.rstrip("\n"), YAML + "# ours", INDENTED.partition("\nauth:")[0]])
@pytest.mark.parametrize("more", ["- {name: new}\n", "  - {name: new}\n", "- name: new\n", "- name: new"])
def test_what_is_appended_to_a_last_line_without_an_end_belongs_to_that_line(text: str, more: str) -> None:
    assert "new" not in (names(changed(text, text + more)) or ())


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("behind", ["", "auth:\n- type: jwt\n"])
def test_an_element_that_has_more_lines_at_its_end_is_found(name: str, behind: str) -> None:
    rules = {each: f"- name: {each}\n  rules: |\n    # {each}\n" for each in "abc"}
    old = f"policies:\n{''.join(rules.values())}{behind}"
    new = old.replace(rules[name], rules[name] + "    # more\n")
    found = changed(old, new)
    assert found is not None
    assert [policy.rules for policy in found.policies] == [f"# {name}\n# more\n"]


def test_nothing_of_the_document_is_in_its_outline() -> None:
    text = "auth:\n- type: userpass\n  users:\n  - username: u\n    password: swordfish\n"
    outline = read(text).outline
    assert outline is not None
    assert "swordfish" not in repr(tuple(outline)) + repr(outline)


@pytest.mark.parametrize(("most", "has_excerpt"), [(20, True), (19, False), (21, True)])
def test_a_part_cannot_have_more_values_than_would_be_read_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, most: int, has_excerpt: bool
) -> None:
    monkeypatch.setattr(excerpt, "_MOST_VALUES", most)  # six policies of three, the list, and the document
    assert (changed(YAML, YAML.replace("a/3", "b/3")) is not None) is has_excerpt
    many = "".join(f"- name: new{n}\n" for n in range(most))
    assert changed(YAML, YAML + many) is None


def test_an_element_that_stands_elsewhere_too_makes_the_whole_file_unusable() -> None:
    new = YAML.replace("p3", "p4")
    assert changed(YAML, new) is None
    with pytest.raises(DocumentError):
        read(new)


# -- whatever is written -------------------------------------------------------------------------------

SNIPPETS = (
    *(
        '"',
        "'",
        "- ",
        "\n",
        "\n\n",
        "  ",
        "}",
        "]",
        "{",
        "[",
        ",",
        "#",
        " # ",
        ": ",
        "|\n",
        ">-\n",
        "\t",
        "!x ",
    ),
    *("policies:\n", "*a", "&a ", "<<: ", "...\n", "---\n", "- name: new\n", "  - name: new\n", "%TAG\n"),
    *(
        "null",
        "audit:\n",
        '{"name": "new"},',
        ', {"name": "new"}',
        "]}",
        "? ",
        "- - ",
        "\u2028",
        "\udc80",
        "- {name: new}\n",
    ),
)


def _document(rng: random.Random) -> dict[str, Any]:
    def texts() -> str:
        words = ("a", "path ", '"x"', "{}", "\n", "- b", "#", "'", ": ", "  ", "*", "é")
        return "".join(rng.choice(words) for _ in range(rng.randrange(6)))

    policies = [{"name": f"p{n}", "rules": texts()} for n in range(rng.randrange(5))]
    methods = [
        {"type": "jwt", "path": f"m{n}", "roles": [{"name": "r", "note": texts()}]}
        for n in range(rng.randrange(3))
    ]
    engines = [{"type": "kv", "path": f"kv{n}", "options": {"version": 2}} for n in range(rng.randrange(3))]
    sections: list[tuple[str, Any]] = [
        ("policies", policies),
        ("auth", methods),
        ("secrets", engines),
        ("groups", [{"name": "g", "type": "internal"}]),
        ("purgeUnmanagedConfig", {"enabled": rng.random() < 0.5}),
        ("audit", None),
    ]
    rng.shuffle(sections)
    return dict(sections[: rng.randrange(1, 7)])


class _Indented(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        return super().increase_indent(flow, False)


def _written(document: dict[str, Any], style: int) -> str:
    if style == 0:
        return yaml.safe_dump(document, sort_keys=False)
    if style == 1:
        return yaml.dump(document, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=20)
    return json.dumps(document, indent=(None, 1)[style - 2])


def _edited(rng: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """With one element changed, added, or gone, as people do it."""
    made = {name: list(value) if isinstance(value, list) else value for name, value in document.items()}
    lists = [value for value in made.values() if isinstance(value, list)]
    if not lists:
        return made
    elements = rng.choice(lists)
    position = rng.randrange(len(elements) + 1)
    if position < len(elements) and rng.random() < 0.7:
        elements[position] = {
            **elements[position],
            "name" if "name" in elements[position] else "path": "other",
        }
    elif elements and rng.random() < 0.4:
        elements.pop()
    elif elements:
        elements.insert(position, {**elements[0], "name" if "name" in elements[0] else "path": "new"})
    return made


def _scribbled(rng: random.Random, text: str) -> str:
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(text) + 1) if rng.random() < 0.8 else len(text)
        end = min(len(text), start + rng.choice((0, 0, 0, 1, 1, 2, 5, 20)))
        text = text[:start] + rng.choice(("", *SNIPPETS)) + text[end:]
    return text


def _without_places(elements: tuple[Any, ...]) -> dict[Any, Any]:
    plain: Callable[[Any], Any] = lambda value: (  # noqa: E731
        [plain(each) for name, each in zip(value._fields, value, strict=True) if name != "place"]
        if hasattr(value, "_fields")
        else [plain(each) for each in value]
        if isinstance(value, tuple)
        else value
    )
    return {number: plain(each) for number, each in enumerate(elements)}


def _check(old: str, new: str) -> bool:
    """Whether there was an excerpt; it has to fit to the whole."""
    found = changed(old, new)
    if found is None:
        return False
    before, after = read(old).configuration, read(new).configuration  # raises, where it is not usable
    for section, identity in IDENTITIES.items():
        excerpted = getattr(found, section)
        assert set(map(repr, excerpted)) <= set(map(repr, getattr(after, section)))
        whole = {identity(each): each for each in getattr(after, section)}
        assert all(whole[identity(each)] == each for each in excerpted)
        told = {identity(each) for each in excerpted}
        earlier = {identity(each): each for each in getattr(before, section)}
        for key in whole.keys() - told:
            assert _without_places((earlier[key],)) == _without_places((whole[key],))
    assert after.purge == before.purge
    return True


@pytest.mark.parametrize("seed", range(12))
def test_an_excerpt_has_all_that_is_different_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    told = tried = 0
    for _ in range(150):
        document, style = _document(rng), rng.randrange(4)
        old = _written(document, style)
        if rng.random() < 0.1:
            old = old.rstrip("\n")
        edited = _written(_edited(rng, document), style)
        tried += read(old).outline is not None
        told += _check(old, edited)
        for _ in range(6):
            _check(old, _scribbled(rng, rng.choice((old, edited))))
    assert told > tried / 2
