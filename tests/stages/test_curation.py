"""Imported traces: graded by r1's own rules, filtered, and named by where they come from."""

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.assembly.curation import Part, curated
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Curation, Rejection
from stages.contract.schemas import EXAMPLES, TASKS, TRACES
from stages.contract.tables import read_table, write_table
from stages.curate.recipe import Recipe
from stages.curate.shards import Store
from stages.curate.stream import Funnel
from tests.stages import small

RECIPE = Recipe(verified=True, template="chat", min_language=0.9, no_code_block=True, max_repetition=0.5)


def trace(prompt: str, response: object, **columns: object) -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [], "r1_op": "ingest", "task_id": f"task of {prompt}", "kind": "reasoning", "family": "maths",
        "language": "en", "prompt": prompt, "response": response, "answer": "4", "verdict": "unknown", "reason": "",
        "num_tokens": 0, "source": "hub:some/traces", "revision": "c0ffee", "license": "apache-2.0", **columns,
    }  # fmt: skip
    return {"r1_id": TRACES.row_id(row), **row}


RIGHT = trace("What is 2+2?", "<think>Two and two make four, as everybody knows.</think>So it is \\boxed{4}.")
WRONG = trace(
    "What is 2+3?", "<think>Two and three make four.</think>So it is \\boxed{4}.", answer="5", verdict="correct"
)
OTHER = trace(
    "What is 1+3?", "<think>One and three make four, as a child knows.</think>That is \\boxed{4}.", family="sums"
)


def run(
    folder: Path,
    rows: Sequence[dict[str, object]],
    files: Callable[[Store], list[Path]] = lambda store: [],
    **settings: object,
) -> tuple[Funnel, pl.DataFrame, pl.DataFrame]:
    write_table(list(rows), folder / "data" / "imports" / "some" / "traces-00000.parquet", TRACES)
    work = folder / "work"
    paths = Paths(
        data=folder / "data", out=work / "out", metrics=work / "m.json", plots=work / "plots", store=folder / "store" / "s"
    )  # fmt: skip
    funnel = curated(
        [Part(name="sampled", files=files, recipe=RECIPE)],
        Curation(keep_per_prompt=2, max_repetition=0.5, **{"imports": ["some"], **settings}),  # type: ignore[arg-type]
        pl.DataFrame([held_out()], schema=TASKS.schema).with_columns(solution=False),
        paths,
        Silent(),
        template="chat",
        workers=1,
    )
    kept = read_table(paths.out / "examples.parquet", EXAMPLES)
    return funnel, kept, read_table(paths.out / "examples_rejected.parquet", EXAMPLES.rejected())


def held_out() -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [], "r1_op": "ingest", "kind": "reasoning", "family": "aime", "difficulty": 0, "language": "en",
        "prompt": "Find the number of ways in which 7 red and 5 blue balls fit into a row of 12 boxes.", "answer": "1",
        "tests": "", "states": [], "source": "file:aime.jsonl", "revision": "", "license": "",
    }  # fmt: skip
    return {"r1_id": TASKS.row_id(row), **row}


def test_imported_rows_join_as_what_sampled_ones_must_be(tmp_path: Path) -> None:
    short = trace("What is 3+1?", "<think></think>4")
    funnel, kept, rejected = run(tmp_path, [RIGHT, WRONG, OTHER, short])
    assert set(kept["prompt"]) == {row["prompt"] for row in (RIGHT, OTHER)}
    assert dict(rejected.select("prompt", "r1_drop").rows()) == {
        "What is 2+3?": "incorrect",
        "What is 3+1?": "bad_format",
    }
    assert funnel.domains == {"maths": 1, "sums": 1} and list(funnel.sources) == [(0, 0), (4, 2)]
    parents = dict(kept.select("prompt", "r1_parents").rows())
    assert parents["What is 2+2?"] == [RIGHT["r1_id"]]
    assert kept["r1_id"].to_list() == EXAMPLES.row_ids(kept)
    lines = (tmp_path / "work" / "plots" / "funnel.tsv").read_text().splitlines()
    assert lines[0] == "step\trows" and lines[1] == "in\t4" and lines[-1] == "out\t2"


def test_rules_decide_where_there_is_a_gold_answer_and_else_the_source(tmp_path: Path) -> None:
    proof = trace("Prove it.", "<think>Clear, since it holds for all.</think>It holds, as was to be shown.", answer="")
    rows = [{**proof, "verdict": verdict, "prompt": verdict} for verdict in ("correct", "unknown", "wrong")]
    _, kept, _ = run(tmp_path, [WRONG, *rows])
    assert kept["prompt"].to_list() == ["correct"]


def test_held_out_problems_and_licences_are_looked_at(tmp_path: Path) -> None:
    leak = trace(
        "Find the number of ways in which 9 red and 2 blue balls fit into a row of 11 boxes!", RIGHT["response"]
    )
    mine = trace("What is mine?", "<think>All of these words are mine alone.</think>\\boxed{4}", license="proprietary")
    _, kept, rejected = run(tmp_path, [RIGHT, leak, mine], licenses=["apache-2.0", "mit"])
    assert kept["prompt"].to_list() == ["What is 2+2?"]
    reasons = dict(rejected.select("prompt", pl.col("r1_drop").str.split(":").list.first()).rows())
    assert reasons == {leak["prompt"]: "held_out_template", "What is mine?": "license_not_wanted"}


def test_graded_files_and_shards_are_kept_and_what_is_no_longer_used_goes(tmp_path: Path) -> None:
    run(tmp_path, [RIGHT, WRONG])
    store = tmp_path / "store" / "s"
    first = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    assert sum(name.startswith("graded-") for name in first) == 1 and len(first) == 2
    (tmp_path / "work" / "out" / "examples.parquet").unlink()
    run(tmp_path, [RIGHT, WRONG])
    again = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    assert {name for name in again if again[name] != first.get(name)} == set()
    run(tmp_path, [RIGHT])
    assert len({path.name for path in store.iterdir()} - set(again)) == 2  # another file, another shard, no more


def test_a_store_is_locked_while_it_is_used(tmp_path: Path) -> None:
    """`r1 gc --store` asks for the same lock."""
    asked = []

    def files(store: Store) -> list[Path]:
        with (tmp_path / "store" / "s.lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asked.append(store.folder)
        return []

    run(tmp_path, [RIGHT], files=files)
    assert asked == [tmp_path / "store" / "s"]


def test_an_import_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'other', but data/imports/other holds no traces"):
        run(tmp_path, [RIGHT], imports=["other"])


def test_targets_are_the_papers_shares_unless_others_are_given() -> None:
    settings = small.params().rejection
    assert isinstance(settings, Rejection) and settings.targets() == {}
    wanted = replace(settings, total=804_745).targets()
    assert wanted == {"math": 395_285, "code": 211_129, "stem": 10_124, "logic": 10_395, "general": 177_812}
    assert replace(settings, total=10, shares={"a": 1.0, "b": 2.0, "c": 0.0}).targets() == {"a": 3, "b": 7, "c": 0}
