"""Sampled answers as rows for curation, kept across runs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import polars as pl

from stages.assembly.held_out import held_out_guard, held_out_tasks
from stages.assembly.models import digest, open_model
from stages.assembly.sampling import Draw, chunked, fitting, generated, sample_chunks
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.params import Checkpoints, ColdStart, Deadlines, Params, Rejection, Sampling
from stages.contract.schemas import EXAMPLES, TASKS, content_id
from stages.contract.tables import read_table
from stages.contract.task import tasks_of
from stages.contract.transcript import Template
from stages.curate.recipe import GRADED
from stages.curate.shards import Store
from stages.rewards.scorer import grade


def example_rows(
    draws: Sequence[Draw],
    texts: Sequence[str],
    sampling: Sampling,
    *,
    checkpoint: str,
    seed: int,
    op: str,
    template: Template,
    held_out: Callable[[str], bool],
) -> pl.DataFrame:
    """Sampled answers (or what a refiner made of them, `texts`) as rows of EXAMPLES with the columns GRADED, which
    curation reads."""
    rows = []
    for draw, text in zip(draws, texts, strict=True):
        refined = text != draw.text
        grades = grade(draw.task, text, finished=draw.completion.finished, template=template) if refined else draw.grade
        row: dict[str, object] = {
            "r1_parents": [draw.task.id],
            "r1_op": op if refined else "generate",
            "r1_gen": generated(draw, sampling, checkpoint=checkpoint, seed=seed),
            "task_id": draw.task.id,
            "kind": draw.task.kind,
            "family": draw.task.family,
            "language": draw.task.language,
            "prompt": draw.task.prompt,
            "response": text,
            "num_tokens": len(draw.completion.tokens),
            "source": "r1/sampled",
            "verdict": grades.verdict,
            "language_consistency": grades.language,
            "held_out": held_out(text),
            "license": "",
        }
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    return pl.DataFrame(rows, schema={**EXAMPLES.columns, **GRADED})


def sampled_rows(
    params: Params,
    settings: ColdStart | Rejection,
    paths: Paths,
    report: Reporter,
    store: Store,
    *,
    checkpoint: str,
    refine: Callable[[str, str], str] | None = None,
) -> list[Path]:
    """Answers of a checkpoint to the first training problems, refined where a refiner (response, language) is given,
    and graded: files of rows for curation. What an earlier run wrote of the same problems, checkpoint and settings is
    taken as it is: other filters, caps, mixes, imports or more problems don't sample it again.
    """
    model = open_model(paths.data / checkpoint, params)
    train = read_table(paths.data / "prompts" / "train.parquet", TASKS)
    sampling = settings.sampling
    tasks = fitting(model, tasks_of(train), max_new_tokens=sampling.max_new_tokens, report=report)[: settings.prompts]
    chunks = chunked(tasks)
    made_by, held_out = digest(model.folder), held_out_tasks(paths)
    of = content_id(
        "sampling",
        [paths.code(), made_by, *_described(params, settings), *_small_files(model.folder), *held_out["r1_id"]],
    )
    files = {
        begin: store.rows(f"sampled-{content_id('sampled', [of, begin, *map(asdict, chunk)])}.parquet")
        for begin, chunk in chunks.items()
    }
    there = model.processes.first({begin for begin, path in files.items() if path.exists()})
    if there:
        report.note(f"{sum(len(chunks[begin]) for begin in there)} of {len(tasks)} prompts were answered before")
    missing = {begin: chunk for begin, chunk in chunks.items() if begin not in there}
    guard = held_out_guard(held_out)
    for begin, some in sample_chunks(
        model,
        missing,
        sampling,
        paths,
        report,
        draws=sampling.draws,
        seed=params.seed,
        name=f"sampling {checkpoint}",
    ):
        rows = example_rows(
            some,
            [refine(draw.text, draw.task.language) if refine else draw.text for draw in some],
            sampling,
            checkpoint=made_by,
            seed=params.seed,
            op="refine" if refine else "generate",
            template=model.codec.template,
            held_out=guard,
        )
        store.write(files[begin].name, rows)
    return list(files.values())


def _described(params: Params, settings: ColdStart | Rejection) -> list[object]:
    """All params that answers depend on: not what is kept of them, nor when a stage commits."""
    rest = replace(params, cold_start=None, rejection=None, checkpoints=Checkpoints(), deadlines=Deadlines())
    return [asdict(rest), asdict(settings.sampling)]


def _small_files(checkpoint: Path) -> list[str]:
    """What lies beside the weights: shape, tokeniser, template."""
    return [sha256(path.read_bytes()).hexdigest() for path in sorted(checkpoint.glob("*.json"))]
