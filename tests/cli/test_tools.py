"""Tools that run as stages do: `r1 data import`, `r1 reward check`; and `r1 doctor`, `r1 graph`."""

import json
import subprocess

import pytest

from r1cli import doctor
from r1cli.params_file import read_params
from r1cli.run import results
from tests.cli.conftest import PARAMS, Place, Run, environment

TOOL = """\
import json
import os
from pathlib import Path
from stages.contract.errors import UserError
from stages.contract.job import start_tool


def main(arguments, paths, report):
    if arguments.get("name") == "bad":
        raise UserError("no rows", hint="look")
    (paths.out / "tasks.parquet").write_text(repr(sorted(arguments.items())) + os.environ["HF_HUB_OFFLINE"])
    traces = {"traces": 2, "tasks": 0} if arguments.get("name") == "chats" else {}
    general = {"general": 2, "tasks": 0} if arguments.get("name") == "poems" else {}
    paths.write_metrics({"rows_read": 3, **traces, **general})


start_tool(main)
"""
PROMPTS = """\
prompts:
  train: 1
  validation: 1
  test: 1
  general_held_out: 0.1
  imports: [] # names
  import_roles: {}
  ngram: 5
"""


@pytest.fixture
def place_with_tools(place: Place) -> Place:
    (place.root / "stages" / "import_data.py").write_text(TOOL)
    (place.root / "stages" / "reward_check.py").write_text(TOOL)
    (place.root / "params.yaml").write_text(PARAMS + PROMPTS)
    return place


def test_an_import_is_published_and_joins_the_pool(place_with_tools: Place, r1: Run) -> None:
    root = place_with_tools.root
    (root / "rows.jsonl").write_text("{}\n")
    code, out, err = r1("data", "import", "rows.jsonl", "--name", "gsm", "--role", "test")
    assert code == 0, err
    assert "rows read" in out and "data/imports/gsm joins the task pool for test" in out
    given = (root / "data" / "imports" / "gsm" / "tasks.parquet").read_text()
    assert f"('source', '{root / 'rows.jsonl'}')" in given and given.endswith("1")
    prompts = read_params(root / "params.yaml")["prompts"]
    assert isinstance(prompts, dict)
    assert (prompts["imports"], prompts["import_roles"]) == (["gsm"], {"gsm": "test"})
    assert "# names" in (root / "params.yaml").read_text()
    # Again: replaced, not doubled. A Hub id may use the network.
    assert r1("data", "import", "owner/set", "--name", "gsm", "--revision", "0" * 40)[0] == 0
    assert (root / "data" / "imports" / "gsm" / "tasks.parquet").read_text().endswith("0")
    assert read_params(root / "params.yaml")["prompts"]["imports"] == ["gsm"]  # type: ignore[index]


def test_traces_alone_join_no_task_pool(place_with_tools: Place, r1: Run) -> None:
    root = place_with_tools.root
    (root / "rows.jsonl").write_text("{}\n")
    before = read_params(root / "params.yaml")
    code, out, err = r1(
        "data", "import", "rows.jsonl", "--name", "chats", "--column", "prompt=q", "--column", "answer=a"
    )
    assert code == 0, err
    assert "2 traces: r1 data show chats/traces" in out
    assert "joins" not in out and read_params(root / "params.yaml") == before
    assert "('columns', 'prompt=q,answer=a')" in (root / "data/imports/chats/tasks.parquet").read_text()


def test_general_rows_join_the_mix_or_are_held_out(place_with_tools: Place, r1: Run) -> None:
    root = place_with_tools.root
    (root / "rows.jsonl").write_text("{}\n")
    given = ("data", "import", "rows.jsonl", "--name", "poems", "--kind", "general", "--value", "category=writing")
    code, out, err = r1(*given, "--value", "license=a=b")
    assert code == 0, err
    assert "2 general rows: r1 data show poems/general" in out and "task pool" not in out
    assert (
        """('values', '{"category": "writing", "license": "a=b"}')"""
        in (root / "data/imports/poems/tasks.parquet").read_text()
    )
    assert read_params(root / "params.yaml")["prompts"]["imports"] == []  # type: ignore[index]
    code, out, err = r1(*given, "--role", "held_out")
    assert code == 0 and "data/imports/poems is held out from all training: r1 run prompts" in out
    prompts = read_params(root / "params.yaml")["prompts"]
    assert isinstance(prompts, dict)
    assert (prompts["imports"], prompts["import_roles"]) == (["poems"], {"poems": "held_out"})


def test_an_import_that_fails_changes_nothing(place_with_tools: Place, r1: Run) -> None:
    before = (place_with_tools.root / "params.yaml").read_text()
    code, _, err = r1("data", "import", "owner/set", "--name", "bad")
    assert (code, err) == (1, "error: import_data: no rows\nhint: look\n")
    assert (place_with_tools.root / "params.yaml").read_text() == before
    assert not (place_with_tools.root / "data" / "imports").exists()


def test_reward_check_prints_its_metrics(place_with_tools: Place, r1: Run) -> None:
    code, out, _ = r1("reward", "check", "--data", "gsm")
    assert code == 0 and [line.split() for line in out.splitlines()[-2:]] == [["what", "found"], ["rows", "read", "3"]]


