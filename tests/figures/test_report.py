"""The report stage on small made-up runs: exact files, same bytes, self-contained, and verdicts that follow the numbers."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from r1cli.pipeline import load
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Params
from stages.contract.results import Run
from stages.contract.schemas import SCORES
from stages.contract.tables import read_table
from stages.evals.measure import measure
from stages.evals.summary import headline
from stages.figures.findings import findings
from stages.figures.inputs import curves
from stages.report import main
from tests.cli.conftest import ROOT
from tests.figures.synthetic import MODELS, Character, write_run

PROBLEMS = 32


def build(folder: Path, *, models: Mapping[str, Character] = MODELS, problems: int = PROBLEMS, **options: bool) -> Path:
    data = folder / "data"
    write_run(data, models=models, problems=problems, draws=8, **options)
    return report(data, folder / "out")


def report(data: Path, out: Path) -> Path:
    out.mkdir(parents=True)
    paths = Paths(data=data, out=out, metrics=out.parent / f"{out.name}.json", plots=out.parent / "plots")
    main(Params(profile="tiny", seed=3), paths, Silent())
    return out


def judged(folder: Path, *, models: Mapping[str, Character], hacked: bool = False) -> dict[str, str]:
    """The verdicts on made-up models, without drawing anything."""
    write_run(folder, models=models, problems=PROBLEMS, draws=8, hacked=hacked)
    scores = {name: read_table(folder / "evaluate" / name / "scores.parquet", SCORES) for name in models}
    results, changes = measure(scores)
    validations = curves(folder, "validation")
    run = Run(
        profile="", seed=0, models=results, changes=changes, curves=curves(folder, "curve"), validations=validations
    )
    return {finding.key: finding.verdict for finding in findings(run)}


def verdicts(out: Path) -> dict[str, str]:
    found = json.loads((out / "summary.json").read_text())["findings"]
    return {key: finding["verdict"] for key, finding in found.items()}


def changed(name: str, character: Character) -> dict[str, Character]:
    return {**MODELS, name: character}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("whole"))


def test_writes_exactly_its_files(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == ["index.html", "summary.json", "table.md"]
    assert json.loads((whole.parent / "out.json").read_text())["models"] == len(MODELS)


def test_another_process_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.figures.test_report import report; "
        "report(Path(sys.argv[1]), Path(sys.argv[2])); assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(whole.parent / "data"), str(tmp_path / "out")],
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    for path in whole.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_it_reads_what_dvc_yaml_lists_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    deps = next(stage.deps for stage in load(ROOT).stages if stage.name == "report")
    for dep in [Path(dep) for dep in deps if dep.startswith("data/")]:
        copy = shutil.copytree if (whole.parent / dep).is_dir() else shutil.copyfile
        (tmp_path / dep).parent.mkdir(parents=True, exist_ok=True)
        copy(whole.parent / dep, tmp_path / dep)
    out = report(tmp_path / "data", tmp_path / "out")
    assert [path.name for path in whole.iterdir() if (out / path.name).read_bytes() != path.read_bytes()] == []


class _Page(HTMLParser):
    """Collects what a browser would load, all ids and references to them, and the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "embed", "audio", "video"):
            self.loads.append(tag)
        self.loads += [f"{tag} {v}" for k, v in attrs if k in ("src", "srcset", "data") and v]
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("href", "xlink:href") and value:
                self.references.append(value)
            if value:
                self.references += [f"#{name}" for name in re.findall(r"url\(#([^)]*)\)", value)]
        if tag == "svg":
            self.pictures.append(values)


