"""One command on several nodes of a Ray cluster, all at once, as `srun --label --kill-on-bad-exit` does on Slurm.

    python -m r1cli.dispatch.spread NODES BUNDLE -- COMMAND...

BUNDLE: what each node gives, as JSON. In the command, `HEAD:PORT` becomes the first node's address and a free port there,
IS_HEAD true on that node and false on the others (whether an address is its own, a node can't always tell), and
NODE_NUMBER the node's number, from 0.
The nodes' lines come out here, each under its node's number. The first node that fails ends the others, and its exit
code is this one's. Runs on the cluster, with ray.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from types import FrameType

from stages.contract.stopping import SIGNALS, end_with_parent

_POLL_S = 0.2


class Node:
    """A command on one node, in a session of its own, so that it can be told as one."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._code: int | None = None

    def rendezvous(self) -> str:
        """This node's address, and a port that is free there."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"

    def run(self, command: Sequence[str], cwd: str) -> Iterator[str]:
        """Start the command; its lines, until it ends."""
        self._child = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=partial(end_with_parent, os.getpid()),
        )
        assert self._child.stdout is not None
        for line in self._child.stdout:  # no `yield from`: Ray sends values into generators, which files don't take
            yield line.rstrip()
        self._code = self._child.wait()

    def code(self) -> int | None:
        """The command's exit code, once its lines have been read."""
        return self._code

    def tell(self, number: int) -> None:
        """Send the command a signal, if it runs."""
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, number)


def main(arguments: list[str]) -> int:
    """Run the command on the nodes; returns the exit code."""
    import ray
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    count, bundle = int(arguments[0]), json.loads(arguments[1])
    command = arguments[3:]
    told: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        told.append(number)

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    for number in SIGNALS:  # after ray, which sets handlers of its own
        signal.signal(number, hear)
    group = placement_group([bundle] * count, strategy="STRICT_SPREAD")
    while not group.wait(_POLL_S):
        if told:
            return 128 + told[0]
    others = {name: amount for name, amount in bundle.items() if name not in ("CPU", "GPU", "memory")}
    nodes = [
        ray.remote(Node)
        .options(
            num_cpus=bundle.get("CPU", 0),
            num_gpus=bundle.get("GPU", 0),
            memory=bundle.get("memory"),
            resources=others or None,
            max_concurrency=4,  # it is told to stop while it runs
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=place),
        )
        .remote()
        for place in range(count)
    ]
    head = ray.get(nodes[0].rendezvous.remote())
    codes: dict[int, int] = {}

    def follow(place: int) -> None:
        try:
            here = {"HEAD:PORT": head, "IS_HEAD": str(place == 0).lower(), "NODE_NUMBER": str(place)}
            own = [reduce(lambda text, name: text.replace(name, here[name]), here, word) for word in command]
            lines = nodes[place].run.options(num_returns="streaming").remote(own, os.getcwd())
            for line in lines:
                print(f"{place}: {ray.get(line)}", flush=True)
            code = ray.get(nodes[place].code.remote())
        except ray.exceptions.RayError as error:
            print(f"{place}: {str(error).strip().splitlines()[-1]}", flush=True)
            code = 1
        if code:
            print(f"spread: error: task {place}: exited with code {code}", flush=True)
        codes[place] = code

    threads = [threading.Thread(target=follow, args=(place,), daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    ending = 0.0
    while any(thread.is_alive() for thread in threads):
        failed = next((code for code in codes.values() if code), 0)
        if not ending and (told or failed):
            ending = time.monotonic()
            for node in nodes:
                node.tell.remote(told[0] if told else signal.SIGKILL)
        time.sleep(_POLL_S)
    return next((code if code > 0 else 128 - code for code in codes.values() if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
