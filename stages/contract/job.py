"""How a stage's process is started: `python -m stages.NAME WORK`, where WORK/job.json says the rest.

The process reads its inputs below `data`, writes everything that is to be published below WORK/out,
WORK/metrics.json and WORK/plots/, and ends with WORK/result.json. Publishing is not its business.
"""

import errno
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from stages.contract.attempt import Attempt
from stages.contract.commits import sync
from stages.contract.determinism import determinism, loaded_versions
from stages.contract.errors import HelpedError, ReplayedError, StoppedError, UserError
from stages.contract.events import EventLog, Reporter, Silent
from stages.contract.files import replace_file
from stages.contract.manifest import write_manifest
from stages.contract.params import Checkpoints, Deadlines, Params, parse
from stages.contract.phases import phases
from stages.contract.pieces import WORKER, helps
from stages.contract.ranks import ALONE, Ranks, ranks_of
from stages.contract.stopping import Stopping, end_with_parent
from stages.contract.watchdog import Watchdog

FAILED = 2  # exit code of a stage that told the user what to mend


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where a stage reads and writes. `item` is the matrix item (`small` of `distill@small`), or empty.

    Where several processes share the work (`ranks`), all but the first write into folders that are thrown away. Without an
    `attempt` nothing is committed on the way. `replay`: a training ends after so many steps, for its weights
    to be compared; 0: it doesn't. `store` is a folder for results that later runs of the stage may use again, whatever
    their params; None: nothing is kept.
    """

    data: Path
    out: Path
    metrics: Path
    plots: Path
    item: str = ""
    attempt: Attempt | None = None
    replay: int = 0
    ranks: Ranks = ALONE
    store: Path | None = None

    def code(self) -> str:
        """The stage's code, as its lock has it, which results in the store are of."""
        lock = self.data.parent / "stages" / "code.lock" / self.store.name if self.store else None
        return lock.read_text() if lock and lock.is_file() else ""

    def write_metrics(self, metrics: Mapping[str, float | int | str | None]) -> None:
        """Write the stage's headline metrics, rounded to six digits; NaN and None are left out."""
        kept = {k: _rounded(v) for k, v in metrics.items() if v is not None and v == v}
        self.metrics.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")

    def write_curve(self, name: str, rows: Sequence[Mapping[str, float | int | str]]) -> None:
        """Write a training curve (or another plot's numbers) as TSV, one row a step."""
        self.plots.mkdir(parents=True, exist_ok=True)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = ["\t".join(columns)]
        lines += ["\t".join("" if c not in row else str(_rounded(row[c])) for c in columns) for row in rows]
        (self.plots / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def _rounded(value: float | int | str) -> float | int | str:
    return float(f"{value:.6g}") if isinstance(value, float) else value


Main = Callable[[Params, Paths, Reporter], None]
ToolMain = Callable[[Mapping[str, str], Paths, Reporter], None]


def start(main: Main) -> None:
    """Run a stage's `main` as its process's only work. Exits 0, or FAILED after writing the error down."""
    _start(lambda job, paths, report: main(parse(_section(job, "params")), paths, report))


def start_tool(main: ToolMain) -> None:
    """Run a tool's `main`, which is given the job's `arguments` (name -> text) where a stage is given params."""
    _start(lambda job, paths, report: main({k: str(v) for k, v in _section(job, "arguments").items()}, paths, report))


def _section(job: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = job[name]
    assert isinstance(section, dict)
    return section


def _watchdog(work: Path, deadlines: Deadlines, ranks: Ranks) -> Watchdog:
    def late(said: str, stacks: Path) -> None:
        hint = f"less {stacks}   (where every process was; what is only slow needs longer deadlines in params.yaml)"
        _write_result(work, {"ok": False, "error": said, "hint": hint}, ranks)

    return Watchdog(phases, deadlines, work / "ranks", late=late, rank=ranks.rank)


def _describe(job: Mapping[str, object], paths: Paths, libraries: Mapping[str, str]) -> None:
    """Write the manifest of what a stage made; a tool's job names no deps and gets none."""
    if "deps" in job:
        stage, params = str(job["stage"]), _section(job, "params")
        write_manifest(
            paths.out,
            root=paths.data.parent,
            stage=stage,
            item=paths.item,
            params=params,
            deps=[str(dep) for dep in cast(Sequence[object], job["deps"])],
            determinism=determinism(stage, parse(params), libraries),
        )


def _write_result(work: Path, result: Mapping[str, object], ranks: Ranks) -> None:
    """Of several processes the first tells how the work ended; another only that it failed. The first failure stays: with
    it, the others are stopped or lose their connection."""
    failed = (work / "result.json").exists() and "signal" not in json.loads((work / "result.json").read_text())
    silent = failed or not ranks.leads and ("signal" in result or result["ok"])
    if ranks.size == 1 or not silent:
        replace_file(work / "result.json", json.dumps(result))


def _stopped(number: int, what: str) -> dict[str, object]:
    """The result of a process that was asked to stop. `signal` tells its starter that it is no failure."""
    return {"ok": False, "signal": number, "error": what}


def _hear(work: Path, stopping: Stopping, checkpoints: Checkpoints, report: Reporter, ranks: Ranks) -> None:
    """From now on signals that ask for an end are heard (stages/contract/stopping.py)."""

    def end(number: int) -> None:
        _write_result(work, _stopped(number, "what was saved last is kept"), ranks)
        os._exit(128 + number)

    def asked(number: int) -> None:
        late = f"the step didn't end within {checkpoints.grace_s:g} s, what was saved before it is kept"
        _write_result(work, _stopped(number, late), ranks)
        report.note("asked to stop: this step is ended and saved first; asked again, it ends at once")

    stopping.listen(grace_s=checkpoints.grace_s, asked=asked, end=end)


def _tidy(work: Path, own: Path, ranks: Ranks) -> None:
    """Remove what only this process needed. Other ranks may still write into folders of theirs; the last removes `ranks`."""
    shutil.rmtree(work / "steps" if ranks.leads else own, ignore_errors=True)
    if ranks.size == 1:
        shutil.rmtree(work / "ranks", ignore_errors=True)
    with suppress(OSError):
        (work / "ranks").rmdir()


def _help(
    work_on: Callable[[Mapping[str, object], Paths, Reporter], None], job: Mapping[str, object], work: Path
) -> None:
    """Be one of several workers, and not the one that leads: nothing is left but the pieces that were committed, and
    errors are told to the log alone. Who leads does without this one, if need be."""
    settings = parse({name: job[name] for name in ("checkpoints", "deadlines")})
    attempt = Attempt(work / "steps", settings.checkpoints, helps=True)
    attempt.stopping.listen(
        grace_s=settings.checkpoints.grace_s, asked=lambda number: None, end=lambda number: os._exit(128 + number)
    )
    watchdog = Watchdog(
        phases,
        settings.deadlines,
        work / "ranks",
        late=lambda said, stacks: print(f"worker {os.environ[WORKER]}: {said} ({stacks})", file=sys.stderr),
        rank=int(os.environ[WORKER]),
    )
    watchdog.start()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        paths = Paths(
            data=Path(str(job["data"])),
            out=out,
            metrics=out / "metrics.json",
            plots=out / "plots",
            item=str(job.get("item", "")),
            attempt=attempt,
        )
        with suppress(HelpedError, StoppedError):
            work_on(job, paths, Silent())
    watchdog.stop()


def _start(work_on: Callable[[Mapping[str, object], Paths, Reporter], None]) -> None:
    work = Path(sys.argv[1])
    job = json.loads((work / "job.json").read_text())
    libraries = loaded_versions()
    settings = parse({name: job[name] for name in ("checkpoints", "deadlines") if name in job})
    if helps(os.environ):
        _help(work_on, job, work)
        return
    ranks = ranks_of(os.environ)
    own = work if ranks.leads else work / "ranks" / str(ranks.rank)
    own.mkdir(parents=True, exist_ok=True)
    if ranks.size > 1:
        end_with_parent()
    # A tool's folder is named by its arguments alone, so what an earlier run left may be of other inputs.
    attempt = Attempt(own / "steps", settings.checkpoints) if "checkpoints" in job else None
    paths = Paths(
        data=Path(job["data"]),
        out=own / "out",
        metrics=own / "metrics.json",
        plots=own / "plots",
        item=job.get("item", ""),
        attempt=attempt,
        replay=job.get("replay", 0),
        ranks=ranks,
        store=work.parents[2] / "store" / work.parent.name if "deps" in job else None,
    )
    paths.out.mkdir(parents=True, exist_ok=True)
    report = EventLog(own / "events.jsonl")
    stopping = attempt.stopping if attempt else Stopping()
    _hear(work, stopping, settings.checkpoints, report, ranks)
    watchdog = _watchdog(work, settings.deadlines, ranks)
    try:
        watchdog.start()
        work_on(job, paths, report)
        if ranks.leads:
            _describe(job, paths, libraries)
            sync(paths.out)  # the result must not outlive a power cut without what it speaks of
        result: dict[str, object] = {"ok": True}
    except ReplayedError:
        result = {"ok": True, "replayed": paths.replay}
    except StoppedError as error:
        result = _stopped(error.number, "its last step is saved")
    except UserError as error:
        result = {"ok": False, "error": error.message, "hint": error.hint}
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        where = f" ({error.filename})" if error.filename else ""
        result = {
            "ok": False,
            "error": f"{os.strerror(error.errno)}{where}",
            "hint": "df -h . ; then run the same command again",
        }
    except Exception as error:
        result = {
            "ok": False,
            "error": f"{type(error).__name__}: {error}",
            "hint": "r1 --debug run ...",
            "traceback": traceback.format_exc(),
        }
    stopping.deaf()
    watchdog.stop()
    _write_result(work, result, ranks)
    if "signal" in result:
        os._exit(128 + cast(int, result["signal"]))  # not waiting for what still samples or grades
    if result["ok"]:
        _tidy(work, own, ranks)
    sys.exit(0 if result["ok"] else FAILED)
