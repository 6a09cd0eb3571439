"""The whole DAG on the `smoke` profile, through DVC: exact files, schemas, and one dvc.lock whichever way it is run."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from r1cli.pipeline import entries_of
from stages.contract.ledger import ROWS, SAMPLES
from stages.contract.manifest import read_manifest
from stages.contract.schemas import CONTAMINATION, DOCUMENTS, EXAMPLES, LABELS, PAIRS, ROLLOUTS, SCORES, TASKS, Table
from stages.contract.tables import read_table

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
CHECKPOINTS = (
    "base", "student/small", "zero", "cold_sft", "grpo", "sft", "align", "distill/small", "student_zero/small",
)  # fmt: skip
EVALUATED = ("base", "align", "student_zero-small", "distill-small")
MAY_BE_EMPTY = ("_rejected.parquet", "held_out.parquet", "contamination.parquet")
TABLES: dict[str, Table] = {
    **{f"prompts/{n}.parquet": TASKS for n in ("train", "validation", "test")},
    **{f"prompts/{n}_rejected.parquet": TASKS.rejected() for n in ("train", "validation", "test")},
    **{f"prompts/{n}.parquet": TASKS for n in ("general", "general_validation", "general_test")},
    "prompts/general_rejected.parquet": TASKS.rejected(),
    "prompts/held_out.parquet": DOCUMENTS,
    "prompts/corpus.parquet": DOCUMENTS,
    "prompts/corpus_rejected.parquet": DOCUMENTS.rejected(),
    **{f"{n}/rollouts.parquet": ROLLOUTS for n in ("zero", "grpo", "align", "student_zero/small")},
    **{f"{n}/examples.parquet": EXAMPLES for n in ("cold_start", "rejection")},
    **{f"{n}/examples_rejected.parquet": EXAMPLES.rejected() for n in ("cold_start", "rejection")},
    "reward_model/pairs.parquet": PAIRS,
    "reward_model/pairs_rejected.parquet": PAIRS.rejected(),
    "reward_model/labels.parquet": LABELS,
    "reward_model/labels_rejected.parquet": LABELS.rejected(),
    **{f"evaluate/{n}/scores.parquet": SCORES for n in EVALUATED},
    **{f"evaluate/{n}/contamination.parquet": CONTAMINATION for n in EVALUATED},
    **{f"{n}/ledger.parquet": SAMPLES for n in ("zero", "grpo", "align", "student_zero/small")},
    **{f"{n}/ledger.parquet": ROWS for n in ("base", "student/small", "cold_sft", "sft", "distill/small")},
    **{f"reward_model/{n}_ledger.parquet": ROWS for n in ("helpful", "safety")},
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Two clones after the whole DAG: one by `r1 run all`, one by plain `dvc repro`."""

    ours: Path
    plain: Path


