"""Micro-batches cut by tokens: sorted or packed, the update is that of the rows one by one in their order."""

import pytest
import torch
from torch import Tensor

from stages.model.batches import by_budget, packed
from stages.model.policy import DecoderPolicy
from tests import tiny_model

PROMPTS, RESPONSES = tiny_model.sequences(13, seed=1), tiny_model.sequences(13, shortest=1, seed=2)
LENGTHS = [len(p) + len(r) for p, r in zip(PROMPTS, RESPONSES, strict=True)]


def _gradients(batches: list[list[int]]) -> tuple[float, list[Tensor]]:
    policy = DecoderPolicy(tiny_model.decoder(scale=4.0), pad_id=0)
    tokens = sum(map(len, RESPONSES))

    def loss_of(rows: list[int]) -> tuple[Tensor, float]:
        logps, _, mask = policy.logps([PROMPTS[i] for i in rows], [RESPONSES[i] for i in rows], temperature=1.0)
        loss = -(logps * mask).sum() / tokens
        return loss, loss.item()

    loss = sum(policy.accumulate(batches, loss_of))
    return loss, [p.grad for p in policy.parameters() if p.grad is not None]


@pytest.mark.parametrize("budget", [30, 64, 10_000])
def test_sorted_batches_give_the_gradient_of_rows_in_their_order(budget: int) -> None:
    batches = by_budget(LENGTHS, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(13))
    assert all(len(b) == 1 or len(b) * max(LENGTHS[i] for i in b) <= budget for b in batches)
    loss, gradients = _gradients(batches)
    plain_loss, plain = _gradients([[row] for row in range(13)])
    assert loss == pytest.approx(plain_loss, rel=1e-6)
    for ours, theirs in zip(gradients, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("budget", [1, 30, 64, 10_000])
def test_packed_batches_hold_every_row_once_within_the_budget(budget: int) -> None:
    batches = packed(LENGTHS, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(13))
    assert all(len(b) == 1 or sum(LENGTHS[i] for i in b) <= budget for b in batches)
    assert len(batches) <= len(by_budget(LENGTHS, budget))
