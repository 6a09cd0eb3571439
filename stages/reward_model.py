"""The two reward models. Helpful: pairwise, on the final summary only. Safety: point-wise, on everything.

Paper: section 3.1 and B.4.3: pairs judged four times with the order swapped at random, kept where the mean
verdict differs by more than a margin, chosen and rejected of comparable length; safety responses labelled
safe or unsafe by a guideline.
Reads: data/prompts/general.parquet, data/sft/checkpoint. Writes: helpful/, safety/, pairs.parquet and
labels.parquet (+ rejected each).
"""

import random
from collections.abc import Iterator
from itertools import combinations

import polars as pl

from stages.assembly.models import Model, Scalar, digest, open_model, read_by
from stages.assembly.progress import progress
from stages.assembly.sampling import Draw, generated, sample_tasks
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.ledger import Ledger
from stages.contract.params import Params
from stages.contract.params import RewardModel as Settings
from stages.contract.schemas import LABELS, PAIRS, TASKS
from stages.contract.tables import read_table, write_table
from stages.contract.task import tasks_of
from stages.contract.transcript import Template, split
from stages.curate.mix import sample
from stages.curate.outcome import Curated, divide, forget, then
from stages.model.reward_model import train_pairwise, train_pointwise
from stages.tasks.general import by_question, safe
from stages.tasks.judge import judge_pair


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.reward_model is not None
    settings = params.reward_model
    model = open_model(paths.data / "sft" / "checkpoint", params)
    tasks = tasks_of(read_table(paths.data / "prompts" / "general.parquet", TASKS))
    drawn = list(
        sample_tasks(
            model,
            tasks,
            settings.sampling,
            paths,
            report,
            draws=settings.sampling.draws,
            seed=params.seed,
            name="sampling answers to judge",
        )
    )
    pairs, labels = _rows(drawn, settings, model, paths, seed=params.seed)
    first, second = _train(pairs.kept, labels, settings, model, paths, report, seed=params.seed)
    paths.write_curve("helpful", first)
    paths.write_curve("safety", second)
    paths.write_metrics(
        {
            "pairs": len(pairs.kept),
            "pairs_dropped": len(pairs.rejected),
            "labels": len(labels),
            "unsafe_share": 1.0 - float(labels["safe"].cast(pl.Float64).mean() or 0.0),  # type: ignore[arg-type]
            "helpful_accuracy": sum(r["accuracy"] for r in first[-10:]) / len(first[-10:]),
            "safety_accuracy": sum(r["accuracy"] for r in second[-10:]) / len(second[-10:]),
            "length_ratio": _characters(pairs.kept["chosen"]) / max(1, _characters(pairs.kept["rejected"])),
        }
    )


def _rows(
    drawn: list[Draw], settings: Settings, model: Model, paths: Paths, *, seed: int
) -> tuple[Curated, pl.DataFrame]:
    """Judged pairs of helpful answers and labelled answers to how-to questions; written, with what was dropped."""
    checkpoint, template = digest(model.folder), model.codec.template
    helpful = [d for d in drawn if d.task.kind == "helpful"]
    pairs = judged_pairs(helpful, settings, checkpoint, seed=seed, template=template)
    pairs = then(pairs, forget(pairs.kept, settings.forget))
    write_table(pairs.kept, paths.out / "pairs.parquet", PAIRS)
    write_table(pairs.rejected, paths.out / "pairs_rejected.parquet", PAIRS.rejected())
    # At random, since the pool lists safe questions before unsafe ones.
    all_labels = labelled([d for d in drawn if d.task.family == "how"], settings, checkpoint, seed=seed)
    remembered = forget(all_labels, settings.forget)
    labels = then(remembered, sample(remembered.kept, count=settings.labels, seed=seed))
    write_table(labels.kept, paths.out / "labels.parquet", LABELS)
    write_table(labels.rejected, paths.out / "labels_rejected.parquet", LABELS.rejected())
    return pairs, labels.kept


