"""A Ray cluster of two nodes on this machine, for as long as the tests run."""

import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

MEMORY = 100 * 1024 * 1024  # bytes of a node's object store: nothing is put there


class Cluster:
    """A head with a GPU, and a node with another and the resource `away`; neither GPU is real."""

    def __init__(self, utils: ModuleType, folder: Path) -> None:
        (folder / "ray").mkdir()
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(folder)}
        head = {
            "num_cpus": 2,
            "num_gpus": 1,
            "object_store_memory": MEMORY,
            "include_dashboard": True,
            "dashboard_port": 0,
        }
        self._cluster: Any = utils.Cluster(initialize_head=True, head_node_args=head)
        self.away: Any = None
        self.add()
        self.address = f"http://{self._cluster.head_node.webui_url}"

    def add(self) -> None:
        """Add the second node, if it isn't there."""
        if self.away is None:
            self.away = self._cluster.add_node(
                num_cpus=2, num_gpus=1, object_store_memory=MEMORY, resources={"away": 1}
            )
            self._cluster.wait_for_nodes()

    def lose(self) -> None:
        """Kill the second node without a word to its jobs."""
        self._cluster.remove_node(self.away, allow_graceful=False)
        self.away = None

    def end(self) -> None:
        self._cluster.shutdown()

    def ready(self) -> None:
        """Wait until jobs are taken."""
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/api/jobs/", timeout=10).read()
                return
            except OSError:
                assert time.monotonic() < deadline, f"Ray's dashboard does not answer at {self.address}"
                time.sleep(0.2)


@contextmanager
def started(utils: ModuleType, folder: Path) -> Iterator[Cluster]:
    """Start a cluster, and end it afterwards."""
    cluster = Cluster(utils, folder)
    try:
        cluster.ready()
        yield cluster
    finally:
        cluster.end()
