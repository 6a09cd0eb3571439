"""Starting what the tests here start: `torchrun` over this machine's CPUs."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(processes: int, module: str, *arguments: str) -> "subprocess.Popen[str]":
    """`python -m MODULE ARGUMENTS` in so many processes; 0: without torchrun."""
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"] if processes else []
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", *torchrun, module, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: "subprocess.Popen[str]", *, codes: Sequence[int] = (0,)) -> str:
    """Wait for its end; what it said."""
    said = process.communicate(timeout=300)[0]
    assert process.returncode in codes, said[-6000:]
    return said