def test_the_page_loads_nothing_and_its_references_hold(whole: Path) -> None:
    text = (whole / "index.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.loads == [] and "@import" not in text and "http" not in text
    assert all(reference.startswith("#") and reference[1:] in page.ids for reference in page.references)
    assert len(page.ids) == len(set(page.ids))
    assert len(page.pictures) == 14  # ten figures, three funnels and the pipeline
    assert all(picture["role"] == "img" and len(picture["aria-label"] or "") > 40 for picture in page.pictures)
    assert len(text.encode()) < 3_000_000


def test_every_figure_is_well_formed(whole: Path) -> None:
    for svg in re.findall("<svg.*?</svg>", (whole / "index.html").read_text(), flags=re.DOTALL):
        ElementTree.fromstring(svg)


def test_every_model_has_its_row_in_pipeline_order(whole: Path) -> None:
    rows = re.findall(r'stage-name">([^<]+)<', (whole / "index.html").read_text())
    assert rows == list(MODELS)
    table = (whole / "table.md").read_text()
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2 : 2 + len(MODELS)]] == list(MODELS)
    assert "| zero | R1-Zero |" in table and "| 77.9 | 95.9 | 50.0 | 46.6 | 24.7 |" in table
    assert list(json.loads((whole / "summary.json").read_text())["models"]) == list(MODELS)


def test_figures_agree_with_the_headline_metrics_of_evaluate(whole: Path) -> None:
    scores = {
        name: read_table(whole.parent / "data" / "evaluate" / name / "scores.parquet", SCORES)
        for name in ("base", "align")
    }
    for name, found in measure(scores)[0].items():
        expected = headline(scores[name])
        assert found.accuracy.mean == pytest.approx(expected["pass_at_1"])
        assert found.cons.mean == pytest.approx(expected["cons_at_8"])
        assert found.language.mean == pytest.approx(expected["language"], abs=1e-6)
        assert found.length.mean == pytest.approx(expected["length"])
        assert found.refusals is not None and found.refusals.mean == pytest.approx(expected["refusals"])
        assert found.preference is not None and found.preference.mean == pytest.approx(expected["preference"], abs=1e-6)


def test_language_counts_only_responses_with_a_thought(whole: Path) -> None:
    scores = read_table(whole.parent / "data" / "evaluate" / "zero" / "scores.parquet", SCORES)
    bare = pl.int_range(pl.len()) % 3 == 0
    mixed = scores.with_columns(
        completion=pl.when(bare).then(pl.lit("<answer>7</answer>")).otherwise("completion"),
        language_consistency=pl.when(bare).then(pl.lit(1.0)).otherwise("language_consistency").cast(pl.Float32),
    )
    found = measure({"zero": mixed})[0]["zero"]
    assert found.language.mean < 0.8 and found.language.mean == pytest.approx(headline(mixed)["language"], abs=1e-6)
    assert found.thoughts.mean == pytest.approx(2 / 3, abs=0.05)


GOOD = {
    "zero_gain": "shown",
    "length_difficulty": "shown",
    "language": "shown",
    "format_accuracy": "shown",
    "consensus": "shown",
    "distillation": "shown",
    "alignment": "shown",
    "refusals": "shown",
    "reflection": "shown",
    "reward_hacking": "not seen",
}


def test_a_run_that_shows_the_effects_says_so(whole: Path) -> None:
    found = verdicts(whole)
    assert {key: found[key] for key in GOOD} == GOOD


def test_a_run_that_shows_nothing_says_so(tmp_path: Path) -> None:
    models = {
        "base": Character(accuracy=1.0, tokens=20),
        "zero": Character(accuracy=1.0, tokens=20, by_difficulty=False, language=0.99),
        "cold_sft": Character(accuracy=1.0),
        "grpo": Character(accuracy=0.5, language=0.7, format=0.8),
        "sft": Character(accuracy=1.0, preference=0.8),
        "align": Character(
            accuracy=0.6, by_difficulty=False, preference=0.6, refuses=0.5, refuses_safe=0.5, format=0.8
        ),
        "student-small": Character(accuracy=0.3),
        "student_zero-small": Character(accuracy=0.6),
        "distill-small": Character(accuracy=0.4),
    }
    steady = {name: replace(c, reflective=0.5) for name, c in models.items()}
    found = judged(tmp_path, models=steady, hacked=True)
    for key in (
        "zero_gain",
        "length_growth",
        "length_difficulty",
        "language",
        "format_accuracy",
        "distillation",
        "alignment",
        "refusals",
        "reflection",
    ):
        assert found[key] == "not shown", key
    assert found["reward_hacking"] == "seen"


