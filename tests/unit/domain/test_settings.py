"""Promises of the settings: typed on access, a mistake in the program shows at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings

SETTINGS = Settings(
    {
        "text": "here",
        "flag": True,
        "integer": 5,
        "seconds": 1.5,
        "items": ("a", "b"),
        "mapping": {"a": "b"},
        "secret": Secret("hidden-value"),
        "unset": None,
    }
)


def test_each_kind_has_its_getter() -> None:
    assert SETTINGS.text("text") == "here"
    assert SETTINGS.flag("flag") is True
    assert SETTINGS.integer("integer") == 5
    assert SETTINGS.seconds("seconds") == 1.5
    assert SETTINGS.items("items") == ("a", "b")
    assert SETTINGS.mapping("mapping") == {"a": "b"}
    secret = SETTINGS.secret("secret")
    assert secret is not None
    assert secret.reveal() == "hidden-value"
    assert SETTINGS.secret("unset") is None


GETTERS: list[tuple[str, Callable[[str], object]]] = [
    ("text", SETTINGS.text),
    ("flag", SETTINGS.flag),
    ("integer", SETTINGS.integer),
    ("seconds", SETTINGS.seconds),
    ("items", SETTINGS.items),
    ("mapping", SETTINGS.mapping),
    ("secret", SETTINGS.secret),
]


@pytest.mark.parametrize(("kind", "getter"), GETTERS, ids=[kind for kind, _ in GETTERS])
def test_a_value_of_another_kind_is_a_mistake(kind: str, getter: Callable[[str], object]) -> None:
    others = {"text", "flag", "integer", "seconds", "items", "mapping", "secret"} - {kind}
    for other in others:
        with pytest.raises(TypeError, match=f"--{other} is not") as refused:
            getter(other)
        assert "hidden-value" not in str(refused.value)


@pytest.mark.parametrize(("kind", "getter"), GETTERS, ids=[kind for kind, _ in GETTERS])
def test_a_name_that_does_not_exist_is_a_mistake(kind: str, getter: Callable[[str], object]) -> None:
    with pytest.raises(KeyError):
        getter(f"no-{kind}")


def test_settings_do_not_change_with_the_mapping_they_came_from() -> None:
    values: dict[str, str] = {"mode": "file"}
    settings = Settings(values)
    values["mode"] = "dev"
    assert settings.text("mode") == "file"
    assert "file" not in repr(settings)
