"""Bytes a GPU: weights, gradients, optimizer, activations, cache. ZeRO's arithmetic is the ZeRO paper's (arXiv 1910.02054):
with bf16 and AdamW 2 + 2 + 12 bytes a parameter, of which each ZeRO stage divides one more part by the GPUs."""

from dataclasses import dataclass

from r1cli.plan.models import Model
from r1cli.plan.place import Place
from r1cli.plan.work import EMBEDDED_PROMPT_TOKENS, PROMPT_TOKENS, Work, longest

GB = 1e9
# Resident beside model and batch on a CPU: Python, torch, polars and their threads, tables, graders. Fitted to run records
# of the tiny profile's `base`, `cold_start` and `zero`; the other stages are the check (docs/decisions/0008).
PRETRAINING_GB, SAMPLING_GB, TRAINING_GB = 0.35, 0.42, 0.54
DOCUMENT_GB = 4.2e-6  # a document of the embedded corpus as lists of tokens, likewise


@dataclass(frozen=True, kw_only=True)
class Memory:
    """GB a GPU, or of a process on a CPU. On GPUs training and sampling take turns, and the larger one is needed; a process
    on a CPU gives little back."""

    weights: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    reference: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    engine: float = 0.0  # weights in the rollout engine
    cache: float = 0.0  # keys and values of one longest sequence; on a CPU of all that are decoded together
    base: float = 0.0  # the process itself; 0 on a GPU

    @property
    def training(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.reference + self.activations + self.logits

    @property
    def sampling(self) -> float:
        return self.engine + self.cache

    @property
    def peak(self) -> float:
        return self.base + self.training + self.sampling if self.base else max(self.training, self.sampling)


def memory(work: Work, place: Place, *, decoded_together: int = 1) -> Memory:
    """The peak of a stage. `decoded_together`: sequences that the embedded engine decodes at once."""
    return _embedded(work, place, decoded_together) if place.embedded else _sharded(work, place)


def layer_values(model: Model) -> int:
    """Values a token that one layer keeps for its backward pass: two norms' inputs and outputs, residuals, queries, keys
    and values before and after rotation, attention's output, and the gate, its activation, the other branch and their
    product."""
    attention = (2 * model.heads + 4 * model.kv_heads + 2 * model.heads) * model.head_dim
    return 8 * model.hidden + attention + 4 * model.feed_forward


def _sharded(work: Work, place: Place) -> Memory:
    model, count, shards = work.model, work.model.parameters, place.gpus
    tokens = max((part.micro_tokens for part in work.training), default=0) / place.sequence_parallel
    trains = bool(work.training)
    kept = model.hidden * model.layers if place.checkpointing else layer_values(model) * model.layers
    again = layer_values(model) if place.checkpointing else 0
    # ZeRO-3 gathers the layer at work and the next one. Experts stay where they are.
    gathered = 4 * (model.per_layer if not model.active else 0) if place.zero == 3 else 0
    copies = max((part.models for part in work.training), default=0)
    return Memory(
        weights=trains * (2 * count / (shards if place.zero >= 3 else 1) + gathered) / GB,
        gradients=trains * 2 * count / (shards if place.zero >= 2 else 1) / GB,
        optimizer=0.0 if place.offload else trains * 12 * count / (shards if place.zero >= 1 else 1) / GB,
        reference=copies * 2 * count / (shards if place.zero >= 3 else 1) / GB,
        activations=2 * tokens * (kept + again) / GB,
        # Logits, their softmax and its gradient, in fp32.
        logits=trains * min(tokens, place.logit_tokens) * model.vocabulary * 12 / GB,
        engine=bool(work.draws) * 2 * count / place.engine_gpus(model) / GB,
        cache=bool(work.draws) * 2 * _cached(work, place) / GB,
    )


def _cached(work: Work, place: Place) -> float:
    """Values a GPU of one longest sequence. A compressed cache (kv_width) is not divided among GPUs."""
    model = work.model
    divided = 1 if model.kv_width else min(place.engine_gpus(model), model.kv_heads)
    return (longest(work.draws) + PROMPT_TOKENS) * model.kv_values / divided


def _embedded(work: Work, place: Place, decoded_together: int) -> Memory:
    model, count = work.model, work.model.parameters
    tokens = max((part.micro_tokens for part in work.training), default=0)
    trains = bool(work.training)
    together = min(decoded_together, max((draws.call or draws.sequences for draws in work.draws), default=0))
    # Sequences leave the cache as they end, so that few are there when it is longest.
    length = EMBEDDED_PROMPT_TOKENS + longest(work.draws) * place.mean_share
    return Memory(
        weights=4 * count / GB,
        gradients=trains * 4 * count / GB,
        optimizer=trains * 8 * count / GB,
        reference=4 * count * max((part.models for part in work.training), default=0) / GB,
        activations=4 * tokens * model.layers * layer_values(model) / GB,
        logits=trains * 12 * tokens * model.vocabulary / GB,
        cache=4 * together * length * model.kv_values / GB,
        base=_process(work) + work.documents * DOCUMENT_GB,
    )


def _process(work: Work) -> float:
    if work.documents:
        return PRETRAINING_GB
    return TRAINING_GB if work.training else SAMPLING_GB


def largest_micro(work: Work, place: Place) -> int:
    """The most micro_tokens that fit, or 0 if the model itself doesn't."""
    free = place.device.memory_gb * place.memory_use
    found = memory(work, place)
    rest = free - (found.training - found.activations)
    tokens = max((part.micro_tokens for part in work.training), default=0)
    return 0 if rest <= 0 or not tokens else int(tokens * rest / found.activations)


def sequences_that_fit(work: Work, place: Place) -> int:
    """How many sequences of mean length the rollout engine's memory holds a copy of the model."""
    free = place.device.memory_gb * place.memory_use - memory(work, place).engine
    whole = 2 * _cached(work, place) / GB
    cap = longest(work.draws)
    mean = whole * (PROMPT_TOKENS + cap * place.mean_share) / (PROMPT_TOKENS + cap)
    return max(0, int(free / mean)) if mean else 0
