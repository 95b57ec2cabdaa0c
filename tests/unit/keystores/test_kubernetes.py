"""The client for Secrets on bad days that a real API server does not have; the others: tests/cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from bank_vaults.keystores import deadline, kubernetes
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.kubernetes import Kubernetes, KubernetesError, UnreachableError
from tests.support.fakehttp import FakeServer, Step, reply

SECRET = "the-value-of-a-secret"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "_PAUSES", (0.0, 0.0))


def answer(status: int, body: object) -> Step:
    return Step(reply(status, body, content_type="application/json"))


def status(code: int, message: str = SECRET) -> Step:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": code, "message": message}
    return answer(code, body)


@contextmanager
def served(directory: Path, *script: Step) -> Iterator[Kubernetes]:
    """A client of an API server by script."""
    with FakeServer(*script) as server:
        file = directory / "kubeconfig"
        file.write_text(
            yaml.safe_dump(
                {
                    "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                }
            )
        )
        client = Kubernetes({"KUBECONFIG": str(file)})
        yield client
        client.close()


@pytest.mark.parametrize(
    ("step", "words", "transient"),
    [
        (status(500), "answered 500", True),
        (status(429), "answered 429", True),
        (Step(reply(503, b"<html>no</html>", content_type="text/html")), "answered 503", True),
        (status(401), "does not accept this login", True),
        (status(403, "user may not"), "user may not; a Role has to allow 'get'", False),
        (status(422), "is it immutable, or too large", False),
        (status(400), "answered 400", False),
        (Step(b"HTTP/1.1 2", then="close"), "no Kubernetes cluster answers", True),
        (answer(200, {"data": 7}), "no Kubernetes cluster answers", True),
        (answer(200, {"metadata": {}, "data": {"a": "*"}}), "is not of base64", False),
    ],
)
def test_each_failure_names_its_layer_and_no_value(
    tmp_path: Path, step: Step, words: str, transient: bool
) -> None:
    with served(tmp_path, step) as client, pytest.raises(KubernetesError) as caught:
        client.read("ns", "name")
    assert words in str(caught.value)
    assert caught.value.transient is transient
    assert SECRET not in str(caught.value)


def test_reading_goes_on_after_a_failure(tmp_path: Path) -> None:
    good = answer(200, {"metadata": {"resourceVersion": "7"}, "data": {"a": "Yg=="}})
    with served(tmp_path, status(500), Step(b"HTTP", then="close"), good) as client:
        found = client.read("ns", "name")
    assert found is not None
    assert (dict(found.values), found.version) == ({"a": b"b"}, "7")


def test_a_write_is_sent_once(tmp_path: Path) -> None:
    with served(tmp_path, status(500), status(409)) as client:
        with pytest.raises(KubernetesError, match="answered 500"):
            client.change("ns", "name", {"a": b"b"}, "7")
        assert not client.change("ns", "name", {"a": b"b"}, "7")
        assert not client.create("ns", "name", {"a": b"b"})


def test_a_cluster_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "_LIMIT", 0.1)
    with served(tmp_path, Step(then="hang")) as client, pytest.raises(UnreachableError):
        client.read("ns", "name")


def test_a_call_as_a_whole_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        kubernetes, "limited", lambda mode, what, call: deadline.limited(mode, what, call, 0.1)
    )
    with served(tmp_path, Step(then="hang")) as client, pytest.raises(StoreError, match=r"did not read"):
        client.read("ns", "name")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not found"),
        ("a: [", "cannot be read: ParserError"),
        ("{}", "damaged"),
        ("[]", "damaged"),
        ("{clusters: [], contexts: []}", "No current context"),
        ("{current-context: c, clusters: [], contexts: [{name: c, context: {cluster: d}}]}", "damaged"),
        ("{current-context: d, clusters: [], contexts: []}", "Context 'd' not found"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_told(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UnreachableError, match=words) as caught:
        Kubernetes({"KUBECONFIG": str(file)}).read("", "name")
    assert "check KUBECONFIG" in str(caught.value)


def test_several_kubeconfigs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="several files"):
        Kubernetes({"KUBECONFIG": "/a:/b"}).read("", "name")


def test_without_any_cluster_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnreachableError, match="check KUBECONFIG, or the service account of the pod"):
        Kubernetes({}).read("", "name")


def test_what_a_login_program_printed_is_not_told(tmp_path: Path) -> None:
    assert (
        kubernetes._reason(RuntimeError(f"Exec get-token returned 1: {SECRET}"))
        == "Exec get-token returned 1"
    )
    assert kubernetes._reason(RuntimeError()) == "RuntimeError"


def test_the_client_is_imported_at_the_first_call_and_not_before() -> None:
    code = (
        "import sys, bank_vaults.cli.configure.parts, bank_vaults.keystores.kubernetes as k\n"
        "k.Kubernetes({})\n"
        "assert not {'lightkube', 'httpx2', 'msgspec', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
