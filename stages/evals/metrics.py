"""Figures over graded answers: mean@n, pass@k, cons@k, with intervals over questions.

Every figure is a mean over questions of a figure per question, and the question is the cluster: draws of
one question are not independent, so the spread between questions alone makes the interval. Intervals are
Student's t over the per-question values, 95% unless told otherwise, cut to [0, 1] for shares. Where
all questions agree on 0 or on 1 the t interval would have no width; there it is the exact binomial one.

The paper's pass@1 is mean@n here: the mean over n draws.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over questions with its interval. `num_draws` counts all draws."""

    mean: float
    low: float
    high: float
    num_questions: int
    num_draws: int


@dataclass(frozen=True, kw_only=True)
class Question:
    """The draws of one question by one model, in the order of the draws."""

    task_id: str
    answers: tuple[str | None, ...]  # canonical; None never votes
    correct: tuple[bool, ...]


def questions(scores: pl.DataFrame) -> list[Question]:
    """The questions of one model's scores (schema SCORES), by task id, draws in order.

    Raises:
        ValueError: the scores are of several models.
    """
    if scores.get_column("model").n_unique() > 1:
        raise ValueError(f"scores of several models: {sorted(scores.get_column('model').unique())}")
    draws = scores.with_columns(pl.col("r1_gen").struct.field("draw").alias("draw")).sort("task_id", "draw")
    grouped = draws.group_by("task_id", maintain_order=True).agg("answer", "correct")
    return [
        Question(task_id=task, answers=tuple(answers), correct=tuple(correct))
        for task, answers, correct in grouped.iter_rows()
    ]


def pass_at_k(num_draws: int, num_correct: int, k: int) -> float:
    """Probability that one of k draws without replacement is correct (unbiased; Codex paper, eq. 1).

    Raises:
        ValueError: fewer draws than k, for which no unbiased estimate exists.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 2), pass_at_k(4, 0, 4)
    (0.25, 0.5, 0.0)
    """
    if not 1 <= k <= num_draws:
        raise ValueError(f"pass@{k} needs at least {k} draws of every question, got {num_draws}")
    return 1 - math.comb(num_draws - num_correct, k) / math.comb(num_draws, k)


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A vote's outcome: the chance that the winner is correct, and whether there was a tie, or no vote at all."""

    correct: float
    tied: bool
    empty: bool


def vote(answers: Sequence[str | None], correct: Sequence[bool]) -> Vote:
    """Majority vote over canonical answers. Ties are broken by expectation, so the order doesn't matter.

    >>> vote(["5", "5", "6"], [True, True, False]).correct, vote(["5", "6"], [True, False]).correct
    (1.0, 0.5)
    """
    groups: dict[str, list[bool]] = {}
    for answer, right in zip(answers, correct, strict=True):
        if answer is not None:
            groups.setdefault(answer, []).append(right)
    if not groups:
        return Vote(correct=0.0, tied=False, empty=True)
    most = max(len(group) for group in groups.values())
    winners = [fmean(group) for group in groups.values() if len(group) == most]
    return Vote(correct=fmean(winners), tied=len(winners) > 1, empty=False)


def mean_at_n(of: Sequence[Question], *, level: float = 0.95) -> Estimate:
    """Accuracy: the mean over questions of the share of correct draws."""
    return _share([fmean(q.correct) for q in of], num_draws=_draws(of), level=level)


def mean_pass_at_k(of: Sequence[Question], k: int, *, level: float = 0.95) -> Estimate:
    """pass@k. Raises ValueError where a question has fewer than k draws."""
    return _share([pass_at_k(len(q.correct), sum(q.correct), k) for q in of], num_draws=_draws(of), level=level)


def cons_at_k(of: Sequence[Question], k: int, *, level: float = 0.95) -> Estimate:
    """cons@k: the majority of k draws, averaged over the disjoint blocks of k that a question's draws hold.

    Raises:
        ValueError: a question has fewer than k draws.
    """
    return _share([fmean(v.correct for v in _votes(q, k)) for q in of], num_draws=_draws(of), level=level)


def tie_rate(of: Sequence[Question], k: int) -> float:
    """Share of votes of k draws that ended in a tie."""
    votes = [v for q in of for v in _votes(q, k)]
    return fmean(v.tied for v in votes)


def _votes(question: Question, k: int) -> list[Vote]:
    n = len(question.answers)
    if not 1 <= k <= n:
        raise ValueError(f"cons@{k} needs at least {k} draws of every question, got {n} of {question.task_id}")
    return [vote(question.answers[i : i + k], question.correct[i : i + k]) for i in range(0, n - k + 1, k)]


def _draws(of: Sequence[Question]) -> int:
    return sum(len(q.correct) for q in of)


def paired_difference(a: Sequence[Question], b: Sequence[Question], *, level: float = 0.95) -> Estimate:
    """Accuracy of `a` less that of `b` over the same questions, whose difficulty thereby cancels out.

    Raises:
        ValueError: the two were not asked the same questions.
    """
    of_b = {q.task_id: q for q in b}
    if {q.task_id for q in a} != of_b.keys():
        raise ValueError("a paired difference needs the same questions on both sides")
    values = [fmean(q.correct) - fmean(of_b[q.task_id].correct) for q in a]
    return interval(values, num_draws=_draws(a) + _draws(b), level=level)


def interval(values: Sequence[float], *, num_draws: int | None = None, level: float = 0.95) -> Estimate:
    """Student's t interval for the mean of one value a question. A single question has no interval: NaN.

    Raises:
        ValueError: there are no questions.
    """
    if not values:
        raise ValueError("no questions")
    mean, n = fmean(values), len(values)
    half = student_t(1 - (1 - level) / 2, n - 1) * stdev(values) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(
        mean=mean, low=mean - half, high=mean + half, num_questions=n, num_draws=n if num_draws is None else num_draws
    )


