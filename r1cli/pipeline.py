"""dvc.yaml and dvc.lock as values. The only place that imports or calls DVC.

DVC is imported inside the functions: it costs a third of a second, which `r1 --help` doesn't have.
"""

import contextlib
import difflib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from r1cli import console, params_file
from r1cli.dispatch.local import children_of, orphans_awaited
from stages.contract.errors import UserError
from stages.contract.files import replace_file
from stages.contract.stopping import SIGNALS, end_with_parent

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

FAILED = 255  # dvc's exit code when a stage fails
STARTER = "R1_STARTER"  # in a stage's environment: the `r1 run` above its dvc, which inherits it if dvc dies
_TRIES, _AGAIN_S = 5, 0.2


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One resolved entry of dvc.yaml. `name` holds the item too (`distill@small`). Paths are relative to the root."""

    name: str
    desc: str
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]
    plots: tuple[str, ...]
    gpus: int
    distributed: bool = False  # one process a GPU, by torchrun
    workers: bool = False  # one process a GPU, each taking pieces of the work

    @property
    def module(self) -> str:
        return self.name.partition("@")[0]

    @property
    def item(self) -> str:
        return self.name.partition("@")[2]

    @property
    def slug(self) -> str:
        """The name in file names below data/metrics and data/plots."""
        return self.name.replace("@", "-")


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """All stages, in dvc.yaml's order, and the names of those that each one reads from."""

    stages: tuple[Stage, ...]
    upstream: Mapping[str, tuple[str, ...]]

    @property
    def modules(self) -> list[str]:
        return list(dict.fromkeys(stage.module for stage in self.stages))

    def match(self, target: str) -> list[Stage]:
        """The stages that a target names: one, all items of one (`distill`), or `all`.

        Raises:
            UserError: it names none; with the nearest name.
        """
        found = list(self.stages) if target == "all" else [s for s in self.stages if target in (s.name, s.module)]
        if not found:
            raise unknown_stage(target, [stage.name for stage in self.stages])
        return found

    def above(self, names: Iterable[str]) -> set[str]:
        """The names, and those of all stages that lead to them."""
        found = set(names)
        waiting = list(found)
        while waiting:
            new = [name for name in self.upstream[waiting.pop()] if name not in found]
            found.update(new)
            waiting += new
        return found

    def below(self, names: Iterable[str]) -> set[str]:
        """The names, and those of all stages that they lead to."""
        wanted = set(names)
        return {stage.name for stage in self.stages if self.above([stage.name]) & wanted}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A stage with the content hashes of its deps. `recorded`: dvc.lock holds a result for exactly these."""

    stage: Stage
    digests: dict[str, str]
    recorded: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a stage stands to dvc.lock. `never`: it has no entry. `upstream` names the stages it reads from."""

    stage: Stage
    upstream: tuple[str, ...]
    never: bool
    changed_deps: dict[str, str]  # path -> modified | deleted | new
    changed_params: tuple[str, ...]
    changed_outs: dict[str, str]
    changed_cmd: bool

    @property
    def fresh(self) -> bool:
        return not (self.never or self.changed_deps or self.changed_params or self.changed_outs or self.changed_cmd)


def inputs_of(root: Path, name: str) -> Inputs:
    """A stage as dvc.yaml has it, and what its deps hold now. Takes no lock: a stage calls this while DVC runs it.

    Raises:
        UserError: there is no such stage, dvc.yaml can't be read, or a dep is missing.
    """
    for _ in range(_TRIES):  # beside this stage another DVC may be writing dvc.lock, which it does in place
        try:
            return _inputs_of(root, name)
        except UserError as error:
            if "dvc.lock" not in error.message:
                raise
            time.sleep(_AGAIN_S)
    return _inputs_of(root, name)


def _inputs_of(root: Path, name: str) -> Inputs:
    with _repo(root) as repo:
        found = _find(repo, name)
        return Inputs(stage=_stage(repo, found), digests=_digests(repo, found), recorded=_recorded(found))


def load(root: Path) -> Pipeline:
    """All stages and what feeds what.

    Raises:
        UserError: dvc.yaml or params.yaml can't be read or resolved.
    """
    with _repo(root) as repo:
        order = _all(repo)
        return Pipeline(stages=tuple(_stage(repo, found) for found in order), upstream=_upstream(repo, order))


def names(root: Path, commit: str | None = None) -> set[str]:
    """The stages of the working tree's pipeline, or of a commit's. dvc.lock may have more: entries of stages that the
    pipeline had with other params (another profile's models to evaluate) stay in it."""
    with _repo(root, commit) as repo:
        return {found.name for found in _all(repo)}


def standings(root: Path) -> list[Standing]:
    """How every stage stands, in dvc.yaml's order. Takes no lock, so it answers while a stage runs."""
    with _repo(root) as repo:
        order = _all(repo)
        upstream = _upstream(repo, order)
        return [_standing(repo, found, upstream[found.name]) for found in order]


