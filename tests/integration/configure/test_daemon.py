"""``configure`` as a daemon on real servers: files that change, drift, trouble, the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.configured import Place
from tests.support.faultproxy import Delay, FaultProxy, Status
from tests.support.program import eventually
from tests.support.servers import unseal, wait_active


def policies(*names: str, text: str = "a") -> Mapping[str, Any]:
    rules = f'path "{text}/*" {{\n  capabilities = ["read"]\n}}\n'
    return {"policies": [{"name": name, "rules": rules} for name in names]}


def is_there(place: Place, name: str, text: str = "a") -> bool:
    return f'"{text}/*"' in ((place.shown(f"sys/policies/acl/{name}") or {}).get("policy") or "")


def test_the_log_lines_and_metrics_of_the_original(place: Place) -> None:
    place.write("")
    with place.daemon(metrics=True) as program:
        program.wait_for("successfully configured vault")
        for line in (
            f"applying config file: {place.file}",
            "vault is unsealed, configuring...",
            f"watching directory for changes: {place.file.parent}",
        ):
            assert line in program.log()
        eventually(lambda: program.samples().get("vault_config_successful") == 1, "counted")
        place.write(policies("one"))
        program.wait_for(f"file has changed: {place.file}")
        eventually(lambda: is_there(place, "one"), "applied")
        eventually(lambda: program.samples()["vault_config_successful"] == 2, "counted")
        samples = program.samples()
        assert samples["vault_config_failed"] == 0
        assert samples['bank_vaults_configure_objects{result="created",section="policies"}'] == 1
        assert samples["bank_vaults_configure_writes_total"] == 1
        assert program.get("/readyz")[0] == 200
        assert program.stop() == 0


def test_k15_replaced_and_swapped_files_are_applied(place: Place, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..v1").mkdir(parents=True)
    (volume / "..data").symlink_to("..v1")
    (volume / "c.yml").symlink_to("..data/c.yml")
    place.write(policies("swapped"), volume / "..v1" / "c.yml")
    place.write(policies("replaced"))
    with place.daemon(files=(place.file, volume / "c.yml")) as program:
        program.wait_for("successfully configured vault")
        place.write(policies("replaced", text="b"), tmp_path / "new")
        os.rename(tmp_path / "new", place.file)
        eventually(lambda: is_there(place, "replaced", "b"), "replaced")
        shutil.copytree(volume / "..v1", volume / "..v2")
        place.write(policies("swapped", text="b"), volume / "..v2" / "c.yml")
        (volume / "..tmp").symlink_to("..v2")
        os.rename(volume / "..tmp", volume / "..data")
        eventually(lambda: is_there(place, "swapped", "b"), "swapped")


@pytest.mark.parametrize("written", [json.dumps, yaml.safe_dump])
def test_what_has_changed_in_a_large_file_is_written_before_all_of_it_is_read(
    place: Place, written: Callable[[Any], str]
) -> None:
    names = [f"policy-{number}" for number in range(3000)]
    changed = dict(policies(*names))
    place.file.write_text(written(changed))
    with place.daemon("--log-level=debug") as program:
        program.wait_for("successfully configured vault")
        changed["policies"][1500] = policies("policy-1500", text="b")["policies"][0]
        place.file.write_text(written(changed))
        program.wait_for("successfully configured vault", times=2)
        assert is_there(place, "policy-1500", "b")
        story = program.log().partition("file has changed")[2]
        assert story.count("PUT") == 1
        assert story.index("PUT") < story.index("applying config file")


def test_a_change_is_written_at_once_also_where_something_else_fails_again_and_again(place: Place) -> None:
    user = {"username": "u", "password": "p"}
    method = {"type": "userpass", "path": "method", "users": [user]}
    document = {**policies("one", "two"), "auth": [method]}
    place.write(document)
    with FaultProxy(place.server) as proxy:
        proxy.on("POST", "sys/auth/method", Status(400), times=None)
        with place.daemon("--log-level=debug", address=proxy.address) as program:
            program.wait_for("sleeping for 2s")
            user["password"] = "q"
            place.write({**document, **policies("one", "two", text="b")})
            program.wait_for("sleeping for 4s")
            story = program.log().partition("file has changed")[2]
            assert story.count("method=PUT") == 2
            assert story.rindex("method=PUT") < story.index("method=POST path=sys/auth/method")
            assert is_there(place, "one", "b")
            assert is_there(place, "two", "b")
            assert not proxy.count("POST", "auth/method/users/u")
            assert not proxy.count("PUT", "auth/method/users/u")


def test_k15_the_newest_version_wins_over_one_that_is_still_retried(place: Place) -> None:
    place.write(policies("one"))
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "sys/policies/acl/one", Status(400), times=1)
        with place.daemon("--drift-interval=300ms", address=proxy.address) as program:
            program.wait_for("Failed applying configuration file: .* , sleeping for 500ms")
            place.write(policies("one", text="b"))
            eventually(lambda: is_there(place, "one", "b"), "the newer one")
            program.wait_for("successfully configured vault", times=4)  # the older one would be tried by then
            assert is_there(place, "one", "b")
            assert proxy.count("PUT", "sys/policies/acl/one") == 2


def test_a_broken_file_keeps_the_last_good_version_and_is_told(place: Place) -> None:
    place.write({"purgeUnmanagedConfig": {"enabled": True}, **policies("one")})
    with place.daemon(metrics=True) as program:
        program.wait_for("successfully configured vault")
        place.write("policies: [{nmae: two")
        program.wait_for("its last good version stays in force")
        eventually(lambda: program.get("/readyz")[0] == 503, "not ready")
        assert str(place.file) in program.get("/readyz")[1]
        assert program.get("/healthz")[0] == 200
        samples = program.samples()
        assert samples["vault_config_failed"] == 1
        assert samples[f'bank_vaults_configure_broken_file{{file="{place.file}"}}'] == 1
        assert is_there(place, "one")
        place.write(policies("one", "two"))
        eventually(lambda: is_there(place, "two"), "mended")
        eventually(lambda: program.get("/readyz")[0] == 200, "ready")


def test_k22_drift_is_found_and_corrected_or_only_told(place: Place) -> None:
    place.write(policies("one"))
    changed = {"policy": 'path "other" { capabilities = ["read"] }'}
    with place.daemon("--drift-interval=300ms", metrics=True) as program:
        program.wait_for("successfully configured vault")
        place.call("PUT", "sys/policies/acl/one", changed)
        program.wait_for("an object was not as wanted, and is corrected")
        assert is_there(place, "one")
    with place.daemon("--drift-interval=300ms", "--drift=report", metrics=True) as program:
        program.wait_for("successfully configured vault")
        place.call("PUT", "sys/policies/acl/one", changed)
        program.wait_for("is left so")
        eventually(lambda: program.samples().get("bank_vaults_configure_drift_objects") == 1, "counted")
        assert not is_there(place, "one")
        place.write(policies("one", "two"))
        eventually(lambda: is_there(place, "one") and is_there(place, "two"), "a new file is applied")


def test_a_sealed_server_is_waited_for(place: Place) -> None:
    place.write(policies("one"))
    place.call("PUT", "sys/seal")
    with place.daemon("--unseal-period=100ms") as program:
        program.wait_for(r"vault is sealed, waiting 100ms before trying again\.\.\.", times=2)
        unseal(place.server, place.keys)
        wait_active(place.server)
        program.wait_for("successfully configured vault")
        place.server.stop()
        place.write(policies("two"))
        program.wait_for("error checking if vault is sealed")
        assert program.stop() == 0


def test_failures_are_tried_again_with_the_pauses_of_the_original_or_end_the_process(place: Place) -> None:
    place.write(policies("one"))
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "sys/policies/acl/one", Status(400), times=None)
        with place.daemon(address=proxy.address) as program:
            for pause in ("500ms", "1s", "2s"):
                program.wait_for(f"Failed applying configuration file: {place.file} , sleeping for {pause} ")
            proxy.heal()
            program.wait_for("successfully configured vault")
        place.write(policies("one", text="b"))
        proxy.on("PUT", "sys/policies/acl/one", Status(400), times=None)
        with place.daemon("--fatal", address=proxy.address) as program:
            assert program.wait().code == 1
            assert "error configuring vault: " in program.log()


def test_the_end_waits_for_what_runs_and_no_longer(place: Place) -> None:
    place.write(policies(*(f"p{number}" for number in range(40))))
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "sys/policies/acl/*", Delay(0.3), times=None)
        with place.daemon("--parallelism=4", address=proxy.address) as program:
            proxy.wait_for("PUT", "sys/policies/acl/*", 4)
            program.signal(signal.SIGTERM)
            done = program.wait()
            assert done.code == 0, done.log
        sent = proxy.count("PUT", "sys/policies/acl/*")
    assert 4 <= sent < 40
    assert sum(is_there(place, f"p{number}") for number in range(40)) == sent


def test_a_file_that_cannot_be_used_at_the_start_ends_it(place: Place) -> None:
    place.write("policies: [")
    with place.daemon() as program:
        assert program.wait().code == 1
        assert "error parsing vault config file: " in program.log()
