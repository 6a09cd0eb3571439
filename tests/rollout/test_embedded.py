"""The embedded engine: what it samples, that it says so truly, and that batching is nobody's business."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from stages.contract.engine import Completion
from stages.model.decoder import Cache
from stages.model.policy import DecoderPolicy
from stages.rollout.embedded import EmbeddedEngine, sample
from stages.rollout.scripted import ScriptedEngine, from_table
from tests import tiny_model

PROMPTS = tiny_model.sequences(9, shortest=2, longest=11, seed=4)


def _engine(batch: int = 64) -> EmbeddedEngine[Cache]:
    codec = tiny_model.codec()
    return EmbeddedEngine(
        tiny_model.decoder(key_value_heads=2, scale=5.0), end_id=codec.end_id, pad_id=codec.pad_id, batch=batch
    )


def _generate(engine: EmbeddedEngine[Cache], prompts: list[list[int]], **changes: float) -> list[list[Completion]]:
    settings = {"draws": 4, "max_new_tokens": 12, "temperature": 1.0, "top_p": 1.0, "seed": 7} | changes
    return engine.generate(prompts, **settings)  # type: ignore[arg-type]


def _tokens(groups: list[list[Completion]]) -> list[list[list[int]]]:
    return [[c.tokens for c in group] for group in groups]


def test_completions_do_not_depend_on_the_batch() -> None:
    whole = _generate(_engine(64), PROMPTS)
    assert len({tuple(c.tokens) for group in whole for c in group}) > 20  # they differ, so equality says something
    for batch in (1, 4, 12):
        cut = _generate(_engine(batch), PROMPTS)
        assert _tokens(cut) == _tokens(whole)
        for a, b in zip((c for g in cut for c in g), (c for g in whole for c in g), strict=True):
            assert a.logps == pytest.approx(b.logps, abs=1e-4)


def test_prompts_that_follow_change_nothing_before_them() -> None:
    assert _tokens(_generate(_engine(), PROMPTS[:4])) == _tokens(_generate(_engine(), PROMPTS))[:4]


def test_the_seed_decides() -> None:
    assert _generate(_engine(), PROMPTS) == _generate(_engine(), PROMPTS)
    assert _tokens(_generate(_engine(), PROMPTS)) != _tokens(_generate(_engine(), PROMPTS, seed=8))


def test_no_prompts_no_completions() -> None:
    assert _generate(_engine(), []) == []


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logps_are_the_policy_s_own(temperature: float) -> None:
    engine = _engine()
    policy = DecoderPolicy(tiny_model.decoder(key_value_heads=2, scale=5.0), pad_id=0)
    groups = _generate(engine, PROMPTS, temperature=temperature)
    drawn = [(prompt, c) for prompt, group in zip(PROMPTS, groups, strict=True) for c in group]
    logps, _, mask = policy.logps([p for p, _ in drawn], [c.tokens for _, c in drawn], temperature=temperature)
    for row, (_, completion) in enumerate(drawn):
        assert completion.logps == pytest.approx(logps[row][mask[row]].tolist(), abs=1e-4)


@dataclass
class _Memory:
    """The cache of the toy model below: the position alone."""

    rows: Tensor

    def select(self, rows: Tensor) -> "_Memory":
        return _Memory(self.rows[rows])


class _Toy:
    """Position by position the same logits, whatever was said: end (token 0) has a known chance."""

    def __init__(self, logits: list[float]) -> None:
        self.table = torch.tensor(logits)

    def prefill(self, tokens_BT: Tensor, lengths_B: Tensor, capacity: int) -> tuple[Tensor, _Memory]:
        return torch.zeros(*tokens_BT.shape, 1), _Memory(torch.arange(len(tokens_BT)))

    def logits(self, hidden: Tensor) -> Tensor:
        return self.table.expand(len(hidden), -1)

    def step(self, tokens_B: Tensor, position_B: Tensor, cache: _Memory) -> Tensor:
        assert len(tokens_B) == len(position_B) == len(cache.rows)
        return self.table.expand(len(tokens_B), -1)


def test_finish_flags_and_lengths() -> None:
    # The end is rare: finished sequences stay in the batch for a while, and go on being sampled there.
    engine = EmbeddedEngine(_Toy([-1.5, 0.5, 0.5]), end_id=0, pad_id=2, batch=1000)
    groups = engine.generate([[1], [1, 1]], draws=500, max_new_tokens=6, temperature=1.0, top_p=1.0, seed=1)
    drawn = [c for group in groups for c in group]
    assert {len(c.tokens) for c in drawn} == {1, 2, 3, 4, 5, 6}
    for c in drawn:
        assert len(c.tokens) == len(c.logps) <= 6
        assert 0 not in c.tokens[:-1]  # nothing follows the end
        assert c.finished == (c.tokens[-1] == 0)
        assert c.finished or len(c.tokens) == 6
    assert {c.finished for c in drawn if len(c.tokens) == 6} == {True, False}


def test_one_token_is_the_least() -> None:
    (group,) = _generate(_engine(), PROMPTS[:1], max_new_tokens=1)
    assert [len(c.tokens) for c in group] == [1] * 4


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.75)])
def test_samples_follow_the_distribution(temperature: float, top_p: float) -> None:
    """Chi-square of 20,000 draws, fixed seed; 22 is the 99.9% point for 6 degrees of freedom."""
    logits = torch.tensor([2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0])
    expected = torch.softmax(logits / temperature, -1)
    if top_p < 1:
        expected = torch.where(torch.arange(7) < 3, expected, 0.0)  # 0.44 + 0.27 + 0.16 is the first to pass 0.75
        expected /= expected.sum()
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(2))
    tokens, logps = sample(logits.expand(20_000, -1), uniform, temperature=temperature, top_p=top_p)
    counts = torch.bincount(tokens, minlength=7).float()
    inside = expected > 0
    assert counts[~inside].sum() == 0
    chi_square = ((counts - 20_000 * expected) ** 2)[inside] / (20_000 * expected[inside])
    assert float(chi_square.sum()) < 22
    torch.testing.assert_close(logps, expected.log()[tokens], rtol=1e-4, atol=1e-5)


def test_the_nucleus_keeps_at_least_the_best_token_wherever_it_stands() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [3.0, 0.0, 1.0]])
    for u in (0.0, 0.5, 0.999999):
        tokens, logps = sample(logits, torch.full((2,), u), temperature=1.0, top_p=0.01)
        assert tokens.tolist() == [1, 0] and logps.tolist() == pytest.approx([0.0, 0.0])


def test_no_uniform_number_reaches_a_token_without_probability() -> None:
    logits = torch.tensor([[1.0, 2.0, float("-inf"), float("-inf")]])
    largest = torch.tensor([1.0 - 2.0**-24])  # the largest that torch.rand gives
    assert sample(logits, largest, temperature=1.0, top_p=1.0)[0].tolist() == [1]
    first = torch.tensor([[float("-inf"), 1.0, 2.0]])
    assert sample(first, torch.zeros(1), temperature=1.0, top_p=1.0)[0].tolist() == [1]


def test_the_scripted_engine_says_what_it_is_told_and_stops_at_the_limit() -> None:
    engine = ScriptedEngine(from_table({(1,): [[5, 6, 9], [7, 9]], (2,): [[8] * 10]}), end_id=9)
    groups = engine.generate([[1], [2]], draws=3, max_new_tokens=3, temperature=1.0, top_p=1.0, seed=0)
    assert _tokens(groups) == [[[5, 6, 9], [7, 9], [5, 6, 9]], [[8, 8, 8]] * 3]
    assert [[c.finished for c in g] for g in groups] == [[True] * 3, [False] * 3]
    assert groups[0][1].logps == [0.0, 0.0]


@pytest.mark.parametrize("batch", [4, 64])
def test_each_completion_is_told_of_once_and_as_it_is_returned(batch: int) -> None:
    told: dict[tuple[int, int], Completion] = {}
    order: list[int] = []

    def on_finished(place: int, draw: int, completion: Completion) -> None:
        assert (place, draw) not in told
        told[place, draw] = completion
        order.append(len(completion.tokens))

    engine = _engine(batch)
    groups = engine.generate(
        PROMPTS, draws=4, max_new_tokens=12, temperature=1.0, top_p=1.0, seed=7, on_finished=on_finished
    )
    assert groups == _generate(_engine(batch), PROMPTS)
    assert told == {(place, draw): c for place, group in enumerate(groups) for draw, c in enumerate(group)}
    if batch == 64:
        assert order == sorted(order) and order[0] < order[-1]  # short ones are told of while others are sampled
