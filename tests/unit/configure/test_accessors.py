"""Placeholders for accessors: which text is one, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.configure.accessors import placed, resolved
from bank_vaults.configure.model import Identity, Joined, Reference

KNOWN = ("kubernetes", "kubernetes_cluster", "team/jwt", "foo")
ACCESSORS = {"kubernetes": "a1", "kubernetes_cluster": "a2", "team/jwt": "a3", "foo": "a4"}


def filled(text: str) -> object:
    return resolved(placed(text, KNOWN).value, ACCESSORS)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("none", "none"),
        ("__accessor__kubernetes", "a1"),
        ("x.__accessor__kubernetes.metadata", "x.a1.metadata"),
        ("__accessor__kubernetes_cluster.y", "a2.y"),
        ("__accessor__kubernetes/z and __accessor__team/jwt.", "a1/z and a3."),
        ("__accessor__foo__accessor__foo", "a4a4"),
    ],
)
def test_the_longest_path_that_fits_is_meant(text: str, result: str) -> None:
    assert filled(text) == result
    assert not placed(text, KNOWN).unknown


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a __accessor__foo_bar b", "__accessor__foo_bar"),
        ("__accessor__foo-bar", "__accessor__foo-bar"),
        ("__accessor__foobar", "__accessor__foobar"),
        ("__accessor__oidc.metadata", "__accessor__oidc.metadata"),
        ("__accessor__", "__accessor__"),
        ("__accessor__foo __accessor__gone", "__accessor__gone"),
    ],
)
def test_k24_an_unknown_placeholder_is_told_and_not_replaced_in_part(text: str, unknown: str) -> None:
    found = placed(text, KNOWN)
    assert found.unknown == (unknown,)
    assert unknown in found.complaint
    assert unknown in str(filled(text))


def test_k24_the_value_keeps_references_so_that_a_new_accessor_is_used() -> None:
    found = placed({"allowed": ["x", "__accessor__foo!"], "text": "__accessor__team/jwt", "n": 1}, KNOWN)
    assert found.value == {
        "allowed": ["x", Joined((Reference("accessor", "foo"), "!"))],
        "text": Joined((Reference("accessor", "team/jwt"),)),
        "n": 1,
    }
    assert found.needs == {Identity("auth", "mount", "foo"), Identity("auth", "mount", "team/jwt")}
    assert resolved(found.value, ACCESSORS) == {"allowed": ["x", "a4!"], "text": "a3", "n": 1}
    assert resolved(found.value, {"foo": "new"}) == {
        "allowed": ["x", "new!"],
        "text": Joined((Reference("accessor", "team/jwt"),)),
        "n": 1,
    }
    assert found.complaint == ""


def test_references_on_their_own_are_resolved_where_they_are_accessors() -> None:
    group = Reference("group", "foo")
    assert resolved([Reference("accessor", "foo"), group], ACCESSORS) == ["a4", group]


@given(st.text(alphabet="_acesor/-x. "), st.sets(st.text(alphabet="xa_/-", max_size=4)))
def test_no_text_is_lost(text: str, known: set[str]) -> None:
    found = placed("__accessor__" + text, known).value
    parts = found.parts if isinstance(found, Joined) else (found,)
    again = "".join(part if isinstance(part, str) else f"__accessor__{part.name}" for part in parts)
    assert again == "__accessor__" + text
