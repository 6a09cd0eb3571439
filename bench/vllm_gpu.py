"""The vLLM engine beside a trainer on one GPU: weights handed over in memory, sleep, the skew gate, tokens/s.

    python bench/vllm_gpu.py    # about two minutes on a GPU; where vLLM is installed without one: the script itself, on a tiny model

A model of 0.4B parameters with random weights is trained in float32 and sampled by vLLM in bfloat16 in the same process. Every
line is a figure or a claim of docs/engines.md with what was found; the exit code counts the claims that don't hold.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")  # it is of no use here, and may not be installed

from stages.contract.determinism import SAMPLERS_OWN
from stages.contract.engine import Completion
from stages.contract.errors import UserError
from stages.contract.params import VLLM, Shape, Skew
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.policy import DecoderPolicy
from stages.model.tokenizer import TokenizerCodec, save_tokenizer, train_tokenizer
from stages.rl.skew import Gate, Scored, gap
from stages.rollout.vllm import VLLMEngine

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TEMPERATURE = 0.8
MAX_GAP = 0.05  # nats a token; bfloat16 beside float32
QUESTION = "how much is 2+3"


@dataclass(frozen=True, kw_only=True)
class Size:
    shape: Shape
    vocabulary: int
    prompts: int
    draws: int
    max_new_tokens: int
    embeddings: float  # times as large as at birth, so that not every token is about as likely as any other,
    outputs: float  # and these, so that a deep model does more than repeat its last token


SIZES = {
    "cuda": Size(
        shape=Shape(
            hidden=1024, layers=24, heads=16, head_dim=64, feed_forward=3072, rope_theta=1e4, max_positions=2048
        ),
        vocabulary=32_768,
        prompts=64,
        draws=8,
        max_new_tokens=512,
        embeddings=2.0,
        outputs=60.0,
    ),
    "cpu": Size(
        shape=Shape(hidden=64, layers=2, heads=2, head_dim=32, feed_forward=96, rope_theta=1e3, max_positions=256),
        vocabulary=2_000,
        prompts=8,
        draws=4,
        max_new_tokens=24,
        embeddings=4.0,
        outputs=1.0,
    ),
}


class Trained(DecoderPolicy):
    """The policy on the GPU: what it makes on the way is made there as well."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        with torch.device(DEVICE):
            return super().logps(prompts, completions, temperature=temperature)

    def frozen_copy(self) -> "Trained":
        return Trained(deepcopy(self.decoder).requires_grad_(False), pad_id=self.pad_id)


class Bench:
    """A checkpoint, its policy in training, an engine started from it, and what was found."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.size = size
        tokenizer = train_tokenizer([QUESTION] * 50, vocabulary=300)
        self.codec = TokenizerCodec(tokenizer, template="tiny")
        decoder = new_decoder(size.shape, vocabulary=size.vocabulary, seed=1)
        with torch.no_grad():
            for name, weight in decoder.named_parameters():
                output = name.endswith(("o_proj.weight", "down_proj.weight"))
                weight.mul_(size.embeddings if "embed" in name else size.outputs if output else 1.0)
        save_tokenizer(tokenizer, folder)
        save_checkpoint(decoder, tokenizer, folder, tokenizer_from=folder)
        self.policy = Trained(decoder.to(DEVICE), pad_id=self.codec.pad_id)
        self.engine = VLLMEngine(
            folder,
            settings=VLLM(dtype="bfloat16"),
            end_id=self.codec.end_id,
            weights=lambda: decoder.state_dict().items(),
            threads=2,
        )
        self.optimiser = torch.optim.AdamW(decoder.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(2)
        self.prompts = torch.randint(300, size.vocabulary, (size.prompts, 48), generator=generator).tolist()
        self.found: dict[str, object] = {"device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"}
        self.broken = 0

    def figure(self, name: str, value: object) -> None:
        self.found[name] = value
        print(f"{name}: {value}", flush=True)

    def claim(self, name: str, holds: bool, value: object) -> None:
        self.broken += not holds
        self.figure(f"{'holds' if holds else 'FAILS'}: {name}", value)

    def sample(self, prompts: Sequence[Sequence[int]] | None = None, **options: float) -> list[list[Completion]]:
        chosen = {"draws": self.size.draws, "temperature": TEMPERATURE, "seed": 3, **options}
        return self.engine.generate(
            self.prompts if prompts is None else prompts,
            max_new_tokens=self.size.max_new_tokens,
            top_p=1.0,
            **chosen,  # type: ignore[arg-type]
        )

    def scored(self, **options: float) -> list[Scored]:
        """Sixteen completions, or fewer, with the engine's log-probabilities."""
        some = self.prompts[:16]
        groups = self.sample(some, **{"draws": 1, **options})
        return [
            Scored(question=QUESTION, prompt=prompt, tokens=group[0].tokens, logps=group[0].logps)
            for prompt, group in zip(some, groups, strict=True)
        ]

    def update(self) -> None:
        """One step of training on the first prompts: enough that older weights show."""
        rows = self.scored()[:8]
        logps, _, mask = self.policy.logps([r.prompt for r in rows], [r.tokens for r in rows], temperature=TEMPERATURE)
        signs = torch.tensor([1.0, -1.0], device=DEVICE).repeat(len(rows))[: len(rows), None]
        (-(logps * signs).sum() / mask.sum()).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad()


def main() -> int:
    if find_spec("vllm") is None:
        print("vllm is not installed here: nothing was measured")
        return 0
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), SIZES[DEVICE])
        bench.figure("vllm", " ".join(d for name in SAMPLERS_OWN for d in _version(name)))
        bench.figure("parameters", sum(p.numel() for p in bench.policy.parameters()))
        for part in (starts, agrees, sleeps, renews, names_what_is_wrong, samples_as_fast):
            began = time.monotonic()
            part(bench)
            bench.figure(f"{part.__name__}_s", round(time.monotonic() - began, 1))
    print(json.dumps(bench.found))
    return bench.broken


