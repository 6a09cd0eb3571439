"""Kill a pipeline again and again, in every stage and phase, and see that nothing of it is lost.

    python -m tests.chaos --instants 200 [--seed 0] [--profile smoke] [--threads 1] [--keep FOLDER]

The long form (`make chaos`): the whole DAG of a profile, first without a kill, then with; every finished pass must have
the same dvc.lock and the same files, byte for byte. Kills are aimed: each stage is hit while it starts, within its
loops, while its result is published and while DVC records it, by every signal and at every target; the instant within
a phase is random. Some kills are followed by a fault: a broken last state, a removed work folder, a full disk, a cache
that can't be written. tests/cli/test_chaos.py is the short form. Linux only (/proc).
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
from dataclasses import dataclass, field, replace
from pathlib import Path

from r1cli import params_file, pipeline

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# How long after a phase's begin a kill comes at most, and how many come in one pass.
PHASES = {"start": 4.0, "loop": 0.5, "publish": 0.25, "record": 0.6}
KILLS = {"start": 2, "loop": 6, "publish": 2, "record": 2}
SHORT = {"prompts": 2, "report": 2, "evaluate": 4}  # kills within their loops
TARGETS = ("r1", "dvc", "stage", "worker", "group", "everything")
FAULTS = ("broken state", "work folder removed", "disk full", "cache read-only")
RESUMED = re.compile(r"^(\S+): resumed (?:at step|with) (\d+) of (\d+).*: rows skipped (\d+), duplicated (\d+)")
AGAIN = re.compile(r"^(\S+): these inputs were computed before")
BEGUN = re.compile(r"exec r1 stage (\S+)")
BROKEN = re.compile(r"the (state|answers) saved .* broken")
UNREAPED = "is busy, it is being blocked by"
# What plain `dvc repro` can't get over. The guard (r1cli/guard.py) mends it unless it was killed too.
DVC_BROKEN = (
    "YAML file structure is corrupted",
    "JSON structure is corrupted",
    "'./dvc.lock' validation failed",
    "index.lock",
    "is invalid",
    UNREAPED,
)
MENDED = ("dvc.lock was cut off by a kill", "DVC's list of running commands", "a killed git had locked the index")
COMMANDS = {"r1": ("-m", "r1cli", "run", "all"), "dvc": ("-m", "dvc", "repro")}
# Loops long enough to be killed within, for the profile whose loops are the shortest.
LONGER = {
    "smoke": (
        "zero.steps=8", "grpo.steps=8", "align.steps=8", "student_zero.steps=6", "cold_sft.batch_size=1",
        "sft.batch_size=4", "students.small.distill.batch_size=4", "reward_model.train.batch_size=4",
        "students.small.base.pretrain.steps=40",
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What to kill, when and how; `fault`: what else goes wrong before the next attempt."""

    stage: str
    phase: str
    number: signal.Signals
    target: str
    fault: str = ""


@dataclass
class Cell:
    """Kills of one kind, and what became of them."""

    kills: int = 0
    ended: int = 0  # the pipeline ended of it; it doesn't of a Ctrl-C that only dvc gets
    resumed: int = 0  # went on from a saved state, or published what was finished
    within: int = 0  # of these from the middle of a loop
    equal: int = 0  # in passes that ended with the same bytes


