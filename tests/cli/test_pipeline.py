"""This repository's dvc.yaml: the recipe's order, and the rules that keep DVC's caches working."""

from functools import cache

from r1cli.params_file import read_params
from r1cli.pipeline import Pipeline, load
from stages.contract.params import Params
from tests.cli.conftest import ROOT

TOOLS = {"__init__", "assembly", "import_data", "reward_check"}  # files in stages/ that are no stage


@cache
def pipeline() -> Pipeline:
    return load(ROOT)


def test_one_word_names_file_and_stage() -> None:
    files = {path.stem for path in (ROOT / "stages").glob("*.py")} - TOOLS
    assert files == set(pipeline().modules)
    sections = set(Params.__dataclass_fields__)
    assert set(pipeline().modules) - sections == {"student", "distill", "report"}  # params of the first two: students


def test_the_papers_order() -> None:
    upstream = {name: set(above) for name, above in pipeline().upstream.items()}
    assert upstream["zero"] == {"prompts", "base"}
    assert upstream["cold_sft"] == {"cold_start", "base"}
    assert upstream["grpo"] == {"prompts", "cold_sft"}
    assert upstream["sft"] == {"rejection", "base"}, "Dev3 starts from base, not from Dev2"
    assert upstream["align"] == {"prompts", "sft", "reward_model"}
    assert upstream["distill@small"] == {"rejection", "student@small"}
    assert upstream["student_zero@small"] == {"prompts", "student@small"}
    evaluations = {name for name in upstream if name.startswith("evaluate@")}
    models = read_params(ROOT / "params.yaml")["evaluate"]["models"]  # type: ignore[index]
    assert evaluations == {f"evaluate@{name}" for name in models}
    read = {"zero", "grpo", "align", "reward_model", "student_zero@small", "prompts", "cold_start", "rejection"}
    assert upstream["report"] >= evaluations | read


def test_the_report_stands_at_the_end() -> None:
    assert not [name for name, above in pipeline().upstream.items() if "report" in above]


def test_every_stage_depends_on_its_code_and_says_only_its_name() -> None:
    for stage in pipeline().stages:
        assert stage.cmd == f"exec r1 stage {stage.name}"
        assert f"stages/code.lock/{stage.module}" in stage.deps
        assert "seed" in stage.params and stage.desc
        assert stage.outs == (f"data/{stage.name.replace('@', '/')}",)
        assert stage.metrics == (() if stage.name == "report" else (f"data/metrics/{stage.slug}.json",))
        drawn = {"curve", "validation"} if stage.module in ("zero", "grpo", "align", "student_zero") else set()
        drawn |= {"funnel"} if stage.name in ("prompts", "cold_start", "rejection") else set()
        assert set(stage.plots) == {f"data/plots/{stage.slug}/{name}.tsv" for name in drawn}


def test_nothing_switches_dvcs_run_cache_off() -> None:
    stages = read_params(ROOT / "dvc.yaml")["stages"]
    assert isinstance(stages, dict)
    for entry in stages.values():
        body = entry.get("do", entry)
        assert all(isinstance(out, str) for out in body["outs"]), (
            "a plain out has no options: no persist, no cache: false"
        )
        for out in [*body.get("metrics", []), *body.get("plots", [])]:
            assert next(iter(out.values()))["cache"] is False
        assert "always_changed" not in body
