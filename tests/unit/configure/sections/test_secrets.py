"""What is decided about the items of secrets engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bank_vaults.configure.config import Configuration
from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Context,
    Identity,
    Record,
    Shown,
    Stage,
    Wanted,
    WriteOnly,
)
from bank_vaults.configure.sections import secrets, within
from bank_vaults.configure.sections.plugins import plugin_identity
from bank_vaults.configure.sections.within import Inside
from bank_vaults.configure.server import Server, UnreadableError
from tests.support.configuring import configuration_of, digest

Answers = dict[str, Shown | Mapping[str, Any]]

CONTEXT = Context(digest, WriteOnly.CHANGED)
UNSUPPORTED = Shown(None, "405: unsupported operation")


def engine(options: str, *, kind: str = "thing", path: str = "e") -> Configuration:
    return configuration_of(f"secrets: [{{type: {kind}, path: {path}, configuration: {options}}}]")


def items(options: str, *, kind: str = "thing", auth: frozenset[str] = frozenset()) -> tuple[Wanted, ...]:
    return secrets.wanted(engine(options, kind=kind), Server(auth=auth))[1:]


def plan(
    wanted: Wanted,
    answers: Answers,
    record: Record | None = None,
    context: Context = CONTEXT,
) -> Change:
    def shown(path: str) -> Shown:
        assert path in wanted.reads
        answer = answers.get(path, ABSENT)
        return answer if isinstance(answer, Shown) else Shown(answer)

    return wanted.plan(shown, record, context)


MOUNTED: Answers = {"sys/mounts": {"e/": {"type": "thing"}}}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ("{roles: [{name: r}]}", "e/roles/r"),
        ("{config: [{a: b}]}", "e/config"),
        ("{config/root: [{a: b}]}", "e/config/root"),
        ("{root/generate: [{name: internal}]}", "e/root/generate/internal"),
        ("{roles: [{name: 012}]}", "e/roles/012"),
        ("{roles: [{name: a/b}]}", "e/roles/a/b"),
    ],
)
def test_an_item_is_written_below_its_option(options: str, path: str) -> None:
    (item,) = items(options)
    assert item.identity == Identity("secrets", "item", path)
    (request,) = plan(item, {**MOUNTED, path: ABSENT}).requests
    assert (request.method, request.path) == ("PUT", path)


def test_k11_empty_items_and_strange_ones_are_items() -> None:
    (one, other) = items("{config: [{}, {name: x}]}")
    assert [plan(each, {}).requests[0].body for each in (one, other)] == [{}, {}]


def test_null_is_not_given_and_is_a_value_deeper_only() -> None:
    (item,) = items("{config: [{a: null, b: {c: null}}]}")
    assert plan(item, {}).requests[0].body == {"b": {"c": None}}


def test_a_plugin_gets_the_name_too_for_nobody_knows_what_it_does_with_it() -> None:
    (item,) = items("{config: [{name: x, a: b}]}", kind="plugin, plugin_name: mine")
    assert plan(item, {}).requests[0].body == {"name": "x", "a": "b"}


def test_k9_options_are_written_in_the_order_of_the_document_and_config_first() -> None:
    options = "{z: [{name: a}, {name: b}], roles: [{name: c}], config: [{name: d}], config/x: [{e: f}]}"
    stages = {item.identity.name: plan(item, {}).stage for item in items(options)}
    assert stages == {
        "e/config/d": Stage.SECRETS_CONFIG,
        "e/config/x": Stage.SECRETS_CONFIG,
        "e/z/a": Stage.SECRETS_ITEMS,
        "e/z/b": Stage.SECRETS_ITEMS,
        "e/roles/c": Stage.SECRETS_ITEMS + 1,
    }
    plugin = items(options, kind="plugin, plugin_name: mine")
    assert [item.identity.name for item in plugin] == [
        "e/z/a",
        "e/z/b",
        "e/roles/c",
        "e/config/d",
        "e/config/x",
    ]
    assert [plan(item, {}).stage - Stage.SECRETS_ITEMS for item in plugin] == [0, 0, 1, 2, 3]


def test_k9_what_makes_certificates_is_done_one_by_one_and_before_the_secrets_of_the_start() -> None:
    many = ", ".join(f"{{name: n{index}}}" for index in range(200))
    stages = [plan(item, {}).stage for item in items(f"{{a: [{many}]}}", kind="pki")]
    assert stages == sorted(stages)
    assert stages[:3] == [12, 13, 14]
    assert stages[-1] == Stage.STARTUP_SECRETS - 1


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("{name: r, save_to: 5}", "save_to is not a path"),
        ("{name: r, save_to: /}", "save_to is not a path"),
        ("{name: r, save_to: secret/data/x, rotate: true}", "save_to and rotate do not go together"),
        ("{name: r, a: [{b: __accessor__nobody}]}", "there is no auth method for __accessor__nobody"),
    ],
)
def test_what_makes_no_sense_is_refused_by_itself(item: str, sentence: str) -> None:
    refused, other = items(f"{{roles: [{item}, {{name: fine}}]}}")
    change = plan(refused, {})
    assert change.action is Action.REFUSED
    assert sentence in change.reason
    assert plan(other, {}).action is Action.CREATE


@pytest.mark.parametrize(
    ("kind", "option", "refused"),
    [
        ("thing", "roles", True),
        ("transit", "keys", True),
        ("pki", "root/generate", True),
        ("database", "config", True),
        ("thing", "config", False),
        ("plugin, plugin_name: mine", "roles", False),
    ],
)
def test_k13_an_item_of_many_has_a_name(kind: str, option: str, refused: bool) -> None:
    (item,) = items(f"{{{option}: [{{nmae: r}}]}}", kind=kind)
    change = plan(item, {})
    assert (change.action is Action.REFUSED) == refused
    assert (change.reason == "the name is missing") == refused


def test_accessors_that_cannot_be_read_are_no_reason_to_fail_as_a_whole() -> None:
    (item,) = items("{roles: [{name: r, a: __accessor__app}]}", auth=frozenset({"app"}))
    assert plan(item, {"sys/auth": Shown(None, "403: permission denied")}).action is Action.REFUSED
    known: Answers = {"sys/auth": {"app/": {"accessor": "auth_app_1"}}, "e/roles/r": {"a": "auth_app_1"}}
    change = plan(item, known)
    assert change.action is Action.KEEP
    assert change.needs == {Identity("secrets", "mount", "e"), Identity("auth", "mount", "app")}


def test_create_only_leaves_alone_what_is_there() -> None:
    (item,) = items('{roles: [{name: r, a: b, create_only: "true"}]}')
    assert plan(item, {**MOUNTED, "e/roles/r": {"a": "other"}}).action is Action.KEEP
    created = plan(item, MOUNTED)
    assert (created.action, created.requests[0].body) == (Action.CREATE, {"a": "b"})


def test_what_was_made_once_and_is_gone_is_made_again() -> None:
    for options, gone in (
        ("{roles: [{name: r, create_only: true}]}", "e/roles/r"),
        ("{config: [{name: r, rotate: true}]}", "e/config/r"),
    ):
        (item,) = items(options)
        made = plan(item, MOUNTED)
        assert plan(item, {**MOUNTED, gone: {"a": "b"}}, made.record).action is Action.KEEP
        assert plan(item, {**MOUNTED, gone: ABSENT}, made.record).action is Action.CREATE


def test_create_only_of_what_cannot_be_read_is_by_memory() -> None:
    (item,) = items("{roles: [{name: r, create_only: true}]}")
    answers: Answers = {**MOUNTED, "e/roles/r": UNSUPPORTED}
    refused = plan(item, answers)
    assert refused.action is Action.REFUSED
    assert "does not show whether it is there (405: unsupported operation)" in refused.reason
    assert plan(item, {**answers, "sys/mounts": {}}).action is Action.CREATE
    made = plan(item, {**answers, "sys/mounts": {}})
    assert plan(item, answers, made.record).action is Action.KEEP
    assert plan(item, {**answers, "sys/mounts": Shown(None, "403")}).action is Action.REFUSED


def test_what_is_generated_is_not_generated_again_though_the_document_does_not_say_so() -> None:
    (item,) = items("{keys/generate: [{name: internal, key_type: rsa}]}", kind="pki")
    answers: Answers = {"e/keys/generate/internal": UNSUPPORTED, "sys/mounts": {"e/": {"type": "pki"}}}
    first = plan(item, answers)
    assert (first.action, first.record) == (
        Action.CREATE,
        Record(digest({"key_type": "rsa"}), "", ("generated",)),
    )
    always = Context(digest, WriteOnly.ALWAYS)
    assert plan(item, answers, first.record, always).action is Action.KEEP


@pytest.mark.parametrize(
    ("policy", "same", "other"),
    [
        (WriteOnly.ALWAYS, Action.UPDATE, Action.UPDATE),
        (WriteOnly.CHANGED, Action.KEEP, Action.UPDATE),
        (WriteOnly.CREATE, Action.KEEP, Action.KEEP),
    ],
)
def test_an_item_that_cannot_be_read_at_all_is_written_as_often_as_is_asked_for(
    policy: WriteOnly, same: Action, other: Action
) -> None:
    context = Context(digest, policy)
    (item,) = items("{config: [{name: x, a: b}]}")
    (changed,) = items("{config: [{name: x, a: c}]}")
    answers: Answers = {"e/config/x": UNSUPPORTED}
    first = plan(item, answers, None, context)
    assert first.action is Action.UPDATE
    assert plan(item, answers, first.record, context).action is same
    kept = plan(changed, answers, first.record, context)
    assert kept.action is other
    assert (kept.record == first.record) == (other is Action.KEEP)


def test_keys_of_an_ssh_engine_that_are_given_are_written_and_a_refusal_of_known_ones_is_forgiven() -> None:
    (given,) = items("{config: [{name: ca, private_key: p, public_key: q}]}", kind="ssh")
    answers: Answers = {"e/config/ca": {"public_key": "q"}}
    first = plan(given, answers)
    assert first.action is Action.UPDATE
    assert first.requests[0].forgives == "delete them before reconfiguring"
    assert first.requests[0].path == first.look == "e/config/ca"
    changed = plan(given, answers, Record("another"))
    assert changed.requests[0].forgives == ""
    (generated,) = items("{config: [{name: ca}]}", kind="ssh")
    absent = Shown(None, "400: keys haven't been configured yet")
    assert plan(generated, {"e/config/ca": absent}).action is Action.CREATE
    assert plan(generated, {"e/config/ca": {"public_key": "q"}}).action is Action.KEEP


def test_k8_what_an_engine_cannot_rotate_is_written_once_and_that_is_said() -> None:
    (item,) = items("{config: [{name: connection, password: p, rotate: true}]}", kind="rabbitmq")
    created = plan(item, {})
    assert created.reason == "it is not there; engines of type rabbitmq cannot rotate it"
    assert [difference.secret for difference in created.differences] == [True]


def test_a_connection_needs_no_other_one_whatever_its_members_are_called() -> None:
    first, other, role = items(
        "{config: [{name: a, db_name: b}, {name: b}], roles: [{name: r, db_name: b}]}", kind="database"
    )
    engine_alone = {Identity("secrets", "mount", "e")}
    assert plan(first, {}).needs == plan(other, {}).needs == engine_alone
    assert plan(role, {}).needs == {*engine_alone, Identity("secrets", "item", "e/config/b")}


def test_a_connection_needs_its_plugin() -> None:
    (connection,) = items("{config: [{name: a, plugin_name: my-database}]}", kind="database")
    assert plugin_identity("database", "my-database") in plan(connection, {}).needs


def test_what_only_the_configuration_of_a_transit_key_takes_is_written_there_right_after() -> None:
    (item,) = items("{keys: [{name: k, type: aes256-gcm96, deletion_allowed: true}]}", kind="transit")
    assert [(each.path, each.body) for each in plan(item, {}).requests] == [
        ("e/keys/k", {"type": "aes256-gcm96"}),
        ("e/keys/k/config", {"deletion_allowed": True}),
    ]


def test_a_transit_key_that_cannot_be_read_is_refused() -> None:
    (item,) = items("{keys: [{name: k}]}", kind="transit")
    assert plan(item, {"e/keys/k": UNSUPPORTED}).action is Action.REFUSED


def test_deletions_inside_are_of_lists_that_a_document_has_something_in() -> None:
    insides = within.of_engines(
        engine("{roles: [{name: r}], keys: [{name: k}], empty: [], config: [{a: b}], issuers/x: [{name: y}]}")
    )
    assert insides == (
        Inside("secrets", "item", "e/roles", frozenset({"r"})),
        Inside("secrets", "item", "e/empty", frozenset()),
    )
    assert within.listings(insides) == ("e/roles?list=true", "e/empty?list=true")
    assert within.of_engines(engine("{a: [{name: r}]}", kind="kv")) == ()
    assert within.of_engines(engine("{a: [{name: r}]}", kind="plugin, plugin_name: kv")) == ()


def test_deletions_inside_are_of_objects_that_nobody_wants_in_any_spelling() -> None:
    inside = Inside("auth", "role", "auth/app/role", frozenset({"Kept"}))
    listed = Shown({"keys": ["kept", "gone", "folder/"]})
    (change,) = within.unmanaged([inside], lambda path: listed)
    assert (change.action, change.stage) == (Action.DELETE, Stage.PURGE)
    assert change.identity == Identity("auth", "role", "auth/app/role/gone")
    assert change.requests[0][:2] == ("DELETE", "auth/app/role/gone")
    assert within.unmanaged([inside], lambda path: UNSUPPORTED) == ()
    assert within.unmanaged([inside], lambda path: ABSENT) == ()
    emptied = within.unmanaged([inside._replace(names=frozenset())], lambda path: listed)
    assert [each.identity.name for each in emptied] == ["auth/app/role/kept", "auth/app/role/gone"]


def test_k16_a_list_that_cannot_be_read_is_an_error() -> None:
    inside = Inside("auth", "role", "auth/app/role", frozenset({"kept"}))
    with pytest.raises(UnreadableError, match=r"auth/app/role\?list=true cannot be read: 403"):
        within.unmanaged([inside], lambda path: Shown(None, "403: permission denied"))


def test_without_purge_nothing_is_listed_and_nothing_deleted() -> None:
    configuration = engine("{roles: [{name: r}]}")
    assert secrets.listings(configuration) == ()
    assert secrets.unmanaged(configuration, lambda path: ABSENT) == ()
