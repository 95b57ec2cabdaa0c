"""A real API server for the tests of ``tests/cluster``: kube-apiserver and etcd, on loopback, with RBAC.

    with shared("tests.support.kubernetes:ApiServer", directory) as about, closing(Cluster(about)) as cluster:
        cluster.call("GET", "/api/v1/namespaces")

``KUBEBUILDER_ASSETS`` names a directory with both, else they are where ``scripts/setup`` builds them where
there is Go. Nothing else of a cluster runs: without controllers a namespace has no ServiceAccount but those
that a test makes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.binaries import MissingBinary, cached
from tests.support.lifetime import Lifetime
from tests.support.servers import Port

_MODULE: Final = Path(__file__).parent / "kubernetes_module" / "go.mod"
_START_LIMIT: Final = 90.0  # seconds


def find_kubernetes() -> Path | MissingBinary:
    """The directory of the programs: those named, else those that were built."""
    version = re.search(r"(?m)^\tk8s\.io/kubernetes v(\S+)", _MODULE.read_text())
    assert version is not None
    found = Path(os.environ.get("KUBEBUILDER_ASSETS") or cached(f"kubernetes-{version[1]}"))
    if all((found / name).exists() for name in ("kube-apiserver", "etcd")):
        return found
    return MissingBinary("kube-apiserver", "run scripts/setup, with go, or set KUBEBUILDER_ASSETS")


class Cluster:
    """A running API server as tests use it."""

    def __init__(self, about: Mapping[str, str]) -> None:
        """``about``: what ApiServer says of itself."""
        self.address = about["address"]
        self._token = about["token"]
        self._authority = about["authority"]
        self._admin = httpx2.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {self._token}"},
            verify=ssl.create_default_context(cadata=self._authority),
            trust_env=False,
            timeout=30.0,
        )

    def close(self) -> None:
        """Close the connections; the API server goes on."""
        self._admin.close()

    def is_ready(self) -> bool:
        """Whether it answers, and is done with its start."""
        try:
            return self._admin.get("/readyz").is_success
        except httpx2.TransportError:
            return False

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """As somebody who may do everything. Fails where the API server refuses."""
        answer = self._admin.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def namespace(self) -> str:
        """A new one."""
        name = f"test-{secrets.token_hex(6)}"  # for other processes of tests make some, too
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def secret(self, namespace: str, name: str) -> dict[str, Any]:
        """A Secret as it is."""
        found: dict[str, Any] = self.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return found

    def apply(self, manifests: str) -> None:
        """Create what a text in YAML has."""
        plurals = {"Role": "roles", "RoleBinding": "rolebindings", "Secret": "secrets"}
        plurals |= {"ServiceAccount": "serviceaccounts"}
        for each in yaml.safe_load_all(manifests):
            group = "api/v1" if each["apiVersion"] == "v1" else f"apis/{each['apiVersion']}"
            namespace = each["metadata"]["namespace"]
            self.call("POST", f"/{group}/namespaces/{namespace}/{plurals[each['kind']]}", each)

    def token_of(self, namespace: str, account: str) -> str:
        """Of a ServiceAccount."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        token: str = self.call("POST", path, {"spec": {}})["status"]["token"]
        return token

    def kubeconfig(self, directory: Path, namespace: str, token: str = "") -> Path:
        """A file for somebody who may do everything, or for whom a token is."""
        (directory / "ca.crt").write_text(self._authority)
        file = directory / "kubeconfig"
        cluster = {"server": self.address, "certificate-authority": "ca.crt"}
        content = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token or self._token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        }
        file.write_text(yaml.safe_dump(content))
        return file

    def service_account(self, directory: Path, namespace: str, token: str = "") -> Mapping[str, str]:
        """The files of a pod in a directory; the variables of a pod are returned."""
        (directory / "ca.crt").write_text(self._authority)
        (directory / "token").write_text(token or self._token)
        (directory / "namespace").write_text(namespace)
        host, _, port = self.address.removeprefix("https://").rpartition(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


class ApiServer(Lifetime):
    """The processes. Use it as a context manager, or better by ``shared``: a start takes seconds."""

    def __init__(self) -> None:
        programs = find_kubernetes()
        assert isinstance(programs, Path)
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="bv-kubernetes-"))
        self._port, self._etcd, self._peer = Port(), Port(), Port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = secrets.token_hex(16)
        self._ca = trustme.CA()

    def describe(self) -> dict[str, str]:
        """What a Cluster needs to know."""
        return {
            "address": f"https://127.0.0.1:{self._port.number}",
            "token": self._token,
            "authority": self._ca.cert_pem.bytes().decode(),
        }

    def _start(self) -> None:
        where = self._directory
        certificate = self._ca.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(where / "server.key")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(where / "server.crt", append=True)
        key = ec.generate_private_key(ec.SECP256R1())
        (where / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (where / "accounts.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        (where / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        etcd, peer = (f"http://127.0.0.1:{port.number}" for port in (self._etcd, self._peer))
        self._spawn(
            "etcd",
            ["--name=t", "--data-dir=etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
             f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
             f"--initial-cluster=t={peer}", "--unsafe-no-fsync", "--log-level=warn"],
        )  # fmt: skip
        self._spawn(
            "kube-apiserver",
            [f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
             f"--secure-port={self._port.number}", "--endpoint-reconciler-type=none",
             "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
             "--disable-admission-plugins=ServiceAccount", "--cert-dir=certificates",
             "--tls-cert-file=server.crt", "--tls-private-key-file=server.key",
             "--token-auth-file=tokens.csv",
             "--service-account-issuer=https://kubernetes.default.svc",
             "--service-account-key-file=accounts.pub", "--service-account-signing-key-file=accounts.key",
             "--profiling=false"],
        )  # fmt: skip
        self._wait()

    def _spawn(self, name: str, arguments: Sequence[str]) -> None:
        with (self._directory / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", "--", str(self._programs / name), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                )
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_LIMIT
        with closing(Cluster(self.describe())) as cluster:
            while time.monotonic() < deadline and all(each.poll() is None for each in self._processes):
                if cluster.is_ready():
                    return
                time.sleep(0.05)
        logs = {file.name: file.read_text()[-3000:] for file in self._directory.glob("*.log")}
        raise AssertionError(f"no Kubernetes: {json.dumps(logs, indent=1)}")

    def _close(self) -> None:
        for process in reversed(self._processes):  # the API server before etcd, for which it would wait
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for port in (self._port, self._etcd, self._peer):
            port.release()
        shutil.rmtree(self._directory, ignore_errors=True)
