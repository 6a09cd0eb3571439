"""A training over two processes that samples with the real vLLM: a server of its own, which takes weights put together
from both. Needs deepspeed beside vLLM."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stages.contract.params import VLLM, Skew, Trainer
from tests.stages import small

pytest.importorskip("deepspeed")
from tests.deepspeed import test_stages as together  # noqa: E402  (it imports deepspeed)
from tests.deepspeed.start import ended, start  # noqa: E402

pytestmark = pytest.mark.vllm
CACHES = (small.params, together._params, together._data)


@pytest.fixture
def heads_that_vllm_takes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On a CPU vLLM knows no heads of 16."""
    for cache in CACHES:
        cache.cache_clear()
    monkeypatch.setattr(small, "SHAPE", replace(small.SHAPE, heads=1, head_dim=32))
    yield
    for cache in CACHES:
        cache.cache_clear()


@pytest.mark.usefixtures("heads_that_vllm_takes")
def test_two_processes_train_on_what_a_server_samples_from_their_weights(tmp_path: Path) -> None:
    params = together._params(Trainer(engine="deepspeed", zero_stage=3))
    assert params.rollout
    # The gate compares the server's log-probabilities with the trainers', before every step.
    rollout = replace(params.rollout, engine="vllm", vllm=VLLM(dtype="float32"), skew=Skew(every=1, max_gap=1e-3))
    job = together._job(tmp_path / "zero", "zero", replace(params, rollout=rollout))
    said = ended(start(2, "stages.zero", job), codes=(0, 1, 2))
    assert json.loads((tmp_path / "zero" / "result.json").read_text()) == {"ok": True}, said[-3000:]
    events = [json.loads(line) for line in (tmp_path / "zero" / "events.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step" and event.get("figures", {}).get("grad_norm")]
    assert len(steps) == 2 and all(event["figures"]["grad_norm"] > 0 for event in steps)
