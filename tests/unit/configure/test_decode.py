"""Promises of the decoding: what each section makes of what stands in a document."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.config import MemberAlias, MountOptions, Purge
from bank_vaults.configure.model import Place
from tests.unit.configure.decoding import FILE, decoded, document, problems, warnings

# Members of elements


def test_an_unknown_member_is_an_error_with_a_suggestion() -> None:
    assert problems("auth:\n  - type: approle\n    pth: a\n") == [
        "3:5: auth[0]: 'pth' is not known here; did you mean 'path'?"
    ]
    assert problems("secret: []") == ["1:1: 'secret' is not known here; did you mean 'secrets'?"]


def test_an_unknown_member_that_resembles_none_is_told_what_there_is() -> None:
    assert problems("policies: [{name: a, xyz: 1}]") == [
        "1:22: policies[0]: 'xyz' is not known here; known are name, rules, RulesFormatted"
    ]


def test_names_of_members_are_the_same_in_capitals() -> None:
    found = document("Policies: [{NAME: a, Rules: r}]\nGROUP-ALIASES: []\nstartupsecrets: []\n").configuration
    assert (found.policies[0].name, found.policies[0].rules) == ("a", "r")


def test_one_member_in_two_spellings_is_an_error() -> None:
    assert problems("policies: [{name: a, Name: b}]") == [
        "1:22: policies[0]: 'Name' is the same as 'name', which is there too"
    ]


def test_names_in_free_maps_keep_their_capitals() -> None:
    (auth,) = decoded({"auth": {"type": "a", "config": {"A": 1, "a": 2}}}).auth
    assert auth.config == {"A": 1, "a": 2}


def test_null_is_not_given() -> None:
    text = "audit: ~\nsecrets: [{type: kv, path: ~, options: ~, config: ~, configuration: {config: ~}}]"
    (secrets,) = document(text).configuration.secrets
    assert (secrets.path, secrets.tune, secrets.configuration) == ("kv", None, {})
    assert problems("policies: [{name: ~}]") == ["1:12: policies[0]: the name is missing"]


def test_a_single_value_stands_for_a_list() -> None:
    found = decoded({"groups": {"name": "g", "type": "internal", "policies": "a,b"}})
    assert found.groups[0].body == {"policies": ["a,b"]}


def test_an_empty_map_stands_for_an_empty_list() -> None:
    assert decoded({"policies": {}, "auth": {"type": "a", "roles": {}}}).policies == ()


def test_a_list_of_maps_stands_for_a_map() -> None:
    (audit,) = decoded({"audit": [{"type": "file", "options": [{"a": 1}, {"b": 2}]}]}).audit
    assert audit.options == {"a": "1", "b": "2"}


def test_an_empty_item_is_warned_of() -> None:
    text = "policies:\n  -\n  - {name: a, rules: r}\nauth: [{type: a, roles: [~]}]\n"
    assert warnings(text) == [
        "2:4: policies[0]: there is nothing in this item",
        "4:26: auth[0].roles[0]: there is nothing in this item",
    ]


def test_an_element_that_is_no_map_is_an_error() -> None:
    assert problems("policies: [a]") == ["1:12: policies[0]: a map is expected, not a text"]
    assert problems("policies: a") == ["1:1: policies[0]: a map is expected, not a text"]
    assert problems("auth: [{type: a, roles: [b]}]") == [
        "1:26: auth[0].roles[0]: a map is expected, not a text"
    ]


def test_every_element_knows_its_place() -> None:
    text = "policies:\n  - name: a\nauth:\n- type: a\n  roles:\n    - name: b\n  groups:\n    c: {}\n"
    found = document(text).configuration
    assert found.policies[0].place == Place(FILE, 2, 5)
    assert found.auth[0].place == Place(FILE, 4, 3)
    assert found.auth[0].roles[0].place == Place(FILE, 6, 7)
    assert found.auth[0].groups[0].place == Place(FILE, 8, 5)


# Names and paths


@pytest.mark.parametrize("path", ["a/b", "/a/b", "a/b/", "//a/b//"])
def test_k5_slashes_at_the_ends_of_a_path_make_no_difference(path: str) -> None:
    found = decoded(
        {
            "auth": {"type": "t", "path": path},
            "audit": {"type": "t", "path": path},
            "secrets": {"type": "t", "path": path},
            "group-aliases": {"name": "n", "mountpath": path, "group": "g"},
            "startupSecrets": {"type": "kv", "path": path, "data": {"data": {}}},
        }
    )
    paths = {found.auth[0].path, found.audit[0].path, found.secrets[0].path, found.startup_secrets[0].path}
    assert paths | {found.group_aliases[0].mountpath} == {"a/b"}


@pytest.mark.parametrize("section", ["auth", "audit", "secrets"])
@pytest.mark.parametrize("path", [{}, {"path": ""}, {"path": None}])
def test_the_path_of_a_mount_is_its_type_where_none_is_given(section: str, path: dict[str, Any]) -> None:
    (element,) = getattr(decoded({section: [{"type": "file", **path}]}), section)
    assert element.path == "file"


def test_k11_an_empty_item_is_an_item_without_anything() -> None:
    (secrets,) = decoded({"secrets": {"type": "pki", "configuration": {"config": [{}]}}}).secrets
    ((item,),) = secrets.configuration.values()
    assert (item.name, item.body) == (None, {})


def test_k11_an_item_with_nothing_but_allowed_domains_is_an_item() -> None:
    (secrets,) = decoded(
        {"secrets": {"type": "pki", "configuration": {"config": {"allowed_domains": ["a"]}}}}
    ).secrets
    assert secrets.configuration["config"][0].body == {"allowed_domains": ["a"]}


def test_k11_names_of_members_that_are_no_texts_are_texts() -> None:
    assert problems("5: a") == [
        (
            "1:1: '5' is not known here; known are purgeUnmanagedConfig, audit, plugins, auth, groups, "
            "group-aliases, policies, secrets, startupSecrets"
        ),
    ]
    (auth,) = document("auth: {type: a, config: {5: b, true: c}}").configuration.auth
    assert auth.config == {"5": "b", "true": "c"}


def test_k11_a_name_that_is_no_text_is_one_where_it_is_rotated() -> None:
    text = "secrets: {type: database, configuration: {config: [{name: 5, rotate: true}]}}"
    (item,) = document(text).configuration.secrets[0].configuration["config"]
    assert (item.name, item.body) == ("5", {"name": "5", "rotate": True})


def test_k11_a_start_up_secret_without_data_is_an_error() -> None:
    assert problems("startupSecrets: [{type: kv, path: a, data: {options: {cas: 0}}}]") == [
        "1:18: startupSecrets[0]: there are neither data nor a secretKeyRef; give one of them below 'data'"
    ]


@pytest.mark.parametrize(
    "number", ["12345671234", "012345678901", "012345670123", "123456789012345678901234567890"]
)
def test_k12_numbers_in_paths_keep_their_digits(number: str) -> None:
    text = f"auth: [{{type: aws, crossaccountrole: [{{sts_account: {number}, sts_role: r}}]}}]"
    (account,) = document(text).configuration.auth[0].crossaccountroles
    assert (account.name, account.body["sts_account"]) == (number, number)


def test_k12_a_number_of_a_json_document_keeps_its_digits() -> None:
    (auth,) = decoded({"auth": {"type": "aws", "crossaccountrole": {"sts_account": 12345671234}}}).auth
    assert auth.crossaccountroles[0].name == "12345671234"


def test_k12_a_leading_zero_is_warned_of() -> None:
    text = "auth: [{type: aws, crossaccountrole: [{sts_account: 012345678901}], config: {a: 0123}}]"
    assert warnings(text) == [
        (
            "1:40: auth[0].crossaccountrole[0].sts_account: 012345678901 is taken as the text that it is, "
            "with its leading zero; put it in quotes"
        ),
        (
            "1:78: auth[0].config.a: a number with a leading zero loses it, and may be read as an octal one; "
            "put it in quotes"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("policies: [{rules: a}]", "policies[0]"),
        ("policies: [{name: ''}]", "policies[0]"),
        ("groups: [{type: internal}]", "groups[0]"),
        ("auth: [{type: a, roles: [{policies: b}]}]", "auth[0].roles[0]"),
        ("auth: [{type: a, roles: [{name: ''}]}]", "auth[0].roles[0]"),
        ("auth: [{type: a, roles: {policies: b}}]", "auth[0].roles[0]"),
        ("auth: [{type: a, groups: [{name: ~}]}]", "auth[0].groups[0]"),
        ("auth: [{type: a, groups: {name: ~}}]", "auth[0].groups[0]"),
        ("auth: [{type: a, groups: {'': {}}}]", "auth[0].groups."),
        ("plugins: [{type: auth}]", "plugins[0]"),
        ("auth: [{type: github, map: {teams: {'': a}}}]", "auth[0].map.teams."),
        ("auth: [{type: github, map: {'': {a: b}}}]", "auth[0].map."),
        ("secrets: [{type: kv, configuration: {/: {}}}]", "secrets[0].configuration./"),
    ],
)
def test_k13_a_missing_name_is_an_error(text: str, where: str) -> None:
    (problem,) = problems(text)
    assert f" {where}: the " in problem
    assert problem.endswith("is missing")


def test_k13_a_missing_username_and_account_are_errors() -> None:
    assert problems("auth: [{type: userpass, users: [{password: a}], crossaccountrole: {sts_role: b}}]") == [
        "1:33: auth[0].users[0]: the username is missing",
        "1:49: auth[0].crossaccountrole[0]: the sts_account is missing",
    ]


def test_k13_a_numeric_name_is_its_text() -> None:
    text = """