def clone(folder: Path) -> Path:
    """This working tree's files, as a fresh project with the smoke profile."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("dvc.lock", "data/metrics", "data/plots")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(ROOT / "profiles" / "smoke.yaml", folder / "params.yaml")
    for command in (
        ["git", "init", "-q"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "smoke"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Stages run the clone's own code, wherever r1 is installed from."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    done = Run(ours=clone(tmp_path_factory.mktemp("ours")), plain=clone(tmp_path_factory.mktemp("plain")))
    commands = {
        done.ours: [sys.executable, "-m", "r1cli", "run", "all"],
        done.plain: [sys.executable, "-m", "dvc", "repro"],
    }
    processes = [
        subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for folder, command in commands.items()
    ]
    for process in processes:
        said, _ = process.communicate()
        assert process.returncode == 0, said
    yield done


def test_both_ways_record_the_same_lock_to_the_byte(run: Run) -> None:
    assert (run.ours / "dvc.lock").read_bytes() == (run.plain / "dvc.lock").read_bytes()


def test_the_whole_dag_is_fresh_afterwards(run: Run) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "r1cli", "status", "--json"], cwd=run.ours, capture_output=True, text=True, check=True
    )
    words = {line["stage"]: line["word"] for line in json.loads(said.stdout)}
    assert set(words.values()) == {"fresh"}, words


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_have_their_schema(run: Run, name: str) -> None:
    frame = read_table(run.ours / "data" / name, TABLES[name])
    assert len(frame) or name.endswith(MAY_BE_EMPTY), f"{name} is empty"


def test_there_is_no_other_table(run: Run) -> None:
    data = run.ours / "data"
    assert {str(p.relative_to(data)) for p in data.rglob("*.parquet")} == set(TABLES)


def test_every_model_is_a_folder_that_transformers_loads(run: Run) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    for name in CHECKPOINTS:
        folder = run.ours / "data" / name / "checkpoint"
        files = {p.name for p in folder.iterdir()}
        assert files == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}, name
    AutoModelForCausalLM.from_pretrained(run.ours / "data/align/checkpoint")
    assert AutoTokenizer.from_pretrained(run.ours / "data/align/checkpoint").decode([0]) is not None
    for name in ("helpful", "safety"):
        model = AutoModelForSequenceClassification.from_pretrained(run.ours / "data/reward_model" / name)
        assert model.config.num_labels == 1


def _r1(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "r1cli", *arguments], cwd=folder, capture_output=True, text=True, env=environment(folder)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_is_verified_and_manifests_join_dvcs_digests(run: Run) -> None:
    found = json.loads(_r1(run.ours, "verify", "--json"))
    assert found["faults"] == [] and found["rows"] > 5000 and found["steps"] > 50
    locked = YAML(typ="safe").load(run.ours / "dvc.lock")["stages"]
    for name, entry in locked.items():
        described = read_manifest(run.ours / "data" / name.replace("@", "/") / "manifest.json")
        deps = {dep["path"]: dep["md5"] for dep in entry["deps"] if "code.lock" not in dep["path"]}
        assert {path: known.md5 for path, known in described.inputs.items()} == deps, name
        assert "" not in {rows.schema for rows in described.tables.values()}, name
        assert set(described.ledgers) or not described.checkpoints, name


def test_replayed_steps_lead_to_the_same_weights(run: Run) -> None:
    for target, steps in (("zero", 2), ("cold_sft", 1), ("base", 4), ("data/reward_model/helpful", 1)):
        found = json.loads(_r1(run.ours, "verify", target, "--replay", str(steps), "--json"))
        assert (found["replay"]["entries"], found["replay"]["weights"]) == (True, True), target
        assert found["replay"]["step"] == steps


def test_a_checkpoint_answers_for_its_rows(run: Run) -> None:
    found = json.loads(_r1(run.ours, "lineage", "align", "--json"))
    assert {s["license"] for s in found["sources"]} == {"Apache-2.0"} and len(found["artifacts"]) == 10
    assert not any(artifact["differs"] for artifact in found["artifacts"])
    task = read_table(run.ours / "data/zero/rollouts.parquet", ROLLOUTS)["task_id"][0]
    found = json.loads(_r1(run.ours, "impact", task, "--json"))
    assert "data/align/checkpoint" in found["checkpoints"] and "data/base/checkpoint" in found["clean_checkpoints"]
    proof = run.ours / "proof.json"
    assert "trained on it" in _r1(run.ours, "prove", task, "--checkpoint", "align", "--out", str(proof))
    subprocess.run([sys.executable, ROOT / "tools/check_proof.py", proof, run.ours], check=True, capture_output=True)
    proof.unlink()


def test_revisions_are_compared_out_of_the_cache(run: Run) -> None:
    """Also where dvc.lock still has entries of another profile, whose stages this one lacks."""
    lock = run.ours / "dvc.lock"
    whole = lock.read_text()
    other = entries_of((ROOT / "dvc.lock").read_text())[1]["evaluate@zero"]
    lock.write_text(whole + other)
    assert "all as it was" in _r1(run.ours, "verify")
    for command in (["git", "add", "-A"], ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "run"]):
        subprocess.run(command, cwd=run.ours, check=True)
    assert json.loads(_r1(run.ours, "diff", "HEAD", "--json")) == {"stages": [], "metrics": {}}
    lock.write_text(whole)


def test_the_report_is_one_file_that_needs_no_network(run: Run) -> None:
    page = (run.ours / "data/report/index.html").read_text()
    assert "<script src" not in page and "<link" not in page and "http" not in page.replace("http-equiv", "")


def test_the_report_has_a_verdict_on_each_score_and_a_funnel_for_each_curation(run: Run) -> None:
    found = json.loads((run.ours / "data/report/summary.json").read_text())
    verdicts = {name: model["contamination"] for name, model in found["models"].items()}
    assert set(verdicts) == set(EVALUATED)
    assert {(v["verdict"], v["seen"], len(v["unknown"])) for v in verdicts.values()} == {("clean", 0, 0)}
    assert set(found["funnels"]) == {"prompts", "cold_start", "rejection"}
    for stage in ("cold_start", "rejection"):
        funnel = found["funnels"][stage]
        dropped = read_table(run.ours / f"data/{stage}/examples_rejected.parquet", EXAMPLES.rejected())
        assert funnel["out"] == len(read_table(run.ours / f"data/{stage}/examples.parquet", EXAMPLES))
        assert funnel["in"] - funnel["out"] == len(dropped)


def test_nothing_that_varies_is_in_an_out(run: Run) -> None:
    """Metrics, curves and the report hold neither folder names nor the host's name."""
    for folder in ("metrics", "plots", "report"):
        for path in (run.ours / "data" / folder).rglob("*"):
            if path.is_file():
                text = path.read_text()
                assert str(run.ours) not in text and os.uname().nodename not in text, path


def test_an_adopted_refactor_leaves_a_pipeline_that_is_as_it_was(run: Run) -> None:
    """Last: it changes the clone. The report has read the manifests of the evaluations, which change with their code."""
    with (run.plain / "stages" / "evaluate.py").open("a") as file:
        file.write("\n\nREFACTORED = True\n")
    with (run.plain / "stages" / "report.py").open("a") as file:
        file.write("\n\nREFACTORED = True\n")
    _r1(run.plain, "code-lock")
    _r1(run.plain, "adopt", "all")
    assert "all as it was" in _r1(run.plain, "verify")
