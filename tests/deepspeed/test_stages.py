"""Stages as `r1` starts them, under torchrun: the first process alone writes, and what it writes is what one would."""

import importlib
import json
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Params, Trainer
from stages.contract.schemas import EXAMPLES
from stages.contract.tables import write_table
from tests.deepspeed.start import ended, start
from tests.stages import small

pytestmark = pytest.mark.deepspeed
DEEPSPEED = Trainer(engine="deepspeed", zero_stage=3)
RARELY = {"every_s": 1e6, "every_steps": 1_000_000, "keep": 2, "grace_s": 60.0}


@cache
def _params(trainer: Trainer) -> Params:
    params = small.params()
    assert params.zero and params.cold_sft and params.reward_model and params.align
    objective = replace(params.zero.objective, kl="k3", kl_beta=0.01)
    return replace(
        params,
        trainer=trainer,
        zero=replace(params.zero, steps=2, objective=objective),
        cold_sft=replace(params.cold_sft, epochs=20),
        reward_model=replace(params.reward_model, min_margin=0.0),
    )


def _compute(data: Path, stage: str, work: Path) -> Path:
    """The stage in this process, by the embedded trainer."""
    paths = Paths(data=data, out=work / "out", metrics=work / "metrics.json", plots=work / "plots")
    paths.out.mkdir(parents=True)
    importlib.import_module(f"stages.{stage}").main(_params(Trainer()), paths, Silent())
    return work


@cache
def _data() -> Path:
    """Prompts, a base model, rows to fine-tune it on, and reward models, which begin from the base model here."""
    data = Path(mkdtemp()) / "data"
    for stage in ("prompts", "base", "reward_model"):
        shutil.move(_compute(data, stage, data.parent / stage) / "out", data / stage)
        if stage == "base":
            shutil.copytree(data / "base", data / "sft")
            _write_examples(data / "cold_start")
    return data


def _write_examples(folder: Path) -> None:
    rows = []
    for number in range(19):
        row: dict[str, object] = {name: None for name in EXAMPLES.columns if name != "r1_id"}
        row |= {"r1_parents": [f"p{number}"], "r1_op": "generate", "prompt": f"what is {number}+2", "num_tokens": 4}
        row |= {"response": f"<think>{number}+2</think> <answer>{number + 2}</answer>", "task_id": f"p{number}"}
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    folder.mkdir()
    write_table(pl.DataFrame(rows, schema=EXAMPLES.schema), folder / "examples.parquet", EXAMPLES)


@cache
def _twin(stage: str) -> Path:
    return _compute(_data(), stage, Path(mkdtemp()) / "twin")


def _job(work: Path, stage: str, params: Params, **more: Mapping[str, float]) -> str:
    work.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in asdict(params).items() if value is not None}
    job = {"stage": stage, "item": "", "params": values, "data": str(_data()), "checkpoints": RARELY, **more}
    (work / "job.json").write_text(json.dumps(job))
    return str(work)


def run(work: Path, stage: str, trainer: Trainer, processes: int) -> Path:
    """A stage as r1 starts it."""
    said = ended(start(processes, f"stages.{stage}", _job(work, stage, _params(trainer))), codes=(0, 1, 2))
    assert json.loads((work / "result.json").read_text()) == {"ok": True}, said[-3000:]
    return work


@cache
def _ours(stage: str) -> Path:
    return run(Path(mkdtemp()) / stage, stage, DEEPSPEED, 2)


def _files(work: Path) -> list[str]:
    return sorted(str(p.relative_to(work)) for place in ("out", "plots") for p in (work / place).rglob("*"))


