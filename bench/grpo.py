"""GRPO steps of r1 beside TRL's GRPOTrainer: the same weights, prompts, group, lengths, reward and objective, in turns.

    python bench/grpo.py [--turns N] [--half-b] [--trl PYTHON]

Each trainer is a process of its own and does one step when it is told to, so nothing runs beside it. Without a GPU: a
tiny model, r1's embedded engine and one thread each; tokens a CPU-second. With one, or --half-b: a Qwen2-0.5B in
bfloat16, r1's DeepSpeed trainer; both sample with transformers' `generate`. The first turn warms up.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[1]
os.environ["TOKENIZERS_PARALLELISM"] = "false"

GROUP = 8
SIZES = {  # prompts a step, new tokens, sequences of a micro-batch
    "tiny": (16, 40, 128),
    "half_b": (16, 256, 32),
    "half_b without a GPU": (2, 16, 8),  # tries the code only: the tiny model in bfloat16
}
TRL_PYTHON = ROOT / ".venv-trl" / "bin" / "python"


def questions(count: int) -> list[str]:
    return [f"what is {place * 37 % 90 + 10} + {place * 53 % 90 + 10} ?" for place in range(count)]


def reward(text: str) -> float:
    """Something that differs between a group's texts and costs nothing."""
    return sum(text.encode()) % 7 / 6


def tokenizer_in(folder: Path) -> Path:
    """A tokenizer of 448 tokens. What a larger model samples beyond them has no text."""
    from stages.model.tokenizer import save_tokenizer, train_tokenizer

    save_tokenizer(train_tokenizer(questions(200), vocabulary=448), folder)
    return folder


class Turns:
    """Waits for the parent's word before each step, and tells it what the step took."""

    def __init__(self) -> None:
        self.tokens = 0
        self._begun: tuple[float, float] | None = None

    def begin(self) -> None:
        if not sys.stdin.readline():
            os._exit(0)
        self._begun = time.perf_counter(), _cpu_s()

    def end(self, **more: object) -> None:
        import torch

        assert self._begun
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.synchronize()
        took = {"seconds": time.perf_counter() - self._begun[0], "cpu_s": _cpu_s() - self._begun[1]}
        peak = {"peak_gb": torch.cuda.max_memory_allocated() / 1e9 if cuda else resource_gb()}
        print(json.dumps({**took, **peak, "tokens": self.tokens, **more}), file=sys.__stdout__, flush=True)
        self.tokens = 0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resource_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def run_ours(size: str, steps: int, folder: Path) -> None:
    """r1's loop. Also says how a step's time is spent."""
    import torch

    from stages.contract.events import Silent
    from stages.contract.params import RL, Objective, Reward, Stretch
    from stages.contract.phases import phases
    from stages.contract.task import Score, Task
    from stages.contract.transcript import END
    from stages.model.tokenizer import PAD, load_tokenizer
    from stages.rl.loop import Parts, train

    prompts, new, micro = SIZES[size]
    tokenizer, turns, before = load_tokenizer(folder), Turns(), dict[str, float]()
    longest = max(len(tokenizer.encode(q).ids) for q in questions(prompts))

    class Codec:
        def prompt(self, question: str) -> list[int]:
            return list(tokenizer.encode(question, add_special_tokens=False).ids)

        def text(self, tokens: Sequence[int]) -> str:
            return str(tokenizer.decode(list(tokens)))

    class Watched(Silent):
        def step(
            self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
        ) -> None:
            spent = {name: phases.spent[name] - before.get(name, 0.0) for name in ("generate", "reward", "train")}
            turns.end(**spent)
            before.update(phases.spent)
            if done < steps:
                turns.begin()

    def score(
        tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
    ) -> list[Score]:
        turns.tokens += sum(lengths)
        return [
            Score(verdict="wrong", reason="", accuracy=0.0, format=0.0, language=1.0, preference=None, overlong=0.0,
                reward=reward(text)) for text in texts
        ]  # fmt: skip

    def pick(step: int) -> list[Task]:
        return [
            Task(id=str(place), kind="reasoning", family="", difficulty=1, language="en", prompt=text, answer="")
            for place, text in enumerate(questions(prompts))
        ]

    settings = RL(
        steps=steps, prompts_per_step=prompts, group_size=GROUP, steps_per_rollout=1,
        lengths=[Stretch(from_step=0, max_new_tokens=new)], temperature=1.0, top_p=1.0, lr=1e-5, lr_end=1.0,
        warmup_steps=0, betas=[0.9, 0.999], weight_decay=0.0, max_grad_norm=1.0, reference_every=0,
        drop_zero_variance=False, micro_tokens=micro * (longest + new), validate_every=steps + 1, validate_problems=0,
        keep_rollouts=1,
        objective=Objective(adv_scale="group_std", agg="seq_mean", agg_tokens=1, loss="clip", ratio="token",
            clip_low=0.2, clip_high=0.2, dual_clip=0.0, kl="none", kl_beta=0.0, tis="none", tis_cap=2.0),
        reward=Reward(accuracy=1.0, format=0.0, language=0.0, preference=0.0, overlong=0.0, combine="sum"),
    )  # fmt: skip
    ends, pads = (tokenizer.token_to_id(name) for name in (END, PAD))
    policy, engine = _embedded(folder, ends, pads) if size == "tiny" else _together(ends, pads)
    parts = Parts(
        policy=policy, engine=engine, codec=Codec(), score=score, pick=pick, forbidden=lambda text: False,
        reflective=len, validate=None, keep=lambda step, samples: None,
    )  # fmt: skip
    optimisation = policy.optimisation(settings)
    torch.manual_seed(0)
    print("ready", flush=True)
    turns.begin()
    train(parts, settings, seed=1, optimisation=optimisation, report=Watched())


