"""Kill a pipeline again and again, at random instants, and see that nothing of it is lost.

    python -m tests.chaos --instants 200 [--seed 0] [--profile smoke] [--threads 1] [--keep FOLDER]

The long form (`make chaos`): the whole DAG of a profile, first without a kill, then with; every finished pass must have
the same dvc.lock and the same files, byte for byte. tests/cli/test_chaos.py is the short form. Linux only (/proc).
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
TARGETS = ("r1", "dvc", "stage", "worker", "group", "everything")
RESUMED = re.compile(r"resumed (?:at step|with) (\d+) of (\d+).*: rows skipped (\d+), duplicated (\d+)")
# What plain `dvc repro` can't get over, and `r1 run` puts right (r1cli/mend.py).
DVC_BROKEN = (
    "YAML file structure is corrupted",
    "JSON structure is corrupted",
    "index.lock",
    "is invalid",
    "is busy, it is being blocked by",
)
MENDED = (
    "dvc.lock was cut off by a kill", "DVC's list of running commands", "a killed git had locked the index",
)  # fmt: skip
COMMANDS = {"r1": ("-m", "r1cli", "run", "all"), "dvc": ("-m", "dvc", "repro")}


@dataclass
class Tally:
    """What was done and seen."""

    kills: Counter[str] = field(default_factory=Counter)  # by signal and target
    stages: Counter[str] = field(default_factory=Counter)  # by the stage that ran when it was killed
    resumed: Counter[str] = field(default_factory=Counter)  # by stage
    passes: int = 0
    mended: int = 0  # times that `r1 run` had to put right what DVC or git left half written

    def lines(self) -> list[str]:
        return [
            f"kills: {self.kills.total()} over {self.passes} whole passes",
            "by signal and target: " + ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items())),
            "by stage: " + ", ".join(f"{name} {count}" for name, count in sorted(self.stages.items())),
            f"resumed on the way: {self.resumed.total()} ("
            + ", ".join(f"{name} {count}" for name, count in sorted(self.resumed.items()))
            + ")",
            f"left half written by DVC or git, and mended: {self.mended}",
        ]


class Chaos:
    """A project folder under fire."""

    def __init__(self, folder: Path, *, seed: int, wait_s: float, say: Callable[[str], None]) -> None:
        """`wait_s`: how long it waits at most before a kill, once the work has begun."""
        self.folder = folder
        self.rng = random.Random(seed)
        self.wait_s = wait_s
        self.say = say
        self.tally = Tally()
        self.command = "r1"

    def run(self, instants: int, same: Callable[[Path], None]) -> Tally:
        """Kill `instants` times, then let it finish; `same` checks the folder after every finished pass."""
        while True:
            code, said = self._attempt(kill=self.tally.kills.total() < instants)
            if code != 0:
                continue
            same(self.folder)
            self.tally.passes += 1
            self.say(f"pass {self.tally.passes} is the same after {self.tally.kills.total()} kills")
            if self.tally.kills.total() >= instants:
                return self.tally
            reset(self.folder)

    def _attempt(self, *, kill: bool) -> tuple[int, str]:
        """Start the pipeline, perhaps kill something of it, wait for its end."""
        log = self.folder.parent / f"{self.folder.name}.log"
        with log.open("wb") as file:
            top = subprocess.Popen(
                [sys.executable, *COMMANDS[self.command]],
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        killed = False
        while kill and top.poll() is None:
            if not self.tally.kills or self.rng.random() < 0.5:  # aim at the work; the other instants fall anywhere
                self._wait(top, until=self._something_to_resume, at_most_s=20 * self.wait_s)
                longest = 0.1 * self.wait_s
            else:
                longest = self.wait_s
            self._wait(top, until=lambda: False, at_most_s=self.rng.uniform(0, longest))
            if top.poll() is None:
                killed = self._kill(top.pid) or killed
                try:
                    top.wait(0.5 if killed else 0)
                except subprocess.TimeoutExpired:
                    continue  # it goes on, as `dvc` does after a Ctrl-C that only it gets
        code = top.wait()
        said = log.read_text(errors="replace")
        self._take(said, code, killed)
        return code, said

    def _wait(self, top: subprocess.Popen[bytes], *, until: Callable[[], bool], at_most_s: float) -> None:
        end = time.monotonic() + at_most_s
        while top.poll() is None and time.monotonic() < end and not until():
            time.sleep(0.02)

    def _something_to_resume(self) -> bool:
        return bool(processes(self.folder)["worker"]) and any(self.folder.glob(".r1/work/*/*/steps/*/*/MANIFEST.json"))

    def _kill(self, top: int) -> bool:
        found = processes(self.folder)
        number, target = self.rng.choice(SIGNALS), self.rng.choice(TARGETS)
        if not self.tally.kills:  # one that certainly leaves something to resume
            number, target = signal.SIGKILL, "everything"
        pids = {
            "r1": [top],
            "dvc": found["dvc"],
            "stage": found["stage"],
            "worker": found["worker"],
            "group": [-top],
            "everything": [pid for group in found.values() for pid in group],
        }[target]
        if not pids:
            return False
        running = stage_of(found)
        for pid in pids:
            try:
                os.kill(pid, number) if pid > 0 else os.killpg(-pid, number)
            except ProcessLookupError:
                continue
        self.tally.kills[f"{number.name} {target}"] += 1
        self.tally.stages[running] += 1
        self.say(f"{self.tally.kills.total()}: {number.name} to {target} in {running}")
        return True

    def _take(self, said: str, code: int, killed: bool) -> None:
        """Look at what an attempt said; orphans must be gone before long, often they are given no time at all."""
        for line in said.splitlines():
            if match := RESUMED.search(line):
                assert match[3] == match[4] == "0", line
                self.tally.resumed[line.partition(":")[0]] += 1
        if self.rng.random() < 0.5:
            wait_for_end(self.folder)
        broken = code != 0 and not killed
        if broken and self.command == "dvc" and any(text in said for text in DVC_BROKEN):
            self.command = "r1"
            return
        self.tally.mended += sum(said.count(what) for what in MENDED)
        assert not broken, f"it failed without being killed:\n{said[-3000:]}"
        self.command = self.rng.choice(tuple(COMMANDS))


def processes(folder: Path) -> dict[str, list[int]]:
    """The pipeline's processes in a folder, by role."""
    found: dict[str, list[int]] = {"r1": [], "dvc": [], "stage": [], "worker": [], "guard": []}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(os.readlink(entry / "cwd")) != folder:
                continue
        except OSError:
            continue
        pid = int(entry.name)
        if "r1cli.guard" in words:
            found["guard"].append(pid)
        elif any(word.startswith("stages.") for word in words):
            found["worker"].append(pid)
        elif "stage" in words:
            found["stage"].append(pid)
        elif "dvc" in words:
            found["dvc"].append(pid)
        elif "r1cli" in words:
            found["r1"].append(pid)
    return found


