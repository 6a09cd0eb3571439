"""Models of transformers as policies and reward models, trained by an engine (stages/model/trainer.py).

Shapes: B sequences, T completion positions (right-padded), N positions that count.
Sequences are right-padded, or packed: one after the other in one row, whose positions start anew at each, which keeps
transformers' attention within each (its mask has a place for every two tokens of the row).
Not covered: models that need more than token ids and positions; prefixes shared between sequences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from stages.contract.params import Trainer
from stages.model.batches import by_budget, packed, pad
from stages.model.logprobs import chunked_logprobs
from stages.model.optimiser import Hyper, Live, Optimisation, Streamed
from stages.model.shards import digest_of, write_weights
from stages.model.trainer import Sharded

P = TypeVar("P")
R = TypeVar("R")


class ChunkedHead(nn.Module):
    """An output matrix that gives log-probabilities instead of logits. A module, so that ZeRO-3 brings it its weight."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, hidden_ND: Tensor, chosen_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        return chunked_logprobs(hidden_ND, self.weight, chosen_N, temperature)


class Transformer(nn.Module):
    """A model of transformers, asked for log-probabilities or scores of positions."""

    def __init__(self, inner: nn.Module, *, labels: int) -> None:
        super().__init__()
        self.inner = inner
        self.labels = labels
        # Padding behind a sequence gets no gradient anyhow. The same token within one is to be learned: often it is the
        # end token that pads.
        inner.get_input_embeddings().padding_idx = None  # type: ignore[operator]
        if not labels:
            inner.set_output_embeddings(ChunkedHead(inner.get_output_embeddings().weight))  # type: ignore[operator]

    def forward(
        self,
        tokens_BT: Tensor,
        positions_BT: Tensor | None,
        rows_N: Tensor,
        columns_N: Tensor,
        chosen_N: Tensor | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Log-probability of the token chosen after each position, and the entropy there, [N]; or scores [N, labels]."""
        trunk = cast(nn.Module, self.inner.base_model)
        # No mask: padding only ever follows, and packed sequences are told apart by their positions.
        hidden = trunk(input_ids=tokens_BT, position_ids=positions_BT, use_cache=False)[0][rows_N, columns_N]
        if self.labels:
            scores = cast(nn.Module, self.inner.score)(hidden).float()
            return scores, scores
        found: tuple[Tensor, Tensor] = self.inner.get_output_embeddings()(hidden, chosen_N, temperature)  # type: ignore[operator]
        return found


def load_transformer(folder: Path, settings: Trainer, *, labels: int = 0) -> Transformer:
    """A checkpoint's model. With `labels`, a score head is added if it has none (zeros)."""
    dtype = getattr(torch, settings.dtype)
    if not labels:
        return Transformer(AutoModelForCausalLM.from_pretrained(folder, dtype=dtype), labels=0)
    config = AutoConfig.from_pretrained(folder)
    headed = any("SequenceClassification" in name for name in config.architectures or ())
    inner = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype, num_labels=labels)
    if not headed:
        nn.init.zeros_(inner.score.weight)
    return Transformer(inner, labels=labels)


def classifier_of(config: Mapping[str, object]) -> str:
    """The architecture that `load_transformer` makes of a language model's config by adding a head.

    >>> classifier_of({"architectures": ["Qwen3ForCausalLM"]})
    'Qwen3ForSequenceClassification'
    """
    return str(cast(Sequence[str], config["architectures"])[0]).replace("ForCausalLM", "ForSequenceClassification")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where in a batch the completions' tokens are predicted."""

    tokens: Tensor
    positions: Tensor | None
    rows: Tensor  # [N]: where each is predicted
    columns: Tensor
    chosen: Tensor  # [N]
    mask_BT: Tensor


