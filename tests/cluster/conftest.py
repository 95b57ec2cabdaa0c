"""One API server for all tests here, and a namespace for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.support.binaries import MissingBinary
from tests.support.kubernetes import Cluster, find_kubernetes


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running API server."""
    programs = find_kubernetes()
    if isinstance(programs, MissingBinary):
        skip_or_fail(programs)
    with Cluster(programs) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A new one."""
    return cluster.namespace()


@pytest.fixture
def kubeconfig(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    """For somebody who may do everything, in that namespace."""
    return cluster.kubeconfig(tmp_path, namespace)