def _train(
    pairs: pl.DataFrame,
    labels: pl.DataFrame,
    settings: Settings,
    model: Model,
    paths: Paths,
    report: Reporter,
    *,
    seed: int,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Train and write both models; their curves."""
    helpful, safety = model.scalar(), model.scalar()
    helpful_ledger = _ledger(paths, helpful, trains="helpful", table="pairs", rows=pairs)
    safety_ledger = _ledger(paths, safety, trains="safety", table="labels", rows=labels)
    first = train_pairwise(
        helpful.scoring,
        _read(model, "helpful", pairs, "chosen"),
        _read(model, "helpful", pairs, "rejected"),
        settings.train,
        seed=seed,
        report=report,
        progress=progress(paths, "helpful", report, helpful_ledger, processes=model.processes),
        used=helpful_ledger.rows,
    )
    second = train_pointwise(
        safety.scoring,
        _read(model, "safety", labels, "response"),
        labels["safe"].to_list(),
        settings.train,
        seed=seed,
        report=report,
        progress=progress(paths, "safety", report, safety_ledger, processes=model.processes),
        used=safety_ledger.rows,
    )
    for ledger in (helpful_ledger, safety_ledger):
        ledger.write()
    helpful.save(paths.out / "helpful")
    safety.save(paths.out / "safety")
    return first, second


def _ledger(paths: Paths, trained: Scalar, *, trains: str, table: str, rows: pl.DataFrame) -> Ledger:
    return Ledger(
        paths.out,
        weights=trained.weights_digest,
        name=f"{trains}_ledger",
        trains=trains,
        table=f"data/reward_model/{table}.parquet",
        ids=rows["r1_id"].to_list(),
        replay=paths.replay,
    )


def _read(model: Model, kind: str, rows: pl.DataFrame, column: str) -> list[list[int]]:
    """What a reward model is given of each row: token ids."""
    return [read_by(kind, model.codec, p, r) for p, r in zip(rows["prompt"], rows[column], strict=True)]


def _characters(texts: pl.Series) -> int:
    return sum(map(len, texts.to_list()))


def judged_pairs(drawn: list[Draw], settings: Settings, checkpoint: str, *, seed: int, template: Template) -> Curated:
    """Pairs of a prompt's distinct answers, judged; those without a clear margin are rejected."""
    rng, prompts = random.Random(f"{seed} judge"), by_question()
    rows, reasons = [], []
    for a, b in _pairs(drawn, template):
        left, right = split(a.text, template).answer, split(b.text, template).answer
        margin = judge_pair(
            rng, prompts[a.task.prompt], left, right, queries=settings.judge_queries, noise=settings.judge_noise
        )
        chosen, rejected = (a, b) if margin >= 0 else (b, a)
        row: dict[str, object] = {
            "r1_parents": [a.task.id],
            "r1_op": "pair",
            "r1_gen": generated(chosen, settings.sampling, checkpoint=checkpoint, seed=seed),
            "rejected_draw": rejected.number,
            "task_id": a.task.id,
            "language": a.task.language,
            "prompt": a.task.prompt,
            "chosen": chosen.text,
            "rejected": rejected.text,
            "margin": abs(margin),
        }
        rows.append({"r1_id": PAIRS.row_id(row), **row})
        reasons.append(None if abs(margin) > settings.min_margin else "no_clear_margin")
    order = list(range(len(rows)))
    rng.shuffle(order)
    wanted = set([i for i in order if reasons[i] is None][: settings.pairs])
    reasons = [reason or (None if i in wanted else "not_wanted") for i, reason in enumerate(reasons)]
    return divide(pl.DataFrame(rows, schema=PAIRS.schema), reasons)


def _pairs(drawn: list[Draw], template: Template) -> Iterator[tuple[Draw, Draw]]:
    """All pairs of distinct summaries of one prompt's answers."""
    groups: dict[str, dict[str, Draw]] = {}
    for draw in drawn:
        groups.setdefault(draw.task.id, {}).setdefault(split(draw.text, template).answer or "", draw)
    for group in groups.values():
        yield from combinations(group.values(), 2)


def labelled(drawn: list[Draw], settings: Settings, checkpoint: str, *, seed: int) -> pl.DataFrame:
    """Distinct responses to how-to questions with the guideline's label."""
    prompts = by_question()
    rows: dict[str, dict[str, object]] = {}
    for draw in drawn:
        row: dict[str, object] = {
            "r1_parents": [draw.task.id],
            "r1_op": "judge",
            "r1_gen": generated(draw, settings.sampling, checkpoint=checkpoint, seed=seed),
            "task_id": draw.task.id,
            "language": draw.task.language,
            "prompt": draw.task.prompt,
            "response": draw.text,
            "safe": safe(prompts[draw.task.prompt], draw.text),
        }
        identity = LABELS.row_id(row)
        rows.setdefault(identity, {"r1_id": identity, **row})
    return pl.DataFrame(list(rows.values()), schema=LABELS.schema)


if __name__ == "__main__":
    start(main)
