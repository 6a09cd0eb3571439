"""The embedded engine: samples from a tiny decoder in this process, with the trainer's own weights.

Each prompt is run once and its cache shared out to its draws. Finished sequences leave the batch. Every
(draw, position) has its own uniform number, so a completion doesn't depend on how sequences are batched.
A team's members take a share of the prompts each.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from stages.contract.engine import Completion, OnFinished
from stages.contract.team import ALONE, Team


class _Cache(Protocol):
    def select(self, rows: Tensor) -> Self: ...


C = TypeVar("C", bound=_Cache)


class SteppingModel(Protocol[C]):
    """What the engine needs of a model (stages/model/decoder.py)."""

    def prefill(self, tokens_BT: Tensor, lengths_B: Tensor, capacity: int) -> tuple[Tensor, C]: ...

    def step(self, tokens_B: Tensor, position_B: Tensor, cache: C) -> Tensor: ...

    def logits(self, hidden: Tensor) -> Tensor: ...


class EmbeddedEngine(Generic[C]):
    """Samples from a decoder held in this process."""

    copies_weights = False

    def __init__(self, decoder: SteppingModel[C], *, end_id: int, pad_id: int, batch: int, team: Team = ALONE) -> None:
        self.decoder = decoder
        self.end_id = end_id
        self.pad_id = pad_id
        self.batch = batch
        self.team = team

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
        logps: bool = True,
    ) -> list[list[Completion]]:
        generator = torch.Generator().manual_seed(seed)
        uniforms = torch.rand(len(prompts) * draws, max_new_tokens, generator=generator)
        # Sequences of like length decode together, so that little of the cache is padding.
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
        width = max(1, self.batch // (draws * self.team.size))
        shares = [self.team.share(order, member) for member in range(self.team.size)]
        waves = [share[start : start + width] for share in shares for start in range(0, len(share), width)]

        @torch.inference_mode()
        def decode(wave: Sequence[int]) -> list[Completion]:
            rows = torch.tensor([i * draws + d for i in wave for d in range(draws)])

            def tell(row: int, completion: Completion) -> None:
                assert on_finished
                on_finished(wave[row // draws], row % draws, completion)

            early = tell if on_finished else None
            return self._wave([prompts[i] for i in wave], draws, uniforms[rows], temperature, top_p, early)

        done: dict[int, list[Completion]] = {}
        for wave, completions in zip(waves, self.team.map(decode, waves), strict=True):
            for place, index in enumerate(wave):
                done[index] = completions[place * draws : (place + 1) * draws]
        return [done[i] for i in range(len(prompts))]

    def renew(self) -> None: ...

    def _wave(
        self,
        prompts: list[Sequence[int]],
        draws: int,
        uniforms_BT: Tensor,
        temperature: float,
        top_p: float,
        tell: Callable[[int, Completion], None] | None,
    ) -> list[Completion]:
        max_new = uniforms_BT.shape[1]
        longest = max(map(len, prompts))
        padded = torch.tensor([[*p, *[self.pad_id] * (longest - len(p))] for p in prompts])
        lengths = torch.tensor([len(p) for p in prompts])
        hidden, cache = self.decoder.prefill(padded, lengths, longest + max_new)
        logits = self.decoder.logits(hidden[torch.arange(len(prompts)), lengths - 1])
        repeat = torch.arange(len(prompts)).repeat_interleave(draws)
        cache, logits, position = cache.select(repeat), logits[repeat], lengths[repeat]

        count = len(repeat)
        tokens_BT = torch.full((count, max_new), self.pad_id)
        logps_BT = torch.zeros(count, max_new)
        length_B = torch.full((count,), max_new)
        active = torch.arange(count)  # rows of the output that the batch still works on
        alive = torch.ones(count, dtype=torch.bool)
        for t in range(max_new):
            chosen, logp = sample(logits, uniforms_BT[active, t], temperature=temperature, top_p=top_p)
            tokens_BT[active, t] = chosen
            logps_BT[active, t] = logp
            ends = alive & (chosen == self.end_id)
            length_B[active[ends]] = t + 1
            if tell:
                for row in active[ends].tolist():
                    tell(row, self._completion(tokens_BT[row, : t + 1].tolist(), logps_BT[row, : t + 1].tolist()))
            alive = alive & ~ends
            left = int(alive.sum())
            if left == 0 or t + 1 == max_new:
                break
            # Leaving rows free their share of every later step, but moving the cache costs: wait for a fifth.
            if left <= len(active) * 4 // 5:
                keep = alive.nonzero()[:, 0]
                active, chosen, position, cache = active[keep], chosen[keep], position[keep], cache.select(keep)
                alive = alive[keep]
            logits = self.decoder.step(chosen, position, cache)
            position = position + 1
        found = [
            self._completion(tokens[:n], logps[:n])
            for tokens, logps, n in zip(tokens_BT.tolist(), logps_BT.tolist(), length_B.tolist(), strict=True)
        ]
        if tell:
            for row, completion in enumerate(found):
                if not completion.finished:
                    tell(row, completion)
        return found

    def _completion(self, tokens: list[int], logps: list[float]) -> Completion:
        return Completion(tokens=tokens, logps=logps, finished=tokens[-1] == self.end_id)


def sample(logits_BV: Tensor, uniform_B: Tensor, *, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw one token a row by inverting the cumulative distribution at `uniform_B`; (token, its log-probability)."""
    logps = torch.log_softmax(logits_BV.float() / temperature, -1)
    probabilities = logps.exp()
    if top_p < 1.0:
        ordered, index = probabilities.sort(dim=-1, descending=True, stable=True)
        outside = ordered.cumsum(-1) - ordered >= top_p  # the first token that crosses top_p still counts
        probabilities = probabilities.masked_fill(outside.gather(-1, index.argsort(-1)), 0.0)
        probabilities = probabilities / probabilities.sum(-1, keepdim=True)
        logps = probabilities.log()
    cumulative = probabilities.cumsum(-1)
    chosen = torch.searchsorted(cumulative, (uniform_B * cumulative[:, -1])[:, None], right=True)[:, 0]
    chosen = chosen.clamp_max(logits_BV.shape[-1] - 1)
    return chosen, logps.gather(-1, chosen[:, None])[:, 0]
