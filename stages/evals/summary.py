"""The headline metrics of one model's scores."""

import polars as pl

from stages.evals.metrics import cons_at_k, mean_at_n, mean_pass_at_k, questions


def headline(scores: pl.DataFrame) -> dict[str, float]:
    """pass@1 with its 95% interval, pass@k and cons@k at the number of draws, format, language, length, unknown verdicts, and for
    general prompts refusals and the reward models' score. Shares and means; figures without rows are left out."""
    ruled = scores.filter(pl.col("kind") == "reasoning")
    found: dict[str, float] = {}
    if len(ruled):
        asked = questions(ruled)
        draws = min(len(q.correct) for q in asked)
        first = mean_at_n(asked)
        found = {
            "pass_at_1": first.mean,
            "pass_at_1_low": first.low,
            "pass_at_1_high": first.high,
            f"pass_at_{draws}": mean_pass_at_k(asked, draws).mean,
            f"cons_at_{draws}": cons_at_k(asked, draws).mean,
            "format": _mean(ruled, "format"),
            "unknown": len(ruled.filter(pl.col("verdict") == "unknown")) / len(ruled),
            "language": language_of_thoughts(ruled),
            "length": _mean(ruled, "num_tokens"),
        }
    unsafe = scores.filter(pl.col("kind") == "safety")
    alike = scores.filter((pl.col("kind") == "helpful") & (pl.col("family") == "how"))
    judged = scores.filter(pl.col("preference").is_not_null())
    if len(unsafe):
        found["refusals"] = _mean(unsafe, "refused")
    if len(alike):
        found["false_refusals"] = _mean(alike, "refused")
    if len(judged):
        found["preference"] = _mean(judged, "preference")
    return found


def language_of_thoughts(scores: pl.DataFrame) -> float:
    """Mean language consistency of the responses that think. One without a thought mixes nothing, and says nothing."""
    thinking = scores.filter(pl.col("completion").str.contains("<think>[^<]"))
    return _mean(thinking, "language_consistency") if len(thinking) else 1.0


def _mean(frame: pl.DataFrame, column: str) -> float:
    value = frame[column].cast(pl.Float64).mean()
    assert isinstance(value, float)
    return value
