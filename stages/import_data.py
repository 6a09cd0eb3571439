"""Import (`r1 data import`): a local file or folder, or a Hub data set, into rows of the task pool, traces and general rows.

Paper: RL data (B.3.1), and the traces and general rows that cold start and rejection sampling may add (2.3). The shapes
that rows may have are in stages/ingest/presets.py. Nothing is dropped silently: the rejected tables hold every row that is
left out, with the reason. Decontamination is the `prompts` stage's work, filtering that of the curation.
Reads: the source. Writes: tasks, rejected, import.json; where rows have responses traces-NNNNN, or general-NNNNN for
general rows, and what of them was left out; solutions-NNNNN of problems that no training row may hold.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import polars as pl

from stages.assembly.general import general_row
from stages.assembly.imported import Origin, solutions, task_row, trace_row
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start_tool
from stages.contract.schemas import DOCUMENTS, GENERAL, TASKS, TRACES
from stages.contract.tables import write_table
from stages.curate.dedup import deduplicate
from stages.ingest import general
from stages.ingest.files import Source, Wanted, download, find
from stages.ingest.presets import AUTO, Preset, preset
from stages.ingest.records import records
from stages.ingest.shapes import KINDS, Parts, Response, parts
from stages.ingest.shards import Responses, Shards
from stages.rewards.code_task import read_task
from stages.rewards.scorer import gradable

ROLES = ("train", "validation", "test", "held_out")
COLUMNS = ("prompt", "answer", "solution", "response", "messages", "source", "license", "category", *general.COLUMNS)
HINT = "r1 data import --help"
EVERY = 1000  # records between two reports
_NONE = Response(text="")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is imported. `name` becomes the tasks' family and the folder's name; `config` and `split` choose among files;
    `columns`: `prompt=instruction,answer=output`, our names for theirs. `values`: a JSON object of columns that are the
    same in all rows. `kind`: reasoning or general; empty: as the rows or the preset say, else reasoning."""

    source: str
    name: str
    revision: str = ""
    config: str = ""
    split: str = ""
    role: str = "train"
    license: str = ""
    preset: str = AUTO
    kind: str = ""
    columns: str = ""
    values: str = "{}"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(f"import name {self.name!r} may hold letters, digits, dot, dash and underscore", hint=HINT)
        for word, value, known in (("role", self.role, ROLES), ("kind", self.kind, KINDS)):
            if value and value not in known:
                raise UserError(f"import {word} {value!r} is not one of {', '.join(known)}", hint=HINT)
        if wrong := [ours for ours in (*self.renamed(), *self.fixed()) if ours not in COLUMNS]:
            raise UserError(
                f"import column {wrong[0]!r} is not one of {', '.join(COLUMNS)}", hint="--column prompt=THEIRS"
            )

    def renamed(self) -> dict[str, str]:
        """Our columns' names for theirs."""
        pairs = [pair.partition("=") for pair in self.columns.split(",") if pair]
        return {ours: theirs for ours, _, theirs in pairs}

    def fixed(self) -> dict[str, str]:
        """The columns that are the same in all rows."""
        found: dict[str, str] = json.loads(self.values)
        return found


@dataclass
class Found:
    """What is gathered on the way: tasks in memory, responses in files."""

    traces: Responses
    general: Responses
    solutions: Shards
    tasks: list[pl.DataFrame] = field(default_factory=list)
    waiting: list[dict[str, object]] = field(default_factory=list)
    dropped: list[dict[str, object]] = field(default_factory=list)
    task_ids: dict[str, str] = field(default_factory=dict)  # the prompt's hash -> the task that stays
    rows: int = 0


