"""Stages as `r1` starts them, under torchrun: the first process alone writes, and what it writes is what one would."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from stages import base, prompts
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Trainer
from stages.contract.schemas import EXAMPLES
from stages.contract.tables import write_table
from tests.stages import small

pytestmark = pytest.mark.deepspeed
ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


@cache
def _data() -> Path:
    """Prompts, a base model, and rows to fine-tune it on."""
    data = Path(mkdtemp()) / "data"
    for stage in (prompts, base):
        name = stage.__name__.removeprefix("stages.")
        paths = Paths(data=data, out=data / name, metrics=data / "m.json", plots=data / "plots")
        paths.out.mkdir(parents=True)
        stage.main(small.params(), paths, Silent())
    rows = []
    for number in range(19):
        row: dict[str, object] = {name: None for name in EXAMPLES.columns if name != "r1_id"}
        row |= {"r1_parents": [f"p{number}"], "r1_op": "generate", "prompt": f"what is {number}+2", "num_tokens": 4}
        row |= {"response": f"<think>{number}+2</think> <answer>{number + 2}</answer>", "task_id": f"p{number}"}
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    write_table(pl.DataFrame(rows, schema=EXAMPLES.schema), _made(data / "cold_start") / "examples.parquet", EXAMPLES)
    return data


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _job(work: Path, stage: str, trainer: Trainer) -> None:
    params = small.params()
    values = {k: v for k, v in asdict(params).items() if k in ("seed", "threads", "rollout", "cold_sft", "zero")}
    assert params.zero
    objective = replace(params.zero.objective, kl="k3", kl_beta=0.01)
    values["zero"] = asdict(replace(params.zero, steps=2, objective=objective))
    job = {"stage": stage, "item": "", "params": {**values, "trainer": asdict(trainer)}, "data": str(_data())}
    (_made(work) / "job.json").write_text(json.dumps({**job, "checkpoints": {"every_s": 1e6, "every_steps": 1}}))


def _run(work: Path, stage: str, trainer: Trainer, processes: int) -> Path:
    _job(work, stage, trainer)
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"] if processes else []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, "PYTHONPATH": PATHS}
    command = [sys.executable, "-m", *torchrun, f"stages.{stage}", str(work)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert json.loads((work / "result.json").read_text()) == {"ok": True}, done.stderr[-3000:]
    assert done.returncode == 0
    return work


@pytest.mark.parametrize("stage", ["cold_sft", "zero"])
def test_a_stage_of_two_processes_writes_what_a_stage_of_one_does(tmp_path: Path, stage: str) -> None:
    twin = _run(tmp_path / "one", stage, Trainer(), 0)
    ours = _run(tmp_path / "two", stage, Trainer(engine="deepspeed", zero_stage=3), 2)
    files = [
        sorted(str(p.relative_to(w)) for p in w.rglob("*") if p.is_file() and p.suffix != ".jsonl")
        for w in (ours, twin)
    ]
    assert files[0] == files[1]
    a, b = (load_file(w / "out" / "checkpoint" / "model.safetensors") for w in (ours, twin))
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=2e-3, rtol=0)
    _assert_learnt(ours, twin)
    ours_metrics, twins = (json.loads((w / "metrics.json").read_text()) for w in (ours, twin))
    assert ours_metrics == pytest.approx(twins, abs=1e-4)
    ledgers = [pl.read_parquet(w / "out" / "ledger.parquet").drop("chain") for w in (ours, twin)]
    assert ledgers[0].equals(ledgers[1])


def _assert_learnt(*works: Path) -> None:
    """Every step had a gradient: what two trainings agree on is not that nothing happened."""
    for work in works:
        curve = pl.read_csv(work / "plots" / "curve.tsv", separator="\t")
        assert len(curve) >= 2 and min(curve["grad_norm"]) > 0, work


def test_what_a_process_fails_of_is_told(tmp_path: Path) -> None:
    """Every process finds the same fault; the first failure is the result, not the end of torchrun's others."""
    _job(tmp_path, "cold_sft", Trainer(engine="deepspeed"))
    job = json.loads((tmp_path / "job.json").read_text())
    job["params"]["cold_sft"]["max_tokens"] = 3
    (tmp_path / "job.json").write_text(json.dumps(job))
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": PATHS,
    }
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "stages.cold_sft", str(tmp_path)], cwd=ROOT, env=env, capture_output=True, timeout=200
    )
    assert done.returncode != 0
    assert "max_tokens is 3" in json.loads((tmp_path / "result.json").read_text())["error"]
