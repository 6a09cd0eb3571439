"""Benchmarks that are held out and nothing else: neither prompts nor curated rows may hold them or their solutions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.assembly.curation import Part, curated
from stages.assembly.held_out import held_out_problems
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Params
from stages.contract.schemas import DOCUMENTS, EXAMPLES, TASKS
from stages.contract.tables import read_table
from stages.curate.recipe import GRADED, Recipe
from stages.import_data import main as import_data
from stages.prompts import main as prompts
from tests.stages import small

PROBLEM = "Find the number of ways in which 7 red and 5 blue balls fit into a row of 12 boxes."
SOLUTION = (
    "Choose the boxes of all red balls first, which fixes those of the blue ones, and so there are as many ways as"
    " subsets of size seven: 792. The answer is \\boxed{792}."
)
QUIZ = "Which of the two brothers of the last king of the northern isles built the long stone bridge?"
FREE = {"problem": "How many sides has a square whose area is as large as that of a circle?", "answer": "4"}
RENUMBERED = {"problem": PROBLEM.replace("7", "9").replace("12", "14"), "answer": "2002"}
SOLVED = {"problem": f"A friend wrote: {SOLUTION} Is that so, yes or no, for balls of three colours?", "answer": "no"}


def bring_in(data: Path, name: str, rows: Sequence[Mapping[str, object]], **more: str) -> None:
    out = data / "imports" / name
    out.mkdir(parents=True)
    source = data / f"{name}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = Paths(data=data, out=out, metrics=data / f"{name}.json", plots=data / "plots")
    import_data({"source": str(source), "name": name, **more}, paths, Silent())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("held") / "data"
    data.mkdir()
    bring_in(data, "olympiad", [{"problem": PROBLEM, "solution": SOLUTION}], role="held_out")
    bring_in(
        data, "quiz", [{"prompt": QUIZ, "response": "Olaf.", "category": "factual_qa"}], role="held_out", kind="general"
    )
    bring_in(data, "mine", [FREE, RENUMBERED, SOLVED])
    bring_in(data, "more", [FREE, {**RENUMBERED, "answer": "5"}], role="validation")
    return data


def with_roles(**roles: str) -> Params:
    params = small.params()
    assert params.prompts is not None
    return replace(params, prompts=replace(params.prompts, train=5, imports=list(roles), import_roles=dict(roles)))


def pool(data: Path, work: Path, **roles: str) -> tuple[Paths, Mapping[str, Mapping[str, str]]]:
    """The stage's folder, and of each split the imported problems with the reason why each was dropped, or nothing."""
    paths = Paths(data=data, out=work / "prompts", metrics=work / "prompts.json", plots=work / "plots")
    prompts(with_roles(**roles), paths, Silent())
    found = {}
    for split in ("train", "validation", "test"):
        kept = read_table(paths.out / f"{split}.parquet", TASKS).with_columns(r1_drop=pl.lit(""))
        rejected = read_table(paths.out / f"{split}_rejected.parquet", TASKS.rejected())
        imported = pl.concat([kept, rejected]).filter(pl.col("family").is_in(["olympiad", "quiz", "mine", "more"]))
        found[split] = dict(imported.select("prompt", pl.col("r1_drop").str.split(":").list.first()).rows())
    return paths, found


HELD = {"olympiad": "held_out", "quiz": "held_out"}


def test_held_out_imports_join_no_split_and_training_prompts_may_not_hold_them(data: Path, tmp_path: Path) -> None:
    paths, found = pool(data, tmp_path, mine="train", **HELD)
    assert found["test"] == {} and found["validation"] == {}
    assert found["train"] == {
        FREE["problem"]: "",
        RENUMBERED["problem"]: "held_out_ngram",
        SOLVED["problem"]: "held_out_ngram",
    }
    texts = read_table(paths.out / "held_out.parquet", DOCUMENTS)
    assert texts.select("form", "family", "text").rows() == [
        ("problem", "olympiad", PROBLEM), ("solution", "olympiad", SOLUTION), ("problem", "quiz", QUIZ),
    ]  # fmt: skip
    task = read_table(data / "imports" / "olympiad" / "tasks.parquet", TASKS)["r1_id"].item()
    assert texts["r1_parents"].to_list()[:2] == [[task], [task]] and texts["r1_id"].to_list() == DOCUMENTS.row_ids(
        texts
    )
    assert json.loads(paths.metrics.read_text())["held_out_texts"] == 3


def test_without_them_nothing_is_dropped(data: Path, tmp_path: Path) -> None:
    paths, found = pool(data, tmp_path, mine="train")
    assert set(found["train"].values()) == {""} and len(found["train"]) == 3
    assert read_table(paths.out / "held_out.parquet", DOCUMENTS).is_empty()
    assert "held_out_texts" not in json.loads(paths.metrics.read_text())


def test_validation_may_not_hold_them_and_its_own_solutions_count_in_training(data: Path, tmp_path: Path) -> None:
    _, found = pool(data, tmp_path, more="validation", **HELD)
    assert found["validation"] == {FREE["problem"]: "", RENUMBERED["problem"]: "held_out_ngram"}
    _, found = pool(data, tmp_path / "b", olympiad="test", mine="train")
    assert found["test"] == {PROBLEM: ""} and found["train"][SOLVED["problem"]] == "held_out_ngram"


def test_curated_rows_may_hold_neither_problem_nor_solution(data: Path, tmp_path: Path) -> None:
    pool(data, tmp_path / "data", **HELD)
    responses = {
        "leaked problem": f"It reminds me of this: {PROBLEM.upper()}",
        "leaked solution": f"As a book says: {SOLUTION.replace('792', '36')}",
        "leaked quiz": f"They ask, {QUIZ.lower()}",
        "a bare result": "The answer is \\boxed{792}.",
        "none": "Choose the boxes of the red balls.",
    }
    rows = [
        {
            **dict.fromkeys(("r1_op", "family", "source", "license"), ""), "r1_parents": [], "r1_gen": None,
            "kind": "reasoning", "language": "en", "prompt": prompt, "response": said, "num_tokens": 1,
            "verdict": "correct", "language_consistency": 1.0, "held_out": False, "r1_id": f"{place:032x}", "task_id": prompt,
        }
        for place, (prompt, said) in enumerate(responses.items())
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema={**EXAMPLES.columns, **GRADED})
    paths = Paths(data=tmp_path / "data", out=tmp_path / "out", metrics=tmp_path / "m.json", plots=tmp_path / "plots")
    settings = small.params().cold_start
    assert settings is not None
    curated(
        [
            Part(
                name="sampled",
                files=lambda store: [store.write("sampled.parquet", frame)],
                recipe=Recipe(verified=True),
            )
        ],
        settings,
        held_out_problems(paths),
        paths,
        Silent(),
        template="chat",
        workers=1,
    )
    rejected = read_table(paths.out / "examples_rejected.parquet", EXAMPLES.rejected())
    assert dict(rejected.select("prompt", pl.col("r1_drop").str.split(":").list.first()).rows()) == {
        "leaked problem": "held_out_ngram", "leaked solution": "held_out_ngram", "leaked quiz": "held_out_ngram",
    }  # fmt: skip