policies: [{name: 007}]
auth: [{type: a, roles: [{name: 5}], users: {1.50: {}, 2: ~}}]
secrets: [{type: kv, path: 12, configuration: {roles: [{name: 0x1F}]}}]
"""
    found = document(text).configuration
    assert found.policies[0].name == "007"
    assert found.auth[0].roles[0][:2] == ("5", {"name": "5"})
    assert [user.name for user in found.auth[0].users] == ["1.50", "2"]
    assert found.secrets[0].path == "12"
    assert found.secrets[0].configuration["roles"][0].name == "0x1F"


@pytest.mark.parametrize("name", ["..", "a/../b", "a//b", "/a", "a/", "' a'", "'a '", '"a\\nb"'])
def test_k13_a_name_that_would_make_another_path_is_an_error(name: str) -> None:
    for text in (
        f"policies: [{{name: {name}}}]",
        f"auth: [{{type: a, roles: [{{name: {name}}}]}}]",
        f"auth: [{{type: a, users: {{{name}: {{}}}}}}]",
        f"auth: [{{type: github, map: {{teams: {{{name}: b}}}}}}]",
        f"secrets: [{{type: kv, configuration: {{a: [{{name: {name}}}]}}}}]",
    ):
        (problem,) = problems(text)
        assert "no usable one" in problem


def test_names_may_have_slashes_inside() -> None:
    (secrets,) = decoded(
        {"secrets": {"type": "a", "configuration": {"/root/generate/": {"name": "b/c", "x": 1}}}}
    ).secrets
    assert [(option, item.name) for option, (item,) in secrets.configuration.items()] == [
        ("root/generate", "b/c")
    ]


def test_k4_names_of_policies_are_in_small_letters() -> None:
    assert decoded({"policies": {"name": "Admin", "rules": "r"}}).policies[0].name == "admin"
    assert problems("policies:\n  - name: Admin\n  - name: admin\n") == [
        "3:5: policies: 'admin' is there twice, first at line 2, column 5"
    ]


@pytest.mark.parametrize(
    ("section", "element"),
    [
        ("audit", "type: file"),
        ("auth", "type: approle"),
        ("groups", "{name: a, type: internal}"),
        ("group-aliases", "{name: a, mountpath: b, group: c}"),
        ("plugins", "{plugin_name: a, type: auth}"),
        ("policies", "name: a"),
        ("secrets", "type: kv"),
        ("startupSecrets", "{type: kv, path: a, data: {data: {}}}"),
    ],
)
def test_an_element_that_is_twice_in_a_file_is_an_error_with_both_places(section: str, element: str) -> None:
    (problem,) = problems(f"{section}:\n  - {element}\n  - {element}\n")
    assert problem.startswith(f"3:5: {section}: '")
    assert problem.endswith(" is there twice, first at line 2, column 5")


def test_elements_are_different_by_what_they_are_known_by() -> None:
    found = decoded(
        {
            "auth": [{"type": "a"}, {"type": "a", "path": "b"}],
            "group-aliases": [{"name": "a", "mountpath": path, "group": "c"} for path in "xy"],
            "plugins": [
                {"plugin_name": "a", "type": "auth"},
                {"plugin_name": "a", "type": "secret"},
                {"plugin_name": "a", "type": "secret", "version": "v1"},
            ],
        }
    )
    assert (len(found.auth), len(found.group_aliases), len(found.plugins)) == (2, 2, 3)


@pytest.mark.parametrize(
    "members",
    [
        "auth: [{type: a, roles: [{name: b}, {name: b}]}]",
        "auth: [{type: a, users: [{username: b}, {name: b}]}]",
        "secrets: [{type: a, configuration: {config: [{name: b}, {name: b}]}}]",
    ],
)
def test_an_item_that_is_there_twice_is_an_error(members: str) -> None:
    (problem,) = problems(members)
    assert "'b' is there twice, first at line 1" in problem


def test_two_items_without_a_name_are_an_error() -> None:
    (problem,) = problems("secrets: [{type: a, configuration: {config: [{a: 1}, {a: 2}]}}]")
    assert "an item without a name is there twice" in problem
    (problem,) = problems("secrets: [{type: a, configuration: {config: [], config/: []}}]")
    assert problem.endswith("'config/' is the same as 'config', which is there too")


# Mount options


def _tuned(options: dict[str, Any]) -> MountOptions | None:
    auth, secrets = (
        decoded({"auth": {"type": "a", "options": options}}).auth[0],
        decoded({"secrets": {"type": "a", "config": options}}).secrets[0],
    )
    assert auth.tune == secrets.tune
    return auth.tune


def test_k14_all_options_of_the_api_are_known() -> None:
    texts = ["listing_visibility", "token_type", "identity_token_key", "plugin_version"]
    lists = [
        "audit_non_hmac_request_keys",
        "audit_non_hmac_response_keys",
        "passthrough_request_headers",
        "allowed_response_headers",
        "allowed_managed_keys",
        "delegated_auth_accessors",
    ]
    given: dict[str, Any] = {"default_lease_ttl": "1h", "max_lease_ttl": "2h"}
    given |= {"force_no_cache": True, "trim_request_trailing_slashes": True}
    given |= dict.fromkeys(texts, "a") | {name: ["a", "b"] for name in lists}
    assert _tuned({**given, "options": {"a": 1}}) == (given, {"a": "1"})


def test_k14_an_unknown_option_is_an_error_with_a_suggestion() -> None:
    assert problems("auth: [{type: a, options: {max_lease_tl: 1h}}]") == [
        "1:28: auth[0].options: 'max_lease_tl' is not known here; did you mean 'max_lease_ttl'?"
    ]
    assert problems("secrets: [{type: a, config: {max_lease_tl: 1h}}]") == [
        "1:30: secrets[0].config: 'max_lease_tl' is not known here; did you mean 'max_lease_ttl'?"
    ]


def test_k14_numbers_texts_and_quoted_booleans_are_taken() -> None:
    given = {"default_lease_ttl": 3600, "passthrough_request_headers": "X-A, X-B", "force_no_cache": "true"}
    assert _tuned(given) == (
        {
            "default_lease_ttl": "3600",
            "passthrough_request_headers": ["X-A", "X-B"],
            "force_no_cache": True,
        },
        {},
    )


def test_k14_false_and_empty_values_are_kept_to_be_sent() -> None:
    given: dict[str, Any] = {
        "force_no_cache": False,
        "listing_visibility": "",
        "allowed_response_headers": [],
    }
    assert _tuned({**given, "max_lease_ttl": ""}) == ({**given, "max_lease_ttl": "0"}, {})
    assert _tuned({"force_no_cache": None}) == ({}, {})


def test_k14_a_lockout_has_only_what_is_given() -> None:
    given = {"user_lockout_config": {"lockout_threshold": 5, "lockout_counter_reset": "1h"}}
    lockout = {"lockout_threshold": "5", "lockout_counter_reset_duration": "1h"}
    assert _tuned(given) == ({"user_lockout_config": lockout}, {})
    assert _tuned({"UserLockoutConfig": given["user_lockout_config"], "pluginversion": "v1"}) == (
        {"user_lockout_config": lockout, "plugin_version": "v1"},
        {},
    )
    assert problems("auth: [{type: a, options: {user_lockout_config: {lockout_treshold: 5}}}]") == [
        (
            "1:50: auth[0].options.user_lockout_config: 'lockout_treshold' is not known here; "
            "did you mean 'lockout_threshold'?"
        ),
    ]


def test_without_options_nothing_is_tuned() -> None:
    found = decoded({"auth": {"type": "a"}, "secrets": {"type": "a"}})
    assert (found.auth[0].tune, found.secrets[0].tune) == (None, None)


def test_options_of_an_engine_go_before_those_in_its_config() -> None:
    (secrets,) = decoded(
        {
            "secrets": {
                "type": "kv",
                "options": {"version": 2},
                "config": {"options": {"version": 1, "a": "b"}},
            }
        }
    ).secrets
    assert secrets.tune == ({}, {"version": "2"})
    (secrets,) = decoded({"secrets": {"type": "kv", "config": {"options": {"version": 1}}}}).secrets
    assert secrets.tune == ({}, {"version": "1"})


def test_description_and_plugin_of_the_options_count_for_the_entry() -> None:
    inner = {"description": "inner", "plugin_name": "p"}
    found = decoded(
        {"auth": {"type": "plugin", "options": inner}, "secrets": {"type": "plugin", "config": inner}}
    )
    assert (found.auth[0].description, found.secrets[0].description) == ("inner", "inner")
    assert found.auth[0].tune == ({"plugin_name": "p"}, {})
    assert (found.secrets[0].plugin_name, found.secrets[0].tune) == ("p", ({}, {}))


def test_two_different_descriptions_are_warned_of() -> None:
    text = "auth: [{type: a, description: outer, options: {description: inner}}]"
    assert document(text).configuration.auth[0].description == "inner"
    assert warnings(text) == ["1:8: auth[0]: the description in 'options' goes before the one of the entry"]


# Sections


def test_options_of_audit_devices_are_texts_as_written() -> None:
    text = "audit: [{type: file, options: {mode: 0600, log_raw: true, file_path: stdout}, local: true}]"
    (audit,) = document(text).configuration.audit
    assert audit.options == {"mode": "0600", "log_raw": "true", "file_path": "stdout"}
    assert audit.local is True


def test_plugins_have_all_that_the_api_takes() -> None:
    body = {
        "command": "c",
        "sha256": "s",
        "args": ["a"],
        "env": ["A=b"],
        "version": "v1.0",
        "oci_image": "i",
        "runtime": "r",
    }
    (plugin,) = decoded({"plugins": {"plugin_name": "p", "type": "secret", **body}}).plugins
    assert (plugin.name, plugin.type, plugin.body) == ("p", "secret", body)


def test_types_that_there_are_not_are_errors() -> None:
    assert problems("plugins: [{plugin_name: a, type: foo}]") == [
        "1:28: plugins[0]: the type is none that there is; accepted are auth or database or secret"
    ]
    assert problems("groups: [{name: a}]") == [
        "1:10: groups[0]: the type is missing; accepted are external or internal"
    ]


def test_an_auth_method_has_description_local_and_seal_wrap() -> None:
    (auth,) = decoded({"auth": {"type": "a", "description": "d", "local": True, "seal_wrap": "false"}}).auth
    assert (auth.description, auth.local, auth.seal_wrap) == ("d", True, False)


@pytest.mark.parametrize(
    "users",
    [
        [{"username": "a", "password": "p"}, {"username": "b"}],
        [{"name": "a", "password": "p"}, {"name": "b"}],
        {"a": {"password": "p"}, "b": None},
    ],
)
def test_k20_users_are_a_list_or_a_map(users: Any) -> None:
    (auth,) = decoded({"auth": {"type": "userpass", "users": users}}).auth
    assert [user.name for user in auth.users] == ["a", "b"]
    assert auth.users[0].body["password"] == "p"


def test_k20_a_single_user_is_a_list_of_one() -> None:
    (auth,) = decoded({"auth": {"type": "userpass", "users": {"username": "a", "password": "p"}}}).auth
    assert [user.name for user in auth.users] == ["a"]


def test_k20_groups_are_a_map_or_a_list() -> None:
    as_map = decoded({"auth": {"type": "ldap", "groups": {"g": {"policies": "a"}}}}).auth[0].groups
    as_list = decoded({"auth": {"type": "ldap", "groups": [{"name": "g", "policies": "a"}]}}).auth[0].groups
    assert [item[:2] for item in as_map] == [("g", {"policies": "a"})]
    assert [item.name for item in as_list] == ["g"]


def test_k20_config_and_roles_of_any_type_are_kept() -> None:
    (auth,) = decoded({"auth": {"type": "saml", "config": {"a": 1}, "roles": [{"name": "r"}]}}).auth
    assert (auth.config, [role.name for role in auth.roles]) == ({"a": 1}, ["r"])


def test_k20_a_list_as_a_mapping_is_joined_with_commas() -> None:
    mapping = {"teams": {"a": ["x", "y"], "b": "x,y", "c": None}, "users": None, "5": {"d": 7}}
    (auth,) = decoded({"auth": {"type": "github", "map": mapping}}).auth
    assert {kind: [item[:2] for item in items] for kind, items in auth.maps.items()} == {
        "teams": [("a", {"value": "x,y"}), ("b", {"value": "x,y"})],
        "5": [("d", {"value": "7"})],
    }


def test_roles_are_maps_by_name_too() -> None:
    (auth,) = decoded({"auth": {"type": "approle", "roles": {"a": {"ttl": "1h"}, "name": {}}}}).auth
    assert [role.name for role in auth.roles] == ["a", "name"]


def test_an_internal_group_has_members_and_an_external_one_has_none() -> None:
    members = {"member_entity_ids": ["e"], "member_group_ids": "g"}
    (group,) = decoded(
        {"groups": {"name": "a", "type": "internal", "metadata": {"x": True}, **members}}
    ).groups
    assert group.body == {"metadata": {"x": True}, "member_entity_ids": ["e"], "member_group_ids": ["g"]}
    assert problems("groups: [{name: a, type: external, member_group_ids: [b]}]") == [
        (
            "1:10: groups[0]: the members of an external group come through its aliases; "
            "leave them away, or make it an internal group"
        ),
    ]


def test_members_of_a_group_may_be_given_by_name() -> None:
    members = {
        "member_entities": "e",
        "member_groups": ["g", 7],
        "member_entity_aliases": {"name": "n", "mountpath": "/a/b/"},
    }
    (group,) = decoded({"groups": {"name": "a", "type": "internal", **members}}).groups
    assert group.body == {
        "member_entities": ["e"],
        "member_groups": ["g", "7"],
        "member_entity_aliases": (MemberAlias("a/b", "n"),),
    }
    assert problems("groups: [{name: a, type: external, member_entities: [b]}]")
    assert problems("groups: [{name: a, type: internal, member_entity_aliases: [{name: b}]}]") == [
        "1:60: groups[0].member_entity_aliases[0]: the mountpath is missing"
    ]


def test_a_policy_may_be_empty() -> None:
    assert decoded({"policies": [{"name": "a", "rules": ""}, {"name": "b"}]}).policies[1].rules == ""


def test_items_of_an_engine_keep_the_order_of_the_document() -> None:
    configuration = {"roles": [{"name": "z"}, {"name": "a"}], "config": {"x": 1}, "empty": []}
    (secrets,) = decoded({"secrets": {"type": "a", "configuration": configuration}}).secrets
    assert list(secrets.configuration) == ["roles", "config", "empty"]
    assert [item.name for item in secrets.configuration["roles"]] == ["z", "a"]


def test_a_key_of_a_kubernetes_secret_stays_a_reference() -> None:
    references = [{"name": "s", "key": "a"}, {"name": "s", "key": 7}]
    (secret,) = decoded(
        {"startupSecrets": {"type": "kv", "path": "a", "data": {"data": {}, "secretKeyRef": references}}}
    ).startup_secrets
    assert (secret.references, secret.data) == ((("s", "a"), ("s", "7")), None)


def test_a_start_up_secret_has_options_versions_and_create_only() -> None:
    given = {"type": "kv", "path": "a", "max_versions": "3", "create_only": True}
    (secret,) = decoded(
        {"startupSecrets": {**given, "data": {"data": {"x": 1}, "options": {"cas": 0}}}}
    ).startup_secrets
    assert secret[2:] == ("kv", 3, {"x": 1}, {"cas": 0}, (), True)


def test_a_start_up_secret_that_cannot_be_written_is_an_error() -> None:
    text = """
