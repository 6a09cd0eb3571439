"""A process that sifts shards: `python -m stages.curate.worker PLAN FOLDER`, one thread. It ends with its starter."""

import os
import subprocess
import sys
from pathlib import Path


def start(plan: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a worker on a plan's file and a store's folder."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part),
        "POLARS_MAX_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "stages.curate.worker", str(plan), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def main() -> None:
    from stages.curate.shards import Plan, Store, sift_claimed

    plan, folder, starter = Path(sys.argv[1]), Path(sys.argv[2]), os.getppid()
    sift_claimed(Plan.read(plan.read_text()), Store(folder), alive=lambda: os.getppid() == starter)


if __name__ == "__main__":
    main()
