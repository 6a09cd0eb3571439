"""The rejection stage through vLLM beside a bare `LLM.generate` of the same prompts: tokens/s of each, in turns, in one process.

    .venv-vllm/bin/python bench/vllm_stage.py [--data data]    # after `make test-vllm`, or wherever vLLM is installed

The stage does all that it does in a run (prompts, tokens to text, grading, filters, rows, tables), for more prompts than it
samples in one call. With --data it is that of a finished recipe: its problems, and Dev2, which thinks before it answers. Else a
model of 2.7M parameters is trained for a moment, whose answers have a dozen tokens: there what is done once a row shows most.
Both use the same started engine and the same number of threads.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from ruamel.yaml import YAML
from torch import set_num_threads  # vLLM puts a function that does nothing in its place

from stages import base, prompts, rejection
from stages.assembly import rows
from stages.assembly.models import Model, open_model
from stages.assembly.sampling import CHUNK, Draw
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import VLLM, Params, Shape, parse
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table
from stages.rollout.seeds import request_seed
from stages.rollout.vllm import VLLMEngine

ROOT = Path(__file__).parents[1]
PROMPTS, DRAWS, NEW_TOKENS = 600, 4, 160
SHAPE = Shape(hidden=192, layers=6, heads=6, head_dim=32, feed_forward=512, rope_theta=100.0, max_positions=2048)


def settings() -> Params:
    """The smoke profile with more problems, and vLLM."""
    smoke = parse(YAML(typ="safe").load(ROOT / "profiles" / "smoke.yaml"))
    assert smoke.prompts and smoke.rollout and smoke.rejection and smoke.base
    sampling = replace(smoke.rejection.sampling, draws=DRAWS, max_new_tokens=NEW_TOKENS)
    return replace(
        smoke,
        threads=2,
        prompts=replace(smoke.prompts, train=PROMPTS),
        base=replace(smoke.base, shape=SHAPE),
        rollout=replace(smoke.rollout, engine="vllm", vllm=VLLM(dtype="float32")),
        rejection=replace(smoke.rejection, prompts=PROMPTS, sampling=sampling),
    )


def paths(data: Path, stage: str, out: Path) -> Paths:
    found = Paths(data=data, out=out, metrics=data / f"{stage}.json", plots=data / f"{stage}_plots")
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def stage_s(params: Params, data: Path, turn: int) -> tuple[int, float]:
    """(tokens sampled, seconds) of the whole stage."""
    counted = 0
    sample = rows.sample_chunks

    def counting(*given: object, **more: object) -> Iterator[tuple[int, list[Draw]]]:
        nonlocal counted
        for begin, draws in sample(*given, **more):  # type: ignore[arg-type]
            counted += sum(len(draw.completion.tokens) for draw in draws)
            yield begin, draws

    rows.sample_chunks = counting
    try:
        began = time.perf_counter()
        rejection.main(replace(params, seed=turn), paths(data, "rejection", data / f"rejection{turn}"), Silent())
        return counted, time.perf_counter() - began
    finally:
        rows.sample_chunks = sample


def bare_s(model: Model, data: Path, turn: int, *, seeds: str) -> tuple[int, float]:
    """(tokens sampled, seconds) of vLLM alone, all prompts in one call. `seeds`: the stage's, one for each answer, with which it
    says what the stage samples (but for rounding); one for each prompt; or none."""
    from vllm import SamplingParams

    assert isinstance(model.engine, VLLMEngine) and model.engine.llm
    questions = read_table(data / "prompts" / "train.parquet", TASKS)["prompt"].to_list()[:PROMPTS]
    asked, wanted = [], []
    for place, question in enumerate(questions):
        begin = place - place % CHUNK
        for draw in range(DRAWS if seeds == "answer" else 1):
            asked.append({"prompt_token_ids": model.codec.prompt(question)})
            seed = request_seed(turn * 1_000_003 + begin, place - begin, draw)
            wanted.append(
                SamplingParams(
                    n=1 if seeds == "answer" else DRAWS, max_tokens=NEW_TOKENS, temperature=1.0, detokenize=False,
                    stop_token_ids=[model.codec.end_id], seed=None if seeds == "none" else seed,
                )
            )  # fmt: skip
    set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    began = time.perf_counter()
    outputs = model.engine.llm.generate(asked, wanted, use_tqdm=False)
    took = time.perf_counter() - began
    return sum(len(one.token_ids) for output in outputs for one in output.outputs), took


def main(turns: int, finished: Path | None) -> None:
    if find_spec("vllm") is None:
        print("vllm is not installed here: nothing was measured (make test-vllm installs it into .venv-vllm)")
        return
    params = settings()
    with TemporaryDirectory() as name:
        data = Path(name)
        if finished:
            for stage in ("prompts", "grpo"):
                (data / stage).symlink_to(finished.resolve() / stage)
        else:
            prompts.main(params, paths(data, "prompts", data / "prompts"), Silent())
            base.main(params, paths(data, "base", data / "base"), Silent())
            (data / "grpo").symlink_to(data / "base")
        model = open_model(data / "grpo" / "checkpoint", params)
        rows.open_model = lambda folder, params: model  # one engine for all turns: its start is not measured
        works = {
            "stage": lambda turn: stage_s(params, data, turn),
            "bare": lambda turn: bare_s(model, data, turn, seeds="answer"),
            "bare, a seed a prompt": lambda turn: bare_s(model, data, turn, seeds="prompt"),
            "bare, no seeds": lambda turn: bare_s(model, data, turn, seeds="none"),
        }
        speeds: dict[str, list[float]] = {which: [] for which in works}
        for turn in range(turns + 1):  # the first warms up
            for which, work in works.items():
                tokens, took = work(turn)
                print(
                    f"turn {turn}: {which}: {tokens:,} tokens in {took:.1f} s, {tokens / took:,.0f} tokens/s",
                    flush=True,
                )
                if turn:
                    speeds[which].append(tokens / took)
    stage = speeds.pop("stage")
    for which, values in speeds.items():
        ratios = [s / b for s, b in zip(stage, values, strict=True)]
        print(
            f"stage / {which}: {statistics.median(stage) / statistics.median(values):.3f} of the medians, "
            f"{statistics.median(ratios):.3f} the median of {turns} turns ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--data", type=Path, help="the data folder of a finished recipe")
    given = parser.parse_args()
    main(given.turns, given.data)
