"""The embedded decoder and engine beside transformers and vLLM, on the same weights, in one process, in turns.

    .venv-vllm/bin/python bench/embedded.py    # after `make test-vllm`; where vLLM is not installed it is left out

Prints medians of several turns: a training step (forward and backward), and sampling: tokens a second and a CPU-second.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import set_num_threads  # vLLM puts a function that does nothing in its place
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from stages.contract.engine import Engine
from stages.contract.params import VLLM, Shape
from stages.contract.team import Team
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.rollout.embedded import EmbeddedEngine
from stages.rollout.vllm import VLLMEngine

TURNS = 5
SHAPE = Shape(hidden=96, layers=4, heads=3, head_dim=32, feed_forward=256, rope_theta=100.0, max_positions=2048)


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))


def measure(folder: Path) -> None:
    save_tokenizer(train_tokenizer(["what is 2+3"], vocabulary=448), folder)
    tokenizer = load_tokenizer(folder)
    ours = new_decoder(SHAPE, vocabulary=tokenizer.get_vocab_size(), seed=0)
    save_checkpoint(ours, tokenizer, folder, tokenizer_from=folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab_size()
    batch = torch.randint(0, vocabulary, (40, 32))

    def step(forward: Callable[[torch.Tensor], torch.Tensor], model: torch.nn.Module) -> int:
        model.zero_grad()
        F.cross_entropy(forward(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        return batch.numel()

    prompts = torch.randint(10, vocabulary, (256, 16))
    asked = {"draws": 1, "max_new_tokens": 40, "temperature": 1.0, "top_p": 1.0, "seed": 0}

    def sampled(engine: Engine, threads: int) -> int:
        set_num_threads(threads)
        groups = engine.generate(prompts.tolist(), **asked)
        return sum(len(completion.tokens) for group in groups for completion in group)

    def sampled_by_transformers() -> int:
        set_num_threads(2)
        new = asked["max_new_tokens"]
        theirs.generate(
            prompts, do_sample=True, top_k=0, min_new_tokens=new, max_new_tokens=new, pad_token_id=0, eos_token_id=None
        )
        return prompts.shape[0] * new

    engine = EmbeddedEngine(
        ours, end_id=-1, pad_id=0, batch=1024, team=Team(2)
    )  # no end token: it makes all its tokens
    works: dict[str, Callable[[], int]] = {
        "step, ours": lambda: step(ours, ours),
        "step, transformers": lambda: step(lambda x: theirs(input_ids=x, use_cache=False).logits, theirs),
        "sampling, ours": lambda: sampled(engine, 1),  # in each of two threads
        "sampling, transformers": sampled_by_transformers,
    }
    if find_spec("vllm"):
        weights = ours.state_dict().items
        vllm = VLLMEngine(folder, settings=VLLM(dtype="float32"), end_id=vocabulary - 1, weights=weights, threads=2)
        works["sampling, vLLM"] = lambda: sampled(vllm, 2)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for turn in range(TURNS + 1):
        for name, work in works.items():
            began, cpu = time.perf_counter(), time.process_time()
            tokens = work()
            if turn:  # the first turn warms up
                rates[name].append((tokens / (time.perf_counter() - began), tokens / (time.process_time() - cpu)))
    for name, found in rates.items():
        second, cpu_second = (statistics.median(rate) for rate in zip(*found, strict=True))
        print(f"{name}: {second:,.0f} tokens/s, {cpu_second:,.0f} a CPU-second (median of {TURNS})")


if __name__ == "__main__":
    main()
