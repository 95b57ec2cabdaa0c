"""``configure`` with its state in a Secret, and with start-up secrets from Secrets, on a real API server."""

from __future__ import annotations

import base64
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.configure.kubernetes import Address, SecretPlace
from bank_vaults.configure.model import Identity, Record
from bank_vaults.configure.state import ContestedError, State, StateError
from bank_vaults.keystores.kubernetes import LARGEST, Kubernetes
from tests.support.binaries import MissingBinary, all_kinds
from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy
from tests.support.kubernetes import Cluster
from tests.support.servers import Server

DOCUMENT = """
auth: [{type: userpass, users: [{name: one, password: first-password, token_policies: [default]}]}]
secrets: [{type: kv, path: secret, options: {version: 2}}]
startupSecrets:
  - {type: kv, path: secret/data/other, data: {data: {a: b}}}
  - type: kv
    path: secret/data/aws
    data: {secretKeyRef: [{name: account, key: ID}, {name: account, key: KEY}]}
"""
MANUAL = Path(__file__).parents[2] / "docs" / "configure.md"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """One kind of server is enough: what is proved here is Kubernetes."""
    kind = next(kind for kind in all_kinds() if not isinstance(kind, MissingBinary))
    with Server(kind) as server:
        yield Place(server, tmp_path)


@pytest.fixture
def kubernetes(kubeconfig: Path) -> Iterator[Kubernetes]:
    """As somebody who may do everything."""
    client = Kubernetes({"KUBECONFIG": str(kubeconfig)})
    yield client
    client.close()


