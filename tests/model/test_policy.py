"""The policy's log-probabilities against the plain way: all logits, one sequence at a time."""

import torch
from torch import Tensor

from stages.model.policy import DecoderPolicy
from tests import tiny_model


def _plain(
    policy: DecoderPolicy, prompt: list[int], completion: list[int], temperature: float
) -> tuple[Tensor, Tensor]:
    logits = policy.decoder(torch.tensor([prompt + completion]))[0].double() / temperature
    everything = torch.log_softmax(logits, -1)[len(prompt) - 1 : -1]
    chosen = everything[torch.arange(len(completion)), torch.tensor(completion)]
    return chosen, -(everything.exp() * everything).sum(-1)


FEW = tiny_model.sequences(2, seed=1)
PROMPTS = [FEW[0], FEW[1], FEW[0], tiny_model.sequences(1, seed=4)[0]]  # two completions of one prompt, apart
COMPLETIONS = tiny_model.sequences(4, shortest=1, longest=12, seed=2)


def test_completions_of_one_token() -> None:
    policy = DecoderPolicy(tiny_model.decoder(), pad_id=0)
    completions = [[3], [4], [5], [6]]
    logps, _, mask = policy.logps(PROMPTS, completions, temperature=1.0)
    assert mask.all() and logps.shape == (4, 1)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, completions, strict=True)):
        torch.testing.assert_close(
            logps[row].double(), _plain(policy, prompt, completion, 1.0)[0], rtol=1e-4, atol=1e-4
        )


def test_logps_entropies_and_mask_equal_the_plain_ones() -> None:
    policy = DecoderPolicy(tiny_model.decoder(key_value_heads=2), pad_id=0)
    for temperature in (1.0, 0.6):
        logps, entropies, mask = policy.logps(PROMPTS, COMPLETIONS, temperature=temperature)
        longest = max(map(len, COMPLETIONS))
        assert logps.shape == entropies.shape == mask.shape == (4, longest)
        for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
            plain, entropy = _plain(policy, prompt, completion, temperature)
            n = len(completion)
            torch.testing.assert_close(logps[row, :n].double(), plain, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(entropies[row, :n].double(), entropy, rtol=1e-4, atol=1e-4)
            assert mask[row].tolist() == [True] * n + [False] * (longest - n)
            assert logps[row, n:].tolist() == entropies[row, n:].tolist() == [0.0] * (longest - n)


def test_gradients_equal_the_plain_ones_and_the_entropy_has_none() -> None:
    policy = DecoderPolicy(tiny_model.decoder(key_value_heads=2), pad_id=0)
    weights = torch.randn(4, max(map(len, COMPLETIONS)), generator=torch.Generator().manual_seed(3))
    logps, entropies, mask = policy.logps(PROMPTS, COMPLETIONS, temperature=0.8)
    assert not entropies.requires_grad
    (logps * mask * weights).sum().backward()  # type: ignore[no-untyped-call]
    ours = {name: p.grad for name, p in policy.decoder.named_parameters()}
    policy.decoder.zero_grad()
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        plain, _ = _plain(policy, prompt, completion, 0.8)
        (plain * weights[row, : len(completion)]).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in policy.decoder.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-3, atol=1e-3)


def test_a_frozen_copy_stays_as_it_was() -> None:
    policy = DecoderPolicy(tiny_model.decoder(), pad_id=0)
    frozen = policy.frozen_copy()
    before = frozen.logps(PROMPTS, COMPLETIONS, temperature=1.0)[0]
    assert not before.requires_grad
    torch.testing.assert_close(before, policy.logps(PROMPTS, COMPLETIONS, temperature=1.0)[0].detach(), rtol=0, atol=0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.1)
    assert torch.equal(before, frozen.logps(PROMPTS, COMPLETIONS, temperature=1.0)[0])
    assert not torch.allclose(before, policy.logps(PROMPTS, COMPLETIONS, temperature=1.0)[0])
