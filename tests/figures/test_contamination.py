"""Contamination on the page: a verdict on every score, said beside every finding, and never "clean" without knowledge."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from stages.contract.contamination import read_contamination
from stages.contract.schemas import SCORES
from stages.contract.tables import read_table, write_table
from stages.evals.exposure import exposure
from stages.figures.contamination import RESTS
from tests.figures.synthetic import MODELS, write_contamination, write_run
from tests.figures.test_report import report

PROBLEMS, GENERAL = 16, 6
SHOWN = ("base", "zero", "sft", "align")
BASE = "what base was trained on before it was imported"


def run(folder: Path, names: Sequence[str] = SHOWN, *, problems: int = PROBLEMS) -> Path:
    models = {name: MODELS[name] for name in names}
    write_run(folder / "data", models=models, problems=problems, draws=4, general=GENERAL, plots=False)
    return folder / "data"


def cells(out: Path, stage: str) -> list[str]:
    """The text of a model's row in the results table."""
    row = re.search(f'stage-name">{stage}<.*?</tr>', (out / "index.html").read_text(), flags=re.DOTALL)
    assert row is not None
    return re.findall("<td>([^<]*)", row[0])


def beside(out: Path) -> dict[str, str]:
    """What stands beside each finding."""
    found = json.loads((out / "summary.json").read_text())["findings"]
    return {key: finding.get("caution", "") for key, finding in found.items()}


def summary(out: Path, model: str) -> dict[str, object]:
    found = json.loads((out / "summary.json").read_text())["models"][model]["contamination"]
    assert isinstance(found, dict)
    return found


def test_a_clean_run_says_so_and_warns_of_nothing(tmp_path: Path) -> None:
    data = run(tmp_path)
    write_contamination(data, "zero", alike=[0, 1])  # alike, as all problems of a generator are
    out = report(data, tmp_path / "out")
    assert [cells(out, name)[1] for name in SHOWN] == ["clean"] * 4
    assert "Clean: V3-Base, R1-Zero, R1 Dev3, R1." in (out / "index.html").read_text()
    assert set(beside(out).values()) == {""}
    assert not re.search("contaminated|unknown<|had seen", (out / "index.html").read_text().partition("<body>")[2])


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """R1-Zero saw three test problems; R1 saw one, and a general prompt."""
    data = run(tmp_path)
    write_contamination(data, "zero", seen=[0, 5, 10], alike=[1])
    write_contamination(data, "align", seen=[2], general=[0])
    return report(data, tmp_path / "out")


def test_seen_problems_stand_in_the_score_table(planted: Path) -> None:
    text = (planted / "index.html").read_text()
    assert [cells(planted, name)[1] for name in SHOWN] == [
        "clean",
        "3 of 16 seen",
        "clean",
        "1 of 16, 1 of 6 general seen",
    ]
    assert "<strong>R1-Zero: 3 of 16 seen.</strong>" in text and "3 in prompts/train.parquet (held_out_text)" in text
    assert "| zero | R1-Zero |" in (planted / "table.md").read_text()
    assert re.search(r"\| zero \|.*\| 3 of 16 seen without: \d+\.\d \|", (planted / "table.md").read_text())


def test_the_score_without_them_is_that_of_the_other_problems(planted: Path) -> None:
    scores = read_table(planted.parent / "data" / "evaluate" / "zero" / "scores.parquet", SCORES)
    ruled = scores.filter(pl.col("kind") == "reasoning")
    by_problem = ruled.group_by("prompt").agg(pl.col("correct").mean())
    left = by_problem.filter(~pl.col("prompt").str.contains(r" problem (?:0|5|10) "))
    found = summary(planted, "zero")["pass@1_without"]
    assert isinstance(found, dict) and found["n"] == len(left) == PROBLEMS - 3
    assert found["mean"] == pytest.approx(left["correct"].mean(), abs=1e-5)
    assert summary(planted, "base")["pass@1_without"] is None