startupSecrets:
  - {type: kv, path: a, data: {data: {x: 1}, secretKeyRef: [{name: s, key: k}]}}
  - {type: pki, path: b, data: {data: {x: 1}}}
  - {type: foo, path: c, data: {data: {x: 1}}}
  - {type: kv, path: d}
  - {type: kv, path: e, data: {secretKeyRef: [{name: s, kye: k}]}}
"""
    assert problems(text) == [
        "3:5: startupSecrets[0]: there are both data and a secretKeyRef",
        "4:5: startupSecrets[1]: the data of 'pki' have at least two parts, a key and a certificate",
        "5:6: startupSecrets[2]: the type is none that there is; accepted are kv or pki",
        "6:5: startupSecrets[3]: the data is missing",
        "7:47: startupSecrets[4].data.secretKeyRef[0]: the key is missing",
        "7:57: startupSecrets[4].data.secretKeyRef[0]: 'kye' is not known here; did you mean 'key'?",
    ]


def test_a_policy_without_rules_is_warned_of() -> None:
    assert warnings("policies: [{name: a}]") == [
        "1:12: policies[0]: there are no rules: the policy allows nothing"
    ]


def test_the_purge_is_off_where_nothing_is_said() -> None:
    assert decoded({}).purge == Purge()
    assert decoded({"purgeUnmanagedConfig": {"exclude": {"auth": True}}}).purge == Purge(
        exclude=frozenset({"auth"})
    )


def test_the_purge_has_exclusions_and_goes_inside_when_asked() -> None:
    given = {"enabled": "true", "exclude": {"auth": True, "group-aliases": 1, "audit": False}, "within": True}
    assert decoded({"purgeUnmanagedConfig": given}).purge == Purge(
        enabled=True, exclude=frozenset({"auth", "group-aliases"}), within=True
    )
    assert problems("purgeUnmanagedConfig: {exclude: {polices: true}}") == [
        "1:34: purgeUnmanagedConfig.exclude: 'polices' is not known here; did you mean 'policies'?"
    ]


def test_what_has_no_effect_is_warned_of() -> None:
    text = "auth: [{type: a, usersOrGroupsKey: b}]\npolicies: [{name: a, rules: r, RulesFormatted: b}]"
    assert warnings(text) == [
        "1:8: auth[0]: 'usersOrGroupsKey' has no effect",
        "2:12: policies[0]: 'RulesFormatted' has no effect",
    ]
