"""GRPO in float64 with plain loops and hand-derived gradients: what stages/rl/objective.py must equal.

Written from the formulas, one token at a time, without tensors, autograd or code of the objective. Rows are
lists of the tokens that count, without padding. Notation: l log-probability under the policy, o under the
rollout's policy, e under the engine, f under the reference, A advantage, n tokens of the row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.contract.params import Objective

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The loss, its gradient with respect to every l, and the figures, as sums over tokens."""

    loss: float
    gradient: list[list[float]]
    figures: dict[str, float]


def reference_advantages(groups: Rows, scale: str) -> list[list[float]]:
    """A = (r - mean of the group) / (s + 1e-6), where s has n - 1 below the line; 0 where all r are equal."""

    def deviation(values: Sequence[float]) -> float:
        mean = math.fsum(values) / len(values)
        return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))

    out = []
    for group in groups:
        mean = math.fsum(group) / len(group)
        below = 1.0
        if scale == "group_std":
            below = deviation(group) + 1e-6
        if scale == "batch_std":
            below = deviation([v for g in groups for v in g]) + 1e-6
        out.append([0.0 if max(group) - min(group) <= 1e-6 else (v - mean) / below for v in group])
    return out


def reference_loss(
    logps: Rows,
    olds: Rows,
    advantages: Sequence[float],
    *,
    options: Objective,
    num_sequences: int,
    num_tokens: int,
    references: Rows | None = None,
    engines: Rows | None = None,
) -> Result:
    loss, gradient = 0.0, []
    names = ["ratio", "clip_low", "clip_high"]
    names += ["clip_dual"] if options.dual_clip and options.loss == "clip" else []
    names += ["kl"] if references is not None else []
    names += ["mismatch_kl"] if engines is not None else []
    names += ["tis", "tis_capped"] if options.tis != "none" else []
    figures = dict.fromkeys(names, 0.0)
    for i, row in enumerate(logps):
        n = len(row)
        slopes = [0.0] * n
        share = {  # what one token's loss counts for
            "seq_mean": 1.0 / (max(n, 1) * num_sequences),
            "token_mean": 1.0 / num_tokens,
            "const": 1.0 / (num_sequences * options.agg_tokens),
        }[options.agg]
        for t in range(n):
            weight = 1.0
            if engines is not None:
                figures["mismatch_kl"] += _k3(olds[i][t] - engines[i][t])
                if options.tis != "none":
                    places = [t] if options.tis == "token" else list(range(n))
                    raw = math.exp(sum(olds[i][u] - engines[i][u] for u in places))
                    weight = min(raw, options.tis_cap)
                    figures["tis"] += weight
                    figures["tis_capped"] += raw > options.tis_cap
            if options.ratio == "token":
                ratio = math.exp(row[t] - olds[i][t])
                ratio_slopes = {t: ratio}  # d exp(l - o) / dl
            else:
                ratio = math.exp(sum(row[u] - olds[i][u] for u in range(n)) / n)
                ratio_slopes = {u: ratio / n for u in range(n)}
            figures["ratio"] += ratio
            gain, by_ratio, by_logp = _gain(ratio, row[t], advantages[i], options, figures)
            loss -= share * weight * gain
            slopes[t] -= share * weight * by_logp
            for u, slope in ratio_slopes.items():
                slopes[u] -= share * weight * by_ratio * slope
            if references is not None:
                penalty, slope = _penalty(row[t], olds[i][t], references[i][t], options)
                loss += share * options.kl_beta * penalty
                slopes[t] += share * options.kl_beta * slope
                figures["kl"] += _k3(references[i][t] - row[t])
        gradient.append(slopes)
    return Result(loss=loss, gradient=gradient, figures=figures)


def _gain(
    ratio: float, logp: float, advantage: float, options: Objective, figures: dict[str, float]
) -> tuple[float, float, float]:
    """Gain of a token, d gain / d ratio, and d gain / d logp at a fixed ratio."""
    low, high = 1.0 - options.clip_low, 1.0 + options.clip_high
    if options.loss == "cispo":
        figures["clip_low"] += ratio < low
        figures["clip_high"] += ratio > high
        weight = min(max(ratio, low), high)
        return weight * advantage * logp, 0.0, weight * advantage
    if advantage > 0 and ratio > high:
        figures["clip_high"] += 1
        return high * advantage, 0.0, 0.0
    if advantage < 0 and ratio < low:
        figures["clip_low"] += 1
        return low * advantage, 0.0, 0.0
    if advantage < 0 and options.dual_clip and ratio > options.dual_clip:
        figures["clip_dual"] += 1
        return options.dual_clip * advantage, 0.0, 0.0
    return ratio * advantage, advantage, 0.0


def _penalty(logp: float, old: float, reference: float, options: Objective) -> tuple[float, float]:
    """KL term of a token, and its derivative with respect to l."""
    d = reference - logp
    if options.kl == "k2":
        return d * d / 2, -d
    if options.kl == "k3":
        return _k3(d), 1 - math.exp(d)
    if options.kl == "k3_is":
        ratio = math.exp(logp - old)
        return ratio * _k3(d), ratio * _k3(d) + ratio * (1 - math.exp(d))
    return 0.0, 0.0


def _k3(d: float) -> float:
    return math.exp(d) - d - 1