def test_a_finding_on_seen_problems_says_so_beside_its_verdict(planted: Path) -> None:
    said, text = beside(planted), (planted / "index.html").read_text()
    assert said["zero_gain"].startswith(
        "3 of the 16 test problems stand in what R1-Zero saw. On the problems that no model saw:"
    )
    assert said["refusals"].startswith("1 of the 6 general prompts stand in what R1 saw. ")
    assert said["alignment"].startswith(
        "1 of the 16 test problems stand in what R1 saw; 1 of the 6 general prompts stand in what R1 saw. "
    )
    assert all(caution in text for caution in said.values())
    assert said["language"] == said["distillation"] == ""  # they are not in this run
    assert text.count('<small class="contaminated">contaminated</small>') == sum(bool(found) for found in said.values())
    assert "rest on problems that a model had seen" in text
    assert "shown, contaminated**: Reinforcement learning with rules alone" in (planted / "table.md").read_text()


def test_a_gain_that_rests_on_seen_problems_alone_is_found_out(tmp_path: Path) -> None:
    data = run(tmp_path, ["base", "zero"], problems=32)
    seen = range(28)
    learned = pl.col("prompt").str.contains(f" problem (?:{'|'.join(map(str, seen))}) ")
    for name, right in (("base", pl.lit(False)), ("zero", learned)):
        path = data / "evaluate" / name / "scores.parquet"
        write_table(read_table(path, SCORES).with_columns(correct=right), path, SCORES)
    write_contamination(data, "zero", seen=list(seen), alike=[28, 29, 30, 31])
    out = report(data, tmp_path / "out")
    found = json.loads((out / "summary.json").read_text())["findings"]["zero_gain"]
    assert found["verdict"] == "shown" and found["caution"].endswith("On the problems that no model saw: not shown.")


def test_unknown_is_not_clean_and_says_what(tmp_path: Path) -> None:
    data = run(tmp_path)
    for name in SHOWN:
        write_contamination(data, name, seen=[3] if name == "sft" else [], unknown=[BASE])
    out = report(data, tmp_path / "out")
    assert [cells(out, name)[1] for name in SHOWN] == ["unknown", "unknown", "at least 1 of 16 seen", "unknown"]
    text = (out / "index.html").read_text()
    assert "Clean: no model." in text and text.count(f"unknown: {BASE}") == 4
    assert summary(out, "zero")["unknown"] == [BASE]
    assert beside(out)["zero_gain"] == "What V3-Base, R1-Zero saw is not fully known."
    assert beside(out)["alignment"].endswith("What R1 Dev3, R1 saw is not fully known.")
    assert '<small class="contamination-unknown">contamination unknown</small>' in text


def test_an_evaluation_that_did_not_look_is_unknown(tmp_path: Path) -> None:
    data = run(tmp_path)
    for name, file in (("base", "contamination.parquet"), ("zero", "contamination.json")):
        write_contamination(data, name, seen=[1])
        (data / "evaluate" / name / file).unlink()
    out = report(data, tmp_path / "out")
    assert [cells(out, name)[1] for name in ("base", "zero")] == ["unknown", "at least 1 of 16 seen"]
    assert summary(out, "base")["unknown"] == ["contamination.parquet is missing"]
    assert summary(out, "zero")["unknown"] == ["contamination.json is missing"]


def test_a_model_that_nothing_leads_to_is_not_clean(tmp_path: Path) -> None:
    data = run(tmp_path, ["base"])
    (data / "evaluate" / "base" / "contamination.json").write_text('{"tables": [], "unknown": []}')
    scores = read_table(data / "evaluate" / "base" / "scores.parquet", SCORES)
    assert exposure(scores, read_contamination(data / "evaluate" / "base")).unknown == ("no table leads to it",)


def test_where_all_was_seen_nothing_is_left_to_say(tmp_path: Path) -> None:
    data = run(tmp_path, ["base", "zero"])
    write_contamination(data, "zero", seen=range(PROBLEMS))
    out = report(data, tmp_path / "out")
    assert cells(out, "zero")[1] == "16 of 16 seen" and summary(out, "zero")["pass@1_without"] is None
    assert "too few are left to say" in beside(out)["zero_gain"]
    assert "no test problem is left without those it saw" in (out / "index.html").read_text()


def test_every_finding_says_what_it_rests_on(tmp_path: Path) -> None:
    found = beside(report(run(tmp_path), tmp_path / "out"))
    assert set(found) - {"reward_hacking"} == set(RESTS)
