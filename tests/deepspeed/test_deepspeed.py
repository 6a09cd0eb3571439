"""Trainings over two processes (gloo) beside their single-process twins (optional: `make test-deepspeed`).

Nothing divides by two: 19 rows in batches of 8, groups of 3, batches of one row.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from safetensors.torch import load_file

from tests import tiny_model
from tests.deepspeed.scenario import Curve

pytestmark = pytest.mark.deepspeed
ROOT = Path(__file__).parents[2]
ALL = ("sft", "one_row", "pairwise", "pointwise", "grpo")
TOLERANCE = 1e-5


def _run(work: Path, engine: dict[str, object], names: tuple[str, ...], processes: int) -> Path:
    if not (work / "model").exists():
        tiny_model.save(tiny_model.decoder(key_value_heads=2, scale=4.0), work / "model")
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"] if processes else []
    command = [sys.executable, "-m", *torchrun, "tests.deepspeed.scenario", str(work), json.dumps(engine), *names]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # ninja
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return work


@cache
def _twin() -> Path:
    return _run(Path(mkdtemp()), {"engine": "embedded"}, ALL, 0)


@cache
def _deepspeed(processes: int, names: tuple[str, ...] = ALL, **settings: object) -> Path:
    return _run(Path(mkdtemp()), {"engine": "deepspeed", **settings}, names, processes)


def _curve(work: Path, name: str) -> Curve:
    found: Curve = json.loads((work / f"{name}.json").read_text())
    return found


def _assert_same(work: Path, name: str, twin: Path, *, weights: float = 2e-3) -> None:
    ours, theirs = _curve(work, name), _curve(twin, name)
    assert len(ours) == len(theirs) and len(ours) > 1
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert a[key] == pytest.approx(b[key], abs=TOLERANCE, rel=TOLERANCE), (name, a["step"], key)
    mine, other = (load_file(folder / name / "model.safetensors") for folder in (work, twin))
    assert mine.keys() == other.keys()
    for key in mine:
        torch.testing.assert_close(mine[key], other[key], atol=weights, rtol=0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_two_processes_give_the_curve_of_one(stage: int, name: str) -> None:
    _assert_same(_deepspeed(2, zero_stage=stage), name, _twin())


def test_packed_offloaded_and_recomputed_it_is_the_same() -> None:
    settings = {"zero_stage": 3, "offload": "all", "packing": True, "gradient_checkpointing": True, "reference": "cpu"}
    work = _deepspeed(2, ("sft", "grpo"), **settings)
    for name in ("sft", "grpo"):
        _assert_same(work, name, _twin())


def test_state_of_two_processes_is_gone_on_from_by_one_and_by_three(tmp_path: Path) -> None:
    whole = _deepspeed(2, ("kept",), zero_stage=3)
    assert sorted(p.name for p in (whole / "steps-0" / "sft").iterdir()) == ["3", "6"]
    for processes, stage, offload in ((1, 2, "optimizer"), (3, 3, "none")):
        work = tmp_path / str(processes)
        shutil.copytree(whole / "steps-0" / "sft" / "3", work / "steps-0" / "sft" / "3")
        _run(work, {"engine": "deepspeed", "zero_stage": stage, "offload": offload}, ("kept",), processes)
        _assert_same(work, "kept", whole)


def test_bfloat16_learns_the_same_within_its_rounding() -> None:
    work = _deepspeed(2, ("sft",), zero_stage=2, dtype="bfloat16")
    for a, b in zip(_curve(work, "sft"), _curve(_twin(), "sft"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=0.02)
    weights = load_file(work / "sft" / "model.safetensors")
    assert {w.dtype for w in weights.values()} == {torch.bfloat16}


def test_adapters_are_merged_into_what_is_written(tmp_path: Path) -> None:
    """The written folder is a plain model: its loss is what the adapted one's was, and only adapted matrices changed."""
    work = _run(
        tmp_path,
        {"engine": "deepspeed", "zero_stage": 3, "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "down_proj"]}},
        ("sft",),
        2,
    )
    before, after = load_file(work / "model" / "model.safetensors"), load_file(work / "sft" / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if "q_proj" in key or "down_proj" in key}
    curve = _curve(work, "sft")
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert curve[0]["loss"] == pytest.approx(_curve(_twin(), "sft")[0]["loss"], abs=TOLERANCE)
