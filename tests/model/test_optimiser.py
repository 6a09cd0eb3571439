"""Muon's updates are orthogonal and don't depend on what else is stacked with them; the schedules' corners."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stages.model.batches import by_budget, pad
from stages.model.optimiser import Muon, adamw, cosine_rate, linear_rate, set_rate, trapezoid_rate


def _matrices(*shapes: tuple[int, int]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    made = [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in shapes]
    for matrix in made:
        matrix.grad = torch.randn(matrix.shape, generator=generator)
    return made


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8)])
def test_an_update_has_singular_values_near_one_and_the_gradient_s_directions(shape: tuple[int, int]) -> None:
    (matrix,) = _matrices(shape)
    assert matrix.grad is not None
    before, gradient = matrix.detach().clone(), matrix.grad.clone()
    Muon([matrix]).step(0.5)
    update = (before - matrix.detach()) / 0.5 / max(1.0, shape[0] / shape[1]) ** 0.5
    values = torch.linalg.svdvals(update)
    assert 0.6 < float(values.min()) and float(values.max()) < 1.3  # the quintic's own band about 1
    u, _, vh = torch.linalg.svd(gradient, full_matrices=False)
    turned = u.T @ update @ vh.T  # diagonal where the singular vectors are the gradient's
    assert float((turned - turned.diagonal().diag()).abs().max()) < 1e-3


def test_stacked_matrices_move_as_they_would_alone() -> None:
    shapes = ((8, 24), (24, 8), (8, 24), (16, 16))
    together, alone = _matrices(*shapes), _matrices(*shapes)
    stacked, single = Muon(together), [Muon([matrix]) for matrix in alone]
    for _ in range(3):  # momentum too
        stacked.step(0.1)
        for muon in single:
            muon.step(0.1)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_adamw_decays_matrices_only() -> None:
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    optimiser = adamw([matrix, vector], betas=[0.9, 0.99], weight_decay=0.5)
    set_rate(optimiser, 0.1)
    matrix.grad, vector.grad = torch.zeros(2, 2), torch.zeros(2)
    optimiser.step()
    assert matrix.tolist() == [[pytest.approx(0.95)] * 2] * 2 and vector.tolist() == [1.0, 1.0]


def test_schedules_at_their_corners() -> None:
    linear = [linear_rate(s, steps=7, warmup=2, end=0.5) for s in range(7)]
    assert linear == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5])
    cosine = [cosine_rate(s, steps=7, warmup=2, end=0.2) for s in range(7)]
    assert cosine == pytest.approx([0.5, 1.0, 1.0, 0.2 + 0.8 * 0.853553, 0.6, 0.2 + 0.8 * 0.146447, 0.2], abs=1e-5)
    trapezoid = [trapezoid_rate(s, steps=8, warmup=2, decay_from=0.5) for s in range(8)]
    assert trapezoid == pytest.approx([0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize(
    "rate", [lambda s: linear_rate(s, steps=1, warmup=0, end=0.1), lambda s: cosine_rate(s, steps=1, warmup=0, end=0.1)]
)
def test_a_run_of_one_step_has_the_whole_rate(rate: object) -> None:
    assert callable(rate) and rate(0) == pytest.approx(1.0)


@given(lengths=st.lists(st.integers(1, 40), max_size=30), budget=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_batches_hold_everything_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = by_budget(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    for early, late in zip(batches, batches[1:], strict=False):  # greedy: the next one would not have fitted
        assert (len(early) + 1) * lengths[late[0]] > budget


def test_pad_fills_on_the_right() -> None:
    assert pad([[1], [2, 3, 4]], 9).tolist() == [[1, 9, 9], [2, 3, 4]]
