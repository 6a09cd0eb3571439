"""`r1 data stats` and `r1 data diff`: every figure by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.contract.schemas import EXAMPLES
from tests.data.conftest import Run, example, put
from tests.lineage.conftest import Dag


def figures(out: str) -> dict[str, Any]:
    (one,) = json.loads(out)
    return {**one, "figures": {f["column"]: f for f in one["figures"]}}


def test_figures_of_rollouts(project: Path, r1: Run) -> None:
    one = figures(r1("stats", "zero", "--by", "family", "--json")[1])
    assert (one["table"], one["rows"], one["ids"], one["prompts"], one["files"]) == ("zero/rollouts", 24, 24, 24, 1)
    assert one["nulls"] == {"preference": 24, "masked": 24}
    shares = {(s["column"], s["value"]): s["rows"] for s in one["shares"]}
    assert shares["verdict", "correct"] == 8 and shares["reason", "no_answer"] == 16 and shares["language", "zh"] == 5
    tokens = one["figures"]["num_tokens"]
    assert (tokens["mean"], tokens["low"], tokens["high"], tokens["rows"]) == (21.5, 10, 33, 24)
    assert one["figures"]["reward"]["mean"] == pytest.approx((8 * 1.2 + 16 * 0.2) / 24)
    thought = one["figures"]["completion: thought characters"]
    assert (thought["low"], thought["high"]) == (len("one more than 0"), len("one more than 10"))
    by = {group["family"]: group for group in one["by"]}
    assert (by["code"]["rows"], by["chain"]["rows"]) == (6, 18)
    assert by["code"]["num_tokens"] == 20  # 10 + mean of 0, 4, ..., 20


def test_stats_for_people(project: Path, r1: Run) -> None:
    out = r1("stats", "zero", "--where", "verdict = 'correct'", "--by", "language")[1]
    assert out.startswith("zero/rollouts: 8 rows, 8 distinct rows, 8 distinct prompts, 1 file, ")
    lines = [line.split() for line in out.splitlines()]
    assert ["verdict", "correct", "8", "100.0%"] in lines
    assert r1("stats", "rejection", "--rejected")[1].count("duplicate") == 1
    code, _, err = r1("stats", "zero", "--by", "nonsense")
    assert code == 1 and "no table of these has the column 'nonsense'" in err


def test_an_empty_table_has_figures_too(project: Path, r1: Run) -> None:
    put(project, "rejection/examples", EXAMPLES, [])
    assert r1("stats", "rejection")[1].startswith("rejection/examples: 0 rows")
    assert r1("show", "rejection")[0] == 0


def test_rows_added_removed_changed(project: Path, r1: Run) -> None:
    given = [example(n) for n in range(1, 6)]  # 0 went
    given[0] = example(1, "<think>anew</think>2")  # another response to the same task
    given[1] = {**example(2), "num_tokens": 99}  # the same id: no id covers it
    given += [example(7), example(8, family="word")]
    put(project, "cold_start/examples", EXAMPLES, given)
    (found,) = json.loads(r1("diff", "rejection", "cold_start", "--json")[1])
    assert (found["rows"], found["same"]) == ([6, 7], 4)
    assert (found["removed"], found["added"], found["changed"]) == ([0, 1], [0, 5, 6], [[1, 0]])
    assert (found["altered"], found["key"]) == ({"num_tokens": 1}, ["task_id", "r1_gen"])
    assert found["groups"] == {"family": {"word": [0, 1]}}
    out = r1("diff", "rejection", "cold_start")[1]
    assert "6 -> 7 rows; 4 the same, 2 added, 1 removed, 1 changed (the same task_id, r1_gen)" in out
    assert "column num_tokens: another value in 1 of the rows with the same id" in out
    for word in ("changed, before: ", "changed, after: ", "removed: ", "added: "):
        assert out.count(word) == 1
    assert "<think>anew</think>2" in out


def test_the_same_rows_in_another_order_are_the_same(project: Path, r1: Run) -> None:
    put(project, "cold_start/examples", EXAMPLES, [example(n) for n in reversed(range(6))])
    assert r1("diff", "rejection", "cold_start")[1] == "rejection/examples and cold_start/examples: the same 6 rows\n"


def test_equal_rows_are_counted(project: Path, r1: Run) -> None:
    put(project, "cold_start/examples", EXAMPLES, [example(0), example(0), *(example(n) for n in range(1, 6))])
    (found,) = json.loads(r1("diff", "rejection", "cold_start", "--json")[1])
    assert (found["same"], found["added"], found["removed"]) == (6, [1], [])


def test_files_without_ids_and_with_other_columns(tmp_path: Path, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"question": ["a", "b"], "answer": ["1", "2"], "x": [1, 2]}).write_parquet("a.parquet")
    pl.DataFrame({"question": ["a", "b", "c"], "answer": ["1", "3", "4"]}).write_parquet("b.parquet")
    (found,) = json.loads(r1("diff", "a.parquet", "b.parquet", "--json")[1])
    assert (found["same"], found["changed"], found["added"]) == (1, [[1, 1]], [1, 2])
    assert found["columns"] == {"x": ["Int64", ""]}
    pl.DataFrame({"z": [1]}).write_parquet("c.parquet")
    assert "have no column in common" in r1("diff", "a.parquet", "c.parquet")[2]


def test_tables_are_paired_by_name(project: Path, r1: Run) -> None:
    put(project, "cold_start/examples", EXAMPLES, [example(1)])
    put(project, "cold_start/more", EXAMPLES, [example(2)])
    assert len(json.loads(r1("diff", "cold_start", "rejection", "--json")[1])) == 1
    put(project, "sft/other", EXAMPLES, [example(2)])
    put(project, "sft/another", EXAMPLES, [example(2)])
    assert "no table of one" in r1("diff", "cold_start", "sft")[2]


def test_another_revisions_table(dag: Dag, r1: Run) -> None:
    """Read out of git and DVC's cache: nothing is checked out."""
    stages = {
        "prompts": {"cmd": "true", "outs": ["data/prompts"]},
        "cold_start": {"cmd": "true", "deps": ["data/prompts/train.parquet"], "outs": ["data/cold_start"]},
    }
    (dag.root / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (dag.root / "dvc.lock").unlink()
    for command in (
        [sys.executable, "-m", "dvc", "commit", "-f"],
        ["git", "add", "dvc.yaml", "dvc.lock", ".dvc"],
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start"],
    ):
        subprocess.run(command, cwd=dag.root, check=True)
    assert "the same 5 rows" in r1("diff", "main:cold_start", "cold_start")[1]
    frame = dag.table("cold_start/examples.parquet")
    path = dag.root / "data/cold_start/examples.parquet"
    path.unlink()
    frame[:3].write_parquet(path)
    assert "5 -> 3 rows; 3 the same, 0 added, 2 removed" in r1("diff", "main:cold_start", "cold_start")[1]
    assert "the first 5, of 5 rows in cold_start/examples" in r1("show", "main:cold_start")[1]
    assert r1("show", "nowhere:cold_start")[0] == 1
