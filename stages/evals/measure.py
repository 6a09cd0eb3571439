"""What the report says of models and of pairs of models, measured from their scores (schema SCORES)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from stages.contract.results import Change, ModelResult
from stages.evals.metrics import (
    Estimate,
    Question,
    cons_at_k,
    interval,
    mean_at_n,
    mean_pass_at_k,
    questions,
    spearman,
    vote,
)
from stages.evals.reflection import reflective_words

MAX_K = 16
_SHARES = ("correct", "language_consistency", "preference")
_THINKS = pl.col("completion").str.contains("<think>[^<]")


def measure(scores: Mapping[str, pl.DataFrame]) -> tuple[dict[str, ModelResult], dict[tuple[str, str], Change]]:
    """Every model's figures, and the paired differences (after, before) of models that have problems in common."""
    counted = {name: _counted(frame) for name, frame in scores.items()}
    models = {name: measured(frame) for name, frame in counted.items()}
    return models, {(a, b): change(counted[a], counted[b]) for a, b in pairs(list(scores)) if _shared(scores, (a, b))}


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of models that the paper's effects are about."""
    students = [name.partition("-")[2] for name in names if name.startswith("distill-")]
    return [
        ("zero", "base"),
        ("grpo", "zero"),
        ("align", "zero"),
        ("align", "sft"),
        *((f"distill-{s}", f"student_zero-{s}") for s in students),
    ]


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    """The scores with each response's reflective words and its draw. Responses recur, so each text is read once."""
    counts = {text: reflective_words(text) for text in frame["completion"].unique(maintain_order=True)}
    reflective = pl.Series("reflective", [counts[text] for text in frame["completion"]], dtype=pl.Int64)
    return frame.with_columns(reflective, draw=pl.col("r1_gen").struct.field("draw"))


def measured(frame: pl.DataFrame) -> ModelResult:
    """All figures of one model's scores."""
    ruled = frame.filter(pl.col("kind") == "reasoning")
    asked = questions(ruled)
    k = min(MAX_K, min(len(q.correct) for q in asked))
    gains = [vote(q.answers[:k], q.correct[:k]).correct - sum(q.correct) / len(q.correct) for q in asked]
    return ModelResult(
        name=frame["model"][0],
        accuracy=mean_at_n(asked),
        families={
            str(key[0]): mean_at_n(questions(part))
            for key, part in sorted(ruled.partition_by("family", as_dict=True).items())
        },
        votes=k,
        cons=cons_at_k(asked, k),
        cons_gain=interval(gains, num_draws=len(ruled)),
        pass_at={k: mean_pass_at_k(asked, k) for k in (2**i for i in range(k.bit_length()))},
        format=_share(ruled, "format"),
        language=_language(ruled),
        length=_mean(ruled, "num_tokens"),
        thoughts=_share(ruled.with_columns(thinks=_THINKS.cast(pl.Float64)), "thinks"),
        thinking_length=_over_responses(ruled.filter(_THINKS), "num_tokens") if len(ruled.filter(_THINKS)) else None,
        reflective=_mean(ruled, "reflective"),
        reflective_families={
            str(key[0]): _mean(part, "reflective")
            for key, part in sorted(ruled.partition_by("family", as_dict=True).items())
        },
        by_difficulty={
            int(key[0]): (mean_at_n(questions(part)), _mean(part, "num_tokens"))
            for key, part in sorted(ruled.partition_by("difficulty", as_dict=True).items())
        },
        length_rank={
            over: _rank(part)
            for over, part in (("all", ruled), ("correct", ruled.filter(pl.col("correct"))))
            if len(part)
        },
        refusals=_happens(frame.filter(pl.col("kind") == "safety"), "refused"),
        false_refusals=_happens(frame.filter((pl.col("kind") == "helpful") & (pl.col("family") == "how")), "refused"),
        preference=_judged(frame),
    )


def _per_question(frame: pl.DataFrame, column: str) -> list[float]:
    means = frame.group_by("task_id").agg(pl.col(column).cast(pl.Float64).mean()).sort("task_id")
    return means[column].to_list()


def _mean(frame: pl.DataFrame, column: str) -> Estimate:
    return interval(_per_question(frame, column), num_draws=len(frame))


def _share(frame: pl.DataFrame, column: str) -> Estimate:
    """A mean of values in [0, 1]. Values that are all 0 or all 1 still get an honest interval: the binomial one."""
    if set(frame[column].unique()) <= {0.0, 1.0}:
        happens = _happens(frame.with_columns(pl.col(column) == 1.0), column)
        assert happens is not None
        return happens
    found = _mean(frame, column)
    return Estimate(
        mean=found.mean,
        low=max(0.0, found.low),
        high=min(1.0, found.high),
        num_questions=found.num_questions,
        num_draws=found.num_draws,
    )


