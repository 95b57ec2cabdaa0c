"""The real command on real servers: once, plans, purges, tokens, states."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy, Status
from tests.support.program import run

PASSWORD = "correct-horse-battery"
READER = 'path "secret/*" {\n  capabilities = ["read"]\n}\n'

DOCUMENT: dict[str, Any] = {
    "policies": [{"name": "reader", "rules": READER}],
    "auth": [
        {"type": "approle", "roles": [{"name": "dev", "policies": "reader", "secret_id_ttl": "10m"}]},
        {
            "type": "userpass",
            "users": [{"username": "admin", "password": PASSWORD, "token_policies": "reader"}],
        },
    ],
    "secrets": [{"path": "secret", "type": "kv", "description": "All.", "options": {"version": 2}}],
    "startupSecrets": [
        {"type": "kv", "path": "secret/data/app", "data": {"data": {"USER": "me", "PASSWORD": PASSWORD}}}
    ],
    "groups": [{"name": "admin", "type": "external", "policies": ["reader"], "metadata": {"a": "b"}}],
    "group-aliases": [{"name": "admin", "mountpath": "approle", "group": "admin"}],
}


def test_k7_k22_a_second_run_writes_nothing_and_what_others_changed_is_written_again(place: Place) -> None:
    place.write(DOCUMENT)
    first = place.once()
    assert first.code == 0, first.log
    assert place.shown("secret/data/app")["data"] == {"USER": "me", "PASSWORD": PASSWORD}  # type: ignore[index]
    assert place.shown("identity/group/name/admin")["policies"] == ["reader"]  # type: ignore[index]
    with FaultProxy(place.server) as proxy:
        second = place.once(address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log
    place.call("PUT", "auth/approle/role/dev", {"secret_id_ttl": "1h"})
    with FaultProxy(place.server) as proxy:
        third = place.once(address=proxy.address)
        assert (third.code, place.writes(proxy)) == (0, [("PUT", "auth/approle/role/dev")]), third.log
    assert place.shown("auth/approle/role/dev")["secret_id_ttl"] == 600  # type: ignore[index]


def test_a_changed_password_is_written_although_no_server_shows_it(place: Place) -> None:
    place.write(DOCUMENT)
    assert place.once().code == 0
    changed = json.loads(json.dumps(DOCUMENT).replace(PASSWORD, "another-one"))
    changed["startupSecrets"] = DOCUMENT["startupSecrets"]
    place.write(changed)
    with FaultProxy(place.server) as proxy:
        assert place.once(address=proxy.address).code == 0
        assert place.writes(proxy) == [("PUT", "auth/userpass/users/admin")]
    assert place.call("PUT", "auth/userpass/login/admin", {"password": "another-one"}).status == 200


def test_what_no_server_shows_is_written_as_often_as_is_asked_for(place: Place) -> None:
    place.write(DOCUMENT)
    assert place.once().code == 0
    user = [("PUT", "auth/userpass/users/admin")]

    def written(policy: str) -> list[tuple[str, str]]:
        with FaultProxy(place.server) as proxy:
            done = place.once(f"--write-only-policy={policy}", address=proxy.address)
            assert done.code == 0, done.log + done.output
            return place.writes(proxy)

    assert [written(policy) for policy in ("changed", "create", "always")] == [[], [], user]
    changed = json.loads(json.dumps(DOCUMENT).replace(PASSWORD, "another-one"))
    place.write({**changed, "startupSecrets": DOCUMENT["startupSecrets"]})
    assert [written(policy) for policy in ("create", "changed", "changed")] == [[], user, []]
    place.state.unlink()
    assert [written(policy) for policy in ("create", "changed", "changed")] == [[], user, []]


def test_a_lost_state_costs_one_writing_of_what_is_not_shown(place: Place) -> None:
    place.write(DOCUMENT)
    assert place.once().code == 0
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o600
    assert PASSWORD.encode() not in place.state.read_bytes()
    place.state.unlink()
    with FaultProxy(place.server) as proxy:
        assert place.once(address=proxy.address).code == 0
        assert place.writes(proxy) == [("PUT", "auth/userpass/users/admin")]


def test_a_plan_tells_by_its_code_and_shows_no_secret(place: Place) -> None:
    place.write(DOCUMENT)
    before = place.plan()
    assert before.code == 2, before.log
    assert "+ auth mount approle: it is not there" in before.output
    assert "(secret)" in before.output
    as_json = place.plan("--output", "json")
    assert as_json.code == 2
    assert {each["action"] for each in json.loads(as_json.output)["changes"]} == {"create"}
    assert PASSWORD not in before.output + before.log + as_json.output + as_json.log
    assert not place.state.exists()
    assert place.mounts().get("secret/") is None
    assert place.once().code == 0
    after = place.plan()
    assert (after.code, "to create" in after.output) == (0, False), after.output
    place.write("auth: [{tpye: approle}]")
    wrong = place.plan()
    assert wrong.code == 1
    assert f"{place.file}:1:" in wrong.log
    assert "type" in wrong.log


def test_a_plan_with_something_that_cannot_be_done_is_an_error(place: Place) -> None:
    place.call("POST", "sys/mounts/secret", {"type": "transit"})
    place.write({"secrets": DOCUMENT["secrets"], "policies": DOCUMENT["policies"]})
    for flag in ("--output=table", "--output=json"):
        planned = place.plan(flag)
        assert planned.code == 1, planned.output
        assert "Error: 1 of the objects cannot be brought to what is wanted" in planned.log
        assert "what is inside would be lost" in planned.output
        assert "reader" in planned.output
    place.write({**PURGE, "policies": DOCUMENT["policies"]})
    assert place.plan().code == 2
    assert place.plan("--purge-limit=0").code == 1


def test_a_saved_plan_is_applied_exactly_or_not_at_all(place: Place, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    place.write(DOCUMENT)
    assert place.plan("--plan-file", str(saved)).code == 2
    assert PASSWORD not in saved.read_text()
    place.call("PUT", "sys/policies/acl/reader", {"policy": "# somebody else's"})
    moved = place.once("--plan-file", str(saved))
    assert moved.code == 1
    assert "files or server have changed" in moved.log
    assert "secret/" not in place.mounts()
    place.call("DELETE", "sys/policies/acl/reader")
    done = place.once("--plan-file", str(saved))
    assert done.code == 0, done.log
    assert "secret/" in place.mounts()
    assert place.once("--plan-file", str(place.file)).code == 1


def test_k3_a_saved_plan_deletes_no_mount_that_was_filled_meanwhile(place: Place, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    place.call("POST", "sys/mounts/empty", {"type": "kv"})
    place.write(PURGE)
    assert place.plan("--plan-file", str(saved)).code == 2
    place.call("PUT", "empty/now", {"a": "b"})
    moved = place.once("--plan-file", str(saved))
    assert moved.code == 1
    assert "files or server have changed" in moved.log
    assert place.shown("empty/now") == {"a": "b"}


def test_k16_the_exit_code_tells_the_truth_and_one_failure_stops_nothing_else(place: Place) -> None:
    bad = {"type": "nonsense-type", "path": "bad"}
    place.write({**DOCUMENT, "secrets": [bad, *DOCUMENT["secrets"]], "policies": DOCUMENT["policies"]})
    done = place.once()
    assert done.code == 1
    assert "failed: secrets mount bad:" in done.output
    assert place.shown("secret/data/app") is not None
    assert place.once("--output", "json").code == 1


def test_k13_letters_that_urls_know_in_another_way_are_letters_of_names(place: Place) -> None:
    names = ["a b", "a%20b", "c+d", "ä#e", "%2F", "%73f"]
    secrets = [{"type": "kv", "path": f"secret/data/{name}", "data": {"data": {"a": name}}} for name in names]
    place.write({"secrets": DOCUMENT["secrets"], "startupSecrets": secrets})
    first = place.once()
    assert first.code == 0, first.log + first.output
    assert sorted((place.shown("secret/metadata/?list=true") or {})["keys"]) == sorted(names)
    with FaultProxy(place.server) as proxy:
        second = place.once(address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log + second.output


def test_what_fails_for_a_moment_is_tried_again(place: Place) -> None:
    place.write(DOCUMENT)
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "sys/policies/acl/reader", Status(503))
        done = place.once(address=proxy.address)
    assert done.code == 0, done.log


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_k1_k2_a_removed_entry_is_gone_wherever_it_stood(place: Place, tmp_path: Path, removed: int) -> None:
    def document(*names: str, **more: object) -> dict[str, object]:
        return {
            "purgeUnmanagedConfig": {"enabled": True, **more},
            "policies": [{"name": f"policy_{name}", "rules": READER} for name in names],
            "auth": [{"type": "approle", "path": f"auth_{name}"} for name in names],
            "secrets": [{"type": "kv", "path": f"secret_{name}"} for name in names],
            "groups": [{"name": f"group_{name}", "type": "external"} for name in names],
        }

    other = tmp_path / "other.yml"
    place.write({"secrets": [{"type": "kv", "path": "of_the_other"}]}, other)
    names = ["a", "b", "c"]
    place.write(document(*names))
    assert place.once(files=(place.file, other)).code == 0
    place.call("PUT", "of_the_other/data", {"a": "b"})
    gone = names.pop(removed)
    place.write(document(*names))
    planned = place.plan(files=(place.file, other))
    assert planned.output.count("\n- ") + planned.output.startswith("- ") == 4, planned.output
    done = place.once(files=(place.file, other))
    assert done.code == 0, done.log
    assert f"secret_{gone}/" not in place.mounts()
    assert f"auth_{gone}/" not in place.mounts("auth")
    assert place.shown(f"sys/policies/acl/policy_{gone}") is None
    assert place.shown(f"identity/group/name/group_{gone}") is None
    assert {f"secret_{name}/" for name in names} <= place.mounts().keys()
    assert place.shown("of_the_other/data") == {"a": "b"}
    left = names.pop(0)
    place.write(document(*names, exclude={"secrets": True}))
    assert place.once(files=(place.file, other)).code == 0
    assert f"secret_{left}/" in place.mounts()
    assert f"auth_{left}/" not in place.mounts("auth")


PURGE = {"purgeUnmanagedConfig": {"enabled": True}}


def test_k2_nothing_is_deleted_unless_every_file_can_be_used(place: Place, tmp_path: Path) -> None:
    place.call("POST", "sys/mounts/precious", {"type": "kv"})
    place.write(PURGE)
    missing = place.once(files=(place.file, tmp_path / "missing.yml"))
    assert missing.code == 1
    assert "cannot be read" in missing.log
    assert "precious/" in place.mounts()


def test_k3_a_purge_has_brakes(place: Place) -> None:
    for name in ("one", "two", "held"):
        place.call("POST", f"sys/mounts/{name}", {"type": "kv"})
    place.call("PUT", "held/inside", {"a": "b"})
    place.write({**PURGE, "policies": DOCUMENT["policies"]})
    shown = place.plan()
    assert "- secrets mount held (1 object inside): no document has it (kv)" in shown.output, shown.output
    for flag in ("--purge-limit=2", "--purge-limit=10%"):
        refused = place.once(flag)
        assert refused.code == 1
        assert "--purge-limit allows" in refused.output
        assert {"one/", "two/", "held/"} <= place.mounts().keys()
    done = place.once("--purge-limit=2", "--purge-keep-data", "--purge-protect=secrets/t*")
    assert done.code == 0, done.log
    assert "one/" not in place.mounts()
    assert {"two/", "held/"} <= place.mounts().keys()
    place.write({**PURGE, "auth": [{"type": "no-such-type"}]})
    assert place.once().code == 1
    assert {"two/", "held/"} <= place.mounts().keys()
    assert place.once("--purge-limit=many").code == 64


def test_k3_a_purge_spares_the_mounts_that_are_in_use(place: Place) -> None:
    for name in ("unmanaged", "state", "secret"):
        place.call("POST", f"sys/mounts/{name}", {"type": "kv", "options": {"version": "2"}})
    root = {"name": "exported", "common_name": "example", "save_to": "unmanaged/data/root"}
    secret = {"type": "kv", "path": "secret/data/app", "data": {"data": {"a": "b"}}}
    engine = {"type": "pki", "configuration": {"root/generate": [root]}}
    place.write({**PURGE, "secrets": [engine], "startupSecrets": [secret]})
    for _ in range(2):
        done = place.once("--state=kv:state/configure")
        assert done.code == 0, done.log + done.output
        assert {"unmanaged/", "state/", "secret/", "pki/"} <= place.mounts().keys()
    assert "private_key" in place.shown("unmanaged/data/root")["data"]  # type: ignore[index]


def test_k25_a_generated_root_token_is_revoked(place: Place) -> None:
    (place.store / "vault-root").unlink()
    place.write(DOCUMENT)
    done = place.once("--store-root-token=false")
    assert done.code == 0, done.log
    listed = place.call("GET", "auth/token/accessors?list=true").body["data"]["keys"]
    assert len(listed) == 1  # that of the test


def test_k25_no_root_token_is_needed_at_all(place: Place, tmp_path: Path) -> None:
    place.write(DOCUMENT)
    printed = run("configure", "policy", *place.flags(), store=place.store)
    assert printed.code == 0, printed.log
    answer = place.call("PUT", "sys/policies/acl/configurer", {"policy": printed.output})
    assert answer.status in (200, 204), answer
    place.call("POST", "sys/auth/machines", {"type": "approle"})
    role = {"token_policies": "configurer", "token_ttl": "5m"}
    place.call("PUT", "auth/machines/role/configurer", role)
    role_id = place.shown("auth/machines/role/configurer/role-id")["role_id"]  # type: ignore[index]
    secret_id = place.call("PUT", "auth/machines/role/configurer/secret-id", {}).body["data"]["secret_id"]
    (place.store / "vault-root").unlink()
    flags = ("--auth=approle", "--auth-path=machines", f"--auth-role-id={role_id}")
    state = f"--state={tmp_path / 'state'}"
    secret = {"BANK_VAULTS_AUTH_SECRET_ID": secret_id}
    done = place.once(*flags, state, environment=secret)
    assert done.code == 0, done.log + done.output
    with FaultProxy(place.server) as proxy:
        again = place.once(*flags, state, environment=secret, address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, [("PUT", "auth/machines/login")]), again.log
        wrong = {"BANK_VAULTS_AUTH_SECRET_ID": "wrong"}
        refused = place.once(*flags, state, environment=wrong, address=proxy.address)
        assert refused.code == 1
        assert "the login at auth/machines/login was refused" in refused.log
        assert proxy.count("PUT", "auth/machines/login") == 2  # once for each run: a login can be locked
    assert len(place.call("GET", "auth/token/accessors?list=true").body["data"]["keys"]) == 1
    assert place.once("--auth=approle").code == 64


def test_a_token_of_a_file_is_read_at_each_use(place: Place, tmp_path: Path) -> None:
    token = tmp_path / "token"
    place.write(DOCUMENT)
    flags = ("--auth=token-file", f"--auth-token-file={token}", f"--state={tmp_path / 'state'}")
    assert "cannot be read" in place.once(*flags).log
    token.write_text("")
    assert "is empty" in place.once(*flags).log
    token.write_text(place.keys.root_token + "\n")
    done = place.once(*flags)
    assert done.code == 0, done.log


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_state_may_be_in_a_kv_engine_of_the_server(place: Place, version: str) -> None:
    place.write(
        {
            **DOCUMENT,
            "secrets": [
                *DOCUMENT["secrets"],
                {"type": "kv", "path": "state", "options": {"version": version}},
            ],
        }
    )
    first = place.once("--state=kv:state/configure")
    assert first.code == 0, first.log
    assert "cannot be used" not in first.log
    assert "cannot be written" not in first.log
    assert not place.state.exists()
    with FaultProxy(place.server) as proxy:
        second = place.once("--state=kv:state/configure", address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log
    path = "state/data/configure" if version == "2" else "state/configure"
    body = {"state": "bm8gc3RhdGU="}
    place.call("PUT", path, {"data": body} if version == "2" else body)
    third = place.once("--state=kv:state/configure")
    assert third.code == 0
    assert "cannot be used" in third.log
    place.call("POST", "sys/mounts/fresh", {"type": "kv", "options": {"version": version}})
    fresh = place.once("--state=kv:fresh/configure")
    assert (fresh.code, "cannot be used" in fresh.log) == (0, False), fresh.log
    nowhere = place.once("--state=kv:nowhere/configure")
    assert nowhere.code == 0
    assert "kv:nowhere/configure: there is no kv engine, or none that this token may use" in nowhere.log
    assert place.once("--state=kv:nonsense").code == 64
    assert place.once("--state=k8s:Nonsense").code == 64


def test_validate_needs_no_server_and_tells_all_errors_of_all_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text("policies:\n  - {name: a, rules: 'path {'}\nauth: [{tpye: x}]\n")
    two.write_text("secrets: [{type: kv, pth: x}]\nnonsense: 1\n")
    flags = [f"--vault-config-file={file}" for file in (one, two)]
    done = run("configure", "--validate", *flags, store=tmp_path)
    assert done.code == 1
    assert done.log.count(str(one)) >= 1
    assert done.log.count(str(two)) >= 2
    one.write_text("policies:\n  - {name: a, rules: 'path {'}\n")
    two.write_text("")
    refused = run("configure", "--validate", *flags, store=tmp_path)
    assert refused.code == 1
    assert "policies policy a" in refused.log
    one.write_text("")
    assert run("configure", "--validate", *flags, store=tmp_path).code == 0


def test_k27_the_template_policy_is_kept(place: Place) -> None:
    place.write("policies: [{name: a, rules: '${ env `HOME` }'}]")
    done = place.once("--template-deny=env:HOME")
    assert done.code == 1
    assert "HOME" in done.log


def test_no_secret_is_in_any_output_at_the_most_verbose_level(place: Place) -> None:
    place.write(DOCUMENT)
    outputs = [place.plan("--log-level=debug"), place.once("--log-level=debug")]
    place.call("DELETE", "sys/mounts/secret")
    outputs += [place.once("--log-level=debug", "--log-format=json"), place.once("--output=json")]
    text = "".join(done.log + done.output for done in outputs)
    for secret in (PASSWORD, place.keys.root_token, *place.keys.shares):
        assert secret not in text
