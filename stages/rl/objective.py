"""The GRPO objective: rewards to advantages, log-probabilities to a loss. Nothing else lives here.

Paper: equations 1-3, read per token as in DeepSeekMath (2402.03300, equation 3). Departures are options.
Shapes: P prompts, G completions a prompt (the group), B rows of a micro-batch, T completion positions.
Not covered: -inf or nan at a position that counts. Log-probabilities should come in float32 or wider.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.contract.params import Objective

DDOF = 1  # Bessel's correction, as the field's trainers have it (paper: unspecified)
EPSILON = 1e-6  # guards the division by the standard deviation; rewards closer than this count as equal
MAX_LOG_RATIO = 20.0  # beyond e^20 a ratio is held constant: exp would overflow and inf * 0 is nan

PAPER = Objective(
    adv_scale="group_std", agg="seq_mean", agg_tokens=1, loss="clip", ratio="token", clip_low=10.0, clip_high=10.0,
    dual_clip=0.0, kl="k3", kl_beta=1e-3, tis="none", tis_cap=2.0,
)  # fmt: skip
MODERN = Objective(
    adv_scale="none", agg="token_mean", agg_tokens=1, loss="clip", ratio="token", clip_low=0.2, clip_high=0.28,
    dual_clip=0.0, kl="none", kl_beta=0.0, tis="token", tis_cap=2.0,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Normaliser:
    """What the loss is divided by: totals over one whole policy update, rows and tokens that count.

    Every micro-batch of the update gets the same one, so that their losses and gradients add up to the batch's.
    """

    sequences: int
    tokens: int


def zero_variance(rewards_PG: Tensor) -> Tensor:
    """[P] bool: groups whose rewards are all equal (to EPSILON), which therefore teach nothing."""
    return (rewards_PG.amax(dim=1) - rewards_PG.amin(dim=1)) <= EPSILON


def advantages(rewards_PG: Tensor, *, scale: str) -> Tensor:
    """[P, G] rewards less their group's mean; exactly 0 in a group without variance.

    `scale` divides by the group's standard deviation (`group_std`), by that of all rewards of the batch
    (`batch_std`, 2508.08221), or by nothing (`none`, 2503.20783). The batch is whatever is passed in.
    """
    centred_PG = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
    if scale == "group_std":
        centred_PG = centred_PG / (rewards_PG.std(dim=1, keepdim=True, correction=DDOF) + EPSILON)
    elif scale == "batch_std":
        centred_PG = centred_PG / (rewards_PG.std(correction=DDOF) + EPSILON)
    elif scale != "none":
        raise ValueError(f"unknown advantage scale {scale!r}")
    return torch.where(zero_variance(rewards_PG)[:, None], 0.0, centred_PG)


def normalised_sum(parts_KPG: Tensor, weights_K: Tensor) -> tuple[Tensor, Tensor]:
    """Advantages [P, G] from K reward parts, each compared within its group before they are weighed and added.

    A sum of rewards hides the part with the smaller spread; here every part speaks with its weight. The sum, whose mean
    is 0, is then brought to standard deviation 1 over the batch's groups that have variance in some part (GDPO,
    2601.05242). Also returned, [P] bool: the groups that have none; their advantages are 0.
    """
    flat_KP = torch.stack([zero_variance(part) for part in parts_KPG]) | (weights_K == 0)[:, None]
    flat_P = flat_KP.all(dim=0)
    each_KPG = torch.stack([advantages(part, scale="group_std") for part in parts_KPG])
    total_PG = (weights_K[:, None, None] * each_KPG).sum(dim=0)
    live = total_PG[~flat_P]
    return (total_PG / (live.std(correction=DDOF) + EPSILON) if live.numel() else total_PG), flat_P


def grpo_loss(
    logp_BT: Tensor,
    *,
    old_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    options: Objective,
    normaliser: Normaliser,
    reference_logp_BT: Tensor | None = None,
    engine_logp_BT: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one micro-batch, and figures on it.

    `old_logp_BT` is the rollout's policy as the trainer computes it, `engine_logp_BT` as the engine did.
    Where `mask_BT` is 0, every input may hold anything. Gradients flow through `logp_BT` alone.

    - `ratio: sequence` (GSPO, 2507.18071): exp of the row's mean log ratio, with gradient through it.
    - `loss: cispo` (2506.13585): the ratio, clipped on both sides and detached, weighs the log-probability.
    - `dual_clip`: for negative advantages the ratio counts as at most this (0: off).
    - `tis`: the policy term, not the KL, is weighed by min(exp(old - engine), cap), detached; `token` by each
      token's, `sequence` by the whole row's product (not the geometric mean).
    - `kl`, per token, d = reference - policy: `k2` d^2/2, `k3` exp(d) - d - 1, `k3_is` k3 times the token
      ratio policy/old, with gradient through both factors, which makes the gradient unbiased (DeepSeek-V3.2).
    - `agg`: `seq_mean` averages over a row's tokens, then over rows; `token_mean` over all tokens; `const`
      divides the sum by rows x agg_tokens. Rows without tokens give 0.

    Returns:
        The loss, and detached **sums over tokens**: add them over micro-batches, divide by the update's tokens.
        ratio; clip_low, clip_high, clip_dual (tokens held by that bound); and where their inputs are given
        kl (k3 to the reference, whatever `kl` is), mismatch_kl (k3 of engine to trainer), tis, tis_capped.
    """
    mask_BT = mask_BT.bool()
    kept = _keeper(mask_BT)
    logp_BT, old_BT = kept(logp_BT), kept(old_logp_BT.detach())
    advantage_BT = kept(advantage_B.detach()[:, None].expand_as(logp_BT))
    length_B = mask_BT.sum(dim=1).clamp(min=1)

    log_ratio_BT = logp_BT - old_BT
    token_ratio_BT = ratio_BT = _exp(log_ratio_BT)
    if options.ratio == "sequence":
        ratio_BT = _exp(log_ratio_BT.sum(dim=1) / length_B)[:, None].expand_as(logp_BT)
    gain_BT, figures = _gain(ratio_BT, logp_BT, advantage_BT, options)
    figures["ratio"] = ratio_BT

    if engine_logp_BT is not None:
        gap_BT = old_BT - kept(engine_logp_BT.detach())
        figures["mismatch_kl"] = _k3(gap_BT)
        if options.tis != "none":
            raw_BT = _exp(gap_BT if options.tis == "token" else gap_BT.sum(dim=1, keepdim=True).expand_as(gap_BT))
            weight_BT = raw_BT.clamp(max=options.tis_cap)
            gain_BT = gain_BT * weight_BT
            figures |= {"tis": weight_BT, "tis_capped": raw_BT > options.tis_cap}
    elif options.tis != "none":
        raise ValueError("tis needs the engine's log-probabilities")

    loss_BT = -gain_BT
    if reference_logp_BT is not None:
        gap_BT = kept(reference_logp_BT.detach()) - logp_BT
        k3_BT = _k3(gap_BT)
        figures["kl"] = k3_BT
        penalty_BT = {"none": 0.0 * k3_BT, "k2": gap_BT**2 / 2, "k3": k3_BT, "k3_is": token_ratio_BT * k3_BT}
        loss_BT = loss_BT + options.kl_beta * penalty_BT[options.kl]
    elif options.kl != "none" and options.kl_beta:
        raise ValueError("kl needs the reference's log-probabilities")

    sums = {name: kept(value.detach().to(logp_BT.dtype)).sum() for name, value in figures.items()}
    return _aggregate(loss_BT, length_B, options, normaliser), sums


