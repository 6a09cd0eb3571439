"""Trainings over two processes (gloo) beside their single-process twins (optional: `make test-deepspeed`).

Nothing divides by two: 19 rows in batches of 8, groups of 3, batches of one row.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import tiny_model
from tests.deepspeed.scenario import Curve, run
from tests.deepspeed.start import ended, start

pytestmark = pytest.mark.deepspeed
ALL = ("sft", "one_row", "pairwise", "pointwise", "grpo")
TOLERANCE = 1e-5
PACKED = {"zero_stage": 3, "offload": "all", "packing": True, "gradient_checkpointing": True, "reference": "cpu"}
ADAPTED = {"zero_stage": 3, "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "down_proj"]}}
RUNS: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "zero1": ({"zero_stage": 1}, ALL),
    "zero2": ({"zero_stage": 2}, ALL),
    "zero3": ({"zero_stage": 3}, (*ALL, "kept")),
    "packed": (PACKED, ("sft", "grpo")),
    "bfloat16": ({"zero_stage": 2, "dtype": "bfloat16"}, ("sft",)),
    "adapted": (ADAPTED, ("sft",)),
}


def _together(folder: Path, processes: int, runs: dict[str, tuple[dict[str, object], tuple[str, ...]]]) -> None:
    whole = {label: ({"engine": "deepspeed", **settings}, names) for label, (settings, names) in runs.items()}
    ended(start(processes, "tests.deepspeed.scenario", str(folder), json.dumps(whole)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made, by label, and beside it the single process's `twin`."""
    folder = tmp_path_factory.mktemp("made")
    tiny_model.save(tiny_model.decoder(key_value_heads=2, scale=4.0), folder / "model")
    run(folder, {"twin": ({"engine": "embedded"}, ALL)})
    _together(folder, 2, RUNS)
    return folder


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
def test_two_processes_give_the_curve_of_one(made: Path, stage: int, name: str) -> None:
    _assert_same(made / f"zero{stage}", name, made / "twin")


def test_packed_offloaded_and_recomputed_it_is_the_same(made: Path) -> None:
    for name in ("sft", "grpo"):
        _assert_same(made / "packed", name, made / "twin")


@pytest.mark.parametrize(("processes", "stage", "offload"), [(1, 2, "optimizer"), (3, 3, "none")])
def test_state_of_two_processes_is_gone_on_from_by_others(
    made: Path, tmp_path: Path, processes: int, stage: int, offload: str
) -> None:
    states = made / "zero3" / "steps-0" / "sft"
    assert sorted(p.name for p in states.iterdir()) == ["3", "6"]
    shutil.copytree(made / "model", tmp_path / "model")
    shutil.copytree(states / "3", tmp_path / "on" / "steps-0" / "sft" / "3")
    _together(tmp_path, processes, {"on": ({"zero_stage": stage, "offload": offload}, ("kept",))})
    _assert_same(tmp_path / "on", "kept", made / "zero3")


def test_bfloat16_learns_the_same_within_its_rounding(made: Path) -> None:
    for a, b in zip(_curve(made / "bfloat16", "sft"), _curve(made / "twin", "sft"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=0.02)
    weights = load_file(made / "bfloat16" / "sft" / "model.safetensors")
    assert {w.dtype for w in weights.values()} == {torch.bfloat16}


def test_adapters_are_merged_into_what_is_written(made: Path) -> None:
    """The written folder is a plain model: its loss is what the adapted one's was, and only adapted matrices changed."""
    before, after = (load_file(folder / "model.safetensors") for folder in (made / "model", made / "adapted" / "sft"))
    assert before.keys() == after.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if "q_proj" in key or "down_proj" in key}
    curve = _curve(made / "adapted", "sft")
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert curve[0]["loss"] == pytest.approx(_curve(made / "twin", "sft")[0]["loss"], abs=TOLERANCE)
