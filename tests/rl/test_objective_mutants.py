"""Every hand-made mutant of the objective must be caught by the checks in test_objective.py."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from stages.rl import objective
from tests.rl import test_objective

SOURCE = Path(inspect.getfile(objective)).read_text()
CHECKS: list[Callable[..., None]] = [
    check
    for name, check in vars(test_objective).items()
    if name.startswith("test_") and "rl" in inspect.signature(check).parameters
]
MUTANTS = [  # (old text, which must occur once; new text)
    # advantages
    ("DDOF = 1 ", "DDOF = 0 "),
    ("rewards_PG - rewards_PG.mean(dim=1, keepdim=True)", "rewards_PG - rewards_PG.mean()"),
    ("rewards_PG - rewards_PG.mean(dim=1, keepdim=True)", "rewards_PG.mean(dim=1, keepdim=True) - rewards_PG"),
    ("rewards_PG.std(dim=1, keepdim=True, correction=DDOF)", "rewards_PG.std(correction=DDOF)"),
    ("rewards_PG.std(correction=DDOF)", "centred_PG.std(correction=DDOF)"),
    ("keepdim=True, correction=DDOF) + EPSILON", "keepdim=True, correction=DDOF) - EPSILON"),
    ("EPSILON = 1e-6 ", "EPSILON = 1e-3 "),
    ('if scale == "group_std"', 'if scale != "none"'),
    ("torch.where(zero_variance(rewards_PG)[:, None], 0.0, centred_PG)", "centred_PG"),
    ("rewards_PG.amin(dim=1)) <= EPSILON", "rewards_PG.amin(dim=1)) <= 1.0"),
    # parts normalised before they are added
    ("weights_K[:, None, None] * each_KPG", "each_KPG"),
    ('advantages(part, scale="group_std") for part', 'advantages(part, scale="none") for part'),
    (" | (weights_K == 0)[:, None]", ""),
    ("total_PG[~flat_P]", "total_PG"),
    ("total_PG / (live.std(correction=DDOF) + EPSILON)", "total_PG"),
    # masks
    ("torch.where(mask_BT, values_BT, 0.0)", "values_BT * mask_BT"),
    ("torch.where(mask_BT, values_BT, 0.0)", "values_BT"),
    ("torch.where(mask_BT, values_BT, 0.0)", "torch.where(mask_BT, 0.0, values_BT)"),
    ("= kept(logp_BT), kept(old_logp_BT.detach())", "= logp_BT, kept(old_logp_BT.detach())"),
    ("= kept(logp_BT), kept(old_logp_BT.detach())", "= kept(logp_BT), old_logp_BT.detach()"),
    ("kept(advantage_B.detach()[:, None].expand_as(logp_BT))", "advantage_B.detach()[:, None].expand_as(logp_BT)"),
    ("kept(engine_logp_BT.detach())", "engine_logp_BT.detach()"),
    ("kept(reference_logp_BT.detach())", "reference_logp_BT.detach()"),
    ("kept(value.detach().to(logp_BT.dtype)).sum()", "value.detach().to(logp_BT.dtype).sum()"),
    # detachment
    ("kept(old_logp_BT.detach())", "kept(old_logp_BT)"),
    ("kept(engine_logp_BT.detach())", "kept(engine_logp_BT)"),
    ("advantage_B.detach()", "advantage_B"),
    ("clipped_BT.detach() * advantage_BT * logp_BT", "clipped_BT * advantage_BT * logp_BT"),
    ("clipped_BT.detach() * advantage_BT * logp_BT", "clipped_BT.detach() * advantage_BT"),
    ("kept(value.detach().to(logp_BT.dtype))", "kept(value.to(logp_BT.dtype))"),
    ("token_ratio_BT * k3_BT", "token_ratio_BT.detach() * k3_BT"),
    ("token_ratio_BT * k3_BT", "token_ratio_BT * k3_BT.detach()"),
    # ratios
    ("log_ratio_BT = logp_BT - old_BT", "log_ratio_BT = old_BT - logp_BT"),
    ("_exp(log_ratio_BT.sum(dim=1) / length_B)", "_exp(log_ratio_BT.sum(dim=1))"),
    ("_exp(log_ratio_BT.sum(dim=1) / length_B)", "_exp(log_ratio_BT.mean(dim=1))"),
    ('options.ratio == "sequence"', 'options.ratio == "token"'),
    ("log_ratio.clamp(max=MAX_LOG_RATIO).exp()", "log_ratio.exp()"),
    ("MAX_LOG_RATIO = 20.0", "MAX_LOG_RATIO = 1.0"),
    ("    gap = gap.clamp(max=MAX_LOG_RATIO)\n", ""),
    # clipping
    ("1 - options.clip_low, 1 + options.clip_high", "1 - options.clip_high, 1 + options.clip_low"),
    ("1 - options.clip_low,", "1 + options.clip_low,"),
    ("1 + options.clip_high", "options.clip_high"),
    ("ratio_BT.clamp(lowest, highest)", "ratio_BT.clamp(max=highest)"),
    ("ratio_BT.clamp(lowest, highest)", "ratio_BT.clamp(min=lowest)"),
    ("torch.minimum(ratio_BT", "torch.maximum(ratio_BT"),
    ("torch.minimum(ratio_BT * advantage_BT, clipped_BT * advantage_BT)", "clipped_BT * advantage_BT"),
    ("torch.minimum(ratio_BT * advantage_BT, clipped_BT * advantage_BT)", "ratio_BT * advantage_BT"),
    ("(advantage_BT < 0) & (gain_BT < worst_BT)", "gain_BT < worst_BT"),
    ("gain_BT < worst_BT", "gain_BT > worst_BT"),
    ("below_BT & (advantage_BT < 0)", "below_BT"),
    ("above_BT & (advantage_BT > 0)", "above_BT"),
    ('options.loss == "cispo"', 'options.loss == "clip"'),
    # engine against trainer
    ("old_BT - kept(engine_logp_BT.detach())", "kept(engine_logp_BT.detach()) - old_BT"),
    ("old_BT - kept(engine_logp_BT.detach())", "logp_BT - kept(engine_logp_BT.detach())"),
    ("raw_BT.clamp(max=options.tis_cap)", "raw_BT"),
    ("raw_BT.clamp(max=options.tis_cap)", "raw_BT.clamp(min=options.tis_cap)"),
    ('if options.tis == "token" else', 'if options.tis == "sequence" else'),
    ("gap_BT.sum(dim=1, keepdim=True)", "gap_BT.mean(dim=1, keepdim=True)"),
    ("gain_BT = gain_BT * weight_BT", "gain_BT = gain_BT / weight_BT"),
    ("raw_BT > options.tis_cap", "raw_BT < options.tis_cap"),
    # KL
    ("kept(reference_logp_BT.detach()) - logp_BT", "logp_BT - kept(reference_logp_BT.detach())"),
    ("gap_BT**2 / 2", "gap_BT**2"),
    ('"k3": k3_BT,', '"k3": gap_BT,'),
    ('"none": 0.0 * k3_BT', '"none": k3_BT'),
    ("loss_BT + options.kl_beta *", "loss_BT - options.kl_beta *"),
    ("loss_BT + options.kl_beta *", "loss_BT +"),
    ("gap.exp() - gap - 1", "gap.exp() + gap - 1"),
    ("gap.exp() - gap - 1", "gap.exp() - gap"),
    # aggregation
    ("loss_BT = -gain_BT", "loss_BT = gain_BT"),
    (".sum(dim=1).clamp(min=1)", ".sum(dim=1)"),
    ("(loss_BT.sum(dim=1) / length_B).sum()", "loss_BT.mean(dim=1).sum()"),
    ("/ max(1, normaliser.sequences)", "/ loss_BT.shape[0]"),
    ("/ max(1, normaliser.sequences)", "/ normaliser.sequences"),
    ("max(1, normaliser.tokens)", "max(1, normaliser.sequences)"),
    ("max(1, normaliser.tokens)", "int(length_B.sum())"),
    ("max(1, normaliser.tokens)", "normaliser.tokens"),
    ("(max(1, normaliser.sequences) * options.agg_tokens)", "(max(1, normaliser.tokens) * options.agg_tokens)"),
    ("(max(1, normaliser.sequences) * options.agg_tokens)", "max(1, normaliser.sequences)"),
    # presets
    ("clip_low=10.0, clip_high=10.0", "clip_low=0.2, clip_high=0.2"),
    ('adv_scale="none", agg="token_mean"', 'adv_scale="none", agg="seq_mean"'),
    ("clip_low=0.2, clip_high=0.28", "clip_low=0.2, clip_high=0.2"),
    ("kl_beta=1e-3", "kl_beta=1e-2"),
]


def built(source: str) -> ModuleType:
    module = ModuleType("mutant")
    exec(compile(source, "mutant", "exec"), vars(module))
    return module


def fails(module: ModuleType) -> bool:
    """Whether any check rejects the module, by an assertion or by an error."""
    for check in CHECKS:
        try:
            check(rl=module)
        except (Exception, pytest.fail.Exception):
            return True
    return False


def test_the_unchanged_source_passes_every_check() -> None:
    assert len(CHECKS) > 15
    for check in CHECKS:
        check(rl=built(SOURCE))


@pytest.mark.parametrize(("old", "new"), MUTANTS, ids=[f"{i:02}" for i in range(len(MUTANTS))])
def test_mutant_is_caught(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1, f"{old!r} occurs {SOURCE.count(old)} times: bring the table up to date"
    assert fails(built(SOURCE.replace(old, new))), f"no check notices {old!r} -> {new!r}"
