"""The contamination verdict on scores: how many of a model's problems it had seen, and the scores without them."""

from collections.abc import Collection, Mapping

import polars as pl

from stages.contract.contamination import Contamination
from stages.contract.results import Exposure, Overlap
from stages.evals.metrics import mean_at_n, questions

_RULED = pl.col("kind") == "reasoning"


def exposure(scores: pl.DataFrame, found: Contamination) -> Exposure:
    """The verdict on one model's scores (schema SCORES)."""
    hits = found.rows.filter(pl.col("counts") & pl.col("task_id").is_in(scores["task_id"].implode()))
    inside = pl.col("task_id").is_in(hits["task_id"].implode())
    test, general = scores.filter(_RULED), scores.filter(~_RULED)
    clean, has_seen = test.filter(~inside), _overlap(test, inside)
    places = hits.group_by("table", "how").agg(pl.col("task_id").n_unique()).sort("table", "how")
    return Exposure(
        test=has_seen,
        general=_overlap(general, inside),
        places={(table, how): problems for table, how, problems in places.iter_rows()},
        num_tables=len(found.tables),
        unknown=found.unknown if found.unknown or found.tables else ("no table leads to it",),
        accuracy=mean_at_n(questions(clean)) if has_seen.seen and len(clean) else None,
    )


def _overlap(scores: pl.DataFrame, inside: pl.Expr) -> Overlap:
    return Overlap(seen=scores.filter(inside)["task_id"].n_unique(), asked=scores["task_id"].n_unique())


def unseen(scores: Mapping[str, pl.DataFrame], found: Collection[Contamination]) -> dict[str, pl.DataFrame]:
    """The scores without every problem that any of the models saw, so that all stay comparable. A model that has no test
    problem left is left out."""
    seen = pl.concat([one.rows.filter("counts")["task_id"] for one in found])
    left = {name: frame.filter(~pl.col("task_id").is_in(seen.implode())) for name, frame in scores.items()}
    return {name: frame for name, frame in left.items() if not frame.filter(_RULED).is_empty()}