def resolve_revision(root: Path, name: str) -> str:
    """The commit of a git revision or a DVC experiment.

    Raises:
        UserError: there is no such revision.
    """
    with _repo(root) as repo:
        from dvc.scm import RevError, resolve_rev

        try:
            return str(resolve_rev(repo.scm, name or "(nothing)"))
        except RevError as error:
            hint = "git log --oneline   (or: dvc exp list)"
            raise UserError(f"there is no git revision or experiment {name!r}", hint=hint) from error


def cache_folder(root: Path) -> Path:
    """Where DVC's cache keeps files by their MD5."""
    with _repo(root) as repo:
        return Path(repo.cache.local.path)


def unknown_stage(target: str, names: Sequence[str]) -> UserError:
    choices = list(dict.fromkeys([*names, *(name.partition("@")[0] for name in names)]))
    near = difflib.get_close_matches(target, choices, n=1)
    return UserError(f"unknown stage {target!r}" + (f" (did you mean {near[0]}?)" if near else ""), hint="r1 graph")


def call(root: Path, *arguments: str) -> int:
    """Run a DVC command on this terminal and return its exit code, or 128 and the number of the signal that stopped it.
    It waits for other writers instead of failing.

    Its end is waited for, and that of a stage that outlives it to save its last step. If this process is killed, DVC
    ends too, and with it the stage: a second DVC would find the first one in its way.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    with stoppable(running) as heard, orphans_awaited():
        running["dvc"] = child = subprocess.Popen(
            _command(arguments), cwd=root, env=_environment(), preexec_fn=partial(end_with_parent, os.getpid())
        )
        code = child.wait()
    return 128 + heard[0] if heard and code else code


@contextlib.contextmanager
def stoppable(running: Mapping[str, "subprocess.Popen[str] | subprocess.Popen[bytes]"]) -> Iterator[list[int]]:
    """Pass signals on to the DVCs that run meanwhile; yields those that were heard.

    What a DVC runs is asked to stop, and DVC then ends in order; DVC itself is asked only where it runs nothing. Ctrl-C
    reaches the stages from the terminal.
    """
    heard: list[int] = []
    others = children_of(os.getpid())

    def pass_on(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if number == signal.SIGINT:
            return
        living = [child.pid for child in list(running.values()) if child.returncode is None]
        orphans = set(children_of(os.getpid())) - set(others) - set(living)
        for process in [*(one for dvc in living for one in children_of(dvc) or [dvc]), *orphans]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    # One that is ignored already stays so: `nohup` means it.
    before = {number: old for number in SIGNALS if (old := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, pass_on)
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a DVC command, its lines to be given to `console.relay`. It ends when this process does."""
    return subprocess.Popen(
        _command(arguments),
        cwd=root,
        env={**_environment(), console.RELAYED: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=partial(end_with_parent, os.getpid()),
    )


def lock_order(root: Path) -> list[str]:
    """The stages in dvc.lock, in its order."""
    path = root / "dvc.lock"
    return list(entries_of(path.read_text())[1]) if path.exists() else []


def lock_entries(root: Path) -> dict[str, dict[str, object]]:
    """The stages of dvc.lock.

    Raises:
        UserError: it is no lock file.
    """
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    stages = params_file.read_params(path).get("stages")
    if not isinstance(stages, dict):
        raise UserError("dvc.lock has no stages", hint="git checkout -- dvc.lock")
    return stages


def paths_of(entry: Mapping[str, object], what: str) -> dict[str, str]:
    """The deps or outs of a lock entry: path -> MD5."""
    listed = entry.get(what)
    pairs = [(o.get("path"), o.get("md5")) for o in listed if isinstance(o, dict)] if isinstance(listed, list) else []
    return {str(path): str(digest) for path, digest in pairs}


def serial_order(root: Path) -> list[str]:
    """All stages in the order in which `dvc repro` runs them."""
    from dvc.repo.reproduce import get_active_graph, plan_repro

    with _repo(root) as repo:
        planned = plan_repro(get_active_graph(repo.index.graph), _all(repo))
        return [found.name for found in planned if hasattr(found, "name")]


def sort_lock(root: Path, order: Sequence[str]) -> None:
    """Put dvc.lock's entries into an order; others follow. Their text stays as DVC wrote it."""
    path = root / "dvc.lock"
    head, entries = entries_of(path.read_text() if path.exists() else "")
    place = {name: number for number, name in enumerate(order)}
    names = sorted(entries, key=lambda name: place.get(name, len(place)))
    if names != list(entries):
        replace_file(path, head + "".join(entries[name] for name in names))


def entries_of(lock: str) -> tuple[str, dict[str, str]]:
    """A dvc.lock's text: what stands above the stages, and the lines of each stage."""
    head: list[str] = []
    entries: dict[str, list[str]] = {}
    lines: list[str] = head
    for line in lock.splitlines(keepends=True):
        if re.match(r"  [^\s-].*:$", line):
            lines = entries.setdefault(line.strip().rstrip(":"), [])
        lines.append(line)
    return "".join(head), {name: "".join(found) for name, found in entries.items()}


def call_quietly(root: Path, *arguments: str) -> tuple[int, str]:
    """Run a DVC command and return its exit code and what it printed."""
    done = subprocess.run(_command(arguments), cwd=root, env=_environment(), capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]


def _environment() -> dict[str, str]:
    # `exec r1 stage ...` must find this r1, also where no virtual environment is activated.
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, STARTER: str(os.getpid())}