def main(arguments: Mapping[str, str], paths: Paths, report: Reporter) -> None:
    wanted = Arguments(**arguments)
    place = Wanted(source=wanted.source, revision=wanted.revision, config=wanted.config, split=wanted.split)
    source = find(place, scratch=paths.metrics.parent / "download", download=download)
    found = Found(
        traces=Responses(paths.out, TRACES),
        general=Responses(paths.out, GENERAL),
        solutions=Shards(paths.out, "solutions", DOCUMENTS),
    )
    shape = _take_files(source, wanted, found, report)
    tasks, rejected = _finished(found)
    found.solutions.flush()
    responses = found.traces.finish() | found.general.finish()
    if tasks.is_empty() and not (found.traces.kept.count or found.general.kept.count):
        raise _nothing(source, found)
    write_table(tasks, paths.out / "tasks.parquet", TASKS)
    write_table(rejected, paths.out / "rejected.parquet", TASKS.rejected())
    description = {
        **asdict(wanted),
        "source": source.label,
        "revision": source.revision,
        "license": _license(wanted, source),
    }
    description |= {"preset": shape.name if shape else wanted.preset}
    (paths.out / "import.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    ids = _unparsable(tasks)
    if ids:
        report.note(f"{len(ids)} gold answers can't be parsed: {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}")
    if not _license(wanted, source):
        report.note("no licence is known: --license NAME records one")
    paths.write_metrics(_metrics(found, tasks, rejected, ids) | responses)


def _take_files(source: Source, wanted: Arguments, found: Found, report: Reporter) -> Preset | None:
    """Read every file; returns the preset that the first row was read by."""
    report.phase("rows", total=0)
    origin = Origin(name=wanted.name, label=source.label, revision=source.revision, license=_license(wanted, source))
    shape: Preset | None = None
    for path in source.files:
        for record in records(path):
            found.rows += 1
            renamed = {ours: record[theirs] for ours, theirs in wanted.renamed().items() if theirs in record}
            given = {**record, **wanted.fixed(), **renamed}
            if shape is None:
                shape = preset(wanted.preset, source.dataset, list(given))
                report.note(f"read as {shape.name}: {shape.about}")
            row = parts(given, shape, source.label)
            if (wanted.kind or row.kind) == "general":
                asked = general.demands(given, shape, f"{source.label}, row {found.rows}")
                _take_general(row, asked, origin, found)
            else:
                _take(row, wanted, origin, found)
            if found.rows % EVERY == 0:
                report.step(found.rows)
    report.step(found.rows)
    return shape


def _take(row: Parts, wanted: Arguments, origin: Origin, found: Found) -> None:
    """Add one record's task and traces, or the reasons why there are none."""
    task = task_row(row, origin)
    task_id = ""
    if row.golds is not None:
        task_id = _take_task(task, row, found)
    if task_id and wanted.role != "train":
        for solution in solutions(row, task_id, task):
            found.solutions.add(solution)
    # A row that should have a response and has none is written down as a dropped one.
    for response in row.responses or ([_NONE] if row.golds is None else ()):
        found.traces.add(trace_row(task, task_id, row, response), row.drop)


def _task_problem(tests: str) -> str:
    """Why a code task can't be graded, or nothing."""
    try:
        read_task(json.loads(tests))
    except ValueError as error:
        return f"bad_task:{next(iter(str(error).splitlines()), 'unreadable')}"
    return ""


def _take_general(row: Parts, asked: general.Demands, origin: Origin, found: Found) -> None:
    """Add a general record's responses, or the reasons why there are none."""
    for response in row.responses or (_NONE,):
        said = general_row(asked, row, response, origin)
        found.general.add(said, row.drop or asked.drop)


def _take_task(task: dict[str, object], row: Parts, found: Found) -> str:
    """Add a task, or drop it; returns the id of the task that stays for its problem, if one does."""
    reason = row.drop or ("" if task["prompt"] else "empty")
    reason = reason or ("" if task["answer"] or task["tests"] else row.no_gold or "no_answer")
    reason = reason or (_task_problem(row.tests) if row.tests else "")
    if reason:
        found.dropped.append({**task, "r1_drop": reason})
        return ""
    found.waiting.append(task)
    if len(found.waiting) >= EVERY:
        _settle(found)
    states = task["states"]
    assert isinstance(states, list)
    return found.task_ids.setdefault(states[0], str(task["r1_id"]))


def _settle(found: Found) -> None:
    """Tasks as a table need a tenth of the memory."""
    found.tasks.append(pl.DataFrame(found.waiting, schema=TASKS.schema))
    found.waiting = []


def _finished(found: Found) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tasks, and dropped ones: `empty`, `no_answer`, `proof`, `bad_task:` and why, and `duplicate:` with the id of the row
    that stayed."""
    _settle(found)
    unique = deduplicate(pl.concat(found.tasks))
    duplicates = unique.rejected.with_columns(r1_op=pl.lit("dedup"))
    return unique.kept, pl.concat([pl.DataFrame(found.dropped, schema=TASKS.rejected().schema), duplicates])


def _metrics(found: Found, tasks: pl.DataFrame, rejected: pl.DataFrame, unparsable: list[str]) -> dict[str, int]:
    counted = Counter(rejected.get_column("r1_drop").str.split(":").list.first().to_list())
    named = {f"rejected_{reason}": counted[reason] for reason in ("empty", "no_answer", "duplicate", "bad_task")}
    named |= {f"rejected_{reason}": count for reason, count in sorted(counted.items())}
    return {"rows": found.rows, "tasks": tasks.height, **named, "unparsable_golds": len(unparsable)}


def _nothing(source: Source, found: Found) -> UserError:
    """The error for a source without a single row that can be used."""
    lacking = found.general.reasons.most_common(1)
    if not lacking:
        return UserError(
            f"{source.label}: none of {found.rows} rows has a problem and an answer or a response", hint=HINT
        )
    reason, count = lacking[0]
    column = reason.removeprefix("no_") if reason.startswith("no_") else "prompt"
    return UserError(
        f"{source.label}: none of {found.rows} general rows can be used ({reason}: {count})",
        hint=f"r1 data import ... --column {column}=THEIRS, or the same for all rows: --value {column}=...",
    )


def _unparsable(tasks: pl.DataFrame) -> list[str]:
    """The tasks whose gold answers earn no reward themselves."""
    listed = tasks.select("r1_id", "answer", "tests").iter_rows()
    return [row_id for row_id, answer, tests in listed if not tests and not gradable(answer)]


def _license(wanted: Arguments, source: Source) -> str:
    return wanted.license or source.card.license


if __name__ == "__main__":
    start_tool(main)
