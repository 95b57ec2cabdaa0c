"""One API server for all tests here, whatever process they run in, and a namespace for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import directory_of_run, skip_or_fail
from tests.support.binaries import MissingBinary
from tests.support.kubernetes import Cluster, find_kubernetes
from tests.support.shared import shared


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The API server of this run."""
    programs = find_kubernetes()
    if isinstance(programs, MissingBinary):
        skip_or_fail(programs)
    place = directory_of_run(tmp_path_factory)
    with shared("tests.support.kubernetes:ApiServer", place) as about, closing(Cluster(about)) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A new one."""
    return cluster.namespace()


@pytest.fixture
def kubeconfig(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    """For somebody who may do everything, in that namespace."""
    return cluster.kubeconfig(tmp_path, namespace)
