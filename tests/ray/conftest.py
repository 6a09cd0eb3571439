"""A project whose stage goes to a real Ray cluster of two nodes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Place, place, template  # noqa: F401
from tests.dispatch.life import send_prompts
from tests.ray.cluster import Cluster, started

TOML = """\
executor = "ray"
gpus_per_node = 1
cpus_per_node = 1

[ray]
address = "{address}"
poll_s = 0.5
lease_s = 12.0
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    utils = pytest.importorskip("ray.cluster_utils", reason="no ray here: make test-ray")
    folder = Path(tempfile.mkdtemp(prefix="r1ray"))  # short: Ray keeps sockets in it
    try:
        with started(utils, folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(place: Place, cluster: Cluster) -> Place:  # noqa: F811
    cluster.add()
    send_prompts(place, TOML.format(address=cluster.address))
    return place
