"""The smoke profile's stages through the real vLLM (`make test-vllm`): rows that are what was sampled, and the same again."""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from ruamel.yaml import YAML

from stages.contract.engine import Completion
from stages.contract.manifest import read_manifest
from stages.contract.params import VLLM, Params, Skew, parse
from stages.contract.schemas import EXAMPLES, ROLLOUTS, SCORES
from stages.contract.tables import read_table
from stages.model.checkpoint import load
from stages.model.policy import DecoderPolicy
from stages.model.tokenizer import TokenizerCodec
from stages.rollout.vllm import VLLMEngine
from tests.stages.test_stages import _bytes, _paths, _run
from tests.test_smoke import clone, environment

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[2]
CLOSE = 1e-4  # nats; float32 on both sides
TO_REJECTION = ("prompts", "base", "zero", "cold_start", "cold_sft", "grpo", "rejection")
TO_EVALUATE = (*TO_REJECTION, "sft", "reward_model", "evaluate@grpo")
THROUGH_VLLM = ("zero", "rejection", "evaluate@grpo")


@dataclass
class Call:
    """What one stage asked of vLLM at once, and what it got."""

    folder: Path
    temperature: float
    prompts: list[list[int]]
    groups: list[list[Completion]]


@dataclass
class Done:
    data: Path
    calls: dict[str, list[Call]] = field(default_factory=dict)


def smoke() -> Params:
    return parse(YAML(typ="safe").load(ROOT / "profiles" / "smoke.yaml"))


def params() -> Params:
    embedded = smoke()
    assert embedded.rollout is not None
    rollout = replace(embedded.rollout, engine="vllm", vllm=VLLM(dtype="float32"), skew=Skew(every=1, max_gap=CLOSE))
    return replace(embedded, rollout=rollout)


@contextmanager
def overheard(calls: list[Call]) -> Iterator[None]:
    """Every call of vLLM is written down, with log-probabilities also where a stage needs none."""
    generate = VLLMEngine.generate

    def listening(self: VLLMEngine, prompts: Any, **options: Any) -> list[list[Completion]]:
        groups = generate(self, prompts, **{**options, "logps": True})
        calls.append(Call(self.folder, options["temperature"], [list(p) for p in prompts], groups))
        return groups

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VLLMEngine, "generate", listening)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Every stage up to the evaluation, once: three of them through vLLM, the others with the embedded engine."""
    found = Done(tmp_path_factory.mktemp("dag") / "data")
    for stage in TO_EVALUATE:
        with overheard(found.calls.setdefault(stage, [])):
            _run(found.data, stage, found.data, params() if stage in THROUGH_VLLM else smoke())
        gc.collect()  # its engine is done
    assert [stage for stage, calls in found.calls.items() if calls] == list(THROUGH_VLLM)
    return found


def _sampled(done: Done, stage: str) -> tuple[TokenizerCodec, DecoderPolicy, list[tuple[list[int], Completion, float]]]:
    """(codec, policy that sampled, every prompt with its completion and the temperature)."""
    calls = done.calls[stage]
    decoder, tokenizer = load(calls[0].folder)
    codec = TokenizerCodec(tokenizer, template="tiny")
    pairs = [
        (p, c, call.temperature)
        for call in calls
        for p, group in zip(call.prompts, call.groups, strict=True)
        for c in group
    ]
    return codec, DecoderPolicy(decoder, pad_id=codec.pad_id), pairs


def _rows(done: Done, stage: str) -> pl.DataFrame:
    """A stage's rows as (prompt, text, num_tokens), dropped ones included."""
    folder = done.data / stage.replace("@", "/")
    if stage == "rejection":
        frames = [
            read_table(folder / "examples.parquet", EXAMPLES),
            read_table(folder / "examples_rejected.parquet", EXAMPLES.rejected()),
        ]
        drawn = [
            f.filter(pl.col("r1_op") == "generate").select("prompt", "num_tokens", text="response") for f in frames
        ]
        return pl.concat(drawn)
    name, table = ("rollouts", ROLLOUTS) if stage == "zero" else ("scores", SCORES)
    return read_table(folder / f"{name}.parquet", table).select("prompt", "num_tokens", text="completion")


@pytest.mark.parametrize("stage", THROUGH_VLLM)
def test_every_row_is_the_text_of_the_tokens_that_were_sampled(done: Done, stage: str) -> None:
    codec, _, pairs = _sampled(done, stage)
    sampled = {(tuple(prompt), codec.text(c.tokens), len(c.tokens)) for prompt, c, _ in pairs}
    rows = _rows(done, stage)
    assert len(rows) >= 40
    assert {
        (tuple(codec.prompt(p)), text, n) for p, n, text in rows.select("prompt", "num_tokens", "text").rows()
    } <= sampled


@pytest.mark.parametrize("stage", ["rejection", "evaluate@grpo"])
def test_log_probabilities_are_those_of_the_checkpoint(done: Done, stage: str) -> None:
    _, policy, pairs = _sampled(done, stage)
    for prompt, completion, temperature in pairs[:: max(1, len(pairs) // 60)]:
        with torch.no_grad():
            ours, _, _ = policy.logps([prompt], [completion.tokens], temperature=temperature)
        torch.testing.assert_close(ours[0], torch.tensor(completion.logps), rtol=0, atol=CLOSE)


def test_zero_trained_on_what_its_own_policy_said(done: Done) -> None:
    """Every step's rollout was sampled from the weights of that step: mean gaps of all tokens, from the curve."""
    lines = [line.split("\t") for line in (done.data / "plots" / "zero" / "curve.tsv").read_text().splitlines()]
    gaps = [float(row[lines[0].index("mismatch")]) for row in lines[1:]]
    assert len(gaps) == 3 and max(gaps) < CLOSE
    before, after = (load(done.data / name / "checkpoint")[0].state_dict() for name in ("base", "zero"))
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_the_same_seeds_give_the_same_rows(done: Done, tmp_path: Path) -> None:
    again = _run(done.data, "rejection", tmp_path, params())
    assert _bytes(again) == _bytes(_paths(done.data, "rejection", done.data))


def test_through_r1_and_dvc_in_a_process_of_its_own_it_is_the_same(done: Done, tmp_path: Path) -> None:
    """And the manifest says which vLLM it was, and that its batches are not promised."""
    folder = clone(tmp_path)
    settings = (folder / "params.yaml").read_text()
    sampling, chosen = "rollout:\n  engine: embedded\n", "rollout:\n  engine: vllm\n  vllm: {dtype: float32}\n"
    assert settings.count(sampling) == 1
    chosen += "  skew: {every: 1, max_gap: 1.0e-4}\n"
    (folder / "params.yaml").write_text(settings.replace(sampling, chosen))
    said = subprocess.run(
        [sys.executable, "-m", "r1cli", "run", "zero"],
        cwd=folder, env=environment(folder), capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    ours, theirs = (data / "zero" / "rollouts.parquet" for data in (done.data, folder / "data"))
    columns = ("step", "task_id", "completion", "reward", "advantage")
    assert read_table(ours, ROLLOUTS).select(columns).equals(read_table(theirs, ROLLOUTS).select(columns))
    described = read_manifest(folder / "data" / "zero" / "manifest.json")
    assert any(name.startswith("vllm") for name in described.determinism.libraries)
    assert json.dumps(described.determinism.open).count("vllm") == 1
