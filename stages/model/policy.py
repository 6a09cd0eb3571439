"""A decoder as the policy of RL: differentiable log-probabilities of completions.

Shapes: B sequences, T completion positions (right-padded).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from stages.contract.team import ALONE, Team
from stages.model.batches import pad
from stages.model.decoder import Decoder
from stages.model.gradients import accumulate

P = TypeVar("P")
R = TypeVar("R")


class DecoderPolicy:
    """Wraps a tiny decoder. Work that comes in parts is spread over the team."""

    def __init__(self, decoder: Decoder, *, pad_id: int, team: Team = ALONE) -> None:
        self.decoder = decoder
        self.pad_id = pad_id
        self.team = team

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.decoder.parameters()

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities of the completions' tokens at `temperature`, the entropies there, and the mask, [B,T] each.

        Only completion positions go through the output matrix. The entropies carry no gradient.
        """
        tokens = pad([[*p, *c] for p, c in zip(prompts, completions, strict=True)], self.pad_id)
        hidden = self.decoder.hidden(tokens[:, :-1])
        longest = max(map(len, completions))
        offsets = torch.arange(longest)
        lengths = torch.tensor([len(c) for c in completions])
        starts = torch.tensor([len(p) for p in prompts])
        mask = offsets < lengths[:, None]
        rows, columns = mask.nonzero(as_tuple=True)
        places = starts[rows] + columns  # position of the token that is predicted
        logits = self.decoder.logits(hidden[rows, places - 1]).float() / temperature
        everything = torch.log_softmax(logits, -1)
        chosen = everything.gather(-1, tokens[rows, places][:, None])[:, 0]
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

    def in_dtype(self, dtype: torch.dtype) -> "DecoderPolicy":
        """A frozen copy whose weights and activations are of another dtype; its log-probabilities are float32 all the same."""
        twin = self.frozen_copy()
        twin.decoder.to(dtype)
        return twin
