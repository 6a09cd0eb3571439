"""A model that is spread over two processes of vLLM (`tensor_parallel: 2`): what it says is the policy's, and weights arrive."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.contract.team import cores
from tests.vllm.world import CLOSE

pytestmark = pytest.mark.vllm


@pytest.mark.skipif(cores() < 2, reason="each process wants a core of its own")
@pytest.mark.parametrize("where", ["inside", "served"])
def test_weights_reach_every_part(tmp_path: Path, where: str) -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    process = subprocess.run(
        [sys.executable, "-m", "tests.vllm.tensor_parallel", where, tmp_path / "model"],
        env={**os.environ, "VLLM_CPU_OMP_THREADS_BIND": f"{first}|{second}"},  # vLLM wants a NUMA node for each else
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    gaps = json.loads(process.stdout.splitlines()[-1])
    assert gaps["as started"] < CLOSE and gaps["renewed"] < CLOSE and gaps["stale"] > 0.1
