"""From one command to the processes of a job: torchrun, or workers, on every node, where a stage is one process a GPU."""

from r1cli.dispatch import workers
from r1cli.dispatch.job import JobSpec


def on_each_node(
    spec: JobSpec, *, rendezvous: str = "", run: str = "", is_host: str = "", node: str = ""
) -> tuple[str, ...]:
    """The command that is to be started once on every node.

    `rendezvous` is host:port of the first node and `run` a name for this run, both as torchrun takes them; one node
    needs neither. `is_host`: whether the first node is this one; without it, torchrun looks at the host's name. `node`:
    this node's number; without it, workers ask Slurm's environment.

    >>> from pathlib import Path
    >>> from r1cli.dispatch.job import Resources
    >>> one = JobSpec(name="sft", argv=("python", "-m", "stages.sft", "/w"), cwd=Path("/p"), work=Path("/w"), env={},
    ...     resources=Resources(gpus_per_node=8), distributed=True)
    >>> print(*on_each_node(one))
    python -m torch.distributed.run --standalone --nproc-per-node=8 -m stages.sft /w
    """
    if spec.resources.nodes * spec.processes_per_node == 1:
        return spec.argv
    python, *program = spec.argv
    if spec.gpus_per_worker:
        given = (f"--gpus={spec.gpus_per_worker}", *([f"--node={node}"] if node else []))
        return (python, "-m", workers.__name__, str(spec.processes_per_node), *given, "--", *spec.argv)
    where = (
        ("--standalone",)
        if spec.resources.nodes == 1
        else (
            f"--nnodes={spec.resources.nodes}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={rendezvous}",
            f"--rdzv-id={run}",
            *([f"--rdzv-conf=is_host={is_host}"] if is_host else []),
        )
    )
    return (python, "-m", "torch.distributed.run", *where, f"--nproc-per-node={spec.processes_per_node}", *program)