@pytest.mark.parametrize("stage", ["cold_sft", "zero", "reward_model", "align"])
def test_a_stage_of_two_processes_writes_what_a_stage_of_one_does(stage: str) -> None:
    ours, twin = _ours(stage), _twin(stage)
    assert _files(ours) == _files(twin)
    left = {p.name for p in ours.iterdir()}
    assert left == {"job.json", "result.json", "events.jsonl", "out", "metrics.json", "plots"}
    for path in sorted((twin / "out").rglob("model.safetensors")):
        a, b = (load_file(w / "out" / path.relative_to(twin / "out")) for w in (ours, twin))
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(a[name], b[name], atol=2e-3, rtol=0)
        _assert_learnt(a, load_file(_data() / "base" / "checkpoint" / "model.safetensors"))
    mine, theirs = (json.loads((w / "metrics.json").read_text()) for w in (ours, twin))
    assert mine == pytest.approx(theirs, abs=1e-4)
    for path in sorted((twin / "out").rglob("*.parquet")):
        a, b = (pl.read_parquet(w / "out" / path.relative_to(twin / "out")) for w in (ours, twin))
        assert _plain(a).equals(_plain(b)), path


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Without numbers that differ by rounding, and digests of them."""
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    return frame.drop("chain", "r1_gen", "r1_id", "row_id", *floats, strict=False)


def _assert_learnt(trained: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor]) -> None:
    """What two trainings agree on is not that nothing happened."""
    assert max(float((trained[name] - before[name]).abs().max()) for name in before) > 1e-4


def test_reward_models_are_folders_that_the_embedded_engine_reads() -> None:
    ours, twin = (
        json.loads((w / "out" / "helpful" / "config.json").read_text())
        for w in (_ours("reward_model"), _twin("reward_model"))
    )
    assert ours == twin


def test_a_stage_that_is_asked_to_stop_ends_its_step_and_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """SIGTERM to torchrun, as a scheduler or `r1` sends it. The same processes give the same bits, stopped or not."""
    work = tmp_path / "work"
    stopped = start(2, "stages.cold_sft", _job(work, "cold_sft", _params(DEEPSPEED)))
    _wait_for(work / "events.jsonl", '"event": "step"', stopped)
    stopped.send_signal(signal.SIGTERM)
    said = ended(stopped, codes=(1, 128 + signal.SIGTERM, -signal.SIGTERM))
    result = json.loads((work / "result.json").read_text())
    assert (result["signal"], result["error"]) == (signal.SIGTERM, "its last step is saved"), said[-3000:]
    done = [int(path.name) for path in (work / "steps" / "sft").iterdir()]
    assert len(done) == 1 and 0 < done[0] < 40
    for name in ("result.json", "events.jsonl"):  # as r1 does it
        (work / name).unlink()
    run(work, "cold_sft", DEEPSPEED, 2)
    assert "rows skipped 0, duplicated 0" in (work / "events.jsonl").read_text()
    for name in ("out/checkpoint/model.safetensors", "out/ledger.parquet", "metrics.json", "plots/curve.tsv"):
        assert (work / name).read_bytes() == (_ours("cold_sft") / name).read_bytes(), name


def _wait_for(path: Path, text: str, process: object) -> None:
    until = time.monotonic() + 200
    while time.monotonic() < until and not (path.exists() and text in path.read_text()):
        time.sleep(0.05)


def test_of_two_processes_the_one_that_hangs_is_named(tmp_path: Path) -> None:
    """The other waits for it in one of DeepSpeed's own collectives."""
    job = _job(tmp_path, "cold_sft", _params(DEEPSPEED), deadlines={"collective": 2.0, "train": 100.0})
    ended(start(2, "tests.deepspeed.hanging", "1", job), codes=(1,))
    error = json.loads((tmp_path / "result.json").read_text())["error"]
    assert error.startswith("rank 1 (") and "has been in train for" in error and "rank 0 has waited" in error
    stacks = [(tmp_path / "ranks" / f"stacks-{rank}.txt").read_text() for rank in (0, 1)]
    assert "in planted" in stacks[1] and "in planted" not in stacks[0]


def test_what_a_process_fails_of_is_told(tmp_path: Path) -> None:
    """Every process finds the same fault; the first failure is the result, not the end of torchrun's others."""
    params = _params(DEEPSPEED)
    assert params.cold_sft
    job = _job(tmp_path, "cold_sft", replace(params, cold_sft=replace(params.cold_sft, max_tokens=3)))
    ended(start(2, "stages.cold_sft", job), codes=(1,))
    assert "max_tokens is 3" in json.loads((tmp_path / "result.json").read_text())["error"]
