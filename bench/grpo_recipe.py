"""GRPO steps of stage `zero` as the default recipe has them, beside TRL's GRPOTrainer doing the same, in turns.

    python bench/grpo_recipe.py [--model data/base/checkpoint] [--turns N]     (bench/grpo.py: answers of one length)

Prints completion tokens per CPU-second, as medians over turns, and where r1's own seconds go. Without --model the model
is a new one, whose answers seldom end by themselves. TRL is measured in three ways and r1 in two; each's best counts. Both make a
step of 16 prompts x 16 answers with one update: no reference model, token-mean loss, the same learning rate and rewards.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import yaml

from stages.assembly.models import open_model
from stages.contract.events import Silent
from stages.contract.params import RL, Params, parse
from stages.contract.phases import phases
from stages.contract.task import Task, tasks_of
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.rewards.batch import Graders, processes_for
from stages.rewards.scorer import scorer
from stages.rl.loop import Parts, train
from stages.tasks.corpus import problem_tasks

TURNS = 5
STEPS = 4  # a turn; the first warms up
OURS = ("r1, 2 threads", "r1, 1 thread")
HERE = Path(__file__).resolve().parent.parent


@dataclass
class Turn:
    """What one turn took, its first step left out."""

    tokens: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.tokens / self.cpu_s


class Clock:
    """Notes the end of each step."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float, float, dict[str, float]]] = []

    def mark(self, tokens: float) -> None:
        """`tokens`: all that were sampled so far."""
        self.marks.append((tokens, time.process_time(), time.perf_counter(), dict(phases.spent)))

    def turn(self) -> Turn:
        first, last = self.marks[0], self.marks[-1]
        spent = {name: last[3].get(name, 0.0) - first[3].get(name, 0.0) for name in last[3]}
        return Turn(tokens=last[0] - first[0], cpu_s=last[1] - first[1], wall_s=last[2] - first[2], phases=spent)


class Stepping(Silent):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def step(
        self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
    ) -> None:
        assert figures
        self.clock.mark(figures["tokens"])


def main() -> None:
    given = _arguments()
    if importlib.util.find_spec("trl") is None:
        other = HERE / ".venv-trl" / "bin" / "python"
        if not other.exists():
            print("not run: this Python has no trl, and there is no .venv-trl (make test-trl)")
            return
        os.execv(other, [str(other), *sys.argv])
    warnings.filterwarnings("ignore")
    params = parse(yaml.safe_load((HERE / "profiles" / "tiny.yaml").read_text()))
    assert params.world is not None and params.zero is not None
    settings = replace(params.zero, steps=STEPS, validate_every=10 * STEPS, keep_rollouts=10 * STEPS)
    tasks = tasks_of(problem_tasks(params.world, 16 * STEPS, seed="bench"))
    with tempfile.TemporaryDirectory() as name:
        model = given.model or _new_model(Path(name), params, tasks)
        ways: dict[str, Callable[[], Turn]] = {
            "r1, 2 threads": lambda: _r1(model, params, settings, tasks),
            "r1, 1 thread": lambda: _r1(model, replace(params, threads=1), settings, tasks),
            "TRL, 1 thread": lambda: _trl(model, params, settings, tasks, threads=1, parts=1),
            "TRL, 1 thread, in 8 parts": lambda: _trl(model, params, settings, tasks, threads=1, parts=8),
            "TRL, 2 threads, in 8 parts": lambda: _trl(model, params, settings, tasks, threads=2, parts=8),
        }
        turns: dict[str, list[Turn]] = {way: [] for way in ways}
        for _ in range(given.turns):
            for way, work in ways.items():
                turns[way].append(work())
                last = turns[way][-1]
                print(
                    f"{way}: {last.rate:,.0f} tokens a CPU-second, {last.tokens / last.wall_s:,.0f} a second",
                    flush=True,
                )
    _report(turns)