def _share(values: Sequence[float], *, num_draws: int, level: float) -> Estimate:
    """The interval of a mean of shares."""
    found = interval(values, num_draws=num_draws, level=level)
    low, high = max(0.0, found.low), min(1.0, found.high)
    if found.mean in (0.0, 1.0):
        reach = 1 - ((1 - level) / 2) ** (1 / found.num_questions)  # Clopper-Pearson with 0 or n successes
        low, high = (0.0, reach) if found.mean == 0.0 else (1 - reach, 1.0)
    return Estimate(mean=found.mean, low=low, high=high, num_questions=found.num_questions, num_draws=num_draws)


def student_t(probability: float, degrees: int) -> float:
    """Quantile of Student's t for a probability of at least 0.5: exact for 1 and 2 degrees of freedom, else Hill's
    expansion around the normal quantile, within 0.005 of the 97.5% quantile.

    >>> [round(student_t(0.975, d), 2) for d in (1, 2, 5, 30, 1000)]
    [12.71, 4.3, 2.57, 2.04, 1.96]
    """
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        spread = 2 * probability - 1
        return spread * math.sqrt(2 / (1 - spread**2))
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rank correlation, ties with their mean rank. NaN where one side is constant.

    >>> spearman([1, 2, 3, 4], [1, 4, 9, 16]), spearman([1, 2, 3], [3, 2, 1])
    (1.0, -1.0)
    """
    if len(x) != len(y):
        raise ValueError(f"got {len(x)} and {len(y)} values")
    if len(x) < 2:
        return math.nan
    a, b = _ranks(x), _ranks(y)
    mean = (len(x) + 1) / 2
    deviations_a, deviations_b = [rank - mean for rank in a], [rank - mean for rank in b]
    spread = math.sqrt(_dot(deviations_a, deviations_a) * _dot(deviations_b, deviations_b))
    return _dot(deviations_a, deviations_b) / spread if spread else math.nan


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for i in order[start : end + 1]:
            ranks[i] = (start + end) / 2 + 1
        start = end + 1
    return ranks


def pass_curve(scores: pl.DataFrame, *, max_k: int | None = None, level: float = 0.95) -> pl.DataFrame:
    """pass@k of each model for k = 1, 2, 4, ... up to the fewest draws of a question: model, k, mean, low, high."""
    rows: list[Mapping[str, object]] = []
    for model, of in _by(scores, "model"):
        asked = questions(of)
        fewest = min(len(q.correct) for q in asked)
        limit = fewest if max_k is None else min(max_k, fewest)
        for k in (2**i for i in range(limit.bit_length())):
            found = mean_pass_at_k(asked, k, level=level)
            rows.append({"model": model, "k": k, "mean": found.mean, "low": found.low, "high": found.high})
    columns = {"model": pl.String(), "k": pl.Int64(), "mean": pl.Float64(), "low": pl.Float64(), "high": pl.Float64()}
    return pl.DataFrame(rows, schema=columns)


SUMMARY = {
    "model": pl.String(),
    "group": pl.String(),
    "questions": pl.Int64(),
    "draws": pl.Int64(),
    "accuracy": pl.Float64(),  # mean@n
    "accuracy_low": pl.Float64(),
    "accuracy_high": pl.Float64(),
    "cons": pl.Float64(),  # cons@k with k the fewest draws of a question
    "cons_k": pl.Int64(),
    "ties": pl.Float64(),
    "format": pl.Float64(),
    "language": pl.Float64(),
    "tokens": pl.Float64(),
    "truncated": pl.Float64(),
    "no_answer": pl.Float64(),
    "unknown": pl.Float64(),
}


def summary(scores: pl.DataFrame, *, by: str | None = None, level: float = 0.95) -> pl.DataFrame:
    """One row a model, and a value of `by` (such as family, difficulty, language): the columns of SUMMARY.

    Only rows of kind reasoning count; all other kinds are not graded by rules. Shares are over draws,
    accuracy and cons over questions.
    """
    rows: list[Mapping[str, object]] = []
    for model, of in _by(scores.filter(pl.col("kind") == "reasoning"), "model"):
        for group, part in _by(of, by) if by else [("all", of)]:
            rows.append({"model": model, "group": group, **_summarise(part, level=level)})
    return pl.DataFrame(rows, schema=SUMMARY)


def _summarise(scores: pl.DataFrame, *, level: float) -> dict[str, float]:
    asked = questions(scores)
    found = mean_at_n(asked, level=level)
    k = min(len(q.correct) for q in asked)
    shares = scores.select(
        format=pl.col("format").cast(pl.Float64).mean(),
        language=pl.col("language_consistency").cast(pl.Float64).mean(),
        tokens=pl.col("num_tokens").mean(),
        truncated=pl.col("truncated").mean(),
        no_answer=pl.col("answer").is_null().mean(),
        unknown=(pl.col("verdict") == "unknown").mean(),
    ).row(0, named=True)
    return {
        "questions": found.num_questions,
        "draws": found.num_draws,
        "accuracy": found.mean,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "cons": cons_at_k(asked, k, level=level).mean,
        "cons_k": k,
        "ties": tie_rate(asked, k),
        **shares,
    }


def _by(frame: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    """The frame's parts by the values of a column, in their order."""
    return [(str(key[0]), part) for key, part in sorted(frame.partition_by(column, as_dict=True).items())]