def layout(
    prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, pad_id: int, packing: bool
) -> _Layout:
    """Sequences as one batch."""
    whole = [[*p, *c] for p, c in zip(prompts, completions, strict=True)]
    lengths = torch.tensor([len(c) for c in completions])
    mask_BT = torch.arange(max(map(len, completions))) < lengths[:, None]
    rows, columns = mask_BT.nonzero(as_tuple=True)
    starts = torch.tensor([len(p) for p in prompts])
    chosen = torch.tensor([token for c in completions for token in c])
    places = starts[rows] + columns - 1
    if not packing:
        return _Layout(
            tokens=pad(whole, pad_id), positions=None, rows=rows, columns=places, chosen=chosen, mask_BT=mask_BT
        )
    begins = torch.tensor([0, *map(len, whole[:-1])]).cumsum(0)
    return _Layout(
        tokens=torch.tensor([[token for s in whole for token in s]]),
        positions=torch.cat([torch.arange(len(s)) for s in whole])[None],
        rows=torch.zeros_like(rows),
        columns=begins[rows] + places,
        chosen=chosen,
        mask_BT=mask_BT,
    )


class _Trained:
    """What policies and reward models have in common."""

    def __init__(self, model: Sharded, *, pad_id: int) -> None:
        self.model = model
        self.pad_id = pad_id

    def optimisation(self, settings: Hyper) -> Optimisation:
        self.model.start(settings)
        return self.model

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]:
        return self.model.accumulate(parts, loss_of)

    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]:
        return self.model.measure(parts, figure_of)

    def weights(self) -> Live:
        return self.model.weights()

    def write(self, folder: Path) -> None:
        """Write the weights below `folder`. Every process takes part, the first writes."""
        streamed = self.model.whole()
        if self.model.processes.leads:
            write_weights(folder, streamed.specs(), streamed.tensors())
        else:
            _follow(streamed)

    def digest(self) -> str:
        """SHA-256, in hex, of what `write` would write now."""
        streamed = self.model.whole()
        if self.model.processes.leads:
            return self.model.processes.first(digest_of(streamed.specs(), streamed.tensors()))
        _follow(streamed)
        return self.model.processes.first("")


def _follow(streamed: Streamed) -> None:
    for _ in streamed.tensors():
        pass


class TransformerPolicy(_Trained):
    """A language model as the policy of RL, or in supervised fine-tuning. Results lie on the CPU."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = layout(prompts, completions, pad_id=self.pad_id, packing=self.model.settings.packing)
        chosen, entropy = self.model(
            batch.tokens, batch.positions, batch.rows, batch.columns, batch.chosen, temperature
        )
        places = batch.mask_BT.nonzero(as_tuple=True)
        blank = torch.zeros(batch.mask_BT.shape)
        return blank.index_put(places, chosen.cpu()), blank.index_put(places, entropy.cpu()), batch.mask_BT

    def micro_batches(self, lengths: Sequence[int], budget: int) -> list[list[int]]:
        return packed(lengths, budget) if self.model.settings.packing else by_budget(lengths, budget)

    def frozen_copy(self) -> "TransformerPolicy":
        return TransformerPolicy(self.model.frozen_copy(), pad_id=self.pad_id)

    def in_dtype(self, dtype: torch.dtype) -> None:
        """Its parts would have to be put together for it: there is none."""


class TransformerReward(_Trained):
    """A reward model: one number a sequence."""

    def scores(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        rows, last = torch.arange(len(sequences)), torch.tensor([len(s) - 1 for s in sequences])
        return self.model(pad(sequences, self.pad_id), None, rows, last)[0][:, 0].cpu()

    def shares(self, rows: Sequence[int], lengths: Sequence[int], budget: int) -> list[Sequence[int]]:
        return [[rows[place] for place in places] for places in by_budget(lengths, budget)]

    def score_all(self, sequences: Sequence[Sequence[int]], *, budget: int = 16384) -> list[float]:
        """Scores of any number of sequences, in their order."""
        batches = by_budget([len(s) for s in sequences], budget)
        scored = self.measure(batches, lambda rows: self.scores([sequences[i] for i in rows]).tolist())
        found = dict(
            pair for rows, values in zip(batches, scored, strict=True) for pair in zip(rows, values, strict=True)
        )
        return [found[place] for place in range(len(sequences))]
