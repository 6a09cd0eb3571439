"""`r1 export`: the card says what went in, the statement and the events hold the manifests' digests."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from r1cli.lineage.export import export, rolled_up
from r1cli.lineage.prove import prove
from r1cli.lineage.snapshot import checkpoint
from stages.contract.errors import UserError
from stages.contract.manifest import digests
from tests.lineage.conftest import LICENSES, ROOT, Dag


@pytest.fixture
def folder(dag: Dag, tmp_path: Path) -> Path:
    found = dag.snapshot()
    target = tmp_path / "out"
    export(dag.root, found, checkpoint(found, "cold_sft"), target, records=dag.root / ".r1" / "runs")
    return target


def test_the_folder_holds_the_checkpoint_and_where_it_came_from(dag: Dag, folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    manifests = {f"manifests/data/{n}/manifest.json" for n in ("prompts", "base", "zero", "cold_start", "cold_sft")}
    assert names == {
        "config.json",
        "model.safetensors",
        "README.md",
        "provenance.json",
        "openlineage.jsonl",
        *manifests,
    }
    assert (folder / "model.safetensors").read_bytes() == b"cold weights"
    assert not (folder / "model.safetensors").samefile(dag.root / "data/cold_sft/checkpoint/model.safetensors")


def test_the_card_is_read_by_the_hub_and_says_what_is_not_commercial(folder: Path) -> None:
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "other" and card.data.library_name == "transformers"
    results = {r.metric_type: r.metric_value for r in card.data.eval_results}
    assert results == {"pass_at_1": 0.5, "preference": 0.3}
    assert f"**Non-commercial: made from file:mine.jsonl ({LICENSES[1]}).**" in card.text
    assert (
        "| pass_at_1 | 0.5 | 0.400 to 0.600 |" in card.text
        and "Protocol (`evaluate@cold_sft`): evaluate.steps 3, seed 0" in card.text
    )
    assert "| file:mine.jsonl | 1 | CC-BY-NC-4.0 | 2 rows |" in card.text


def test_one_licence_is_the_cards() -> None:
    assert (rolled_up(["Apache-2.0", "Apache-2.0"]), rolled_up(["MIT", "Apache-2.0"]), rolled_up([""])) == (
        "apache-2.0", "other", "other",
    )  # fmt: skip


def test_the_statement_names_every_file_and_all_that_led_to_it(dag: Dag, folder: Path) -> None:
    said: Any = json.loads((folder / "provenance.json").read_text())
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1",
    )  # fmt: skip
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in said["subject"]}
    assert subjects == {name: digests(folder / name).sha256 for name in ("config.json", "model.safetensors")}
    needed = {d["name"]: d["digest"]["sha256"] for d in said["predicate"]["buildDefinition"]["resolvedDependencies"]}
    for path in (folder / "manifests").rglob("manifest.json"):
        assert needed[path.relative_to(folder / "manifests").as_posix()] == digests(path).sha256
    assert needed["data/cold_start/examples.parquet"] == digests(dag.root / "data/cold_start/examples.parquet").sha256


def test_events_have_what_openlineage_wants(folder: Path) -> None:
    events: list[Any] = [json.loads(line) for line in (folder / "openlineage.jsonl").read_text().splitlines()]
    assert [event["job"]["name"] for event in events] == ["prompts", "base", "zero", "cold_start", "cold_sft"]
    for event in events:
        assert uuid.UUID(event["run"]["runId"]).version == 5 and event["eventTime"].endswith("+00:00")
        assert {"eventType", "producer", "schemaURL", "inputs", "outputs"} <= event.keys()
    read, written = events[3]["inputs"], events[2]["outputs"]
    assert "data/zero/checkpoint" in {d["name"] for d in read} & {d["name"] for d in written}
    counts = {d["name"]: d["outputFacets"]["outputStatistics"]["rowCount"] for d in events[0]["outputs"]}
    assert counts["data/prompts/train.parquet"] == 14


def test_a_proof_is_checked_with_the_exported_folder_alone(dag: Dag, folder: Path) -> None:
    found = dag.snapshot()
    proof = folder / "proof.json"
    proof.write_text(json.dumps(prove(found, checkpoint(found, "cold_sft"), "0" * 32)))
    command = [ROOT / "tools/check_proof.py", proof, folder / "manifests", "--weights", folder / "model.safetensors"]
    done = subprocess.run([sys.executable, "-I", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0 and "never saw it" in done.stdout


def test_damage_and_a_folder_in_use_are_refused(dag: Dag, folder: Path, tmp_path: Path) -> None:
    found = dag.snapshot()
    chosen = checkpoint(found, "cold_sft")
    with pytest.raises(UserError, match="is not empty"):
        export(dag.root, found, chosen, folder, records=dag.root)
    (dag.root / "data/cold_sft/checkpoint/model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match="is not what its manifest says"):
        export(dag.root, found, chosen, tmp_path / "new", records=dag.root)
