"""Sampled answers outlive a run: who changes what is kept of them, or asks more, samples what is new."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.assembly import sampling
from stages.assembly.held_out import held_out_tasks
from stages.assembly.rows import sampled_rows
from stages.contract.attempt import Attempt
from stages.contract.errors import HelpedError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Checkpoints, Params, Sampling
from stages.contract.pieces import WORKER
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table, write_table
from stages.curate.shards import Store
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.prompts import main as prompts
from stages.rollout.embedded import EmbeddedEngine
from tests.stages import small


def params(**settings: Any) -> Params:
    found = small.params()
    assert found.rejection
    sampling = Sampling(draws=2, temperature=1.0, top_p=1.0, max_new_tokens=12)
    return replace(found, rejection=replace(found.rejection, **{"prompts": 40, "sampling": sampling, **settings}))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sampled")
    (root / "data" / "prompts").mkdir(parents=True)
    where = Paths(data=root / "data", out=root / "data" / "prompts", metrics=root / "m.json", plots=root / "plots")
    prompts(small.params(), where, Silent())
    _checkpoint(root / "data" / "grpo" / "checkpoint", seed=0)
    return root / "data"


def _checkpoint(model: Path, *, seed: int) -> None:
    save_tokenizer(train_tokenizer(["ball in 2 swap 13 24 where"], vocabulary=400), model)
    tokenizer = load_tokenizer(model)
    decoder = new_decoder(small.SHAPE, vocabulary=tokenizer.get_vocab_size(), seed=seed)
    save_checkpoint(decoder, tokenizer, model, tokenizer_from=model)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many prompts each call of the engine was given; chunks have 16 prompts."""
    calls: list[int] = []
    generate = EmbeddedEngine.generate

    def counting(self: EmbeddedEngine, prompts: Any, **settings: Any) -> Any:
        calls.append(len(prompts))
        return generate(self, prompts, **settings)

    monkeypatch.setattr(sampling, "CHUNK", 16)
    monkeypatch.setattr(EmbeddedEngine, "generate", counting)
    yield calls


def sample(data: Path, store: Path, settings: Params, attempt: Attempt | None = None) -> pl.DataFrame:
    assert settings.rejection
    where = Paths(
        data=data, out=store / "out", metrics=store / "m.json", plots=store / "plots", store=store, attempt=attempt
    )
    files = sampled_rows(settings, settings.rejection, where, Silent(), Store(store), checkpoint="grpo/checkpoint")
    return pl.concat([pl.read_parquet(path) for path in files])


def test_other_filters_take_the_answers_that_are_there(data: Path, tmp_path: Path, asked: list[int]) -> None:
    first = sample(data, tmp_path, params())
    assert asked == [16, 16, 8] and first.height == 80
    asked.clear()
    others = params(keep_per_prompt=1, near_duplicates=0.8, max_paragraph=20, general=3)
    assert sample(data, tmp_path, others).equals(first)
    assert sample(data, tmp_path, replace(others, checkpoints=replace(others.checkpoints, every_s=1.0))).equals(first)
    assert asked == []


def test_more_problems_cost_their_own_answers_and_give_what_all_at_once_gives(
    data: Path, tmp_path: Path, asked: list[int]
) -> None:
    sample(data, tmp_path / "some", params(prompts=32))
    asked.clear()
    more = sample(data, tmp_path / "some", params(prompts=40))
    assert asked == [8]
    assert more.equals(sample(data, tmp_path / "all", params(prompts=40)))


def test_what_is_broken_off_goes_on_with_what_is_missing(data: Path, tmp_path: Path, asked: list[int]) -> None:
    whole = sample(data, tmp_path, params())
    (sorted(tmp_path.glob("sampled-*.parquet"))[1]).unlink()
    asked.clear()
    assert sample(data, tmp_path, params()).equals(whole)
    assert len(asked) == 1


def test_who_only_helps_ends_where_all_was_answered_before(
    data: Path, tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(data, tmp_path, params())
    asked.clear()
    monkeypatch.setenv(WORKER, "1")
    with pytest.raises(HelpedError):
        sample(data, tmp_path, params(), attempt=Attempt(tmp_path / "steps", Checkpoints(), helps=True))
    assert asked == []


@pytest.mark.parametrize("change", ["temperature", "draws", "seed", "threads", "batch"])
def test_other_settings_sample_anew(data: Path, tmp_path: Path, asked: list[int], change: str) -> None:
    before = params()
    assert before.rejection and before.rollout
    sampling = before.rejection.sampling
    after = {
        "temperature": params(sampling=replace(sampling, temperature=0.9)),
        "draws": params(sampling=replace(sampling, draws=3)),
        "seed": replace(before, seed=1),
        "threads": replace(before, threads=2),
        "batch": replace(before, rollout=replace(before.rollout, batch=4)),
    }[change]
    sample(data, tmp_path, before)
    asked.clear()
    sample(data, tmp_path, after)
    assert asked == [16, 16, 8]


@pytest.mark.parametrize("change", ["weights", "tokenizer", "problem", "held out", "code"])
def test_other_inputs_sample_anew(data: Path, tmp_path: Path, asked: list[int], change: str) -> None:
    here, store = tmp_path / "data", tmp_path / "store" / "rejection"
    for path in data.rglob("*"):
        if path.is_file():
            copy = here / path.relative_to(data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    sample(here, store, params())
    asked.clear()
    if change == "weights":
        _checkpoint(here / "grpo" / "checkpoint", seed=1)
    elif change == "tokenizer":
        file = here / "grpo" / "checkpoint" / "tokenizer_config.json"
        file.write_text(file.read_text() + "\n")
    elif change == "code":
        lock = tmp_path / "stages" / "code.lock" / "rejection"
        lock.parent.mkdir(parents=True)
        lock.write_text("another")
    elif change == "held out":
        file = here / "prompts" / "test.parquet"
        write_table(read_table(file, TASKS)[1:], file, TASKS)
        assert held_out_tasks(Paths(data=here, out=here, metrics=here, plots=here)).height == 11
    else:
        file = here / "prompts" / "train.parquet"
        answers = pl.when(pl.int_range(pl.len()) == 20).then(pl.lit("7")).otherwise("answer").alias("answer")
        write_table(read_table(file, TASKS).with_columns(answers), file, TASKS)
    sample(here, store, params())
    assert asked == ([16] if change == "problem" else [16, 16, 8])


def test_an_engine_that_looks_ahead_always_has_the_next_chunk(
    data: Path, tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(EmbeddedEngine, "ahead", lambda self, ask: begun.append(ask.seed), raising=False)
    sample(data, tmp_path, params())
    first = small.params().seed * 1_000_003
    assert [seed - first for seed in begun] == [0, 16, 16, 32]
    assert asked == [16, 16, 8]
