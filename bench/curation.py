"""Curation at scale: speed, peak memory, growth; beside datatrove and Hugging Face datasets.

    python bench/curation.py [--rows 800000] [--peer-rows 100000] [--turns 3] [--folder FOLDER]

Synthetic traces (bench/traces.py) go through all filters, exact and near-duplicate removal, decontamination against
1,000 problems and the caps, on two cores, once with ROWS and once with twice as many. The peers do the same filters and
MinHash with 128 slots on fewer rows, in turns with r1, which does so once without decontamination and caps, as they
have none here, and once with all; medians are shown. They live in an environment of their own (make bench makes it); without it they are
left out. Limits are those of issue 6. FOLDER needs about 8 KB a row.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from traces import write

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
OURS = "r1, the peers' part"
SCRIPTS = {"datatrove": "with_datatrove.py", "Hugging Face datasets": "with_datasets.py"}
CORES = 2


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of a command and all its processes: seconds, processor seconds, and the most memory at a time in GB."""

    wall_s: float
    cpu_s: float
    peak_gb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=800_000)
    parser.add_argument("--peer-rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.peer_rows:
            beside_peers(folder, arguments.peer_rows, arguments.turns)
        if arguments.rows:
            at_scale(folder, arguments.rows)


def beside_peers(folder: Path, rows: int, turns: int) -> None:
    size = made(folder / "traces", rows)
    print(f"{rows:,} traces of {size / rows / 1e3:.2f} KB on average, {CORES} cores, median of {turns}")
    results: dict[str, list[Figures]] = {}
    for _ in range(turns):
        results.setdefault(OURS, []).append(ours(folder, "part"))
        results.setdefault("r1, all", []).append(ours(folder, "all"))
        for peer, script in SCRIPTS.items() if PEERS.exists() else ():
            command = [str(PEERS), str(ROOT / "bench" / "peers" / script), str(folder / "traces"), str(folder / "out")]
            results.setdefault(peer, []).append(measured(command, folder / "out"))
    middle = {name: median(found) for name, found in results.items()}
    report(middle, size)
    if peers := [middle[peer] for peer in SCRIPTS if peer in middle]:
        wall, cpu = min(p.wall_s for p in peers), min(p.cpu_s for p in peers)
        print(
            f"r1 is {wall / middle[OURS].wall_s:.1f} times as fast as the faster peer, and takes "
            f"1/{cpu / middle[OURS].cpu_s:.1f} of its processor time (wanted: 3)"
        )
    shutil.rmtree(folder / "traces")


def median(found: list[Figures]) -> Figures:
    return Figures(**{name: statistics.median(asdict(one)[name] for one in found) for name in asdict(found[0])})


def at_scale(folder: Path, rows: int) -> None:
    results, sizes = {}, {}
    for count in (rows, 2 * rows):
        size = made(folder / "traces", count)
        results[f"r1, {count:,} rows"] = ours(folder, "all")
        sizes[count] = size
    print(f"at scale: {sizes[rows] / 1e9:.2f} and {sizes[2 * rows] / 1e9:.2f} GB of text")
    for (name, found), size in zip(results.items(), sizes.values(), strict=True):
        report({name: found}, size)
    once, twice = results.values()
    print(
        f"twice the rows: {twice.wall_s / once.wall_s:.2f} times the time, {twice.peak_gb / once.peak_gb:.2f} of the memory"
    )
    kept = {"4 GB": once.peak_gb <= 4, "1.2 times the memory": twice.peak_gb / once.peak_gb <= 1.2}
    print("limits: " + ", ".join(f"{limit} ({'kept' if holds else 'not kept'})" for limit, holds in kept.items()))


def report(results: dict[str, Figures], size: int) -> None:
    for name, found in results.items():
        print(
            f"  {name:<24}{found.wall_s:>9.1f} s{size / 1e6 / found.wall_s:>8.2f} MB/s{found.cpu_s:>9.1f} CPU-s"
            f"{size / 1e6 / found.cpu_s:>8.2f} MB/CPU-s{found.peak_gb:>7.2f} GB"
        )


def made(folder: Path, rows: int) -> int:
    """Traces in a folder; their bytes. Those that are there already are the first ones of more."""
    return write(folder, rows)


def ours(folder: Path, what: str) -> Figures:
    return measured(
        [
            sys.executable,
            __file__.replace("curation.py", "curated.py"),
            str(folder / "traces"),
            str(folder / "out"),
            what,
        ],
        folder / "out",
    )


def measured(command: list[str], out: Path) -> Figures:
    """Run a command on two cores, looking at all its processes ten times a second."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    begin, peak, used = time.monotonic(), 0, dict[int, int]()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "POLARS_MAX_THREADS": str(CORES),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    with (out / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        os.sched_setaffinity(process.pid, cores)
        while process.poll() is None:
            found = tree(process.pid)
            peak = max(peak, sum(size for size, _ in found.values()))
            used |= {pid: ticks for pid, (_, ticks) in found.items()}
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(out / 'log').read_text()[-3000:]}")
    wall_s = time.monotonic() - begin
    shutil.rmtree(out)
    return Figures(wall_s=wall_s, cpu_s=sum(used.values()) / os.sysconf("SC_CLK_TCK"), peak_gb=peak / 1e9)


def tree(pid: int) -> dict[int, tuple[int, int]]:
    """Bytes of memory and processor ticks of a process and of each below it. Memory that they share counts for each."""
    children: dict[int, list[int]] = {}
    figures: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        figures[int(path.name)] = int(stat[21]) * os.sysconf("SC_PAGE_SIZE"), int(stat[11]) + int(stat[12])
        children.setdefault(int(stat[1]), []).append(int(path.name))
    found, waiting = {}, [pid]
    while waiting:
        one = waiting.pop()
        if one in figures:
            found[one] = figures[one]
        waiting += children.get(one, [])
    return found


if __name__ == "__main__":
    main()
