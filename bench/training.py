"""r1's DeepSpeed trainer: speed, memory, agreement with plain torch, equal bits. On a GPU if there is one.

    python bench/training.py [--tiny] [PART...]     # each part is a process of its own; a JSON line for each as it ends

Parts: sft:HEAD:KEPT:LENGTH (HEAD chunked or plain, KEPT all or recomputed: activations), torch:LENGTH (transformers and
AdamW in a loop, for comparison), zero (ZeRO 1 to 3 and offload beside plain torch), cpuadam (does DeepSpeed's own build?),
bits (the same training twice), stage (the stage `zero`, small, twice). Needs deepspeed: run it in .venv-deepspeed.
"""

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import torch
from shapes import HALF_B, TINY, device, flops_per_token, random_model

from stages.contract.events import Silent
from stages.contract.params import SFT, Trainer
from stages.contract.ranks import ALONE

PEAK_FLOPS = 989e12  # of an H100 in bfloat16, without sparsity (NVIDIA's data sheet)
PARTS = (
    "sft:chunked:all:2048", "torch:2048", "sft:chunked:all:8192", "sft:plain:all:8192", "sft:chunked:recomputed:8192",
    "sft:plain:recomputed:8192", "torch:8192", "zero", "bits", "stage", "cpuadam",
)  # fmt: skip
SETTINGS = SFT(
    epochs=1, batch_size=8, lr=1e-4, lr_end=0.1, warmup_steps=1, betas=[0.9, 0.95], weight_decay=0.01,
    max_grad_norm=1.0, max_tokens=1 << 20, micro_tokens=8192,
)  # fmt: skip
FAST = replace(SETTINGS, lr=3e-3)  # the curve is to move
Rows = list[list[int]]


class Clock(Silent):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def step(
        self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
    ) -> None:
        synchronise()
        self.ends.append(time.perf_counter())


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gb() -> float:
    """The most memory that tensors on the GPU took; on a CPU 0."""
    return round(torch.cuda.max_memory_allocated() / 1e9, 3) if torch.cuda.is_available() else 0.0


