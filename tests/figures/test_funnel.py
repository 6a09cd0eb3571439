"""The funnels on the page: every row accounted for, readable for many reasons, and honest where there is none."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stages.contract.errors import UserError
from stages.contract.results import Funnel, Run
from stages.curate.decide import NAMES
from stages.curate.decontaminate import HOW
from stages.curate.outcome import funnel
from stages.curate.recipe import Recipe
from stages.figures.funnel import REASONS, funnel_lines, funnel_parts
from stages.figures.inputs import read_funnel
from tests.figures.synthetic import FUNNELS, MODELS, write_funnel, write_run
from tests.figures.test_report import report

MANY = {reason: 3 * 2**place for place, reason in enumerate(list(REASONS)[:15])}  # 3 to 49,152


def run_of(**funnels: Funnel) -> Run:
    return Run(profile="", seed=0, models={}, changes={}, curves={}, validations={}, funnels=funnels)


def section(out: Path) -> str:
    return re.search('<h2 id="curation">.*?<h2', (out / "index.html").read_text(), flags=re.DOTALL)[0]  # type: ignore[index]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("funnels")
    write_run(folder / "data", models={"base": MODELS["base"]}, problems=8)
    write_funnel(folder / "data", "rejection", 800_000, MANY)
    (folder / "data" / "plots" / "cold_start" / "funnel.tsv").unlink()
    return report(folder / "data", folder / "out")


def test_the_page_has_every_reason_with_its_rows_share_and_meaning(out: Path) -> None:
    rows = re.findall(r'<th scope="row">(\w+)</th><td>([\d,]+)</td><td>([^<]+)</td>', section(out))
    left = 800_000 - sum(MANY.values())
    assert [(step, int(count.replace(",", ""))) for step, count, _ in rows[3:]] == [
        ("in", 800_000), *MANY.items(), ("out", left),
    ]  # fmt: skip
    assert rows[:3] == [("in", "1,200", "100%"), ("held_out_text", "30", "2.5%"), ("out", "1,170", "97.5%")]
    assert rows[4][2] == "&lt;0.01%" and rows[-1][2] == "87.7%"
    assert all(REASONS[reason].replace("'", "&#39;") in section(out) for reason in MANY)


def test_a_stage_without_a_funnel_says_so(out: Path) -> None:
    assert "Not in this run: the funnel of cold_start." in section(out)
    assert section(out).count("<svg") == 2
    assert set(json.loads((out / "summary.json").read_text())["funnels"]) == {"prompts", "rejection"}


def test_the_tables_stand_in_markdown_and_json_too(out: Path) -> None:
    assert "| forgotten | 3 | <0.01% | named in the stage's forget |" in (out / "table.md").read_text()
    found = json.loads((out / "summary.json").read_text())["funnels"]["prompts"]
    assert found == {"in": 1200, **FUNNELS["prompts"], "out": 1170}


def test_each_step_has_a_bar_that_begins_where_rows_are_left() -> None:
    part = funnel_parts(run_of(rejection=Funnel(rows=800_000, dropped=MANY)))[-1]
    drawing = ElementTree.fromstring(part.chart.svg)
    bars = [node for node in drawing.iter() if node.get("id", "").startswith("funnel-rejection-patch_")]
    # Of the patches two are the backgrounds; axes without a frame at the top and right have two lines more.
    assert len(bars) - 4 == len(part.lines) == 17
    for line, after in zip(part.lines[1:-1], part.lines[2:-1], strict=False):
        assert line.first - line.rows == line.last == after.first
    assert part.lines[-2].last == part.lines[-1].rows


def test_no_rows_at_all_are_no_error() -> None:
    part = funnel_parts(run_of(cold_start=Funnel(rows=0, dropped={})))[1]
    assert part.chart.svg == "" and [line.share for line in part.lines] == ["–", "–"]


def test_what_curation_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "funnel.tsv"
    lines = funnel(10, {"incorrect": 2, "duplicate": 3})
    path.write_text("step\trows\n" + "".join(f"{line['step']}\t{line['rows']}\n" for line in lines))
    found = read_funnel(path)
    assert (found.rows, dict(found.dropped), found.kept) == (10, {"incorrect": 2, "duplicate": 3}, 5)
    assert [line.last for line in funnel_lines(found)] == [10, 8, 5, 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step\trows\nin\t10\nduplicate\t3\nout\t8\n", "10 rows less those dropped are 7, not 8"),
        ("step\trows\nin\tmany\nout\t8\n", "invalid literal"),
        ("step\trows\nout\t8\n", "'in'"),
        ("", "'in'"),
        ("step\trows\nin\t1\t2\n", "too many values"),
    ],
)
def test_a_broken_funnel_names_its_stage(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / "plots" / "rejection" / "funnel.tsv"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        read_funnel(path)
    assert caught.value.hint == "r1 run rejection -f"


def test_every_reason_that_curation_gives_has_a_meaning() -> None:
    asked = Recipe(
        verified=True, template="tiny", min_language=1, no_code_block=True, max_paragraph=1, max_repetition=0.5,
        max_tokens=1, min_words=1, licenses=["MIT"],
    )  # fmt: skip
    reasons = {rule.reason for rule in asked.filters()} | set(HOW) | set(NAMES[1:]) | {"forgotten"}
    assert reasons == set(REASONS)