@dataclass
class Tally:
    """What was done and seen. Cells by stage, phase and signal."""

    cells: dict[tuple[str, str, str], Cell] = field(default_factory=dict)
    targets: Counter[tuple[str, str]] = field(default_factory=Counter)  # by target and signal
    faults: Counter[str] = field(default_factory=Counter)  # that were told to the user and got over
    mended: Counter[str] = field(default_factory=Counter)  # what DVC or git had left half written, by who mended it
    plain: Counter[str] = field(
        default_factory=Counter
    )  # attempts of plain `dvc repro` after a kill, and how they went
    missed: int = 0  # aims that the pipeline was too quick for
    passes: int = 0

    @property
    def kills(self) -> int:
        return sum(cell.kills for cell in self.cells.values())

    def total(self, **wanted: str) -> Cell:
        """The sum of the cells of a stage (all its items), phase or signal."""
        summed = Cell()
        for (stage, phase, number), cell in self.cells.items():
            has = {"stage": stage.partition("@")[0], "phase": phase, "number": number}
            if all(has[key] == value for key, value in wanted.items()):
                for name, value in vars(cell).items():
                    setattr(summed, name, getattr(summed, name) + value)
        return summed

    def lines(self) -> list[str]:
        stages = list(dict.fromkeys(stage.partition("@")[0] for stage, _, _ in self.cells))
        told = "kills, of these resumed (of these from within a loop), equal"
        lines = [f"{self.kills} kills over {self.passes} whole passes; cells: {told}", ""]
        lines += [_row("stage", *PHASES, *(number.name for number in SIGNALS), "all")]
        lines += ["|" + " --- |" * (len(PHASES) + len(SIGNALS) + 2)]
        for stage in stages:
            phases = [self.total(stage=stage, phase=phase) for phase in PHASES]
            numbers = [self.total(stage=stage, number=number.name) for number in SIGNALS]
            lines += [_row(stage, *map(_cell, phases), *map(_cell, numbers), _cell(self.total(stage=stage)))]
        phases = [self.total(phase=phase) for phase in PHASES]
        numbers = [self.total(number=number.name) for number in SIGNALS]
        lines += [_row("all", *map(_cell, phases), *map(_cell, numbers), _cell(self.total())), ""]
        lines += [_row("kills at", *(number.name for number in SIGNALS)), "|" + " --- |" * (len(SIGNALS) + 1)]
        lines += [_row(target, *(str(self.targets[target, number.name]) for number in SIGNALS)) for target in TARGETS]
        lines += ["", f"pipelines that a kill ended: {self.total().ended}; aims that came too late: {self.missed}"]
        lines += [f"faults got over: {_listed(self.faults)}"]
        lines += [f"left half written by DVC or git: {_listed(self.mended)}"]
        return [*lines, f"plain `dvc repro` after a kill: {_listed(self.plain)}"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return f"{cell.kills}, {cell.resumed} ({cell.within}), {cell.equal}" if cell.kills else ""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def plan(stages: Sequence[str], rng: random.Random, *, faults: bool) -> list[Aim]:
    """The aims of one pass, in the stages' order: every phase, signals and targets in equal shares."""
    places = [
        (stage, phase)
        for stage in stages
        for phase in PHASES
        for _ in range(_within(stage) if phase == "loop" else KILLS[phase])
    ]
    numbers = [SIGNALS[i % len(SIGNALS)] for i in range(len(places))]
    targets = [TARGETS[i % len(TARGETS)] for i in range(len(places))]
    rng.shuffle(numbers)
    rng.shuffle(targets)
    aims = []
    for (stage, phase), number, target in zip(places, numbers, targets, strict=True):
        if phase == "record" and target in ("stage", "worker"):  # which have ended then
            target = rng.choice(("dvc", "group", "everything"))
        aims.append(Aim(stage=stage, phase=phase, number=number, target=target))
    within = [i for i, aim in enumerate(aims) if aim.phase == "loop" and _within(aim.stage) == KILLS["loop"]]
    for fault, i in zip(2 * FAULTS if faults else (), rng.sample(within, min(len(within), 8)), strict=False):
        aims[i] = replace(aims[i], number=signal.SIGKILL, target="everything", fault=fault)
    return aims


def _within(stage: str) -> int:
    return SHORT.get(stage.partition("@")[0], KILLS["loop"])


class Chaos:
    """A project folder under fire."""

    def __init__(self, folder: Path, *, seed: int, say: Callable[[str], None], faults: bool = True) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.say = say
        self.faults = faults
        self.tally = Tally()
        self.command = "r1"
        self.last: dict[str, Cell] = {}  # by stage, the last kill that no attempt has come after yet
        self.new: dict[str, Cell] = {}  # such kills in the attempt that runs
        self.here: list[Cell] = []  # the cells of this pass's kills
        self.broken: set[str] = set()  # stages whose last state was broken, which has not been told yet
        self.after = ""  # the target of the last kill, where the next attempt is the first after it
        self.mended = 0  # lines of the guards' log that were counted
        self.log = folder.parent / f"{folder.name}.log"
        self.log.touch()

    def run(self, instants: int, same: Callable[[Path], None]) -> Tally:
        """Kill `instants` times, then let it finish; `same` checks the folder after every finished pass."""
        stages = pipeline.serial_order(self.folder)
        while True:
            aims = plan(stages, self.rng, faults=self.faults)
            wanted = min(len(aims), instants - self.tally.kills)
            aims = [aims[place] for place in sorted(self.rng.sample(range(len(aims)), wanted))]
            while self._attempt(aims) != 0:
                pass
            same(self.folder)
            assert not self.broken, self.broken
            self.tally.missed += len(aims)
            self.tally.passes += 1
            for cell in self.here:
                cell.equal += 1
            self.here.clear()
            self.last.clear()
            self.say(f"pass {self.tally.passes} is the same after {self.tally.kills} kills")
            if self.tally.kills >= instants or self.tally.passes == 8:
                return self.tally
            reset(self.folder)
            self.mended = 0

    def _attempt(self, aims: list[Aim]) -> int:
        """Start the pipeline, carry out what is aimed at it, wait for its end; its exit code."""
        command, self.command = self.command, self.rng.choice(tuple(COMMANDS))
        self.log.unlink(missing_ok=True)  # an orphan may still write to the one before
        with self.log.open("wb") as file:
            top = subprocess.Popen(
                [sys.executable, *COMMANDS[command]],
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        began, killed, fault = time.time(), "", ""
        while top.poll() is None and not fault:
            aim = self._next(aims, self._current())
            if aim is None:
                time.sleep(0.02)
                continue
            if not self._reached(aim, top, began):
                continue
            self._wait(top, lambda: False, self.rng.uniform(0, PHASES[aim.phase]))
            if top.poll() is None and self._current() == aim.stage:
                phase = self._phase(aim.stage, began)
                if found := self._kill(aim, top.pid, command, phase):
                    aims.remove(aim)
                    killed, fault = found, aim.fault if phase == aim.phase else ""
                    if aim.fault and not fault:
                        self._postpone(aim.fault, aims)
                    self._wait(top, lambda: False, 0.5)
        code = top.wait(600)
        said = self.log.read_text(errors="replace")
        self._take(command, said, code, killed)
        if fault:
            self._suffer(fault, aim.stage if aim else "")
        return code

    def _postpone(self, fault: str, aims: list[Aim]) -> None:
        """A kill that came late, when the stage's work was done, leaves a fault to the next one within a loop."""
        for place, aim in enumerate(aims):
            if aim.phase == "loop" and not aim.fault and _within(aim.stage) == KILLS["loop"]:
                aims[place] = replace(aim, number=signal.SIGKILL, target="everything", fault=fault)
                return

    def _next(self, aims: list[Aim], stage: str) -> Aim | None:
        return next((aim for aim in aims if aim.stage == stage), None)

    def _current(self) -> str:
        """The stage that DVC ran last in this attempt."""
        found = BEGUN.findall(self.log.read_text(errors="replace"))
        return found[-1] if found else ""

    def _reached(self, aim: Aim, top: "subprocess.Popen[bytes]", began: float) -> bool:
        """Wait for an aim's phase; whether it came before the stage's end."""
        wanted = list(PHASES).index(aim.phase)

        def there() -> bool:
            return self._current() != aim.stage or list(PHASES).index(self._phase(aim.stage, began)) >= wanted

        self._wait(top, there, 300)
        return top.poll() is None and self._current() == aim.stage

    def _phase(self, stage: str, began: float) -> str:
        """How far a stage is that has begun in this attempt."""
        works = list((self.folder / ".r1" / "work" / stage).glob("*"))
        results = [work / "result.json" for work in works]
        if any(_newer(path, began) and b'"ok": true' in path.read_bytes() for path in results):
            return "publish" if processes(self.folder)["stage"] else "record"
        events = [work / "events.jsonl" for work in works]
        stepped = any(_newer(path, began) and b'"event": "step"' in path.read_bytes() for path in events)
        saved = any(_newer(path, began) for work in works for path in work.glob("steps/*/*/MANIFEST.json"))
        return "loop" if stepped or saved else "start"

    def _wait(self, top: "subprocess.Popen[bytes]", until: Callable[[], bool], at_most_s: float) -> None:
        end = time.monotonic() + at_most_s
        while top.poll() is None and time.monotonic() < end and not until():
            time.sleep(0.01)

    def _kill(self, aim: Aim, top: int, command: str, phase: str) -> str:
        """Send the signal; the target, or nothing where there was none."""
        target = command if aim.target == "r1" else aim.target
        found = processes(self.folder)
        pids = {
            "r1": [top],
            "dvc": found["dvc"],
            "stage": found["stage"],
            "worker": found["worker"],
            "group": [-top],
            "everything": [pid for group in found.values() for pid in group],
        }[target]
        if not pids:  # a worker that has not started, or has ended
            target, pids = "group", [-top]
        for pid in pids:
            try:
                os.kill(pid, aim.number) if pid > 0 else os.killpg(-pid, aim.number)
            except ProcessLookupError:
                continue
        cell = self.tally.cells.setdefault((aim.stage, phase, aim.number.name), Cell())
        cell.kills += 1
        self.here.append(cell)
        self.new[aim.stage] = cell
        self.tally.targets[target, aim.number.name] += 1
        what = f" ({aim.fault})" if aim.fault and phase == aim.phase else ""
        self.say(f"{self.tally.kills}: {aim.number.name} to {target} in {aim.stage}, {phase}{what}")
        return target

    def _take(self, command: str, said: str, code: int, killed: str) -> None:
        """Look at what an attempt said and left. The next one often comes before the orphans have ended."""
        for line in said.splitlines():
            if match := RESUMED.search(line):
                assert match[4] == match[5] == "0", line
                if cell := self.last.pop(match[1], None):
                    cell.resumed += 1
                    cell.within += match[2] != match[3]
            elif (match := AGAIN.search(line)) and (cell := self.last.pop(match[1], None)):
                cell.resumed += 1
        for stage in BEGUN.findall(said):
            self.last.pop(stage, None)
            if stage in self.broken and (re.search(f"(?m)^{stage}: {BROKEN.pattern}", said) or self._noted(stage)):
                self.broken.discard(stage)
                self.tally.faults["broken state, told"] += 1
        self.last.update(self.new)
        self.new.clear()
        self.tally.mended["mended by r1 run"] += sum(said.count(text) for text in MENDED)
        if killed and code != 0:
            self.here[-1].ended += 1
        if self.rng.random() < 0.5:
            wait_for_end(self.folder)
        self._count_guards()
        stuck = not killed and code != 0 and command == "dvc" and any(text in said for text in DVC_BROKEN)
        if command == "dvc" and self.after:
            whom = "everything" if self.after == "everything" else "anything less"
            self.tally.plain[f"after a kill of {whom}: {'stopped' if stuck else 'went on'}"] += 1
            # Or it began before the killed DVC's parent had reaped it, which no guard can hasten.
            assert not stuck or whom == "everything" or UNREAPED in said, said
        self.after = killed if code != 0 else ""
        if stuck:
            wait_for_end(self.folder)
            doctor = [sys.executable, "-m", "r1cli", "doctor"]
            told = subprocess.run(doctor, cwd=self.folder, env=environment(self.folder), capture_output=True, text=True)
            # A dead process that its parent had not reaped yet is gone by now: nothing is left to be mended then.
            reaped = UNREAPED in said and not any(text in told.stdout for text in MENDED)
            assert reaped or any(text in told.stdout for text in MENDED), said + told.stdout
            self.tally.mended["over by itself" if reaped else "mended by r1 doctor"] += 1
            self.command = "dvc"  # which goes on now
            return
        assert killed or code == 0, f"it failed without being killed:\n{said[-3000:]}"

    def _noted(self, stage: str) -> bool:
        """Whether a stage said that its state was broken to who shows it, and was killed before it was shown."""
        logs = (self.folder / ".r1" / "work" / stage).glob("*/events.jsonl")
        return any(BROKEN.search(path.read_text(errors="replace")) for path in logs)

    def _count_guards(self) -> None:
        path = self.folder / ".r1" / "mended.log"
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines[self.mended :]:
            self.tally.mended[f"mended by the guard: {line.partition(' ')[2].partition(' ')[0]}"] += 1
        self.mended = len(lines)

    def _suffer(self, fault: str, stage: str) -> None:
        """Do harm after a kill, and see that it is told and got over."""
        wait_for_end(self.folder)
        self.after = ""
        work = self.folder / ".r1" / "work" / stage
        if fault == "broken state":
            states = sorted(work.glob("*/steps/*/*/*.safetensors"), key=lambda path: path.stat().st_mtime)
            if not states:
                return
            content = bytearray(states[-1].read_bytes())
            content[len(content) // 2] ^= 1
            states[-1].write_bytes(bytes(content))
            self.broken.add(stage)
        elif fault == "work folder removed":
            shutil.rmtree(work)
            self.broken.discard(stage)
            self.tally.faults[fault] += 1
        else:
            place = work if fault == "disk full" else self.folder / ".dvc" / "cache"
            place.mkdir(parents=True, exist_ok=True)
            how = [["-t", "tmpfs", "-o", "size=32k", "tmpfs", str(place)]]
            if fault == "cache read-only":
                how = [["--bind", str(place), str(place)], ["-o", "remount,bind,ro", str(place)]]
            if any(subprocess.run(["mount", *arguments], capture_output=True).returncode for arguments in how):
                return  # not allowed here
            try:
                told = "No space left on device" if fault == "disk full" else "Read-only file system"
                self._fail(stage, told)
                self.tally.faults[f"{fault}, told"] += 1
            finally:
                subprocess.run(["umount", "-l", str(place)], check=True)

    def _fail(self, stage: str, told: str) -> None:
        """Run one stage without a kill, which fails and says why."""
        command = [sys.executable, "-m", "r1cli", "run", stage]
        done = subprocess.run(command, cwd=self.folder, env=environment(self.folder), capture_output=True, text=True)
        assert done.returncode == 1 and told in done.stdout + done.stderr, done.stdout + done.stderr


def _newer(path: Path, began: float) -> bool:
    try:
        return path.stat().st_mtime >= began
    except OSError:
        return False


def processes(folder: Path) -> dict[str, list[int]]:
    """The pipeline's processes in a folder, by role."""
    found: dict[str, list[int]] = {"r1": [], "dvc": [], "stage": [], "worker": [], "guard": []}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(entry / "cwd")) != folder:
                continue
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
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


def wait_for_end(folder: Path, *, within_s: float = 120.0) -> None:
    """Wait until nothing of the pipeline runs in a folder."""
    end = time.monotonic() + within_s
    while any(processes(folder).values()):
        assert time.monotonic() < end, f"still running: {processes(folder)}"
        time.sleep(0.05)


def environment(folder: Path) -> dict[str, str]:
    """This working tree's code in every process of a clone of it."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    kept = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "DVC_STAGE")}
    return {**kept, "PATH": path, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"}


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


def clone(folder: Path, profile: str, checkpoints: str, *, threads: int = 1, settings: Sequence[str] = ()) -> Path:
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
    (folder / "params.yaml").write_text(params_file.set_values(params, settings))
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
    parser.add_argument("--keep", type=Path, help="work here, and leave it; a whole run that is here is taken")
    given = parser.parse_args(arguments)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="r1-chaos-"))
    began = time.monotonic()
    # The reference saves nothing on the way, the others after every step: no result depends on it.
    made = {"threads": given.threads, "settings": LONGER.get(given.profile, ())}
    there = folder / "whole"
    finished = (there / "data" / "report").is_dir()
    expected = digests(there) if finished else whole(clone(there, given.profile, "{every_s: 1.0e+9}", **made))
    print(f"without a kill: {time.monotonic() - began:.0f} s, {len(expected)} files", flush=True)
    one = clone(folder / "killed", given.profile, "{every_s: 1.0e+9, every_steps: 1, keep: 2}", **made)
    chaos = Chaos(one, seed=given.seed, say=lambda text: print(text, flush=True))
    tally = chaos.run(given.instants, checker(expected))
    print("\n".join([*tally.lines(), f"all the same, in {time.monotonic() - began:.0f} s"]), flush=True)
    if not given.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
