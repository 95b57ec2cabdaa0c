"""What of the files is used while some of them are broken, and what is kept of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bank_vaults.configure.config import Configuration, Named
from bank_vaults.configure.library import Library
from bank_vaults.templating.own.sources import Sources


@contextmanager
def sources() -> Iterator[Sources]:
    with Sources({}) as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "a.yml", tmp_path / "b.yml"]
    found[0].write_text("policies: [{name: one, rules: '# of a'}, {name: both, rules: '# of a'}]")
    found[1].write_text("policies: [{name: both, rules: '# of b'}]")
    return found


def rules(library: Library) -> tuple[dict[str, str], bool]:
    union = library.union()
    return {policy.name: policy.rules for policy in union.configuration.policies}, union.complete


def test_the_later_file_has_the_element(files: list[Path]) -> None:
    assert rules(Library(map(str, files), sources, "text")) == ({"one": "# of a", "both": "# of b"}, True)


def test_a_broken_file_keeps_its_last_good_version_until_it_is_applied(files: list[Path]) -> None:
    library = Library(map(str, files), sources, "text")
    library.union()
    files[1].write_text("policies: [")
    assert library.load([str(files[1])]) == ()
    assert rules(library) == ({"one": "# of a", "both": "# of b"}, False)
    files[1].write_text("")
    assert library.load([str(files[1])]) == (str(files[1]),)
    assert rules(library) == ({"one": "# of a", "both": "# of a"}, True)


def test_after_that_its_objects_are_left_as_they_are(files: list[Path]) -> None:
    library = Library(map(str, files), sources, "text")
    library.union()
    library.let_go()
    files[1].write_text("policies: [")
    library.load([str(files[1])])
    assert rules(library) == ({"one": "# of a"}, False)
    assert str(files[1]) in library.broken


def test_k28_no_document_stays_in_memory_once_it_is_applied(files: list[Path]) -> None:
    files[0].write_text("auth: [{type: userpass, users: [{username: u, password: a-secret-of-k28}]}]")
    library = Library(map(str, files), sources, "text")
    library.union()

    def holders() -> int:
        gc.collect()
        return sum(
            1
            for each in gc.get_objects()
            if type(each) is Named and each.body.get("password") == "a-secret-of-k28"
        )

    assert holders()
    library.let_go()
    assert holders() == 0
    assert library.union().complete


def test_an_excerpt_has_what_has_changed_but_for_what_a_later_file_has(files: list[Path]) -> None:
    files[0].write_text("policies:\n- name: one\n- name: both\n- name: two\n")
    library = Library(map(str, files), sources, "text", watched=True)
    library.union()
    library.let_go()
    files[0].write_text(
        files[0].read_text().replace("both", "both\n  rules: '# new'").replace("two", "three")
    )
    excerpt = library.excerpt([str(files[0])])
    assert [(policy.name, policy.place.line) for policy in excerpt.policies] == [("one", 2), ("three", 5)]
    library.load([str(files[0])])
    assert rules(library) == ({"one": "", "both": "# of b", "three": ""}, True)


def test_what_a_later_file_may_have_replaced_at_the_same_time_is_left_to_reading_the_whole(
    files: list[Path],
) -> None:
    one, other = files
    one.write_text("policies:\n- name: one\n")
    other.write_text("policies:\n- name: two\ngroups: []\n")
    library = Library(map(str, files), sources, "text", watched=True)
    library.union()
    one.write_text("policies:\n- name: one\n  rules: '# new'\n")
    (policy,) = library.excerpt(
        [*map(str, files)]
    ).policies  # as volumes are swapped: with all that is in them
    assert policy.rules == "# new"
    other.write_text("groups: []\npolicies:\n- name: two\n- name: one\n  rules: '# newer'\n")
    assert library.excerpt([*map(str, files)]) == Configuration()
    library.load([*map(str, files)])
    assert rules(library)[0] == {"one": "# newer", "two": ""}


def test_a_file_is_rendered_once_for_its_excerpt_and_for_the_whole(files: list[Path]) -> None:
    library = Library([str(files[0])], sources, "text", watched=True)
    files[0].write_text("policies:\n- name: one\n  rules: '# ${ uuidv4 }'\n")
    library.union()
    (excerpted,) = library.excerpt([str(files[0])]).policies
    library.load([str(files[0])])
    assert rules(library) == ({"one": excerpted.rules}, True)


@pytest.mark.parametrize("text", ["policies: [", "policies:\n- nme: one\n", "${ fail `x` }"])
def test_of_a_broken_file_there_is_no_excerpt(files: list[Path], text: str) -> None:
    files[0].write_text("policies:\n- name: one\n")
    library = Library(map(str, files), sources, "text", watched=True)
    library.union()
    files[0].write_text(text)
    assert library.excerpt([str(files[0])]) == Configuration()
    assert library.load([str(files[0])]) == ()
    assert str(files[0]) in library.broken
