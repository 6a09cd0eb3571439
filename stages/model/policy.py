"""A decoder as the policy of RL: differentiable log-probabilities of completions.

Shapes: B sequences, T completion positions (right-padded).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from stages.contract.team import ALONE, Team
from stages.model import shared_prompts
from stages.model.batches import by_budget, pad
from stages.model.decoder import Decoder
from stages.model.gradients import accumulate
from stages.model.optimiser import AdamW, Hyper, Live, Optimisation

P = TypeVar("P")
R = TypeVar("R")


class Policy(Protocol):
    """A language model in training. `accumulate` and `measure` spread their parts over what there is to compute with."""

    def optimisation(self, settings: Hyper) -> Optimisation:
        """What turns the gradients that `accumulate` leaves into updates. To be asked for once, before anything else."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities of the completions' tokens at `temperature`, the entropies there, and the mask, [B,T] each."""

    def micro_batches(self, lengths: Sequence[int], budget: int) -> list[list[int]]:
        """Sequences of these lengths, cut into batches of at most `budget` positions (at least one sequence each)."""

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]:
        """Leave the gradient of the sum of the parts' losses for the update; the parts' other results in their order."""

    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]:
        """What `figure_of` finds for each part, in their order, without gradients."""

    def frozen_copy(self) -> "Policy":
        """A copy that is never trained: the KL term's reference."""

    def weights(self) -> Live: ...


class DecoderPolicy:
    """Wraps a tiny decoder. Work that comes in parts is spread over the team."""

    def __init__(self, decoder: Decoder, *, pad_id: int, team: Team = ALONE) -> None:
        self.decoder = decoder
        self.pad_id = pad_id
        self.team = team

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.decoder.parameters()

    def weights(self) -> Live:
        return list(self.decoder.parameters())

    def optimisation(self, settings: Hyper) -> Optimisation:
        return AdamW(self.decoder.parameters(), settings)

    def micro_batches(self, lengths: Sequence[int], budget: int) -> list[list[int]]:
        return by_budget(lengths, budget)

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities of the completions' tokens at `temperature`, the entropies there, and the mask, [B,T] each.

        A prompt that several completions follow is computed once, and only completion positions go through the output
        matrix. The entropies carry no gradient.
        """
        self.decoder.check_reach(max(len(p) + len(c) - 1 for p, c in zip(prompts, completions, strict=True)))
        distinct: dict[tuple[int, ...], int] = {}
        for prompt in prompts:
            distinct.setdefault(tuple(prompt), len(distinct))
        prompt_of = torch.tensor([distinct[tuple(prompt)] for prompt in prompts])
        lengths = torch.tensor([len(p) for p in distinct])
        tokens = pad(completions, self.pad_id)
        mask = torch.arange(tokens.shape[1]) < torch.tensor([len(c) for c in completions])[:, None]
        rows, columns = mask.nonzero(as_tuple=True)
        before, after = shared_prompts.hidden(
            self.decoder, pad(list(distinct), self.pad_id), lengths, prompt_of, tokens[:, :-1]
        )
        last = before[torch.arange(len(lengths)), lengths - 1].index_select(0, prompt_of)
        hidden = torch.cat([last[:, None], after], 1)  # at each completion position, what predicts its token
        logits = self.decoder.logits(hidden[rows, columns]) / temperature
        everything = torch.log_softmax(logits, -1)
        chosen = everything.gather(-1, tokens[rows, columns][:, None])[:, 0]
        with torch.no_grad():
            entropy = -(everything.exp() * everything).sum(-1)
        blank = torch.zeros(mask.shape)
        return blank.index_put((rows, columns), chosen), blank.index_put((rows, columns), entropy), mask

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]:
        """Leave the gradient of the sum of the parts' losses in `.grad`; the parts' other results in their order."""
        return accumulate(self.decoder.parameters(), parts, loss_of, team=self.team)

    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]:
        """What `figure_of` finds for each part, in their order, without gradients."""

        @torch.no_grad()
        def quiet(part: P) -> R:
            return figure_of(part)

        return self.team.map(quiet, parts)

    def frozen_copy(self) -> "DecoderPolicy":
        """A copy that is never trained: the KL term's reference."""
        twin = Decoder(self.decoder.config)
        twin.load_state_dict(self.decoder.state_dict())
        for parameter in twin.parameters():
            parameter.requires_grad_(False)
        return DecoderPolicy(twin, pad_id=self.pad_id, team=self.team)