def _version(package: str) -> list[str]:
    with suppress(PackageNotFoundError):
        return [f"{package} {version(package)}"]
    return []


def starts(bench: Bench) -> None:
    bench.sample(bench.prompts[:1])
    assert bench.engine.llm
    bench.figure("eager", bench.engine.llm.llm_engine.vllm_config.model_config.enforce_eager)


def agrees(bench: Bench) -> None:
    """Engine in bfloat16, trainer in float32 and in bfloat16, on the engine's own tokens."""
    rows = bench.scored()
    single = gap(bench.policy, rows, temperature=TEMPERATURE)
    half = gap(bench.policy.in_dtype(torch.bfloat16), rows, temperature=TEMPERATURE)
    bench.claim(f"gap to the float32 trainer below {MAX_GAP} nats a token", single < MAX_GAP, f"{single:.2e}")
    bench.figure("gap to the trainer in bfloat16", f"{half:.2e}")
    again, once = bench.scored(), bench.scored()
    same = [a.tokens == b.tokens for a, b in zip(again, once, strict=True)]
    bench.figure("answers that are the same again, of those compared", f"{sum(same)} of {len(same)}")


def sleeps(bench: Bench) -> None:
    """What the trainer gets of the GPU's memory while the engine sleeps."""
    if DEVICE == "cpu":
        return
    awake = torch.cuda.mem_get_info()[0]
    bench.engine.renew()
    bench.sample(bench.prompts[:1])  # from now on it sleeps after sampling
    asleep = torch.cuda.mem_get_info()[0]
    bench.figure("free while awake, GiB", round(awake / 2**30, 1))
    bench.claim("at least 20 GiB more are free while it sleeps", asleep - awake > 20 << 30, round(asleep / 2**30, 1))
    began = time.monotonic()
    bench.engine.renew()
    bench.figure("waking with new weights, s", round(time.monotonic() - began, 2))


def renews(bench: Bench) -> None:
    """Three updates; before each hand-over the engine is stale, after it is not."""
    for number in range(1, 4):
        bench.update()
        stale = gap(bench.policy, bench.scored(), temperature=TEMPERATURE)
        began = time.monotonic()
        bench.engine.renew()
        took = time.monotonic() - began
        fresh = gap(bench.policy, bench.scored(), temperature=TEMPERATURE)
        bench.claim(f"update {number}: stale before, not after", fresh < MAX_GAP < stale, f"{stale:.2g}, {fresh:.2e}")
        bench.figure(f"update {number}: handing over, s", round(took, 2))


def names_what_is_wrong(bench: Bench) -> None:
    """The gate as RL uses it: lets the true engine pass, and stops at each planted fault under its name."""
    origin = bench.policy.frozen_copy()
    bench.engine.renew()
    bench.claim("the gate lets the true engine pass", not _stopped(bench, origin, bench.scored), "")
    hot = _stopped(bench, origin, lambda: bench.scored(temperature=1.0))
    bench.claim("another temperature is named", "likely cause: temperature" in hot, hot)
    fine = _stopped(bench, origin, bench.scored, max_gap=1e-5)
    bench.claim("bfloat16 is named where float32 was meant", "likely cause: dtype" in fine, fine)
    stale = bench.scored()
    bench.update()
    old = _stopped(bench, origin, lambda: stale, step=1)
    bench.claim("stale weights are named", "likely cause: stale weights" in old, old)


def _stopped(
    bench: Bench, origin: Trained, rows: Callable[[], list[Scored]], *, max_gap: float = MAX_GAP, step: int = 0
) -> str:
    """What the gate said, or nothing if it let the engine pass."""
    gate = Gate(Skew(max_gap=max_gap), templates=bench.codec.other_templates())

    def again() -> list[Scored]:
        bench.engine.renew()
        return bench.scored()

    sampled = rows()
    try:
        gate.pass_through(bench.policy, origin, sampled, again, temperature=TEMPERATURE, step=step)
    except UserError as error:
        return error.message
    return ""


def samples_as_fast(bench: Bench) -> None:
    """Tokens/s through the engine beside a bare `LLM.generate` of the same prompts, alternated; medians of three."""
    from vllm import SamplingParams

    llm = bench.engine.llm
    assert llm
    plain = SamplingParams(
        n=bench.size.draws, max_tokens=bench.size.max_new_tokens, temperature=TEMPERATURE, seed=5, logprobs=0,
        stop_token_ids=[bench.codec.end_id], detokenize=False,
    )  # fmt: skip
    speeds: dict[str, list[float]] = {"engine": [], "bare": []}
    for turn in range(4):  # the first warms up
        for name in speeds:
            bench.engine.renew()  # else it sleeps
            began = time.monotonic()
            if name == "engine":
                tokens = sum(len(c.tokens) for group in bench.sample(seed=turn) for c in group)
            else:
                outputs = llm.generate([{"prompt_token_ids": p} for p in bench.prompts], plain, use_tqdm=False)
                tokens = sum(len(o.token_ids) for output in outputs for o in output.outputs)
            if turn:
                speeds[name].append(tokens / (time.monotonic() - began))
    for name, values in speeds.items():
        bench.figure(f"{name}, tokens/s", round(statistics.median(values)))
    ratio = statistics.median(speeds["engine"]) / statistics.median(speeds["bare"])
    bench.figure("engine / bare", round(ratio, 3))


if __name__ == "__main__":
    sys.exit(main())
