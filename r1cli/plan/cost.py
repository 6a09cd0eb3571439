"""Tokens, operations and hours. A forward pass is 2 operations a used parameter and token, and attention's own; training
is three of them, and one more where activations are computed again."""

from dataclasses import dataclass

from r1cli.plan.models import Model
from r1cli.plan.place import Place
from r1cli.plan.work import EMBEDDED_PROMPT_TOKENS, PROMPT_TOKENS, Work, longest


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one stage. `sample_hours` and `train_hours` are of wall clock, one after the other."""

    sampled_tokens: float
    trained_tokens: float
    flops: float
    sample_hours: float
    train_hours: float
    gpus: int
    disk_gb: float

    @property
    def hours(self) -> float:
        return self.sample_hours + self.train_hours

    @property
    def gpu_hours(self) -> float:
        return self.hours * self.gpus


def cost(work: Work, place: Place, *, keep: int = 2, measured_tokens_per_s: float = 0.0) -> Cost:
    """What a stage takes. `keep`: committed states on disk. `measured_tokens_per_s`: of sampling, all GPUs together, in
    place of what is assumed."""
    sampled, sample_flops, sample_s = 0.0, 0.0, 0.0
    model, prompt = work.model, prompt_tokens(place)
    for draws in work.draws:
        mean = draws.cap * place.mean_share
        tokens = draws.rounds * draws.sequences * mean
        operations = forward(model, prompt + mean)
        rate = measured_tokens_per_s or place.gpus * place.device.flops * place.sample_use / operations
        # A round can't end before its longest answer does, however many GPUs there are.
        sample_s += draws.rounds * max(draws.sequences * mean / rate, draws.cap * token_s(model, place))
        sampled += tokens
        sample_flops += tokens * operations
    trained, train_flops = 0.0, 0.0
    for part in work.training:
        length = part.cap if part.whole else min(prompt + part.cap * place.mean_share, part.prompt + part.cap)
        tokens = part.sequences * length
        passes = part.forwards + 3 + (place.checkpointing and not place.embedded)
        trained += tokens
        train_flops += tokens * passes * forward(model, 0 if part.whole else length)  # pre-training: short documents
    return Cost(
        sampled_tokens=sampled,
        trained_tokens=trained,
        flops=sample_flops + train_flops,
        sample_hours=sample_s / 3600,
        train_hours=train_flops / (place.gpus * place.device.flops * place.train_use) / 3600,
        gpus=place.gpus,
        disk_gb=_disk(work, place, keep),
    )


def prompt_tokens(place: Place) -> int:
    """A prompt's length, which no params say."""
    return EMBEDDED_PROMPT_TOKENS if place.embedded else PROMPT_TOKENS


def forward(model: Model, length: float) -> float:
    """Operations a token, where a causal sequence is `length` long: a token sees half of it on average."""
    return 2 * model.used + 2 * model.layers * model.heads * model.head_dim * length


def token_s(model: Model, place: Place) -> float:
    """Seconds a token of one sequence: the used weights are read once, at half of the bandwidth, and 5 ms besides."""
    if place.token_s:
        return place.token_s
    if place.embedded:
        return 0.0
    return 0.005 + 2 * model.used / place.engine_gpus(model) / (0.5 * place.device.bandwidth)


def _disk(work: Work, place: Place, keep: int) -> float:
    """GB: the checkpoint (bf16; fp32 on a CPU), committed states (with fp32 weights and AdamW's two moments) and rows."""
    count = work.model.parameters
    width = 4 if place.embedded else 2
    states = keep * (12 + width) * count + width * count if work.training else 0
    tokens = work.rows * (prompt_tokens(place) + longest(work.draws or work.training) * place.mean_share)
    return (states + 6 * tokens) / 1e9  # a token: about four bytes of text, and its log-probability
