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

from stages.contract.schemas import DOCUMENTS, EXAMPLES, LABELS, PAIRS, ROLLOUTS, SCORES, TASKS, Table
from stages.contract.tables import read_table

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
CHECKPOINTS = (
    "base", "student/small", "zero", "cold_sft", "grpo", "sft", "align", "distill/small", "student_zero/small",
)  # fmt: skip
TABLES: dict[str, Table] = {
    **{f"prompts/{n}.parquet": TASKS for n in ("train", "validation", "test")},
    **{f"prompts/{n}_rejected.parquet": TASKS.rejected() for n in ("train", "validation", "test")},
    **{f"prompts/{n}.parquet": TASKS for n in ("general", "general_validation", "general_test")},
    "prompts/general_rejected.parquet": TASKS.rejected(),
    "prompts/corpus.parquet": DOCUMENTS,
    "prompts/corpus_rejected.parquet": DOCUMENTS.rejected(),
    **{f"{n}/rollouts.parquet": ROLLOUTS for n in ("zero", "grpo", "align", "student_zero/small")},
    **{f"{n}/examples.parquet": EXAMPLES for n in ("cold_start", "rejection")},
    **{f"{n}/examples_rejected.parquet": EXAMPLES.rejected() for n in ("cold_start", "rejection")},
    "reward_model/pairs.parquet": PAIRS,
    "reward_model/pairs_rejected.parquet": PAIRS.rejected(),
    "reward_model/labels.parquet": LABELS,
    "reward_model/labels_rejected.parquet": LABELS.rejected(),
    **{f"evaluate/{n}/scores.parquet": SCORES for n in ("base", "align", "student_zero-small", "distill-small")},
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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    done = Run(ours=clone(tmp_path_factory.mktemp("ours")), plain=clone(tmp_path_factory.mktemp("plain")))
    env = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    commands = {
        done.ours: [sys.executable, "-m", "r1cli", "run", "all"],
        done.plain: [sys.executable, "-m", "dvc", "repro"],
    }
    processes = [
        subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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
    assert len(frame) or name.endswith("_rejected.parquet"), f"{name} is empty"


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


def test_the_report_is_one_file_that_needs_no_network(run: Run) -> None:
    page = (run.ours / "data/report/index.html").read_text()
    assert "<script src" not in page and "<link" not in page and "http" not in page.replace("http-equiv", "")


def test_nothing_that_varies_is_in_an_out(run: Run) -> None:
    """Metrics, curves and the report hold neither folder names nor the host's name."""
    for folder in ("metrics", "plots", "report"):
        for path in (run.ours / "data" / folder).rglob("*"):
            if path.is_file():
                text = path.read_text()
                assert str(run.ours) not in text and os.uname().nodename not in text, path
