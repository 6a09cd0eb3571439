"""Several workers of one stage on this machine: each takes pieces of its work until none is left (stages/contract/pieces.py).

    python -m r1cli.dispatch.workers COUNT [--gpus EACH] [--node NUMBER] -- COMMAND...

The first worker of the first node leads: it writes what the stage makes, its exit code is this process's, and its end
ends the others. A worker that only helps may die: what it had begun is taken over. Each is shown its share of the GPUs.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from types import FrameType

from stages.contract.pieces import WORKER
from stages.contract.stopping import SIGNALS, end_with_parent

_POLL_S = 0.2
_GPUS = "CUDA_VISIBLE_DEVICES"


def environment_of(
    place: int, count: int, node: int, environment: Mapping[str, str], *, gpus: int = 1
) -> dict[str, str]:
    """What worker `place` of `count` on a node is told: its number, and its `gpus` of those that the node shows.

    >>> environment_of(1, 2, 3, {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}, gpus=2)
    {'CUDA_VISIBLE_DEVICES': '6,7', 'R1_WORKER': '7'}
    """
    shown = [name for name in environment.get(_GPUS, "").split(",") if name] or [
        str(gpu) for gpu in range(count * gpus)
    ]
    own = shown[place * gpus : (place + 1) * gpus]
    return {**environment, _GPUS: ",".join(own), WORKER: str(node * count + place)}


def main(arguments: list[str]) -> int:
    """Run the workers; returns the exit code."""
    parser = argparse.ArgumentParser(prog="workers")
    parser.add_argument("count", type=int)
    parser.add_argument("--gpus", type=int, default=1, help="of each worker")
    parser.add_argument("--node", type=int, default=int(os.environ.get("SLURM_NODEID", "0")), help="of the job, from 0")
    end = arguments.index("--")
    given, command = parser.parse_args(arguments[:end]), arguments[end + 1 :]
    count, node = given.count, given.node
    told: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        told.append(number)

    for number in SIGNALS:
        signal.signal(number, hear)
    workers = [
        subprocess.Popen(
            command,
            env=environment_of(place, count, node, os.environ, gpus=given.gpus),
            preexec_fn=partial(end_with_parent, os.getpid()),
        )
        for place in range(count)
    ]
    awaited = workers[:1] if node == 0 else workers
    passed = 0
    while any(worker.poll() is None for worker in awaited):
        for heard in told[passed:]:
            for worker in workers:
                if worker.poll() is None:
                    worker.send_signal(heard)
        passed = len(told)
        time.sleep(_POLL_S)
    for worker in workers:
        if worker.poll() is None:
            worker.kill()  # the leader has all pieces: what it still does is done twice
            worker.wait()
    if node:
        return 0
    code = workers[0].returncode
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
