"""The embedded decoder and engine beside transformers, on the same weights, in one process, in turns.

Prints medians of several turns: a training step (forward and backward), and sampled tokens a second.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from stages.contract.params import Shape
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.rollout.embedded import EmbeddedEngine

TURNS = 5
SHAPE = Shape(hidden=96, layers=4, heads=3, head_dim=32, feed_forward=256, rope_theta=100.0, max_positions=2048)


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_tokenizer(train_tokenizer(["what is 2+3"], vocabulary=448), folder)
        tokenizer = load_tokenizer(folder)
        ours = new_decoder(SHAPE, vocabulary=tokenizer.get_vocab_size(), seed=0)
        save_checkpoint(ours, tokenizer, folder, tokenizer_from=folder)
        theirs = AutoModelForCausalLM.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab_size()
    batch = torch.randint(0, vocabulary, (40, 32))

    def step(forward: Callable[[torch.Tensor], torch.Tensor], model: torch.nn.Module) -> None:
        model.zero_grad()
        F.cross_entropy(forward(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()

    prompts = torch.randint(10, vocabulary, (256, 16))
    engine = EmbeddedEngine(ours, end_id=-1, pad_id=0, batch=256)  # no end token: both make all their tokens
    new = 40

    def generate_ours() -> None:
        engine.generate(prompts.tolist(), draws=1, max_new_tokens=new, temperature=1.0, top_p=1.0, seed=0)

    def generate_theirs() -> None:
        theirs.generate(
            prompts, do_sample=True, top_k=0, min_new_tokens=new, max_new_tokens=new, pad_token_id=0, eos_token_id=None
        )

    works = {
        "step, ours": lambda: step(ours, ours),
        "step, transformers": lambda: step(lambda x: theirs(input_ids=x, use_cache=False).logits, theirs),
        "sampling, ours": generate_ours,
        "sampling, transformers": generate_theirs,
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS + 1):
        for name, work in works.items():
            took = timed(work)
            if turn:  # the first turn warms up
                times[name].append(took)
    for name, taken in times.items():
        median = statistics.median(taken)
        tokens = batch.numel() if name.startswith("step") else prompts.shape[0] * new
        print(f"{name}: {median * 1e3:.0f} ms, {tokens / median:,.0f} tokens/s (median of {TURNS})")


if __name__ == "__main__":
    main()
