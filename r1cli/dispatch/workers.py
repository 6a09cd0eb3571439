"""Several workers of one stage on this machine: each takes pieces of its work until none is left (stages/contract/pieces.py).

    python -m r1cli.dispatch.workers COUNT [--first BOOL] -- COMMAND...

The first worker of the first node leads: it writes what the stage makes, its exit code is this process's, and its end
ends the others. A worker that only helps may die: what it had begun is taken over. Each is shown its share of the GPUs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from types import FrameType

from r1cli.dispatch.local import end_with_parent
from stages.contract.pieces import WORKER
from stages.contract.stopping import SIGNALS

_POLL_S = 0.2
_GPUS = "CUDA_VISIBLE_DEVICES"


def environment_of(place: int, count: int, node: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What worker `place` of `count` on a node is told: its number, and its own GPUs of those that the node shows.

    >>> environment_of(1, 2, 3, {"CUDA_VISIBLE_DEVICES": "4,5,6,7"})
    {'CUDA_VISIBLE_DEVICES': '6,7', 'R1_WORKER': '7'}
    """
    shown = [name for name in environment.get(_GPUS, "").split(",") if name] or [str(gpu) for gpu in range(count)]
    share = max(1, len(shown) // count)
    own = shown[place * share : (place + 1) * share]
    return {**environment, _GPUS: ",".join(own), WORKER: str(node * count + place)}


def main(arguments: list[str]) -> int:
    """Run the workers; returns the exit code."""
    count = int(arguments[0])
    command = arguments[arguments.index("--") + 1 :]
    node = int(os.environ.get("SLURM_NODEID", "0"))
    if arguments[1] == "--first":
        node = 0 if arguments[2] == "true" else 1
    told: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        told.append(number)

    for number in SIGNALS:
        signal.signal(number, hear)
    workers = [
        subprocess.Popen(
            command,
            env=environment_of(place, count, node, os.environ),
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
