"""The verdict on contamination: everything behind a checkpoint is looked at, and what can't be is counted."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from stages.assembly.exposure import contamination, seen_by
from stages.contract.contamination import Contamination, read_contamination
from stages.contract.determinism import Determinism
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.manifest import write_manifest
from stages.contract.schemas import CONTAMINATION, DOCUMENTS, EXAMPLES, TASKS, Table
from stages.contract.tables import write_table

PROBLEM = "A farmer has 17 crates of 12 pears and sells 5 crates. How many pears are left for Monday?"
OTHER = "Two trains leave at noon and drive 80 and 95 miles an hour. When are they 350 miles apart from each other?"
RENUMBERED = PROBLEM.replace("17", "40").replace("12", "25").replace("5 crates", "nine crates")


def task(prompt: str, *, source: str = "file:maths.jsonl", states: tuple[str, ...] = ()) -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [], "r1_op": "ingest", "kind": "reasoning", "family": "maths", "difficulty": 0, "language": "en",
        "prompt": prompt, "answer": "1", "tests": "", "states": list(states) or [prompt], "source": source, "revision": "",
        "license": "",
    }  # fmt: skip
    return {"r1_id": TASKS.row_id(row), **row}


def document(text: str) -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [], "r1_op": "ingest", "form": "", "family": "", "text": text, "source": "", "revision": "",
        "license": "",
    }  # fmt: skip
    return {"r1_id": DOCUMENTS.row_id(row), **row}


def example(prompt: str, response: str) -> dict[str, object]:
    row: dict[str, object] = {
        "r1_parents": [], "r1_op": "generate", "r1_gen": None, "task_id": "", "kind": "reasoning", "family": "",
        "language": "en", "prompt": prompt, "response": response, "num_tokens": 1, "source": "",
    }  # fmt: skip
    return {"r1_id": EXAMPLES.row_id(row), **row}


def stage(root: Path, name: str, deps: list[str], tables: Mapping[str, tuple[Table, list[dict[str, object]]]]) -> None:
    out = root / "data" / name
    for file, (table, rows) in tables.items():
        write_table(rows, out / file, table)
    if not tables:
        (out / "checkpoint").mkdir(parents=True)
        (out / "checkpoint" / "model.safetensors").write_bytes(name.encode())
    params = {"base": {"source": "pretrain"}} if name == "base" else {}
    said = Determinism(threads=1, libraries={}, depends_on=[], open=[])
    write_manifest(out, root=root, stage=name, item="", params=params, deps=deps, determinism=said)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """prompts -> base -> cold_start (whose rows base's answers are) -> sft."""
    stage(
        tmp_path,
        "prompts",
        [],
        {
            "corpus.parquet": (DOCUMENTS, [document("pears are fruit"), document(f"Today: {PROBLEM}")]),
            "corpus_rejected.parquet": (DOCUMENTS.rejected(), [{**document(OTHER), "r1_drop": "held_out_text"}]),
            "train.parquet": (TASKS, [task("What is 2+2?")]),
            "test.parquet": (TASKS, [task(PROBLEM), task(OTHER)]),
        },
    )
    stage(tmp_path, "base", ["data/prompts/corpus.parquet"], {})
    rows = [example("What is 2+2?", "<think>so 4</think>4"), example(RENUMBERED, "<think>25</think>")]
    deps = ["data/prompts/train.parquet", "data/prompts/test.parquet", "data/base/checkpoint"]
    stage(tmp_path, "cold_start", deps, {"examples.parquet": (EXAMPLES, rows)})
    stage(tmp_path, "sft", ["data/cold_start/examples.parquet", "data/base/checkpoint"], {})
    return tmp_path


def verdict(root: Path, model: str = "sft", *tasks: dict[str, object]) -> tuple[pl.DataFrame, dict[str, float]]:
    found, figures = looked(root, model, *tasks)
    return found.rows, figures


def looked(root: Path, model: str, *tasks: dict[str, object]) -> tuple[Contamination, dict[str, float]]:
    work = root / ".r1"
    paths = Paths(
        data=root / "data", out=work / "out", metrics=work / "m.json", plots=work / "plots", store=work / "store" / "evaluate"
    )  # fmt: skip
    asked = pl.DataFrame(list(tasks) or [task(PROBLEM), task(OTHER)], schema=TASKS.schema)
    return contamination(paths, model, root / "data" / model / "checkpoint", asked, Silent())


def test_all_that_leads_to_a_checkpoint_is_seen_and_nothing_that_was_held_out_or_dropped(root: Path) -> None:
    seen, unknown = seen_by(root / "data", root / "data" / "sft" / "checkpoint")
    assert [table.path for table in seen] == [
        "cold_start/examples.parquet",
        "prompts/corpus.parquet",
        "prompts/train.parquet",
    ]
    assert unknown == []
    assert [table.path for table in seen_by(root / "data", root / "data" / "base" / "checkpoint")[0]] == [
        "prompts/corpus.parquet"
    ]


def test_the_verdict_names_the_rows(root: Path) -> None:
    found, figures = verdict(root)
    assert figures == {"contamination_unknown": 0, "contaminated": 0.5, "contaminated_maths": 0.5}
    assert found.schema == CONTAMINATION.schema and set(found["task_id"]) == {task(PROBLEM)["r1_id"]}
    rows = found.sort("table").select("table", "how", "row_id").rows()
    assert rows == [
        ("cold_start/examples.parquet", "held_out_template", example(RENUMBERED, "<think>25</think>")["r1_id"]),
        ("prompts/corpus.parquet", "held_out_ngram", document(f"Today: {PROBLEM}")["r1_id"]),
    ]
    again, figures_again = verdict(root)  # from the store
    assert again.equals(found) and figures_again == figures
    assert len(list((root / ".r1" / "store" / "exposure").iterdir())) == 3


def test_an_evaluation_says_what_was_looked_at_and_what_could_not_be(root: Path) -> None:
    found, _ = looked(root, "sft")
    (root / "data" / "cold_start" / "examples.parquet").write_bytes(b"other")
    (root / ".r1" / "store" / "exposure").rename(root / "elsewhere")
    changed, _ = looked(root, "sft")
    assert found.tables == ["cold_start/examples.parquet", "prompts/corpus.parquet", "prompts/train.parquet"]
    assert found.unknown == [] and changed.unknown == ["cold_start/examples.parquet is not here as it was"]
    for one in (found, changed):
        (root / "out").mkdir(exist_ok=True)
        one.write(root / "out")
        again = read_contamination(root / "out")
        assert again.rows.equals(one.rows) and (again.tables, again.unknown) == (one.tables, one.unknown)


def test_what_cannot_be_looked_at_is_counted(root: Path) -> None:
    write_table([task("another")], root / "data" / "prompts" / "train.parquet", TASKS)
    assert verdict(root)[1]["contamination_unknown"] == 1
    (root / "data" / "cold_start" / "examples.parquet").unlink()
    assert verdict(root)[1]["contamination_unknown"] == 1  # its digest was looked at before
    (root / "data" / "base" / "manifest.json").unlink()
    found, figures = verdict(root, "base")
    assert figures == {"contamination_unknown": 1} and found.is_empty()


def test_an_imported_base_has_seen_what_nobody_knows(root: Path) -> None:
    path = root / "data" / "base" / "manifest.json"
    path.write_text(path.read_text().replace('"source": "pretrain"', '"source": "import"'))
    assert verdict(root)[1]["contamination_unknown"] == 1


def test_problems_of_one_generator_are_contaminated_by_themselves_alone(root: Path) -> None:
    own = of_the_world(task(PROBLEM))
    assert verdict(root, "base", own)[1]["contaminated"] == 0.0
    exact = of_the_world(task(f"Today: {PROBLEM}"))
    assert verdict(root, "base", exact)[1]["contaminated"] == 1.0
    write_table([task("What is 2+2?", states=("a", "b"))], root / "data" / "prompts" / "train.parquet", TASKS)
    stage(root, "zero", ["data/prompts/train.parquet"], {})
    assert verdict(root, "zero", of_the_world(task("other", states=("b",))))[1]["contaminated"] == 1.0


def of_the_world(row: dict[str, object]) -> dict[str, object]:
    return {**row, "source": "r1/embedded-world"}
