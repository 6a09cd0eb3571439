"""Gradients of a loss in parts are those of the whole, on any team."""

import pytest
import torch
from torch import Tensor

from stages.contract.team import Team
from stages.model.gradients import accumulate
from tests import tiny_model


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("num_parts", [1, 2, 5])
def test_parts_sum_up_to_the_whole(size: int, num_parts: int) -> None:
    decoder = tiny_model.decoder()
    rows = torch.tensor(tiny_model.sequences(5, shortest=8, longest=8))

    def loss_of(part: Tensor) -> tuple[Tensor, int]:
        return decoder(part).square().sum(), len(part)

    decoder(rows).square().sum().backward()
    whole = [p.grad.clone() for p in decoder.parameters() if p.grad is not None]
    found = accumulate(decoder.parameters(), rows.tensor_split(num_parts), loss_of, team=Team(size))
    assert found == [len(part) for part in rows.tensor_split(num_parts)]
    for parameter, expected in zip(decoder.parameters(), whole, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-3)


def test_a_team_of_one_size_finds_the_same_bits_every_time() -> None:
    decoder = tiny_model.decoder()
    parts = torch.tensor(tiny_model.sequences(6, shortest=8, longest=8)).tensor_split(6)
    found = []
    for _ in range(5):
        accumulate(decoder.parameters(), parts, lambda part: (decoder(part).square().sum(), None), team=Team(2))
        found.append([p.grad.clone() for p in decoder.parameters() if p.grad is not None])
    for again in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], again, strict=True))


def test_old_gradients_don_t_stay() -> None:
    decoder = tiny_model.decoder()
    for parameter in decoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert accumulate(decoder.parameters(), [], lambda part: (part, None), team=Team(2)) == []
    assert all(parameter.grad is None for parameter in decoder.parameters())
