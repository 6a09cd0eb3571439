"""A checkpoint of random weights, its policy, and the real vLLM that was started from it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from stages.contract.engine import Completion, Engine
from stages.contract.params import VLLM, Shape
from stages.model.checkpoint import new_decoder
from stages.model.decoder import Decoder
from stages.model.policy import DecoderPolicy
from stages.rollout.vllm import VLLMEngine
from tests import tiny_model

SHAPE = Shape(hidden=96, layers=2, heads=3, head_dim=32, feed_forward=160, rope_theta=100.0, max_positions=256)
QUESTIONS = ("2+3", "what is 9-4 then", "so a=3 b=4 a+b", "if x then y", "count the cups on the shelf")
CLOSE = 1e-4  # float32 on both sides, summed in another order


def _decoder() -> Decoder:
    made = new_decoder(SHAPE, vocabulary=tiny_model.tokenizer().get_vocab_size(), seed=2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(5.0) if parameter.ndim == 2 else parameter.add_(torch.linspace(-0.3, 0.3, len(parameter)))
    return made


class World:
    """A checkpoint, its policy, and an engine that was started from it."""

    def __init__(self, folder: Path, *, dtype: str = "float32") -> None:
        self.decoder = _decoder()
        self.codec = tiny_model.codec()
        self.folder = tiny_model.save(self.decoder, folder)
        self.policy = DecoderPolicy(self.decoder, pad_id=self.codec.pad_id)
        self.prompts = [self.codec.prompt(question) for question in QUESTIONS]
        self.fresh = {name: tensor.clone() for name, tensor in self.decoder.state_dict().items()}
        self.engine = self.another(VLLM(dtype=dtype))  # type: ignore[arg-type]

    def another(self, settings: VLLM) -> VLLMEngine:
        return VLLMEngine(
            self.folder,
            settings=settings,
            end_id=self.codec.end_id,
            weights=lambda: self.decoder.state_dict().items(),
            threads=1,
        )

    def sample(
        self, prompts: Sequence[Sequence[int]] | None = None, *, engine: Engine | None = None, **changed: float
    ) -> list[list[Completion]]:
        options = {"draws": 6, "max_new_tokens": 24, "temperature": 0.7, "top_p": 1.0, "seed": 3, **changed}
        return (engine or self.engine).generate(self.prompts if prompts is None else prompts, **options)  # type: ignore[arg-type]

    def gap(self, groups: list[list[Completion]], *, temperature: float = 0.7) -> float:
        """The largest difference of a token's log-probability, in nats."""
        pairs = [(prompt, c) for prompt, group in zip(self.prompts, groups, strict=True) for c in group]
        with torch.no_grad():
            logps, _, _ = self.policy.logps(
                [p for p, _ in pairs], [c.tokens for _, c in pairs], temperature=temperature
            )
        return max(
            abs(ours - theirs)
            for row, (_, c) in zip(logps.tolist(), pairs, strict=True)
            for ours, theirs in zip(row, c.logps, strict=False)
        )

    def reset(self) -> None:
        """The weights of the checkpoint again, for policy and engine."""
        self.decoder.load_state_dict(self.fresh)
        self.engine.renew()

    def shift(self, factor: float) -> None:
        with torch.no_grad():
            for parameter in self.decoder.parameters():
                parameter.mul_(factor)


def tokens(groups: list[list[Completion]]) -> list[list[list[int]]]:
    return [[c.tokens for c in group] for group in groups]