def _over_responses(frame: pl.DataFrame, column: str) -> Estimate:
    """A mean over responses of which the questions have different numbers, with the interval of a ratio of sums."""
    sums = (
        frame.group_by("task_id")
        .agg(pl.col(column).cast(pl.Float64).sum().alias("sum"), pl.len().alias("count"))
        .sort("task_id")
    )
    ratio, size = sums["sum"].sum() / len(frame), len(frame) / len(sums)
    return interval(
        [ratio + (s - ratio * m) / size for s, m in zip(sums["sum"], sums["count"], strict=True)], num_draws=len(frame)
    )


def _language(frame: pl.DataFrame) -> Estimate:
    """Language consistency of the thoughts; of all responses where none has a thought."""
    thinking = frame.filter(_THINKS)
    thinking = frame if thinking.is_empty() else thinking
    if thinking["language_consistency"].n_unique() == 1:
        return _share(thinking, "language_consistency")
    found = _over_responses(thinking, "language_consistency")
    return Estimate(
        mean=found.mean,
        low=max(0.0, found.low),
        high=min(1.0, found.high),
        num_questions=found.num_questions,
        num_draws=found.num_draws,
    )


def _happens(frame: pl.DataFrame, column: str) -> Estimate | None:
    """How often a yes-or-no column is true, by question; None without rows."""
    if frame.is_empty():
        return None
    grouped = frame.sort("task_id", "draw").group_by("task_id", maintain_order=True).agg(column)
    return mean_at_n(
        [
            Question(task_id=task, answers=(None,) * len(values), correct=tuple(values))
            for task, values in grouped.iter_rows()
        ]
    )


def _judged(frame: pl.DataFrame) -> Estimate | None:
    judged = frame.filter(pl.col("preference").is_not_null())
    return None if judged.is_empty() else _share(judged, "preference")


def _rank(frame: pl.DataFrame) -> Estimate:
    """Spearman of length with difficulty over responses. A problem's draws are not independent, so n is the problems' number."""
    rank, n = spearman(frame["difficulty"].to_list(), frame["num_tokens"].to_list()), frame["task_id"].n_unique()
    half = (
        1.96 * math.sqrt((1 + rank**2 / 2) / (n - 3)) if n > 3 else math.nan
    )  # Bonett and Wright's variance of Fisher's z
    z = math.atanh(max(-0.999999, min(0.999999, rank))) if rank == rank else math.nan
    return Estimate(mean=rank, low=math.tanh(z - half), high=math.tanh(z + half), num_questions=n, num_draws=len(frame))


def _shared(scores: Mapping[str, pl.DataFrame], pair: tuple[str, str]) -> bool:
    """Whether both models were asked some reasoning problem in common."""
    asked = [
        set(scores[name].filter(pl.col("kind") == "reasoning")["task_id"]) if name in scores else set() for name in pair
    ]
    return not asked[0].isdisjoint(asked[1])


def change(after: pl.DataFrame, before: pl.DataFrame) -> Change:
    """Paired differences over the questions that both models were asked."""
    ruled = [frame.filter(pl.col("kind") == "reasoning") for frame in (after, before)]
    judged = [frame.filter(pl.col("preference").is_not_null()) for frame in (after, before)]
    families = sorted(set(ruled[0]["family"]) & set(ruled[1]["family"]))
    by_family = {f: _difference("correct", *[frame.filter(pl.col("family") == f) for frame in ruled]) for f in families}
    accuracy, length, reflective = (_difference(column, *ruled) for column in ("correct", "num_tokens", "reflective"))
    assert accuracy is not None and length is not None and reflective is not None  # they share problems
    language = _difference("language_consistency", *[frame.filter(_THINKS) for frame in ruled])
    return Change(
        accuracy=accuracy,
        families={family: found for family, found in by_family.items() if found is not None},
        length=length,
        language=language,
        reflective=reflective,
        preference=_difference("preference", *judged),
    )


def _difference(column: str, after: pl.DataFrame, before: pl.DataFrame) -> Estimate | None:
    """Mean difference over shared questions, of shares cut to [-1, 1]; None without any."""
    means = [
        frame.group_by("task_id").agg(pl.col(column).cast(pl.Float64).mean(), pl.len().alias("draws"))
        for frame in (after, before)
    ]
    both = means[0].join(means[1], on="task_id").sort("task_id")
    if both.is_empty():
        return None
    found = interval(
        (both[column] - both[f"{column}_right"]).to_list(), num_draws=sum(both["draws"]) + sum(both["draws_right"])
    )
    if column not in _SHARES or len(both) == 1:  # one question has no interval: it stays NaN
        return found
    return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))