def _embedded(folder: Path, ends: int, pads: int):  # type: ignore[no-untyped-def]
    import torch

    from stages.model.checkpoint import load_decoder
    from stages.model.policy import DecoderPolicy
    from stages.rollout.embedded import EmbeddedEngine

    torch.set_num_threads(1)
    decoder = load_decoder(folder)
    return DecoderPolicy(decoder, pad_id=pads), EmbeddedEngine(decoder, end_id=ends, pad_id=pads, batch=256)


def _together(ends: int, pads: int):  # type: ignore[no-untyped-def]
    """The DeepSpeed trainer, and transformers' `generate` on its weights."""
    import torch
    from shapes import HALF_B, TINY, device, random_model

    from stages.contract.engine import Completion
    from stages.contract.params import Trainer
    from stages.contract.ranks import ALONE
    from stages.model.trainer import connect, open_sharded
    from stages.model.transformer import Transformer, TransformerPolicy

    shape = HALF_B if torch.cuda.is_available() else TINY
    settings = Trainer(engine="deepspeed", zero_stage=1, dtype="bfloat16")

    def build() -> torch.nn.Module:
        return Transformer(random_model(shape, torch.bfloat16), labels=0)

    policy = TransformerPolicy(open_sharded(build, settings, ALONE, connect(ALONE)), pad_id=pads)

    class Generating:
        copies_weights = False

        def renew(self) -> None: ...

        def generate(
            self, prompts: Sequence[Sequence[int]], *, draws: int, max_new_tokens: int, temperature: float, seed: int,
            top_p: float, on_finished: object = None,
        ) -> list[list[Completion]]:  # fmt: skip
            inner = policy.model.module.inner
            head = inner.get_output_embeddings()
            logits = torch.nn.Linear(*reversed(head.weight.shape), bias=False, device="meta")
            logits.weight = head.weight
            inner.set_output_embeddings(logits)
            wide = max(map(len, prompts))
            ids = torch.tensor([[pads] * (wide - len(p)) + list(p) for p in prompts]).repeat_interleave(draws, 0)
            mask = torch.tensor([[0] * (wide - len(p)) + [1] * len(p) for p in prompts]).repeat_interleave(draws, 0)
            inner.eval()
            with torch.no_grad():
                whole = inner.generate(
                    input_ids=ids.to(device()), attention_mask=mask.to(device()), do_sample=True, top_k=0, top_p=top_p,
                    temperature=temperature, max_new_tokens=max_new_tokens, pad_token_id=pads, eos_token_id=ends,
                )  # fmt: skip
            inner.train()
            inner.set_output_embeddings(head)
            cut = [row[: row.index(ends) + 1] if ends in row else row for row in whole[:, wide:].tolist()]
            made = [Completion(tokens=row, logps=[0.0] * len(row), finished=row[-1] == ends) for row in cut]
            return [made[start : start + draws] for start in range(0, len(made), draws)]

    return policy, Generating()