def test_votes_that_add_nothing_are_not_claimed(tmp_path: Path) -> None:
    sure = {name: Character(accuracy=3.0) for name in ("base", "zero")}  # right every time: a vote can't add
    assert judged(tmp_path, models=sure)["consensus"] == "not shown"


@pytest.mark.parametrize(
    ("models", "key"),
    [
        (changed("zero", replace(MODELS["zero"], tokens=4.6)), "length_growth"),  # longer, but not twice as long
        (changed("grpo", replace(MODELS["grpo"], language=0.9)), "language"),  # mended, but not to the goal
        (changed("align", replace(MODELS["align"], accuracy=0.6)), "alignment"),  # liked better, and worse at reasoning
        (changed("align", replace(MODELS["align"], refuses_safe=0.4)), "refusals"),
        (
            changed("distill-small", replace(MODELS["distill-small"], accuracy=0.42)),
            "distillation",
        ),  # better, but not twice as good
    ],
)
def test_half_an_effect_is_called_so(models: dict[str, Character], key: str, tmp_path: Path) -> None:
    assert judged(tmp_path, models=models)[key] == "partly shown"


def test_minimal_inputs(tmp_path: Path) -> None:
    out = build(tmp_path, models={"base": MODELS["base"]}, problems=1, plots=False)
    found = verdicts(out)
    assert found.pop("consensus") == "not shown"  # one problem has no interval, so nothing is claimed
    assert set(found.values()) == {"not in this run"}
    text = (out / "index.html").read_text()
    assert (
        "Not in this run: training curves" in text
        and "nan" not in re.sub("<svg.*?</svg>", "", text, flags=re.DOTALL).lower()
    )
    assert "NaN" not in (out / "summary.json").read_text()


def test_a_smoke_run_has_few_problems_and_no_students(tmp_path: Path) -> None:
    models = {name: c for name, c in MODELS.items() if "-" not in name}
    out = build(tmp_path, models=models, problems=8)
    assert verdicts(out)["distillation"] == "not in this run"
    assert "intervals are wide" in (out / "index.html").read_text()


def test_general_prompts_may_be_missing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_run(data, models={n: MODELS[n] for n in ("base", "zero", "sft", "align")}, problems=8, draws=4, general=0)
    found = verdicts(report(data, tmp_path / "out"))
    assert found["alignment"] == found["refusals"] == "not in this run"


def test_no_scores_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scores"):
        report(tmp_path / "data", tmp_path / "out")


def test_a_broken_curve_names_its_stage(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_run(data, models={"base": MODELS["base"]}, problems=4, draws=2)
    (data / "plots" / "student_zero-small" / "curve.tsv").write_text("step\taccuracy\n1\tmany\n")
    with pytest.raises(UserError) as caught:
        report(data, tmp_path / "out")
    assert caught.value.hint == "r1 run student_zero@small -f"


def test_a_fall_before_general_prompts_join_is_no_hacking(tmp_path: Path) -> None:
    worse = {**MODELS, "align": replace(MODELS["align"], accuracy=0.5)}  # on the test problems, not since joining
    found = judged(tmp_path, models=worse)
    assert found["alignment"] == "partly shown" and found["reward_hacking"] == "not seen"


def test_one_problem_shows_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, problems=1, draws=8, general=3)
    scores = {name: read_table(tmp_path / "evaluate" / name / "scores.parquet", SCORES) for name in MODELS}
    models, changes = measure(scores)
    found = findings(Run(profile="", seed=0, models=models, changes=changes, curves={}, validations={}))
    assert "shown" not in {f.verdict for f in found if f.key != "refusals"}


def test_refusing_nothing_is_no_half_success(tmp_path: Path) -> None:
    meek = {**MODELS, "align": replace(MODELS["align"], refuses=0.0, refuses_safe=0.0)}
    assert judged(tmp_path, models=meek)["refusals"] == "not shown"