def _report(turns: dict[str, list[Turn]]) -> None:
    rates = {way: statistics.median(turn.rate for turn in found) for way, found in turns.items()}
    walls = {way: statistics.median(turn.tokens / turn.wall_s for turn in found) for way, found in turns.items()}
    whole = sum(turn.wall_s for turn in turns[OURS[0]])
    named = ("generate", "reward", "train")
    shares = {name: sum(turn.phases.get(name, 0.0) for turn in turns[OURS[0]]) / whole for name in named}
    shares["everything else"] = 1.0 - sum(shares.values())
    for way, rate in rates.items():
        print(
            f"{way}: {rate:,.0f} completion tokens a CPU-second, {walls[way]:,.0f} a second (median of {len(turns[way])})"
        )
    for per, found in (("CPU-second", rates), ("second", walls)):
        ours, peer = (max(rate for way, rate in found.items() if (way in OURS) == mine) for mine in (True, False))
        print(f"r1's best beside TRL's best: {ours / peer:.2f} times a {per}")
    print(f"{OURS[0]}, a step: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))


def _r1(folder: Path, params: Params, settings: RL, tasks: list[Task]) -> Turn:
    clock = Clock()
    model = open_model(folder, params)
    graders = Graders(processes_for(tasks), template=model.codec.template)
    parts = Parts(
        policy=model.policy,
        engine=model.engine,
        codec=model.codec,
        score=scorer(settings.reward, None, graded=graders.grade_all),
        pick=lambda step: tasks[16 * step : 16 * step + 16],
        forbidden=lambda text: False,
        reflective=lambda text: 0,
        validate=None,
        keep=lambda step, samples: None,
        begin=graders.ahead if graders.size else None,
    )
    optimisation = model.policy.optimisation(settings)
    train(parts, settings, seed=params.seed, optimisation=optimisation, report=Stepping(clock))
    graders.close()
    return clock.turn()


def _trl(folder: Path, params: Params, settings: RL, tasks: list[Task], *, threads: int, parts: int) -> Turn:
    import datasets
    import transformers
    import trl

    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    model = open_model(folder, params)  # for its codec
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    graders = Graders(processes_for(tasks), template=model.codec.template)
    score = scorer(settings.reward, None, graded=graders.grade_all)
    limit = settings.lengths[0].max_new_tokens
    clock, sampled = Clock(), [0.0]
    end = model.codec.end_id

    def reward(completions: list[str], completion_ids: list[list[int]], task: list[int], **rest: object) -> list[float]:
        lengths = [len(ids) for ids in completion_ids]
        sampled[0] += sum(lengths)
        texts = [model.codec.text(ids) for ids in completion_ids]
        finished = [bool(ids) and ids[-1] == end for ids in completion_ids]
        return [s.reward for s in score([tasks[i] for i in task], texts, finished, lengths, limit)]

    class Marks(transformers.TrainerCallback):
        def on_step_end(self, args: object, state: object, control: object, **rest: object) -> None:
            clock.mark(sampled[0])

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = [
        {"prompt": tokenizer.decode(model.codec.prompt(task.prompt)), "task": place} for place, task in enumerate(tasks)
    ]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), tempfile.TemporaryDirectory() as out:
        trainer = trl.GRPOTrainer(
            model=str(folder),
            reward_funcs=[reward],
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Marks()],
            args=trl.GRPOConfig(
                output_dir=out,
                max_steps=STEPS,
                per_device_train_batch_size=16 * 16 // parts,
                gradient_accumulation_steps=parts,
                num_generations=16,
                max_completion_length=limit,
                temperature=1.0,
                top_p=1.0,
                top_k=0,
                beta=0.0,
                learning_rate=settings.lr,
                loss_type="dapo",
                shuffle_dataset=False,
                gradient_checkpointing=False,
                bf16=False,
                disable_tqdm=True,
                logging_strategy="no",
                report_to=[],
                use_cpu=True,
                save_strategy="no",
            ),
        )
        trainer.train()
    graders.close()
    return clock.turn()


def _new_model(folder: Path, params: Params, tasks: list[Task]) -> Path:
    assert params.base is not None and params.base.shape is not None
    torch.manual_seed(0)
    save_tokenizer(train_tokenizer([task.prompt for task in tasks], vocabulary=params.base.vocabulary), folder)
    tokenizer = load_tokenizer(folder)
    decoder = new_decoder(params.base.shape, vocabulary=tokenizer.get_vocab_size(), seed=0)
    save_checkpoint(decoder, tokenizer, folder, tokenizer_from=folder)
    return folder


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--turns", type=int, default=TURNS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
