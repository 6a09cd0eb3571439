"""How every stage stands: fresh, stale (and why), running, failed, stopped or never run."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from r1cli.pipeline import Standing
from r1cli.runs import Run
from r1cli.workfolder import busy
from stages.contract.stopping import SIGNALS

Word = Literal["fresh", "stale", "running", "failed", "stopped", "never"]
STOPPED = tuple(128 + number for number in SIGNALS)  # exit codes of runs that were asked to end
MOST = 3  # changed params or deps that are named


@dataclass(frozen=True, kw_only=True)
class Status:
    """One stage's line. `started` and `seconds` are of its newest run on this machine, if there was one."""

    stage: str
    word: Word
    why: str
    started: str = ""
    seconds: float | None = None
    unknown: float | None = None  # share of verdicts that the graders could not reach, where the stage measures it


def statuses(
    standings: Sequence[Standing],
    latest: Mapping[str, Run],
    root: Path,
    work: Path,
    jobs: Mapping[str, str] | None = None,
) -> list[Status]:
    """The status of every stage, in the given (upstream first) order. `jobs`: how submitted jobs stand, by stage."""
    found: list[Status] = []
    settled: dict[str, Word] = {}
    for standing in standings:
        name = standing.stage.name
        run = latest.get(name)
        job = (jobs or {}).get(name, "")
        running = bool(job) or (run is not None and busy(work / name / run.fingerprint))
        word, why = _word(standing, run, running, settled)
        settled[name] = word
        timed = run is not None and run.exit_code is not None
        found.append(
            Status(
                stage=name,
                word=word,
                why=why or job,
                started=run.started if run else "",
                seconds=run.seconds if run and timed else None,
                unknown=_unknown(root, standing),
            )
        )
    return found


def _unknown(root: Path, standing: Standing) -> float | None:
    """The stage's own figure, from the metrics file that it published last."""
    for path in standing.stage.metrics:
        try:
            value = json.loads((root / path).read_text()).get("unknown")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(value, int | float):
            return float(value)
    return None


def _word(standing: Standing, run: Run | None, running: bool, settled: Mapping[str, Word]) -> tuple[Word, str]:
    if running:
        return "running", ""
    if not standing.fresh and run is not None and run.exit_code is None:
        return "stopped", "its process was killed"
    if not standing.fresh and run is not None and run.exit_code in STOPPED:
        return "stopped", run.error.splitlines()[0] if run.error else ""
    if not standing.fresh and run is not None and run.exit_code != 0:
        return "failed", run.error.splitlines()[0] if run.error else ""
    if standing.never:
        return "never", ""
    why = reasons(standing)
    waits = [name for name in standing.upstream if settled.get(name, "fresh") != "fresh"]
    if not why and waits:
        return "stale", f"after {_some(waits)}"
    return ("stale", "; ".join(why)) if why else ("fresh", "")


def reasons(standing: Standing) -> list[str]:
    """Why a stage that has run would run again."""
    lock = f"stages/code.lock/{standing.stage.module}"
    deps = [path for path in standing.changed_deps if path != lock]
    found = []
    if standing.changed_cmd:
        found.append("its command changed")
    if standing.changed_params:
        found.append(f"params: {_some(standing.changed_params)}")
    if lock in standing.changed_deps:
        found.append("its code changed")
    if deps:
        found.append(f"inputs: {_some([f'{path} ({standing.changed_deps[path]})' for path in deps])}")
    if standing.changed_outs:
        found.append(f"outputs: {_some([f'{path} ({what})' for path, what in standing.changed_outs.items()])}")
    return found


def plan(standings: Sequence[Standing], chosen: Collection[str], *, single: bool, force: bool) -> list[tuple[str, str]]:
    """Which of the chosen stages a run would start, with why. Those after a stage that runs are named too, though
    DVC skips them if its output turns out the same."""
    found: dict[str, str] = {}
    for standing in standings:
        name = standing.stage.name
        if name not in chosen:
            continue
        why = ["never run"] if standing.never else reasons(standing)
        after = [] if single else [above for above in standing.upstream if above in found]
        if why or force:
            found[name] = "; ".join(why) or "forced"
        elif after:
            found[name] = f"if the output of {_some(after)} changes"
    return list(found.items())


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")
