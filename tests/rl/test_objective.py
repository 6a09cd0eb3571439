"""The GRPO objective against numbers worked out by hand, properties, traps and the float64 reference.

Tests that take `rl` also serve test_objective_mutants.py, which hands them a broken objective.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest
import torch
from torch import Tensor

from stages.contract.params import Objective
from stages.rl import objective
from tests.rl.reference import reference_advantages, reference_loss

LN2 = math.log(2)
PLAIN = Objective(  # every option at its simplest
    adv_scale="none", agg="token_mean", agg_tokens=8, loss="clip", ratio="token", clip_low=0.2, clip_high=0.28,
    dual_clip=0.0, kl="none", kl_beta=1.0, tis="none", tis_cap=2.0,
)  # fmt: skip


def varied(**changes: str | float) -> Objective:
    return dataclasses.replace(PLAIN, **changes)  # type: ignore[arg-type]


def padded(rows: Sequence[Sequence[float]], *, fill: float = 0.0) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], dtype=torch.float64)


def loss_of(
    rl: ModuleType,
    logp: Sequence[Sequence[float]],
    old: Sequence[Sequence[float]],
    advantage: Sequence[float],
    options: Objective,
    *,
    reference: Sequence[Sequence[float]] | None = None,
    engine: Sequence[Sequence[float]] | None = None,
    fill: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> tuple[float, list[list[float]], dict[str, float]]:
    """Loss, gradient per token that counts, and figures, as plain numbers. Rows may differ in length."""

    def shaped(rows: Sequence[Sequence[float]]) -> Tensor:
        return padded(rows, fill=fill).to(dtype)

    lengths = [len(row) for row in logp]
    mask = padded([[1.0] * n for n in lengths]).bool()
    leaf = shaped(logp).requires_grad_()
    loss, figures = rl.grpo_loss(
        leaf,
        old_logp_BT=shaped(old),
        advantage_B=torch.tensor(list(advantage), dtype=dtype),
        mask_BT=mask,
        options=options,
        normaliser=rl.Normaliser(sequences=sum(n > 0 for n in lengths), tokens=sum(lengths)),
        reference_logp_BT=None if reference is None else shaped(reference),
        engine_logp_BT=None if engine is None else shaped(engine),
    )
    loss.backward()
    assert leaf.grad is not None
    assert torch.all(leaf.grad[~mask] == 0), "padding has a gradient"
    gradient = [row[:n] for row, n in zip(leaf.grad.tolist(), lengths, strict=True)]
    return loss.item(), gradient, {name: value.item() for name, value in figures.items()}


def flat(rows: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]


def logs(*ratios: float) -> list[list[float]]:
    """One row of one token for each ratio: log-probabilities that stand in this ratio to log-probabilities of 0."""
    return [[math.log(ratio)] for ratio in ratios]


def zeros(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[0.0] * len(row) for row in rows]


# --- worked by hand ---------------------------------------------------------------------------------------------


def test_advantages_by_hand(rl: ModuleType = objective) -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]], dtype=torch.float64)
    # Means 0.5 and 2; the second group has no variance.
    assert rl.advantages(rewards, scale="none").tolist() == [[0.5, -0.5, -0.5, 0.5], [0.0] * 4]
    # Squares of the deviations: 4 x 0.25 = 1; over n - 1 = 3: s = 0.577350; 0.5 / s = 0.866025.
    scaled = rl.advantages(rewards, scale="group_std")[0].tolist()
    assert scaled == pytest.approx([0.866025, -0.866025, -0.866025, 0.866025], abs=3e-6)
    # All rewards 1, 0, 3, 1: mean 1.25; squares 0.0625 + 1.5625 + 3.0625 + 0.0625 = 4.75; / 3; s = 1.258306.
    batch = rl.advantages(torch.tensor([[1.0, 0.0], [3.0, 1.0]], dtype=torch.float64), scale="batch_std")
    assert flat(batch.tolist()) == pytest.approx([0.397360, -0.397360, 0.794719, -0.794719], abs=2e-6)


def test_clip_by_hand(rl: ModuleType = objective) -> None:
    rows = logs(0.5, 1.0, 1.5, 0.5, 1.0, 1.5)
    loss, gradient, figures = loss_of(rl, rows, zeros(rows), [1, 1, 1, -1, -1, -1], PLAIN)
    # A = +1: min(0.5, 0.8) = 0.5;  1;  min(1.5, 1.28) = 1.28.   A = -1: min(-0.5, -0.8) = -0.8;  -1;  -1.5.
    # Sum 2.78 - 3.3 = -0.52; loss 0.52 / 6. Slope -ratio x A / 6 where nothing is held.
    assert loss == pytest.approx(0.52 / 6)
    assert flat(gradient) == pytest.approx([-0.5 / 6, -1 / 6, 0, 0, 1 / 6, 1.5 / 6])
    assert figures == pytest.approx({"clip_low": 1, "clip_high": 1, "ratio": 6.0})


def test_dual_clip_by_hand(rl: ModuleType = objective) -> None:
    rows = logs(1.3, 1.5, 1.5)
    loss, gradient, figures = loss_of(rl, rows, zeros(rows), [-1, -1, 1], varied(dual_clip=1.4))
    # A = -1: -1.3 stays, -1.5 is held at -1.4; A = +1 knows only the upper bound, 1.28. Sum -1.42.
    assert loss == pytest.approx(1.42 / 3)
    assert flat(gradient) == pytest.approx([1.3 / 3, 0, 0])
    assert figures["clip_dual"] == 1 and figures["clip_high"] == 1


def test_paper_bounds_by_hand(rl: ModuleType = objective) -> None:
    rows = logs(12.0, 10.9, 12.0, 0.01)
    loss, gradient, figures = loss_of(rl, rows, zeros(rows), [1, 1, -1, -1], rl.PAPER, reference=rows)
    # eps 10: the upper bound is 1 + 10 = 11, for A > 0 alone; the lower, 1 - 10 = -9, never binds.
    # 11 + 10.9 - 12 - 0.01 = 9.89 over 4 rows; the policy is the reference, so the KL is 0.
    assert loss == pytest.approx(-9.89 / 4)
    assert flat(gradient) == pytest.approx([0, -10.9 / 4, 12 / 4, 0.01 / 4])
    assert (figures["clip_low"], figures["clip_high"], figures["kl"]) == (0, 1, 0)


def test_paper_mean_and_kl_by_hand(rl: ModuleType = objective) -> None:
    rows = [[-1.0, -1.0], [-1.0]]
    reference = [[-1.0 + LN2, -1.0], [-1.0 - LN2]]
    loss, gradient, figures = loss_of(rl, rows, rows, [0.5, -0.5], rl.PAPER, reference=reference)
    # k3 at d = ln 2: 2 - 0.693147 - 1 = 0.306853; at 0: 0; at -ln 2: 0.5 + 0.693147 - 1 = 0.193147.
    # Row 1: -0.5 + 0.001 x 0.306853 / 2. Row 2: +0.5 + 0.001 x 0.193147. Mean over two rows: 0.0001732868.
    assert loss == pytest.approx(0.0001732868, abs=1e-9)
    # A token of row 1 counts 1/4, row 2's 1/2; slope of k3 is 1 - exp(d): -1, 0, 0.5.
    assert flat(gradient) == pytest.approx([-0.125 - 0.00025, -0.125, 0.25 + 0.00025])
    assert figures["kl"] == pytest.approx(0.5)  # 0.306853 + 0.193147


def test_modern_by_hand(rl: ModuleType = objective) -> None:
    old = [[-2.0, -2.0], [-2.0]]
    engine = [[-2.0 - math.log(4), -2.0 + LN2], [-2.0]]
    loss, gradient, figures = loss_of(rl, old, old, [1, -1], rl.MODERN, engine=engine)
    # Weights min(4, 2) = 2, 1/2 and 1; ratios 1: 2 + 0.5 - 1 = 1.5 over three tokens.
    assert loss == pytest.approx(-0.5)
    assert flat(gradient) == pytest.approx([-2 / 3, -0.5 / 3, 1 / 3])
    assert (figures["tis"], figures["tis_capped"]) == pytest.approx((3.5, 1))
    # k3 of engine to trainer: 4 - ln 4 - 1 = 1.613706; 0.5 + ln 2 - 1 = 0.193147; 0.
    assert figures["mismatch_kl"] == pytest.approx(1.806853, abs=1e-6)
    # The ratio 1.25 lies between the bounds 1 - 0.2 and 1 + 0.28; 1.3 and 0.7 do not.
    rows = logs(1.25, 1.3, 0.7)
    loss, _, _ = loss_of(rl, rows, zeros(rows), [1, 1, -1], rl.MODERN, engine=zeros(rows))
    assert loss == pytest.approx(-(1.25 + 1.28 - 0.8) / 3)


def test_sequence_weights_by_hand(rl: ModuleType = objective) -> None:
    options = varied(tis="sequence")
    old = [[0.0, 0.0], [0.0, 0.0]]
    engine = [[-math.log(4), math.log(8)], [-math.log(4), -math.log(4)]]
    loss, gradient, figures = loss_of(rl, old, old, [1, 1], options, engine=engine)
    # The row's product weighs each of its tokens: 4 / 8 = 0.5; min(4 x 4, 2) = 2. Sum 0.5 + 0.5 + 2 + 2 = 5.
    assert loss == pytest.approx(-5 / 4)
    assert flat(gradient) == pytest.approx([-0.125, -0.125, -0.5, -0.5])
    assert (figures["tis"], figures["tis_capped"]) == pytest.approx((5, 2))


def test_sequence_ratio_by_hand(rl: ModuleType = objective) -> None:
    options = varied(ratio="sequence", agg="seq_mean", clip_high=3.0)
    rows = [[math.log(4), 0.0]]
    loss, gradient, figures = loss_of(rl, rows, zeros(rows), [1], options)
    # exp of the mean of ln 4 and 0 is 2. d 2 / dl = 2 / 2 = 1 for each of the two tokens.
    assert loss == pytest.approx(-2)
    assert flat(gradient) == pytest.approx([-1, -1])
    assert figures["ratio"] == pytest.approx(4)  # twice 2: once a token
    loss, gradient, _ = loss_of(rl, rows, zeros(rows), [1], dataclasses.replace(options, clip_high=0.28))
    assert loss == pytest.approx(-1.28) and flat(gradient) == [0, 0]


def test_cispo_by_hand(rl: ModuleType = objective) -> None:
    options = varied(loss="cispo")
    logp = [[-3.0], [-3.0], [-3.0]]
    old = [[-3.0 - LN2], [-3.0 + math.log(10)], [-3.0 - LN2]]
    loss, gradient, figures = loss_of(rl, logp, old, [1, 1, -1], options)
    # Ratios 2, 0.1, 2 become weights 1.28, 0.8, 1.28: 1.28 x -3 + 0.8 x -3 + 1.28 x 3 = -2.4. No slope is lost.
    assert loss == pytest.approx(2.4 / 3)
    assert flat(gradient) == pytest.approx([-1.28 / 3, -0.8 / 3, 1.28 / 3])
    assert (figures["clip_low"], figures["clip_high"]) == (1, 2)


def test_aggregation_by_hand(rl: ModuleType = objective) -> None:
    rows = [[-1.0], [-1.0, -1.0, -1.0]]
    worked = {
        "seq_mean": 0.0,  # (-1 + 3/3) / 2
        "token_mean": 0.5,  # (-1 + 3) / 4
        "const": 0.125,  # (-1 + 3) / (2 x 8)
    }
    for agg, expected in worked.items():
        loss, _, _ = loss_of(rl, rows, rows, [1, -1], varied(agg=agg))
        assert loss == pytest.approx(expected), agg


def test_kl_by_hand(rl: ModuleType = objective) -> None:
    logp, old, reference = [[-LN2]], [[-2 * LN2]], [[-2 * LN2]]
    # Policy 1/2, rollout's policy 1/4, reference 1/4: d = -ln 2, ratio 2.
    worked = {
        "none": (0.0, 0.0),
        "k2": (0.240227, 0.693147),  # (ln 2)^2 / 2; -d
        "k3": (0.193147, 0.5),  # 0.5 + ln 2 - 1; 1 - 0.5
        "k3_is": (0.386294, 1.386294),  # 2 x k3; 2 x k3 + 2 x 0.5
    }
    for kl, (expected, slope) in worked.items():
        options = varied(kl=kl)
        loss, gradient, figures = loss_of(rl, logp, old, [0], options, reference=reference)
        assert loss == pytest.approx(expected, abs=1e-6), kl
        assert gradient[0][0] == pytest.approx(slope, abs=1e-6), kl
        assert figures["kl"] == pytest.approx(0.193147, abs=1e-6), kl


def test_presets_are_the_recipe(rl: ModuleType = objective) -> None:
    paper, modern = dataclasses.asdict(rl.PAPER), dataclasses.asdict(rl.MODERN)
    assert paper | {"agg_tokens": 0, "tis_cap": 0} == {
        "adv_scale": "group_std", "agg": "seq_mean", "agg_tokens": 0, "loss": "clip", "ratio": "token", "clip_low": 10,
        "clip_high": 10, "dual_clip": 0, "kl": "k3", "kl_beta": 0.001, "tis": "none", "tis_cap": 0,
    }  # fmt: skip
    assert modern | {"agg_tokens": 0} == {
        "adv_scale": "none", "agg": "token_mean", "agg_tokens": 0, "loss": "clip", "ratio": "token", "clip_low": 0.2,
        "clip_high": 0.28, "dual_clip": 0, "kl": "none", "kl_beta": 0, "tis": "token", "tis_cap": 2,
    }  # fmt: skip


# --- against the reference --------------------------------------------------------------------------------------


def combinations() -> Iterator[Objective]:
    """Every combination of the loss's options, with bounds near enough to bind."""
    for agg, loss, ratio, kl, tis, dual_clip in itertools.product(
        ("seq_mean", "token_mean", "const"),
        ("clip", "cispo"),
        ("token", "sequence"),
        ("none", "k2", "k3", "k3_is"),
        ("none", "token", "sequence"),
        (0.0, 1.5),
    ):
        yield varied(
            agg=agg, agg_tokens=5, loss=loss, ratio=ratio, dual_clip=dual_clip, kl=kl, kl_beta=0.7, tis=tis, tis_cap=1.2
        )