def put(cluster: Cluster, namespace: str, name: str, values: Mapping[str, str], **more: Any) -> None:
    """Create or replace a Secret."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    body = {"metadata": {"name": name}, "stringData": values, **more}
    there = {each["metadata"]["name"] for each in cluster.call("GET", path)["items"]}
    cluster.call(*(("PUT", f"{path}/{name}") if name in there else ("POST", path)), body)


def printed_role(namespace: str) -> str:
    """The objects that the manual prints, for a namespace of a test."""
    found = re.search(r"```yaml\n(apiVersion: v1\nkind: ServiceAccount.*?)```", MANUAL.read_text(), re.DOTALL)
    assert found is not None
    return found[1].replace("namespace: vault", f"namespace: {namespace}")


def test_the_printed_role_is_enough_for_state_and_start_up_secrets(
    cluster: Cluster, namespace: str, place: Place, tmp_path: Path
) -> None:
    cluster.apply(printed_role(namespace))
    account = tmp_path / "account"
    account.mkdir()
    file = cluster.kubeconfig(account, namespace, cluster.token_of(namespace, "configure"))
    environment = {"KUBECONFIG": str(file), "NAMESPACE": namespace}
    put(cluster, namespace, "account", {"ID": "the-id", "KEY": "the-key-itself"})
    place.write(DOCUMENT)
    first = place.once("--state=k8s:configure-state", environment=environment)
    assert first.code == 0, first.log
    assert place.shown("secret/data/aws") is not None
    assert (place.shown("secret/data/aws") or {})["data"] == {"ID": "the-id", "KEY": "the-key-itself"}
    assert "the-key-itself" not in first.log + first.output
    assert not place.state.exists()
    secret = cluster.secret(namespace, "configure-state")
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "bank-vaults"}
    with FaultProxy(place.server) as proxy:
        second = place.once("--state=k8s:configure-state", environment=environment, address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log
    put(cluster, namespace, "account", {"ID": "the-id", "KEY": "another-key"})
    planned = place.plan("--state=k8s:configure-state", environment=environment)
    assert (planned.code, "secret/data/aws" in planned.output) == (2, True), planned.log
    assert "another-key" not in planned.log + planned.output
    assert place.once("--state=k8s:configure-state", environment=environment).code == 0
    assert (place.shown("secret/data/aws") or {})["data"]["KEY"] == "another-key"
    refused = place.once("--state=k8s:elsewhere", environment=environment)
    assert refused.code != 0
    assert "Role has to allow 'get'" in refused.log


def test_a_secret_or_key_that_is_missing_costs_its_own_object_only(
    cluster: Cluster, namespace: str, kubeconfig: Path, place: Place
) -> None:
    place.write(DOCUMENT)
    environment = {"KUBECONFIG": str(kubeconfig)}
    missing = place.once(environment=environment)
    assert missing.code == 1
    assert "there is no Kubernetes Secret 'account'" in missing.log + missing.output
    assert (place.shown("secret/data/other") or {})["data"] == {"a": "b"}
    put(cluster, namespace, "account", {"ID": "the-id"})
    half = place.once(environment=environment)
    assert half.code == 1
    assert "has no key 'KEY'" in half.log + half.output
    assert place.shown("secret/data/aws") is None
    put(cluster, namespace, "account", {"ID": "the-id", "KEY": "k"})
    assert place.once(environment=environment).code == 0


def test_the_daemon_sees_a_changed_secret_at_its_next_look(
    cluster: Cluster, namespace: str, kubeconfig: Path, place: Place
) -> None:
    put(cluster, namespace, "account", {"ID": "the-id", "KEY": "old"})
    place.write(DOCUMENT)
    environment = {"KUBECONFIG": str(kubeconfig)}
    flags = ("--drift-interval=200ms", "--state=k8s:state")
    with place.daemon(*flags, environment=environment) as program:
        program.wait_for("successfully configured vault")
        put(cluster, namespace, "account", {"ID": "the-id", "KEY": "new"})
        deadline = time.monotonic() + 30.0
        while (place.shown("secret/data/aws") or {})["data"]["KEY"] != "new":
            assert time.monotonic() < deadline, program.log()
            time.sleep(0.02)
        assert program.stop() == 0


def test_replicas_that_write_at_once_lose_nothing(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    def write(number: int) -> None:
        state = State(SecretPlace(Address(namespace, "shared"), kubernetes), "")
        state.note(Identity("auth", "role", str(number)), Record("wanted", "shown", ()))
        state.insist()

    write(0)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory = State(SecretPlace(Address(namespace, "shared"), kubernetes), "").memory
    assert {identity.name for identity in memory.records} == {str(number) for number in range(5)}


def test_of_replicas_that_begin_at_once_one_may_do_what_is_done_once(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    place = SecretPlace(Address(namespace, "claimed"), kubernetes)
    first, second = State(place, ""), State(place, "")
    identity, record = Identity("secrets", "item", "pki/root"), Record("wanted", "", ("generating",))
    first.claim(identity, record)
    with pytest.raises(ContestedError):
        second.claim(identity, record)
    assert dict(State(place, "").memory.records) == {identity: record}


def test_a_loser_writes_on_what_the_winner_wrote(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    place = SecretPlace(Address(namespace, "raced"), kubernetes)
    seen: list[bytes | None] = []

    def change(value: bytes | None) -> bytes:
        seen.append(value)
        if len(seen) < 3:  # somebody creates it, then changes it, while this one thinks
            SecretPlace(Address(namespace, "raced"), kubernetes).exchange(lambda _: b"%d" % len(seen))
        return (value or b"") + b"+mine"

    place.exchange(change)
    assert seen == [None, b"1", b"2"]
    assert place.read() == b"2+mine"


def test_a_secret_that_vanishes_between_reading_and_writing_is_made_again(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    place = SecretPlace(Address(namespace, "fleeting"), kubernetes)
    place.exchange(lambda _: b"one")

    def change(value: bytes | None) -> bytes:
        if value is not None:
            cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/secrets/fleeting")
        return b"two"

    place.exchange(change)
    assert place.read() == b"two"


def test_what_else_is_in_the_secret_stays(cluster: Cluster, namespace: str, kubernetes: Kubernetes) -> None:
    about = {"name": "mine", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    put(cluster, namespace, "mine", {"other": "value"}, metadata=about)
    place = SecretPlace(Address.parse(f"{namespace}/mine?key=digests"), kubernetes)
    assert place.read() is None
    place.exchange(lambda _: b"state")
    found = cluster.secret(namespace, "mine")
    assert base64.b64decode(found["data"]["other"]) == b"value"
    assert zlib.decompress(base64.b64decode(found["data"]["digests"])) == b"state"
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"a": "b"}, {"c": "d"})


def test_a_damaged_state_is_kept_in_the_same_secret(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    put(cluster, namespace, "damaged", {"state": "nonsense"})
    state = State(SecretPlace(Address(namespace, "damaged"), kubernetes), "")
    state.note(Identity("auth", "role", "a"), Record("wanted", "shown", ()))
    state.insist()
    data = cluster.secret(namespace, "damaged")["data"]
    assert zlib.decompress(base64.b64decode(data["state.unusable"])) == b"nonsense"
    assert len(State(SecretPlace(Address(namespace, "damaged"), kubernetes), "").memory.records) == 1


def test_a_state_that_no_secret_can_hold_is_refused_with_a_way_out(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    place = SecretPlace(Address(namespace, "large"), kubernetes)
    fits = os.urandom(LARGEST - 4096)  # zlib adds a little to what it cannot press
    place.exchange(lambda _: fits)
    with pytest.raises(StateError, match=r"too large for a Secret.*kv:MOUNT/PATH"):
        place.exchange(lambda _: os.urandom(LARGEST + 1))
    assert place.read() == fits


def test_an_immutable_secret_and_a_missing_namespace_are_told(
    cluster: Cluster, namespace: str, kubernetes: Kubernetes
) -> None:
    put(cluster, namespace, "frozen", {"state": ""}, immutable=True)
    with pytest.raises(StateError, match="is it immutable"):
        SecretPlace(Address(namespace, "frozen"), kubernetes).exchange(lambda _: b"x")
    with pytest.raises(StateError, match="no such namespace"):
        SecretPlace(Address("nowhere", "state"), kubernetes).exchange(lambda _: b"x")


def test_in_a_pod_the_service_account_and_its_namespace_are_used(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    client = Kubernetes(cluster.service_account(account, namespace), str(account))
    put(cluster, namespace, "account", {"ID": "the-id"})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.service_account(account, namespace).items():
            patch.setenv(name, value)
        found = client.read("", "account")
    client.close()
    assert found is not None
    assert dict(found.values) == {"ID": b"the-id"}
    assert "the-id" not in repr(found)


def test_a_login_that_is_not_accepted_is_told(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    client = Kubernetes({"KUBECONFIG": str(cluster.kubeconfig(tmp_path, namespace, "wrong-token"))})
    with pytest.raises(StateError, match="does not accept this login") as caught:
        SecretPlace(Address("", "state"), client).read()
    client.close()
    assert "wrong-token" not in str(caught.value)
