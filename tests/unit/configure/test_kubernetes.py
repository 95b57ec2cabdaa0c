"""The state in a Secret, and Secrets for start-up secrets, where the cluster has its bad days."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bank_vaults.configure import kubernetes
from bank_vaults.configure.config import SecretKey
from bank_vaults.configure.kubernetes import Address, SecretPlace, SecretReader
from bank_vaults.configure.sections.startup_secrets import SecretSourceError
from bank_vaults.configure.state import StateError
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.kubernetes import BusyError, Content, Kubernetes, KubernetesError, UnreachableError


class Faulty(Kubernetes):
    """One Secret in memory. ``before`` and ``after``: how the next writes fail, without and with effect."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        super().__init__({})
        self.values = values
        self.reads: list[str] = []
        self.reading: StoreError | None = None
        self.before: list[StoreError] = []
        self.after: list[StoreError] = []
        self.busy = False

    def read(self, namespace: str, name: str) -> Content | None:
        self.reads.append(name)
        if self.reading:
            raise self.reading
        return None if self.values is None else Content(self.values, "1")

    def create(self, namespace: str, name: str, values: Mapping[str, bytes]) -> bool:
        return self.change(namespace, name, values, "")

    def change(self, namespace: str, name: str, values: Mapping[str, bytes], version: str) -> bool:
        if self.busy:
            return False
        if self.before:
            raise self.before.pop()
        self.values = {**(self.values or {}), **values}
        if self.after:
            raise self.after.pop()
        return True


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "_PAUSE", 0.0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("name", Address("", "name", "state")),
        ("ns/name.with-dots", Address("ns", "name.with-dots", "state")),
        ("ns/name?key=a_B.c", Address("ns", "name", "a_B.c")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address).removeprefix("k8s:")) == address


@pytest.mark.parametrize(
    "text",
    ["", "/", "ns/", "/name", "a/b/c", "Name", "ns/../name", "name?", "name?key=", "name?key=..",
     "name?key=a/b", "name?other=a", "na me", "-name", "ns.x/name", "name\n"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        Address.parse(text)


def test_a_write_that_fails_is_tried_again() -> None:
    cluster = Faulty()
    cluster.before = [BusyError("500"), UnreachableError("cut")]
    place = SecretPlace(Address("", "a"), cluster)
    place.exchange(lambda _: b"new")
    assert place.read() == b"new"


def test_a_write_whose_answer_is_lost_is_read_and_changed_again() -> None:
    cluster = Faulty()
    cluster.after = [UnreachableError("cut")]
    place = SecretPlace(Address("", "a"), cluster)
    place.exchange(lambda value: (value or b"") + b"x")
    assert place.read() == b"xx"


def test_failures_without_end_and_refusals_are_told() -> None:
    cluster = Faulty()
    cluster.before = [BusyError("answered 500")] * 5
    place = SecretPlace(Address("ns", "a"), cluster)
    with pytest.raises(StateError, match=r"cannot write the state k8s:ns/a\?key=state: answered 500"):
        place.exchange(lambda _: b"new")
    assert len(cluster.before) == 2
    cluster.before = [KubernetesError("forbidden")] * 2
    with pytest.raises(StateError, match="forbidden"):
        place.exchange(lambda _: b"new")
    assert len(cluster.before) == 1
    cluster.before, cluster.busy = [], True
    with pytest.raises(StateError, match="written by others all the time"):
        place.exchange(lambda _: b"new")


def test_a_secret_is_read_once_in_a_pass_and_its_key_may_be_missing() -> None:
    cluster = Faulty({"a": b"one", "b": b"\xff"})
    source = SecretReader(cluster, "")
    assert source(SecretKey("name", "a")) == "one"
    with pytest.raises(KeyError):
        source(SecretKey("name", "c"))
    with pytest.raises(SecretSourceError, match="is no text"):
        source(SecretKey("name", "b"))
    assert cluster.reads == ["name"]


@pytest.mark.parametrize("error", [UnreachableError("no cluster"), StoreError("did not read within 20 s")])
def test_a_cluster_that_is_away_is_asked_once_in_a_pass(error: StoreError) -> None:
    cluster = Faulty()
    cluster.reading = error
    source = SecretReader(cluster, "ns")
    for name in ("a", "b", "c"):
        with pytest.raises(SecretSourceError, match=str(error)):
            source(SecretKey(name, "k"))
    assert cluster.reads == ["a"]


def test_what_may_not_be_read_says_nothing_of_others() -> None:
    cluster = Faulty()
    cluster.reading = KubernetesError("forbidden")
    source = SecretReader(cluster, "ns")
    for name in ("a", "b"):
        with pytest.raises(SecretSourceError, match="forbidden"):
            source(SecretKey(name, "k"))
    assert cluster.reads == ["a", "b"]
    cluster.reading = None
    with pytest.raises(SecretSourceError, match="no Kubernetes Secret 'c' in the namespace 'ns'"):
        source(SecretKey("c", "k"))
    with pytest.raises(SecretSourceError, match="is no name of a Kubernetes Secret"):
        source(SecretKey("../c", "k"))
