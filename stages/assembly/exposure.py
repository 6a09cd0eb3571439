"""What a checkpoint ever saw, by its lineage, and which benchmark problems stand in it.

The manifests lead from a checkpoint to every table that it, or a model that made its rows, was trained on. Each table is
read as it is named there, by its SHA-256: what has changed since is not what was seen, and counts as unknown. So do
models that were imported, since what they were trained on is known to nobody here.

Not covered: sampled answers that training took in but did not keep (they answer prompts that are looked at); the tasks
that a preference judge was shown besides its table.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from stages.contract.contamination import Contamination
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.manifest import NAME, Manifest, digests, read_manifest
from stages.contract.schemas import CONTAMINATION, content_id
from stages.contract.store import in_use
from stages.curate.decontaminate import HOW, HeldOut, hold_out, matches
from stages.tasks.corpus import SOURCE

HELD_OUT = (
    "validation.parquet",
    "test.parquet",
    "held_out.parquet",
    "general_validation.parquet",
    "general_test.parquet",
)
TEXTS = ("prompt", "text", "answer", "response", "completion", "chosen", "rejected")
_ROWS = 20_000  # read at a time


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A table that a checkpoint's lineage leads to. `path` is below data/."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A held-out problem that a table holds: in which row, and how (HOW)."""

    item: int
    row_id: str
    how: str


def seen_by(data: Path, checkpoint: Path) -> tuple[list[Seen], list[str]]:
    """The tables behind a checkpoint, sorted, and what can't be known, in words."""
    tables: dict[str, str] = {}
    unknown: set[str] = set()
    waiting, walked = [checkpoint], set[Path]()
    while waiting:
        folder = _artifact(data, waiting.pop())
        if folder in walked:
            continue
        walked.add(folder)
        name = folder.relative_to(data).as_posix()
        if not (folder / NAME).is_file():
            unknown.add(f"{name} has no manifest")
            continue
        manifest = read_manifest(folder / NAME)
        tables |= {f"{name}/{own}": manifest.files[own].sha256 for own in _trained_on(manifest)}
        if _is_imported(manifest.params):
            unknown.add(f"what {name} was trained on before it was imported")
        for dep, found in manifest.inputs.items():
            path = data.parent / dep
            if path.suffix == ".parquet":
                if path.name not in HELD_OUT:
                    tables[path.relative_to(data).as_posix()] = found.sha256
            if path.parent.name != "prompts" and path != data / "imports":
                waiting.append(path)
    return [Seen(path=path, sha256=tables[path]) for path in sorted(tables)], sorted(unknown)


def _artifact(data: Path, path: Path) -> Path:
    """The folder of the stage that wrote a path."""
    for folder in (path, *path.parents):
        if (folder / NAME).is_file() or folder.parent == data:
            return folder
    return path


def _trained_on(manifest: Manifest) -> list[str]:
    """An artifact's own tables of rows that a model was trained on; a sidecar's rows were not."""
    return [name for name, rows in manifest.tables.items() if not rows.schema.endswith(("_rejected", "scores"))]


def _is_imported(params: Mapping[str, object]) -> bool:
    base = params.get("base")
    return isinstance(base, dict) and base.get("source") == "import"


def exposed(
    data: Path, tables: list[Seen], held_out: HeldOut, store: Path | None
) -> tuple[dict[str, list[Found]], list[str]]:
    """Of each table the held-out problems that it holds, and the tables that aren't as they were, in words. `store`
    keeps what was found of a table."""
    index = content_id("held out", [held_out.ngram, *held_out.ids])
    result, unknown = {}, []
    with in_use(store) if store else nullcontext():
        for table in tables:
            path = data / table.path
            kept = store / f"{content_id('exposure', [table.sha256, index])}.json" if store else None
            if kept and kept.is_file():
                result[table.path] = [Found(**found) for found in json.loads(kept.read_text())]
            elif not path.is_file() or digests(path).sha256 != table.sha256:
                unknown.append(f"{table.path} is not here as it was")
            else:
                result[table.path] = list(_in_table(path, held_out))
                if kept:
                    part = kept.with_name(f"{kept.name}.{os.getpid()}.part")  # other evaluations write it, too
                    part.write_text(json.dumps([asdict(found) for found in result[table.path]]))
                    os.replace(part, kept)
    return result, unknown


def _in_table(path: Path, held_out: HeldOut) -> Iterator[Found]:
    """The first row that holds each problem."""
    scan = pl.scan_parquet(path)
    columns = scan.collect_schema().names()
    texts = [name for name in TEXTS if name in columns]
    total = scan.select(pl.len()).collect().item()
    met: set[int] = set()
    for begin in range(0, total, _ROWS):
        wanted = ["r1_id", *texts, *(["states"] if "states" in columns else [])]
        frame = scan.select(wanted).slice(begin, _ROWS).collect()
        whole = frame.select(pl.concat_str(texts, separator="\n", ignore_nulls=True)).to_series()
        states = frame["states"].to_list() if "states" in columns else ()
        found = pl.concat([matches(whole, held_out, states=states), matches(frame[texts[0]], held_out)])
        for text, item, how in (
            found.sort("item", "how", "text").unique("item", keep="first", maintain_order=True).iter_rows()
        ):
            if item not in met:
                met.add(item)
                yield Found(item=item, row_id=frame["r1_id"][text], how=HOW[how])


def contamination(
    paths: Paths, model: str, checkpoint: Path, tasks: pl.DataFrame, report: Reporter
) -> tuple[Contamination, dict[str, float]]:
    """Which of the tasks (of TASKS) stand in what a checkpoint ever saw, and the verdict in figures: `contaminated`, the
    share of tasks that do, of each imported benchmark (`contaminated_NAME`) too, and `contamination_unknown`, how many
    things that it saw can't be looked at.

    The embedded world's problems are contaminated by their text or their states alone: all of a family share n-grams.
    """
    tables, hidden = seen_by(paths.data, checkpoint)
    benchmark = tasks["source"] != SOURCE["source"]
    held_out = hold_out(tasks, alike=benchmark.to_list())
    found, changed = exposed(paths.data, tables, held_out, paths.store.parent / "exposure" if paths.store else None)
    unknown = [*hidden, *changed]
    for what in unknown:
        report.note(f"contamination: {what}")
    rows = [_row(model, tasks.row(one.item, named=True), table, one) for table, ones in found.items() for one in ones]
    figures: dict[str, float] = {"contamination_unknown": len(unknown)}
    if found:
        hit = {row["task_id"] for row in rows if row["counts"]}
        inside = tasks["r1_id"].is_in(list(hit))
        figures["contaminated"] = _share(inside)
        for name in sorted(set(tasks.filter(benchmark)["family"])):
            figures[f"contaminated_{name}"] = _share(inside.filter(tasks["family"] == name))
    frame = pl.DataFrame(rows, schema=CONTAMINATION.schema)
    return Contamination(rows=frame, tables=list(found), unknown=unknown), figures


def _share(holds: pl.Series) -> float:
    return int(holds.sum()) / max(1, len(holds))


def _row(model: str, task: Mapping[str, object], table: str, found: Found) -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [task["r1_id"]],
        "r1_op": "decontaminate",
        "model": model,
        "task_id": task["r1_id"],
        "family": task["family"],
        "how": found.how,
        "counts": found.how in HOW[:2] or task["source"] != SOURCE["source"],
        "table": table,
        "row_id": found.row_id,
    }
    return {"r1_id": CONTAMINATION.row_id(row), **row}