def stage_of(found: dict[str, list[int]]) -> str:
    """The name of the stage that runs, or what else is going on."""
    for pid in found["stage"]:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        return words[words.index("stage") + 1] if "stage" in words[:-1] else "starting"
    return "between stages"


def wait_for_end(folder: Path, *, within_s: float = 60.0) -> None:
    """Wait until nothing of the pipeline runs in a folder."""
    end = time.monotonic() + within_s
    while any(processes(folder).values()):
        assert time.monotonic() < end, f"still running: {processes(folder)}"
        time.sleep(0.05)


def environment(folder: Path) -> dict[str, str]:
    """This working tree's code in every process of a clone of it."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    kept = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DVC_STAGE")}
    return {**kept, "PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def reset(folder: Path) -> None:
    """A project as it was before its first run."""
    wait_for_end(folder)
    for name in (".r1", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in (folder / "data").glob("*"):
        if path.name != "imports":
            shutil.rmtree(path)
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / ".git" / "index.lock").unlink(missing_ok=True)
    subprocess.run(["git", "reset", "-q"], cwd=folder, check=True)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of dvc.lock and of every file that the stages wrote."""
    files = [folder / "dvc.lock", *(path for path in (folder / "data").rglob("*") if path.is_file())]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "imports" not in path.parts
    }


def clone(folder: Path, profile: str, checkpoints: str, *, threads: int = 1) -> Path:
    """This working tree's tracked and new files as a fresh project, its code locks renewed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("dvc.lock", "data/metrics", "data/plots")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    params = (ROOT / "profiles" / f"{profile}.yaml").read_text()
    params, count = re.subn(r"(?m)^checkpoints: \{.*?\}", f"checkpoints: {checkpoints}", params)
    assert count == 1
    params = re.sub(r"(?m)^threads: \d+", f"threads: {threads}", params)
    (folder / "params.yaml").write_text(params)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "r1cli", "code-lock"], cwd=folder, env=environment(folder), check=True)
    for command in (["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "c"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def whole(folder: Path) -> dict[str, str]:
    """Run a project without a kill; the digests of what it wrote."""
    done = subprocess.run(
        [sys.executable, *COMMANDS["r1"]], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return digests(folder)


def checker(expected: dict[str, str]) -> Callable[[Path], None]:
    """Asserts that a folder holds exactly these files."""

    def same(folder: Path) -> None:
        found = digests(folder)
        assert sorted(found) == sorted(expected), sorted(set(found) ^ set(expected))
        assert [name for name in expected if found[name] != expected[name]] == []

    return same


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--instants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work here, and leave it")
    given = parser.parse_args(arguments)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="r1-chaos-"))
    began = time.monotonic()
    # The reference saves nothing on the way, the others after every step: no result depends on it.
    expected = whole(clone(folder / "whole", given.profile, "{every_s: 1.0e+9}", threads=given.threads))
    took = time.monotonic() - began
    print(f"without a kill: {took:.0f} s, {len(expected)} files", flush=True)
    every_step = "{every_s: 1.0e+9, every_steps: 1, keep: 2}"
    one = clone(folder / "killed", given.profile, every_step, threads=given.threads)
    chaos = Chaos(one, seed=given.seed, wait_s=max(4.0, took / 12), say=lambda text: print(text, flush=True))
    tally = chaos.run(given.instants, checker(expected))
    print("\n".join([*tally.lines(), f"all the same, in {time.monotonic() - began:.0f} s"]), flush=True)
    if not given.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