def _gain(
    ratio_BT: Tensor, logp_BT: Tensor, advantage_BT: Tensor, options: Objective
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the policy gains per token, and which tokens which bound holds."""
    lowest, highest = 1 - options.clip_low, 1 + options.clip_high
    clipped_BT = ratio_BT.clamp(lowest, highest)
    below_BT, above_BT = ratio_BT < lowest, ratio_BT > highest
    if options.loss == "cispo":
        return clipped_BT.detach() * advantage_BT * logp_BT, {"clip_low": below_BT, "clip_high": above_BT}
    gain_BT = torch.minimum(ratio_BT * advantage_BT, clipped_BT * advantage_BT)
    held = {"clip_low": below_BT & (advantage_BT < 0), "clip_high": above_BT & (advantage_BT > 0)}
    if options.dual_clip:
        worst_BT = options.dual_clip * advantage_BT
        held["clip_dual"] = (advantage_BT < 0) & (gain_BT < worst_BT)
        gain_BT = torch.where(held["clip_dual"], worst_BT, gain_BT)
    return gain_BT, held


def _aggregate(loss_BT: Tensor, length_B: Tensor, options: Objective, normaliser: Normaliser) -> Tensor:
    if options.agg == "seq_mean":
        return (loss_BT.sum(dim=1) / length_B).sum() / max(1, normaliser.sequences)
    if options.agg == "token_mean":
        return loss_BT.sum() / max(1, normaliser.tokens)
    return loss_BT.sum() / (max(1, normaliser.sequences) * options.agg_tokens)


def _keeper(mask_BT: Tensor) -> Callable[[Tensor], Tensor]:
    # Selecting, not multiplying: 0 * inf is nan, and so would the gradient be.
    return lambda values_BT: torch.where(mask_BT, values_BT, 0.0)


def _exp(log_ratio: Tensor) -> Tensor:
    return log_ratio.clamp(max=MAX_LOG_RATIO).exp()


def _k3(gap: Tensor) -> Tensor:
    """Schulman's k3, exp(d) - d - 1: never negative."""
    gap = gap.clamp(max=MAX_LOG_RATIO)
    return gap.exp() - gap - 1