def rows(count: int, length: int, vocabulary: int) -> tuple[Rows, Rows]:
    """Prompts of an eighth of the length, and responses."""
    ids = torch.randint(1, vocabulary, (count, length), generator=torch.Generator().manual_seed(1)).tolist()
    return [row[: length // 8] for row in ids], [row[length // 8 :] for row in ids]


def policy_of(shape: dict[str, object], settings: Trainer, *, head: str = "chunked"):  # type: ignore[no-untyped-def]
    from stages.model import transformer
    from stages.model.logprobs import plain_logprobs
    from stages.model.trainer import connect, open_sharded

    if head == "plain":
        transformer.chunked_logprobs = plain_logprobs

    def build() -> torch.nn.Module:
        return transformer.Transformer(random_model(shape, getattr(torch, settings.dtype)), labels=0)

    return transformer.TransformerPolicy(open_sharded(build, settings, ALONE, connect(ALONE)), pad_id=0)


def sft(tiny: bool, head: str, kept: str, length: int) -> dict[str, object]:
    """Tokens a second, share of the peak, memory: `fine_tune` of a Qwen2-0.5B in bfloat16."""
    from stages.model.sft import fine_tune

    shape, steps = (TINY, 3) if tiny else (HALF_B, 6)
    length = length // 64 if tiny else length
    trainer = Trainer(engine="deepspeed", zero_stage=2, dtype="bfloat16", gradient_checkpointing=kept == "recomputed")
    policy = policy_of(shape, trainer, head=head)
    micro = max(length, 128 if tiny else 8192)
    batch = 4 if tiny else 65_536 // length
    prompts, responses = rows(batch * steps, length, int(str(shape["vocab_size"])))
    clock = Clock()
    settings = replace(SETTINGS, batch_size=batch, micro_tokens=micro)
    curve = fine_tune(policy, prompts, responses, settings, seed=1, report=clock)
    return speed(shape, length, batch, clock.ends) | {"loss": [round(row["loss"], 4) for row in curve]}


def plain_torch(tiny: bool, length: int) -> dict[str, object]:
    """The same batches and micro-batches: transformers' loss, bfloat16 weights, fused AdamW without float32 copies."""
    shape, steps = (TINY, 3) if tiny else (HALF_B, 6)
    length = length // 64 if tiny else length
    batch = 4 if tiny else 65_536 // length
    micro = max(1, max(length, 128 if tiny else 8192) // length)
    model = random_model(shape, torch.bfloat16)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=torch.cuda.is_available())
    prompts, responses = rows(batch * steps, length, int(str(shape["vocab_size"])))
    ends = []
    for step in range(steps):
        ids = torch.tensor([[*p, *r] for p, r in zip(prompts, responses, strict=True)][step * batch :][:batch])
        for part in ids.to(device()).split(micro):
            labels = part.clone()
            labels[:, : length // 8] = -100
            (model(input_ids=part, labels=labels, use_cache=False).loss * len(part) / batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        synchronise()
        ends.append(time.perf_counter())
    return speed(shape, length, batch, ends)


def speed(shape: dict[str, object], length: int, batch: int, ends: Sequence[float]) -> dict[str, object]:
    """Of all steps but the first."""
    tokens_s = batch * length * (len(ends) - 1) / (ends[-1] - ends[0])
    used = tokens_s * flops_per_token(shape, length)
    return {
        "length": length, "tokens_per_step": batch * length, "tokens_s": round(tokens_s), "peak_gb": peak_gb(),
        "model_flops_utilisation": round(used / PEAK_FLOPS, 4) if torch.cuda.is_available() else None,
    }  # fmt: skip


def twin_curve(prompts: Rows, responses: Rows) -> list[float]:
    """SFT in float32 without any engine: the losses."""
    from stages.model.batches import pad, shuffled_batches
    from stages.model.logprobs import plain_logprobs
    from stages.model.optimiser import adamw, cosine_rate, set_rate

    torch.use_deterministic_algorithms(True)
    model = random_model(TINY, torch.float32)
    model.get_input_embeddings().padding_idx = None  # type: ignore[operator]
    optimiser = adamw(model.parameters(), betas=FAST.betas, weight_decay=FAST.weight_decay)
    batches, losses = shuffled_batches(len(prompts), FAST.batch_size, [1009]), []
    for step, batch in enumerate(batches):
        loss, tokens = torch.zeros((), device=device()), sum(len(responses[i]) for i in batch)
        ids = pad([[*prompts[i], *responses[i]] for i in batch], 0).to(device())
        hidden = model.base_model(input_ids=ids, use_cache=False)[0]  # type: ignore[operator]
        for row, i in enumerate(batch):
            begin, end = len(prompts[i]), len(prompts[i]) + len(responses[i])
            weight = model.get_output_embeddings().weight  # type: ignore[operator]
            loss = loss - plain_logprobs(hidden[row, begin - 1 : end - 1], weight, ids[row, begin:end], 1.0)[0].sum()
        (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), FAST.max_grad_norm)
        set_rate(optimiser, FAST.lr * cosine_rate(step, steps=len(batches), warmup=1, end=FAST.lr_end))
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss / tokens))
    return losses


def zero(tiny: bool) -> dict[str, object]:
    """The largest difference of a step's loss from plain torch's: a small model in float32, by engine settings."""
    from stages.model.sft import fine_tune

    prompts, responses = rows(19 if tiny else 76, 64, 448)
    twin = twin_curve(prompts, responses)
    found: dict[str, object] = {"steps": len(twin), "losses": [round(twin[0], 5), round(twin[-1], 5)]}
    tried = [(stage, offload, "float32") for stage in (1, 2, 3) for offload in ("none", "optimizer")]
    for stage, offload, dtype in [*tried, (3, "all", "float32"), (2, "none", "bfloat16")]:
        name = f"zero{stage} offload={offload} {dtype}"
        try:
            trainer = Trainer(engine="deepspeed", zero_stage=stage, offload=offload, dtype=dtype)  # type: ignore[arg-type]
            curve = fine_tune(policy_of(TINY, trainer), prompts, responses, FAST, seed=1, report=Silent())
            found[name] = max(abs(a["loss"] - b) for a, b in zip(curve, twin, strict=True))
        except Exception as error:  # the others are to be tried too
            found[name] = f"{type(error).__name__}: {error}"[:500]
    return found


def bits(tiny: bool) -> dict[str, object]:
    """SHA-256 of the weights after an SFT with attention, recomputation and packing as in use: twice, each way."""
    found: dict[str, object] = {}
    for dtype in ("float32", "bfloat16"):
        digests = [said(["--one", f"digest:{dtype}"], tiny, 600) for _ in range(2)]
        found[dtype] = {"equal": digests[0] == digests[1] and "digest" in digests[0], "runs": digests}
    return found


def digest(tiny: bool, dtype: str) -> dict[str, object]:
    from stages.model.sft import fine_tune

    trainer = Trainer(engine="deepspeed", zero_stage=2, dtype=dtype, gradient_checkpointing=True)  # type: ignore[arg-type]
    shape = TINY if tiny else {**HALF_B, "num_hidden_layers": 4}
    prompts, responses = rows(24, 64 if tiny else 1024, int(str(shape["vocab_size"])))
    policy = policy_of(shape, trainer)
    curve = fine_tune(policy, prompts, responses, FAST, seed=1, report=Silent())
    return {"digest": policy.digest()[:16], "loss": curve[-1]["loss"]}


def stage(tiny: bool) -> dict[str, object]:
    """The stage `zero` of the tests' small params, by the DeepSpeed trainer here: twice, beside the embedded one."""
    from safetensors.torch import load_file

    from tests.deepspeed import test_stages

    work, weights = Path(mkdtemp()), {}
    for name, trainer in (
        ("one", Trainer(engine="deepspeed")), ("two", Trainer(engine="deepspeed")), ("embedded", Trainer()),
    ):  # fmt: skip
        test_stages.run(work / name, "zero", trainer, 0)
        weights[name] = (work / name / "out" / "checkpoint" / "model.safetensors").read_bytes()
    ours, theirs = (load_file(work / n / "out" / "checkpoint" / "model.safetensors") for n in ("one", "embedded"))
    metrics = {name: json.loads((work / name / "metrics.json").read_text()) for name in ("one", "two", "embedded")}
    return {
        "digests": {name: hashlib.sha256(data).hexdigest()[:16] for name, data in weights.items()},
        "equal_bits": weights["one"] == weights["two"],
        "farthest_weight_from_embedded": max(float((ours[k] - theirs[k]).abs().max()) for k in ours),
        "metrics": metrics,
    }


def cpuadam(tiny: bool) -> dict[str, object]:
    """Build DeepSpeed's CPUAdam and compare a step with torch's AdamW."""
    begun = time.perf_counter()
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    import stages.model.trainer  # noqa: F401  (tells DeepSpeed which accelerator there is)

    ours = torch.nn.Parameter(torch.linspace(-1, 1, 1000))
    theirs = torch.nn.Parameter(ours.detach().clone())
    for parameter in (ours, theirs):
        parameter.grad = torch.linspace(1, 2, 1000)
    DeepSpeedCPUAdam([ours], lr=1e-2, adamw_mode=True, weight_decay=0.01).step()
    torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.01).step()
    return {"built_s": round(time.perf_counter() - begun, 1), "difference": float((ours - theirs).abs().max())}