def test_reward_check_of_a_stage_looks_at_the_golds_and_then_at_its_starting_model(
    place_with_tools: Place, r1: Run
) -> None:
    text = (place_with_tools.root / "dvc.yaml").read_text()
    text = text.replace("code.lock/zero, data/prompts]", "code.lock/zero, data/prompts, data/base/checkpoint]")
    (place_with_tools.root / "dvc.yaml").write_text(text)
    code, out, err = r1("reward", "check", "--on", "zero", "--problems", "5")
    assert code == 0, err
    assert out.count("rows read") == 2
    jobs = [
        json.loads(path.read_text()) for path in (place_with_tools.root / ".r1/work/reward_check").glob("*/job.json")
    ]
    sampled = next(job["arguments"] for job in jobs if job["arguments"].get("stage"))
    assert (sampled["stage"], sampled["checkpoint"], sampled["problems"]) == ("zero", "base/checkpoint", "5")
    assert json.loads(sampled["params"])["seed"] == 1


def test_reward_check_of_a_file_imports_it_for_itself(place_with_tools: Place, r1: Run) -> None:
    (place_with_tools.root / "rows.jsonl").write_text("{}\n")
    before = (place_with_tools.root / "params.yaml").read_text()
    code, out, err = r1("reward", "check", "--on", "rows.jsonl")
    assert code == 0 and out.count("rows read") == 1, err
    assert (place_with_tools.root / "params.yaml").read_text() == before
    assert not (place_with_tools.root / "data" / "imports").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--on", "rows.json"], "rows.json is no file here"),
        (["--on", "zeor"], "unknown stage 'zeor' (did you mean zero?)"),
        (["--on", "prompts"], "prompts starts from no checkpoint"),
        (["--on", "zero", "--data", "gsm"], "--on and --data"),
    ],
)
def test_reward_check_on_what_is_not_there(place_with_tools: Place, r1: Run, arguments: list[str], error: str) -> None:
    code, _, err = r1("reward", "check", *arguments)
    assert code == 1 and err.startswith(f"error: {error}") and "\nhint: " in err


def test_graph(place: Place, r1: Run) -> None:
    code, out, _ = r1("graph", "--mermaid")
    assert code == 0
    assert out.splitlines()[0] == "flowchart TD" and "  prompts --> zero" in out and "  zero --> distill-small" in out
    tree = r1("graph")[1]
    assert [line.strip("│├└─ ").split()[0] for line in tree.splitlines()] == [
        "r1",
        "prompts",
        "zero",
        "distill@small",
        "distill@big",
    ]


def test_doctor_sets_the_link_order_that_the_file_system_has(
    place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = r1("doctor")
    assert code == 0 and "cache links" in out and "torch runs" not in out
    assert "sandbox" in out
    monkeypatch.setattr(doctor, "link_order", lambda root: "copy")
    assert r1("doctor")[0] == 0
    shown = subprocess.run(
        ["dvc", "config", "cache.type"], cwd=place.root, env=environment(), capture_output=True, text=True
    ).stdout
    assert shown.strip() == "copy"
    assert (
        "config.local"
        not in subprocess.run(["git", "status", "--short"], cwd=place.root, capture_output=True, text=True).stdout
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('[{"tier": "namespaces", "works": true, "detail": "as x"}]', "namespaces, as x"),
        (
            '[{"tier": "namespaces", "works": false, "detail": "no"}, {"tier": "landlock", "works": true, "detail": "as x"}]',
            "landlock, as x (namespaces doesn't work: no)",
        ),
        (
            '[{"tier": "landlock", "works": false, "detail": "no"}]',
            "none, code tasks are refused (landlock doesn't work: no)",
        ),
        ("", "could not be probed: python -m stages.sandbox.probe"),
    ],
)
def test_doctor_names_the_sandbox(said: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_first_line", lambda command: said)
    assert doctor.sandbox() == shown


def test_completion_offers_stages(place: Place) -> None:
    from r1cli.arguments import profile_names, stage_names

    assert stage_names("") == ["all", "prompts", "zero", "distill"]
    assert stage_names("pr") == ["prompts"]
    assert profile_names("w") == ["wide"]


def test_results_are_one_row_a_model_with_intervals(place: Place) -> None:
    stage = (
        "  evaluate:\n    foreach: {base: 1, align: 2, late: 3}\n    do:\n      cmd: exec r1 stage evaluate@${key}\n"
    )
    stage += (
        "      outs: ['data/evaluate/${key}']\n      metrics: [{'data/metrics/evaluate-${key}.json': {cache: false}}]\n"
    )
    with (place.root / "dvc.yaml").open("a") as file:
        file.write(stage)
    (place.root / "data" / "metrics").mkdir(parents=True)
    for name, text in {
        "base": '{"pass_at_1": 0.1, "pass_at_1_low": 0.05, "pass_at_1_high": 0.15, "length": 41.25}',
        "align": '{"pass_at_1": 0.95, "length": 80, "preference": -0.5}',
    }.items():
        (place.root / "data" / "metrics" / f"evaluate-{name}.json").write_text(text)
    headers, rows = results(place.root)
    assert headers == ["model", "pass@1", "length", "preference"]
    assert rows == [["base", "0.100 [0.050, 0.150]", "41.25", "-"], ["align", "0.950", "80", "-0.500"]]