def check_against_reference(rl: ModuleType, options: Objective, *, seed: int, dtype: torch.dtype) -> None:
    """Loss, gradient and figures equal the reference's to 1e-6, with nan in the padding."""
    rng = random.Random(seed)
    lengths = [rng.randint(1, 6) for _ in range(5)] + [0]
    logp = [[-rng.expovariate(0.7) for _ in range(n)] for n in lengths]

    def near(spread: float) -> list[list[float]]:
        # Half of the rows are shifted as a whole, so that the mean ratio leaves the bounds too.
        shifts = [rng.choice((0.0, rng.gauss(0, 0.5))) for _ in logp]
        return [[v + shift + rng.gauss(0, spread) for v in row] for row, shift in zip(logp, shifts, strict=True)]

    old, reference, engine = near(0.4), near(0.5), near(0.3)
    advantage = [rng.gauss(0, 1) for _ in lengths]
    expected = reference_loss(
        logp, old, advantage, options=options, num_sequences=5, num_tokens=sum(lengths), references=reference,
        engines=engine,
    )  # fmt: skip
    loss, gradient, figures = loss_of(
        rl, logp, old, advantage, options, reference=reference, engine=engine, fill=math.nan, dtype=dtype
    )
    assert loss == pytest.approx(expected.loss, abs=1e-6)
    assert flat(gradient) == pytest.approx(flat(expected.gradient), abs=1e-6)
    assert figures == pytest.approx(expected.figures, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_every_combination_equals_the_reference(seed: int) -> None:
    for options in combinations():
        check_against_reference(objective, options, seed=seed, dtype=torch.float64)


def test_every_combination_in_float32_equals_the_reference() -> None:
    for options in combinations():
        check_against_reference(objective, options, seed=11, dtype=torch.float32)


def test_combinations_equal_the_reference(rl: ModuleType = objective) -> None:
    for options in combinations():
        check_against_reference(rl, options, seed=99, dtype=torch.float64)


def test_advantages_equal_the_reference(rl: ModuleType = objective) -> None:
    rng = random.Random(5)
    for scale in ("none", "group_std", "batch_std"):
        for _ in range(20):
            size = rng.randint(2, 6)
            groups = [[rng.choice((0.0, 1.0, 1.2, rng.gauss(0, 1))) for _ in range(size)] for _ in range(4)]
            groups.append([0.1] * size)
            got = rl.advantages(torch.tensor(groups, dtype=torch.float64), scale=scale)
            assert flat(got.tolist()) == pytest.approx(flat(reference_advantages(groups, scale)), abs=1e-9)


def test_the_reference_gradient_is_its_loss_slope() -> None:
    """The hand-derived slopes against finite differences (CISPO's weight is constant by definition)."""
    rng = random.Random(3)
    rows = [[-rng.random() - 0.1 for _ in range(3)] for _ in range(3)]
    old = [[v + rng.gauss(0, 0.4) for v in row] for row in rows]
    reference = [[v + rng.gauss(0, 0.4) for v in row] for row in rows]

    for options in combinations():
        if options.loss == "cispo" or options.tis != "none":
            continue

        def loss_at(rows: list[list[float]], options: Objective = options) -> tuple[float, list[list[float]]]:
            result = reference_loss(
                rows, old, [1, -1, 0.5], options=options, num_sequences=3, num_tokens=9, references=reference
            )
            return result.loss, result.gradient

        _, gradient = loss_at(rows)
        for i, t in itertools.product(range(3), range(3)):
            up, down = [list(r) for r in rows], [list(r) for r in rows]
            up[i][t] += 1e-6
            down[i][t] -= 1e-6
            assert (loss_at(up)[0] - loss_at(down)[0]) / 2e-6 == pytest.approx(gradient[i][t], abs=1e-7)


# --- properties -------------------------------------------------------------------------------------------------


def random_batch(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(6, 5, generator=generator) < 0.7
    names = ("logp_BT", "old_logp_BT", "reference_logp_BT", "engine_logp_BT")
    return {
        **{name: -torch.rand(6, 5, generator=generator, dtype=torch.float64) for name in names},
        "advantage_B": torch.randn(6, generator=generator, dtype=torch.float64),
        "mask_BT": mask,
    }


def test_micro_batches_add_up_to_the_batch(rl: ModuleType = objective) -> None:
    batch = random_batch(0)
    normaliser = rl.Normaliser(sequences=6, tokens=int(batch["mask_BT"].sum()))
    for options in combinations():
        whole, figures = rl.grpo_loss(**batch, options=options, normaliser=normaliser)
        parts = [
            rl.grpo_loss(**{k: v[rows] for k, v in batch.items()}, options=options, normaliser=normaliser)
            for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
        ]
        assert float(sum(loss for loss, _ in parts)) == pytest.approx(float(whole))
        for name, value in figures.items():
            assert float(sum(f[name] for _, f in parts)) == pytest.approx(float(value)), name


def test_order_of_rows_does_not_matter(rl: ModuleType = objective) -> None:
    batch, order = random_batch(1), torch.tensor([3, 0, 5, 1, 4, 2])
    normaliser = rl.Normaliser(sequences=6, tokens=20)
    loss, _ = rl.grpo_loss(**batch, options=rl.PAPER, normaliser=normaliser)
    shuffled, _ = rl.grpo_loss(**{k: v[order] for k, v in batch.items()}, options=rl.PAPER, normaliser=normaliser)
    assert float(loss) == pytest.approx(float(shuffled))


@pytest.mark.parametrize("scale", ["none", "group_std", "batch_std"])
def test_advantages_ignore_a_shift_and_follow_a_permutation(scale: str) -> None:
    rewards = torch.rand(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    base = objective.advantages(rewards, scale=scale)
    torch.testing.assert_close(objective.advantages(rewards + 7.0, scale=scale), base)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(objective.advantages(rewards[:, order], scale=scale), base[:, order])
    torch.testing.assert_close(base.sum(dim=1), torch.zeros(3, dtype=torch.float64))


def test_group_scale_ignores_the_size_of_rewards() -> None:
    rewards = torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.float64)
    small, large = (objective.advantages(rewards * k, scale="group_std") for k in (1, 50))
    torch.testing.assert_close(small, large, rtol=1e-5, atol=1e-5)


# --- traps ------------------------------------------------------------------------------------------------------


def test_padding_leaks_neither_into_loss_nor_gradient(rl: ModuleType = objective) -> None:
    rows, old = [[-1.0, -0.5, -2.0], [-0.3]], [[-1.1, -0.7, -1.5], [-0.9]]
    for options in combinations():
        clean = loss_of(rl, rows, old, [1, -1], options, reference=old, engine=old)
        for garbage in (math.nan, math.inf, -math.inf, 1e30):
            dirty = loss_of(rl, rows, old, [1, -1], options, reference=old, engine=old, fill=garbage)
            assert dirty == clean


def test_rows_without_tokens_give_nothing(rl: ModuleType = objective) -> None:
    rows = [[-1.0], []]
    for agg in ("seq_mean", "token_mean", "const"):
        options = varied(agg=agg, tis="sequence", ratio="sequence")
        loss, gradient, figures = loss_of(rl, rows, rows, [1, math.nan], options, engine=rows)
        alone = loss_of(rl, [[-1.0]], [[-1.0]], [1], options, engine=[[-1.0]])
        assert (loss, gradient[:1], figures) == alone
        nothing, _ = rl.grpo_loss(
            torch.zeros(2, 3), old_logp_BT=torch.zeros(2, 3), advantage_B=torch.ones(2), mask_BT=torch.zeros(2, 3),
            options=options, normaliser=rl.Normaliser(sequences=0, tokens=0), engine_logp_BT=torch.zeros(2, 3),
        )  # fmt: skip
        assert float(nothing) == 0


def test_groups_without_variance_have_no_advantage(rl: ModuleType = objective) -> None:
    # The float32 mean of equal rewards need not equal them; divided by EPSILON the difference would count.
    rewards = torch.tensor([[1.1] * 7, [0.0] * 6 + [1.0], [0.3] * 7])
    assert rl.zero_variance(rewards).tolist() == [True, False, True]
    for scale in ("none", "group_std", "batch_std"):
        got = rl.advantages(rewards, scale=scale)
        assert got[0].tolist() == [0.0] * 7 and got[2].tolist() == [0.0] * 7
        assert got[1, -1] > 0 > got[1, 0]


def test_huge_ratios_stay_finite(rl: ModuleType = objective) -> None:
    rows, old = [[-1.0], [-1.0], [-1000.0]], [[-1000.0], [-1000.0], [-1.0]]
    for options in combinations():
        loss, gradient, figures = loss_of(
            rl, rows, old, [1, -1, 1], options, reference=[[-1.0], [-1.0], [-1.0]], engine=[[-1.0], [-2000.0], [-1.0]]
        )
        assert all(map(math.isfinite, [loss, *flat(gradient), *figures.values()])), options


def test_gradient_flows_through_the_policy_alone(rl: ModuleType = objective) -> None:
    batch = random_batch(4)
    others = [batch[name].requires_grad_() for name in batch if name not in ("logp_BT", "mask_BT")]
    logp = batch["logp_BT"].requires_grad_()
    loss, figures = rl.grpo_loss(**batch, options=rl.MODERN, normaliser=rl.Normaliser(sequences=6, tokens=20))
    loss.backward()
    assert logp.grad is not None and bool(logp.grad.abs().sum() > 0)
    assert all(tensor.grad is None for tensor in others)
    assert not any(value.requires_grad for value in figures.values())


def test_missing_inputs_are_named(rl: ModuleType = objective) -> None:
    batch = random_batch(6)
    without = {k: v for k, v in batch.items() if k not in ("reference_logp_BT", "engine_logp_BT")}
    normaliser = rl.Normaliser(sequences=6, tokens=20)
    with pytest.raises(ValueError, match="engine"):
        rl.grpo_loss(**without, options=rl.MODERN, normaliser=normaliser)
    with pytest.raises(ValueError, match="reference"):
        rl.grpo_loss(**without, options=rl.PAPER, normaliser=normaliser)
    with pytest.raises(ValueError, match="group_mean"):
        rl.advantages(torch.zeros(1, 2), scale="group_mean")


def test_parts_are_normalised_before_they_are_added(rl: ModuleType = objective) -> None:
    """By hand: two groups of two, accuracy [1,0] and [1,1], format [1,1] and [0,1], weights 1 and 0.5.

    Within a group of two the standard deviation of {0,1} is sqrt(1/2), so an advantage is +-sqrt(1/2) and a flat
    part's 0. The weighed sums are [r,-r] and [-r/2,r/2] with r = sqrt(1/2): mean 0, variance (2r^2 + r^2/2)/3 = 5/12.
    """
    parts = torch.tensor([[[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 1.0]]])
    found, flat = rl.normalised_sum(parts, torch.tensor([1.0, 0.5]))
    r, scale = 0.5**0.5, (5 / 12) ** 0.5
    expected = torch.tensor([[r, -r], [-r / 2, r / 2]]) / scale
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert flat.tolist() == [False, False]


def test_a_small_spread_counts_as_much_as_a_large_one_of_the_same_weight(rl: ModuleType = objective) -> None:
    wide = torch.tensor([[[10.0, 0.0, 0.0, 10.0]], [[0.1, 0.0, 0.1, 0.0]]])
    found, _ = rl.normalised_sum(wide, torch.tensor([1.0, 1.0]))
    assert found[0, 0] > 0 and found[0, 1] < 0
    assert found[0, 2:].abs().max() < 1e-4  # one part for, one against: in a sum of rewards the first would win
    summed = rl.advantages(wide.sum(0), scale="group_std")
    assert summed[0, 3] > 0.5


def test_groups_without_variance_in_any_weighed_part_stay_at_zero(rl: ModuleType = objective) -> None:
    parts = torch.tensor([[[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 1.0]]])
    found, flat = rl.normalised_sum(parts, torch.tensor([1.0, 0.0]))
    assert flat.tolist() == [False, True] and found[1].tolist() == [0.0, 0.0]
    alone, _ = rl.normalised_sum(parts[:, :1], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(found[:1], alone)  # and say nothing about the others' scale
    assert rl.normalised_sum(torch.ones(2, 1, 3), torch.ones(2))[0].tolist() == [[0.0, 0.0, 0.0]]
