"""A project whose stage goes to a real Slurm of two nodes."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Place, place, template  # noqa: F401
from tests.dispatch.life import send_prompts
from tests.slurm import cluster as clusters
from tests.slurm.cluster import Cluster

TOML = """\
executor = "slurm"
cpus_per_node = 2
memory_gb = 1

[slurm]
partition = "low"
poll_s = 0.5
lease_s = 12.0
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    lacking = clusters.missing()
    if lacking:
        pytest.skip(f"no Slurm on this machine ({', '.join(lacking)}); CONTRIBUTING.md says how to install it")
    with clusters.started(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture
def project(place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:  # noqa: F811
    """The stage `prompts` asks for a GPU, so that it goes where r1.toml says."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    send_prompts(place, TOML)
    yield place
    cluster.mend()