def one(part: str, tiny: bool) -> dict[str, object]:
    name, *given = part.split(":")
    works: dict[str, Callable[..., dict[str, object]]] = {
        "zero": zero, "bits": bits, "digest": digest, "stage": stage, "cpuadam": cpuadam,
    }  # fmt: skip
    if name == "sft":
        return sft(tiny, given[0], given[1], int(given[2]))
    if name == "torch":
        return plain_torch(tiny, int(given[0]))
    return works[name](tiny, *given)


def said(arguments: Sequence[str], tiny: bool, limit_s: float) -> dict[str, object]:
    """What another process of this script prints last, or how it failed."""
    command = [sys.executable, __file__, *(["--tiny"] if tiny else []), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit_s:g} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"failed": (done.stderr or done.stdout).strip()[-1500:]}
    found: dict[str, object] = json.loads(lines[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true", help="sizes for a CPU")
    parser.add_argument("--one", action="store_true", help="compute the part in this process")
    parser.add_argument("--limit-s", type=float, default=90, help="for a part")
    parser.add_argument("parts", nargs="*")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.parts[0], given.tiny)), flush=True)
        return
    if importlib.util.find_spec("deepspeed") is None:
        print("not run: this Python has no deepspeed (make test-deepspeed, then .venv-deepspeed/bin/python)")
        return
    here = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(json.dumps({"device": here, "torch": torch.__version__}), flush=True)
    for part in given.parts or PARTS:
        begun = time.perf_counter()
        found = said(["--one", part], given.tiny, given.limit_s)
        print(json.dumps({"part": part, "took_s": round(time.perf_counter() - begun, 1), **found}), flush=True)


if __name__ == "__main__":
    main()