def run_trl(size: str, steps: int, folder: Path) -> None:
    import datasets
    import torch
    import transformers
    import trl
    from shapes import HALF_B, TINY, random_model

    prompts, new, micro = SIZES[size]
    turns = Turns()
    cuda = torch.cuda.is_available()
    if size == "tiny":
        torch.set_num_threads(1)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        model = random_model(HALF_B if cuda else TINY, torch.bfloat16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id

    def rewards(completions: list[str], completion_ids: list[list[int]], **columns: object) -> list[float]:
        turns.tokens += sum(map(len, completion_ids))
        return [reward(text) for text in completions]

    class Baton(transformers.TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *given: object, **named: object) -> None:
            print("ready", file=sys.__stdout__, flush=True)
            turns.begin()

        def on_step_end(self, args: object, state: object, *given: object, **named: object) -> None:
            turns.end()
            if state.global_step < steps:  # type: ignore[attr-defined]
                turns.begin()

    sequences = prompts * GROUP
    args = trl.GRPOConfig(
        output_dir=mkdtemp(), max_steps=steps, per_device_train_batch_size=min(micro, sequences),
        gradient_accumulation_steps=max(1, sequences // micro), num_generations=GROUP, max_completion_length=new,
        temperature=1.0, beta=0.0, loss_type="grpo", epsilon=0.2, scale_rewards="group", learning_rate=1e-5,
        lr_scheduler_type="constant", max_grad_norm=1.0, report_to=[], use_cpu=not cuda, bf16=size != "tiny",
        gradient_checkpointing=False, save_strategy="no", shuffle_dataset=False, disable_tqdm=True,
        logging_strategy="no", dataloader_num_workers=0,
    )  # fmt: skip
    trainer = trl.GRPOTrainer(
        model=model, processing_class=tokenizer, reward_funcs=[rewards], args=args, callbacks=[Baton()],
        train_dataset=datasets.Dataset.from_list([{"prompt": text} for text in questions(prompts)]),
    )  # fmt: skip
    trainer.train()


def start(python: str, kind: str, size: str, steps: int, folder: Path) -> "subprocess.Popen[str]":
    command = [python, __file__, "--worker", kind, "--size", size, "--steps", str(steps), "--folder", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if size == "tiny" else None
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / kind).open("w"),
        text=True,
    )  # fmt: skip


def told(worker: "subprocess.Popen[str]", kind: str, folder: Path) -> dict[str, float]:
    """The next JSON line that a worker prints; {} for its word that it is ready."""
    assert worker.stdout
    for line in worker.stdout:
        if line.strip() == "ready":
            return {}
        if line.startswith("{"):
            found: dict[str, float] = json.loads(line)
            return found
    raise SystemExit(f"{kind} ended: {(folder / kind).read_text()[-2500:]}")


def compare(size: str, turns: int, trl_python: str) -> None:
    folder = tokenizer_in(Path(mkdtemp()))
    if size == "tiny":
        from stages.contract.params import Shape
        from stages.model.checkpoint import new_decoder, save_checkpoint
        from stages.model.tokenizer import load_tokenizer

        shape = Shape(hidden=96, layers=4, heads=3, head_dim=32, feed_forward=256, rope_theta=100.0, max_positions=2048)
        tokenizer = load_tokenizer(folder)
        decoder = new_decoder(shape, vocabulary=tokenizer.get_vocab_size(), seed=0)
        save_checkpoint(decoder, tokenizer, folder, tokenizer_from=folder)
    pythons = {"r1": sys.executable, "trl": trl_python}
    workers = {kind: start(python, kind, size, turns + 1, folder) for kind, python in pythons.items()}
    for kind, worker in workers.items():
        told(worker, kind, folder)
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in workers}
    for number in range(turns + 1):
        for kind, worker in workers.items():
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
            found = told(worker, kind, folder)
            print(json.dumps({"turn": number, "kind": kind, **{k: round(v, 3) for k, v in found.items()}}), flush=True)
            if number:
                taken[kind].append(found)
    for worker in workers.values():
        worker.communicate()
    summary(taken)


def summary(taken: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    for per in ("seconds", "cpu_s"):
        rates = {kind: [turn["tokens"] / turn[per] for turn in turns] for kind, turns in taken.items()}
        ratios = [ours / theirs for ours, theirs in zip(rates["r1"], rates["trl"], strict=True)]
        medians = {f"{kind}_tokens": round(statistics.median(found), 1) for kind, found in rates.items()}
        print(json.dumps({"per": per, **medians, "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios]}))  # fmt: skip
    whole = sum(turn["seconds"] for turn in taken["r1"])
    shares = {name: sum(turn[name] for turn in taken["r1"]) / whole for name in ("generate", "reward", "train")}
    shares["everything else"] = 1.0 - sum(shares.values())
    print(json.dumps({"r1's step": {name: round(share, 4) for name, share in shares.items()}}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--half-b", action="store_true")
    parser.add_argument("--trl", default=str(TRL_PYTHON), help="a Python that has TRL")
    parser.add_argument("--worker", choices=["r1", "trl"], help=argparse.SUPPRESS)
    for name in ("--size", "--steps", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        run = run_ours if given.worker == "r1" else run_trl
        run(given.size, int(given.steps), Path(given.folder))
    elif not Path(given.trl).exists():
        print("not run: there is no Python with TRL (make test-trl)")
    else:
        import torch

        large = "half_b" if torch.cuda.is_available() else "half_b without a GPU"
        compare(large if given.half_b else "tiny", given.turns, given.trl)


if __name__ == "__main__":
    main()
