"""The stream of curation: every row accounted for, whatever the order, however it was interrupted, with more rows too."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import UserError
from stages.contract.schemas import EXAMPLES
from stages.contract.tables import read_table
from stages.curate import shards
from stages.curate.decide import Wanted
from stages.curate.recipe import Recipe
from stages.curate.shards import Plan, Shard, Source, Store, plan, sift_all
from stages.curate.stream import Funnel, curate
from tests.curate.streams import NOTHING, ROWS, row, through, written

WORDS = [f"{a}{b}{c}" for a in "bdgklmnprst" for b in "aeiou" for c in "nmrlsk"]
RECIPE = Recipe(verified=True, template="tiny", max_repetition=0.8, sketched=True)
WANTED = Wanted(near=0.8, keep_per_prompt=2)


def text(rng: random.Random, count: int = 60) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def answer(thought: str) -> str:
    return f"<think>{thought}</think><answer>4</answer>"


def traces(count: int, *, seed: int = 0) -> pl.DataFrame:
    """Rows with duplicates, near-duplicates and faults among them, three to a prompt."""
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        prompt, thought, verdict = f"question {seed} {number // 3}", text(rng), "correct"
        kind = rng.random()
        if kind < 0.1 and rows:
            thought = str(rng.choice(rows)["response"]).removeprefix("<think>").partition("</think>")[0]
            prompt = str(rng.choice(rows)["prompt"]) if kind < 0.05 else prompt
            thought = thought.replace(rng.choice(WORDS), "other") if kind < 0.07 else thought
        elif kind < 0.2:
            verdict = "wrong"
        elif kind < 0.25:
            thought = "so on " * 60
        rows.append(row(prompt, answer(thought), verdict=verdict, draw=number % 3))
    return pl.DataFrame(rows, schema=ROWS)


def made(
    files: Sequence[Sequence[Path]], folder: Path, *, wanted: Wanted = WANTED, workers: int = 1
) -> tuple[Plan, Funnel]:
    sources = [Source(name=str(n), files=paths, recipe=RECIPE) for n, paths in enumerate(files)]
    found = plan(sources, NOTHING)
    (folder / "out").mkdir(parents=True, exist_ok=True)
    return found, curate(found, wanted, Store(folder / "store"), folder / "out", workers=workers)


def tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (
        read_table(folder / "out" / "examples.parquet", EXAMPLES),
        read_table(folder / "out" / "examples_rejected.parquet", EXAMPLES.rejected()),
    )


def outcome(folder: Path) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """What became of the rows, in an order of its own."""
    kept, dropped = tables(folder)
    columns = ["r1_id", pl.col("r1_gen").struct.field("draw").cast(pl.String)]
    return sorted(kept.select(*columns).rows()), sorted(dropped.select(*columns, "r1_drop").rows())


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS", 50)


def test_every_row_is_kept_or_dropped_with_its_reason_and_the_funnel_counts_them(tmp_path: Path) -> None:
    frame = traces(600)
    _, funnel = made([written([frame], tmp_path / "rows")], tmp_path)
    kept, dropped = tables(tmp_path)
    assert len(kept) + len(dropped) == funnel.rows == 600
    assert kept.columns == list(EXAMPLES.columns)
    reasons = dict(dropped["r1_drop"].str.split(":").list.first().value_counts().iter_rows())
    assert set(reasons) == {"incorrect", "repetition", "duplicate", "near_duplicate", "not_sampled"}
    assert dict(funnel.dropped) == reasons and funnel.kept == len(kept) == sum(funnel.domains.values())
    assert funnel.rows - sum(funnel.dropped.values()) == funnel.kept
    # Whoever made a duplicate of a row is kept or made one itself, and comes from the set.
    stays = dropped.filter(pl.col("r1_drop").str.contains("duplicate:"))["r1_drop"].str.split(":").list.last()
    assert set(stays) <= set(kept["r1_id"]) | set(dropped.filter(r1_drop="not_sampled")["r1_id"])


def test_the_order_in_which_rows_come_decides_nothing(tmp_path: Path) -> None:
    frame = traces(600)
    made([written([frame], tmp_path / "rows")], tmp_path)
    for seed in (1, 2):
        folder = tmp_path / f"shuffled {seed}"
        shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
        made([written([shuffled[:170]], folder / "a"), written([shuffled[170:]], folder / "b")], folder)
        assert outcome(folder) == outcome(tmp_path)


def test_more_rows_cost_their_own_work_and_give_what_all_at_once_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = traces(660)
    first = written([frame[:300], frame[300:600]], tmp_path / "rows")
    made([first], tmp_path)
    sifted: list[str] = []
    put = Store.put

    def counted(self: Store, shard: Shard, found: shards.Sifted) -> None:
        sifted.append(shard.name)
        put(self, shard, found)

    monkeypatch.setattr(Store, "put", counted)
    more = written([frame[600:]], tmp_path / "more")
    found, _ = made([first, more], tmp_path)
    assert sifted == [shard.name for shard in found.shards[-2:]] and len(found.shards) == 14
    made([written([frame], tmp_path / "whole" / "rows")], tmp_path / "whole")
    assert outcome(tmp_path / "whole") == outcome(tmp_path)
    sifted.clear()
    made([first, more], tmp_path, wanted=Wanted(keep_per_prompt=1))  # what is decided between rows is decided anew
    assert sifted == []


def test_another_recipe_or_benchmark_is_other_work(tmp_path: Path) -> None:
    files = written([traces(100)], tmp_path)
    held_out = pl.DataFrame({"r1_id": ["h"], "prompt": ["some problem"], "solution": [False]})
    plans = [
        plan([Source(name="a", files=files, recipe=recipe)], benchmark, code=code)
        for recipe, benchmark, code in (
            (RECIPE, NOTHING, ""),
            (Recipe(verified=True), NOTHING, ""),
            (RECIPE, held_out, ""),
            (RECIPE, NOTHING, "other code"),
        )
    ]
    assert len({shard.name for one in plans for shard in one.shards}) == 8
    assert Plan.read(plans[2].text()).text() == plans[2].text()


def test_workers_give_the_same_bytes_as_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [written([traces(400)], tmp_path / "rows")]
    made(files, tmp_path / "one")
    made(files, tmp_path / "two", workers=2)
    for name in ("examples.parquet", "examples_rejected.parquet"):
        assert (tmp_path / "one" / "out" / name).read_bytes() == (tmp_path / "two" / "out" / name).read_bytes()


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    (path,) = written([traces(400)], tmp_path / "rows")
    found = plan([Source(name="a", files=[path], recipe=RECIPE)], NOTHING)
    path.unlink()
    with pytest.raises(RuntimeError, match=r"a curation worker failed[\s\S]*0.parquet"):
        sift_all(found, Store(tmp_path / "store"), workers=2)


def test_whoever_is_killed_goes_on_shard_by_shard(tmp_path: Path) -> None:
    """Workers killed at any moment leave whole results or none; what they finished is not done again."""
    files = written([traces(300)], tmp_path / "rows")
    found = plan([Source(name="a", files=files, recipe=RECIPE)], NOTHING)
    store = Store(tmp_path / "store")
    (store.folder / "plan.json").write_text(found.text())
    command = [sys.executable, "-m", "stages.curate.worker", str(store.folder / "plan.json"), str(store.folder)]
    done, before = 0, 0.0
    rng = random.Random(0)
    for _ in range(30):
        process = subprocess.Popen(command, env={**os.environ, "POLARS_MAX_THREADS": "1"})
        _wait(store, found, done + 1)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        whole = [shard for shard in found.shards if store.has(shard)]
        assert len(whole) >= done + 1 or len(whole) == len(found.shards)
        for shard in whole:
            assert len(read_table(store.path(shard, shards.DROPPED), EXAMPLES.rejected())) <= 50
        done, before = len(whole), max(before, _newest(store, whole[:1]))
        if done == len(found.shards):
            break
    assert before == _newest(store, found.shards[:1])  # the first one was written once
    assert _curated(found, store, tmp_path / "killed") == _curated(found, Store(tmp_path / "other"), tmp_path / "whole")
    store.clean()
    assert {path.name for path in store.folder.iterdir()} == {shard.name for shard in found.shards}


def _wait(store: Store, found: Plan, count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(map(store.has, found.shards)) < min(count, len(found.shards)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _newest(store: Store, shard: Sequence[Shard]) -> float:
    return max(store.path(one, shards.KEPT).stat().st_mtime for one in shard)


def _curated(found: Plan, store: Store, folder: Path) -> list[bytes]:
    (folder / "out").mkdir(parents=True)
    curate(found, WANTED, store, folder / "out")
    return [path.read_bytes() for path in sorted((folder / "out").iterdir())]


def test_near_duplicates_are_those_that_are_alike_enough(tmp_path: Path) -> None:
    rng = random.Random(0)
    one = text(rng, 300)
    words = one.split()
    nearly = " ".join(["other", *words[1:]])  # of 296 5-grams one is another
    loosely = " ".join("other" if place % 12 == 0 else word for place, word in enumerate(words))
    rows = [row(f"q{n}", answer(thought), draw=n) for n, thought in enumerate((one, nearly, loosely, text(rng)))]
    frame = pl.DataFrame(rows, schema=ROWS)
    dropped = through(frame, RECIPE, Wanted(near=0.8), tmp_path / "a").rejected
    assert dropped.select("prompt", "r1_drop").rows() == [("q1", f"near_duplicate:{frame['r1_id'][0]}")]
    assert through(frame, RECIPE, Wanted(near=0.0), tmp_path / "b").rejected.is_empty()


def test_prompts_may_be_too_easy_or_too_hard(tmp_path: Path) -> None:
    rng = random.Random(0)
    verdicts = {"easy": ["correct"] * 4, "hard": ["correct", *["wrong"] * 7], "fair": ["correct", "wrong"]}
    rows = [
        row(prompt, answer(text(rng)), verdict=verdict, draw=draw)
        for prompt, found in verdicts.items()
        for draw, verdict in enumerate(found)
    ]
    rows += [row("general", answer(text(rng)), kind="helpful", verdict="unknown")]
    curated = through(pl.DataFrame(rows, schema=ROWS), RECIPE, Wanted(pass_rate=(0.2, 0.9)), tmp_path)
    assert sorted(curated.kept["prompt"]) == ["fair", "general"]
    assert curated.reasons() == {"incorrect": 8, "too_easy": 4, "too_hard": 1}


def test_the_mix_meets_its_targets_and_says_what_is_missing(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [row(f"q{n}", answer(text(rng)), family="maths" if n < 60 else "code", draw=n) for n in range(80)]
    rows += [row(f"g{n}", answer(text(rng)), kind="helpful", verdict="unknown", draw=n) for n in range(30)]
    recipe = Recipe(verified=True, domains={"maths": "math"})
    wanted = Wanted(targets={"math": 40, "code": 40, "general": 10})
    curated = through(pl.DataFrame(rows, schema=ROWS), recipe, wanted, tmp_path)
    counts = dict(curated.kept.group_by("kind", "family").len().select("family", "len").rows())
    assert counts == {"maths": 40, "code": 20, "math": 10} and curated.reasons() == {"over_target": 40}
    fewer = through(
        pl.DataFrame(rows, schema=ROWS),
        recipe,
        Wanted(targets={"math": 20, "code": 1, "general": 0}),
        tmp_path / "fewer",
    )
    assert set(fewer.kept["r1_id"]) < set(curated.kept["r1_id"])  # a smaller set is part of the larger
    with pytest.raises(UserError, match="no target for rows of 'maths'"):
        through(pl.DataFrame(rows, schema=ROWS), Recipe(), wanted, tmp_path / "strange")


def test_rows_that_hold_a_benchmark_are_dropped_wherever_it_stands(tmp_path: Path) -> None:
    rng = random.Random(0)
    problem = text(rng, 30) + " 17?"
    held_out = pl.DataFrame({"r1_id": ["h"], "prompt": [problem], "solution": [False]})
    rows = [
        row(f"Please: {problem.upper()}", answer(text(rng))),
        row("b", answer(f"{text(rng)} {problem.replace(' ', '  ')}")),
        row("c", answer(text(rng))),
    ]
    curated = through(pl.DataFrame(rows, schema=ROWS), RECIPE, Wanted(), tmp_path, held_out=held_out)
    assert curated.kept["prompt"].to_list() == ["c"]
    assert curated.rejected["r1_drop"].to_list() == ["held_out_ngram:h"] * 2


def test_licences_that_may_join(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [row(name, answer(text(rng)), license=name) for name in ("mit", "cc-by-nc-4.0", "")]
    curated = through(pl.DataFrame(rows, schema=ROWS), Recipe(licenses=["mit", "apache-2.0"]), Wanted(), tmp_path)
    assert curated.kept["prompt"].to_list() == ["mit"] and curated.reasons() == {"license_not_wanted": 2}


def test_rows_that_are_not_unique_are_compared_with_none(tmp_path: Path) -> None:
    frame = pl.DataFrame([row("a", answer("so 4"), draw=n) for n in range(3)], schema=ROWS)
    kept = through(frame, Recipe(unique=False), Wanted(keep_per_prompt=1), tmp_path / "a").kept
    assert len(kept) == 3
    assert through(frame, Recipe(), Wanted(), tmp_path / "b").reasons() == {"duplicate": 2}


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    curated = through(pl.DataFrame(schema=ROWS), RECIPE, WANTED, tmp_path)
    assert curated.kept.is_empty() and curated.rejected.is_empty()
    assert json.loads(plan([], NOTHING).text())["shards"] == []
