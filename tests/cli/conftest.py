"""A small project with real git and DVC, whose stages are quick fakes of the real ones' form."""

import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from r1cli import code_lock
from r1cli.app import main

ROOT = Path(__file__).parents[2]
DVC_YAML = """\
stages:
  prompts:
    cmd: exec r1 stage prompts
    deps: [stages/code.lock/prompts, mode.txt]
    params: [seed]
    outs: [data/prompts]
    metrics:
      - data/metrics/prompts.json: {cache: false}
  zero:
    cmd: exec r1 stage zero
    deps: [stages/code.lock/zero, data/prompts]
    params: [seed, threads]
    outs: [data/zero]
    metrics:
      - data/metrics/zero.json: {cache: false}
    plots:
      - data/plots/zero/curve.tsv: {cache: false}
  distill:
    foreach: {small: 1, big: 2}
    do:
      cmd: exec r1 stage distill@${key}
      deps: [stages/code.lock/distill, data/zero/rows.txt]
      params: [seed]
      outs: ["data/distill/${key}"]
      metrics:
        - data/metrics/distill-${key}.json: {cache: false}
"""
PARAMS = """\
profile: tiny
seed: 1 # the seed
threads: 1
rollout: {engine: embedded, template: tiny, batch: 8}
"""
STAGE = '''\
"""A stage."""

import os
import sys
import time

from stages.contract.errors import UserError
from stages.contract.job import start


def main(params, paths, report):
    project = paths.data.parent
    mode = (project / "mode.txt").read_text().strip()
    with (project / "calls.log").open("a") as calls:
        calls.write("NAME" + paths.item + "\\n")
    report.phase("work", total=2)
    report.step(1, {"reward": 0.5}, why={"correct": 1})
    (paths.out / "deep").mkdir()
    (paths.out / "deep" / "state.txt").write_text("x")
    if mode == "wrong":
        raise UserError("the rows are wrong", hint="mend the rows")
    if mode == "bug":
        raise KeyError("inner")
    if mode == "die":
        sys.stderr.write("last words\\n")
        os._exit(7)
    if mode == "hang":
        time.sleep(60)
    slow = project / "slow"
    if slow.exists() and slow.read_text() == paths.item:
        time.sleep(4)
    if mode in ("loop", "long step"):
        stopping = paths.attempt.stopping
        with stopping.under_way():
            report.note("begun")
            for _ in range(600):
                time.sleep(0.1 if mode == "loop" else 60)
                if stopping.number:
                    (project / "saved").touch()
                    stopping.committed()
    if mode != "mute":
        (paths.out / "rows.txt").write_text(f"{params.seed}{mode}")
        paths.write_metrics({"rows": params.seed})
    paths.write_curve("curve", [{"step": 1, "reward": 0.5}])
    report.step(2, {"reward": 1.0})


start(main)
'''
PATIENCE_S = 120.0  # for processes on a machine that is very busy
MODULES = ("prompts", "zero", "distill")


@dataclass(frozen=True, kw_only=True)
class Place:
    """The project's folder, and what tests do in it."""

    root: Path

    def r1(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_script("r1"), *arguments],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def start(self, *command: str, own_group: bool = False) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=own_group,
        )

    def calls(self) -> list[str]:
        log = self.root / "calls.log"
        return log.read_text().split() if log.exists() else []

    def set_mode(self, mode: str) -> None:
        (self.root / "mode.txt").write_text(mode)

    def files(self, folder: str) -> dict[str, str]:
        """What stages wrote themselves: each out's manifest is left out."""
        top = self.root / folder
        paths = [path for path in sorted(top.rglob("*")) if path.is_file() and path.name != "manifest.json"]
        return {str(path.relative_to(top)): path.read_text() for path in paths}


def dvc(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A plain DVC command, as a user gives it."""
    return subprocess.run(
        ["dvc", *arguments], cwd=place.root, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )


def environment() -> dict[str, str]:
    hidden = {"DVC_ROOT", "DVC_STAGE"}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return {**{k: v for k, v in os.environ.items() if k not in hidden}, "PATH": path}


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "project"
    (root / "stages").mkdir(parents=True)
    (root / "profiles").mkdir()
    (root / ".dvc").mkdir()
    (root / "stages" / "__init__.py").touch()
    shutil.copytree(
        ROOT / "stages" / "contract", root / "stages" / "contract", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in MODULES:
        (root / "stages" / f"{name}.py").write_text(STAGE.replace("NAME", name))
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text(PARAMS)
    (root / "mode.txt").write_text("ok")
    (root / "profiles" / "tiny.yaml").write_text(PARAMS)
    (root / "profiles" / "wide.yaml").write_text(
        PARAMS.replace("tiny\n", "wide\n").replace("threads: 1", "threads: 4 # wide")
    )
    code_lock.write(root, code_lock.out_of_date(root, MODULES))
    for command in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "t"],
        ["config", "user.email", "t@t"],
        ["add", "-A"],
        ["commit", "-qm", "start"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return Place(root=tmp_path / "project")


Shown = tuple[int, str, str]
Run = Callable[..., Shown]


@pytest.fixture
def r1(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `r1` in this process, in the current folder: (exit code, stdout, stderr)."""

    def run(*arguments: str) -> Shown:
        capsys.readouterr()
        try:
            main(list(arguments))
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def worker_of(place: Place, *, calls: int = 1) -> int:
    """The process id of the hanging worker of `prompts`, once it works; it is the stages' call number `calls`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for folder in Path("/proc").iterdir():
            try:
                words = (folder / "cmdline").read_text().split("\0")
            except (OSError, ValueError):
                continue
            if (
                "stages.prompts" in words
                and str(place.root) in words[words.index("stages.prompts") + 1]
                and len(place.calls()) >= calls
            ):
                return int(folder.name)
        time.sleep(0.05)
    raise AssertionError("the worker did not start")


def begun(place: Place) -> None:
    """Wait until the worker is within its loop: modes `loop` and `long step`."""
    deadline = time.monotonic() + PATIENCE_S
    while not any('"begun"' in path.read_text() for path in place.root.glob(".r1/work/*/*/events.jsonl")):
        assert time.monotonic() < deadline, "the loop did not begin"
        time.sleep(0.05)


def gone(process: int) -> bool:
    """Whether a process ends before long."""
    deadline = time.monotonic() + PATIENCE_S / 4
    while time.monotonic() < deadline:
        try:
            if (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
