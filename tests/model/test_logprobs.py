"""The chunked log-probabilities against their plain twin, values and gradients."""

import pytest
import torch
from torch import Tensor

from stages.model.logprobs import chunked_logprobs, plain_logprobs

POSITIONS, HIDDEN, VOCABULARY = 23, 16, 57


def _inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(POSITIONS, HIDDEN, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(VOCABULARY, HIDDEN, generator=generator).to(dtype).requires_grad_()
    chosen = torch.randint(0, VOCABULARY, (POSITIONS,), generator=generator)
    return hidden, weight, chosen, torch.randn(POSITIONS, generator=generator)


def _found(compute: object, dtype: torch.dtype, temperature: float, **more: int) -> list[Tensor]:
    hidden, weight, chosen, slopes = _inputs(dtype)
    logp, entropy = compute(hidden, weight, chosen, temperature, **more)  # type: ignore[operator]
    (logp * slopes).sum().backward()
    assert logp.dtype == entropy.dtype == torch.float32 and not entropy.requires_grad
    assert hidden.grad is not None and weight.grad is not None
    return [logp.detach(), entropy, hidden.grad, weight.grad]


@pytest.mark.parametrize("chunk", [1, 5, POSITIONS - 1, POSITIONS, 1000, 0])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_chunks_give_the_plain_twins_values_and_gradients(chunk: int, temperature: float) -> None:
    for ours, twin in zip(
        _found(chunked_logprobs, torch.float32, temperature, chunk=chunk),
        _found(plain_logprobs, torch.float32, temperature),
        strict=True,
    ):
        torch.testing.assert_close(ours, twin, rtol=1e-6, atol=2e-6)


def test_in_bfloat16_chunks_are_as_near_to_float32_as_the_plain_twin() -> None:
    exact = _found(_in_float32, torch.bfloat16, 1.0)
    ours = _found(chunked_logprobs, torch.bfloat16, 1.0, chunk=5)
    twin = _found(plain_logprobs, torch.bfloat16, 1.0)
    for a, b, e in zip(ours, twin, exact, strict=True):
        error, allowed = (a.float() - e.float()).abs().max(), (b.float() - e.float()).abs().max()
        assert error <= 1.5 * allowed + 1e-6


def _in_float32(hidden: Tensor, weight: Tensor, chosen: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    return plain_logprobs(hidden.float(), weight.float(), chosen, temperature)


def test_a_matrix_without_gradient_costs_none() -> None:
    hidden, weight, chosen, _ = _inputs(torch.float32)
    chunked_logprobs(hidden, weight.detach(), chosen, 1.0, chunk=4)[0].sum().backward()
    assert hidden.grad is not None and weight.grad is None


def test_gradients_are_those_of_finite_differences() -> None:
    hidden, weight, chosen, _ = _inputs(torch.float64)
    index = (4, 7)

    def value(step: float) -> float:
        moved = hidden.detach().clone()
        moved[index] += step
        return float(plain_logprobs(moved, weight.detach(), chosen, 0.8)[0].double().sum())

    chunked_logprobs(hidden, weight, chosen, 0.8, chunk=6)[0].sum().backward()
    assert hidden.grad is not None
    assert float(hidden.grad[index]) == pytest.approx((value(0.01) - value(-0.01)) / 0.02, rel=1e-2, abs=1e-3)