@contextlib.contextmanager
def _repo(root: Path, commit: str | None = None) -> Iterator["Repo"]:
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError as error:
        raise UserError("DVC is not installed beside r1", hint="pip install -c constraints.txt -e .") from error
    from dvc.scm import SCMError

    try:
        repo = Repo(str(root), rev=commit)
        try:
            yield repo
        finally:
            repo.close()
    except (DvcException, SCMError) as error:
        said = " ".join(line.strip() for line in str(error).strip().splitlines()) or type(error).__name__
        whole = "dvc stage list   (says where in dvc.yaml or params.yaml)"
        raise UserError(said, hint="r1 doctor" if "dvc.lock" in said else whole) from error


def _all(repo: "Repo") -> list["PipelineStage"]:
    from dvc.stage import PipelineStage

    return [found for found in repo.index.stages if isinstance(found, PipelineStage)]


def _upstream(repo: "Repo", order: Sequence["PipelineStage"]) -> dict[str, tuple[str, ...]]:
    place = {found.name: number for number, found in enumerate(order)}
    graph = repo.index.graph
    return {
        s.name: tuple(sorted({a.name for a in graph.successors(s) if a.name in place}, key=place.__getitem__))
        for s in order
    }


def _find(repo: "Repo", name: str) -> "PipelineStage":
    from dvc.stage.exceptions import StageNotFound

    try:
        return repo.stage.load_one("dvc.yaml", name)
    except StageNotFound as error:
        raise unknown_stage(name, [found.name for found in _all(repo)]) from error


def _stage(repo: "Repo", found: "PipelineStage") -> Stage:
    def path(entry: object) -> str:
        return os.path.relpath(entry.fs_path, repo.root_dir)  # type: ignore[attr-defined]

    files, params = _split(found)
    meta = found.meta or {}
    return Stage(
        name=found.name,
        desc=found.desc or "",
        cmd=str(found.cmd),
        deps=tuple(path(dep) for dep in files),
        params=tuple(name for dep in params for name in dep.params),  # type: ignore[attr-defined]
        outs=tuple(path(out) for out in found.outs if not out.metric and not out.plot),
        metrics=tuple(path(out) for out in found.outs if out.metric),
        plots=tuple(path(out) for out in found.outs if out.plot),
        gpus=int(meta.get("gpus", 0)),
        distributed=bool(meta.get("distributed", False)),
        workers=bool(meta.get("workers", False)),
    )


def _split(found: "PipelineStage") -> tuple[list[object], list[object]]:
    """A stage's deps on files, and those on params."""
    from dvc.dependency.param import ParamsDependency

    files = [dep for dep in found.deps if not isinstance(dep, ParamsDependency)]
    return files, [dep for dep in found.deps if isinstance(dep, ParamsDependency)]


def _digests(repo: "Repo", found: "PipelineStage") -> dict[str, str]:
    digests = {}
    for dep in _split(found)[0]:
        path = os.path.relpath(dep.fs_path, repo.root_dir)  # type: ignore[attr-defined]
        if not dep.exists:  # type: ignore[attr-defined]
            raise UserError(
                f"{found.name}: {path} is missing",
                hint=f"r1 run {found.name}" if path.startswith("data") else "r1 code-lock",
            )
        digests[path] = str(dep.get_hash().value)  # type: ignore[attr-defined]
    return digests


def _recorded(found: "PipelineStage") -> bool:
    """Whether dvc.lock's entry is for this command, these params and these deps."""
    return not found.cmd_changed and all(dep.hash_info and not dep.workspace_status() for dep in found.deps)


def _standing(repo: "Repo", found: "PipelineStage", upstream: tuple[str, ...]) -> Standing:
    files, params = _split(found)
    never = not any(out.hash_info for out in found.outs)
    deps: dict[str, str] = {}
    changed: list[str] = []
    outs: dict[str, str] = {}
    if not never:
        for dep in files:
            deps.update(dep.workspace_status())  # type: ignore[attr-defined]
        for dep in params:
            for what in dep.workspace_status().values():  # type: ignore[attr-defined]
                changed += [str(key) for key in what] if isinstance(what, dict) else [str(what)]
        for out in found.outs:
            outs.update({str(key): str(what) for key, what in out.status().items()})
    return Standing(
        stage=_stage(repo, found),
        upstream=upstream,
        never=never,
        changed_deps=deps,
        changed_params=tuple(changed),
        changed_outs=outs,
        changed_cmd=not never and bool(found.cmd_changed),
    )
