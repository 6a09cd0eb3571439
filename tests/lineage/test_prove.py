"""Proofs: right ones pass the stand-alone checker with the manifests alone, and no altered one does."""

import copy
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from r1cli.lineage.prove import prove
from r1cli.lineage.snapshot import checkpoint
from stages.contract import merkle
from tests.lineage.conftest import ROOT, Dag

CHECK = ROOT / "tools" / "check_proof.py"
Proof = dict[str, Any]


def proof_of(dag: Dag, row: str, target: str = "cold_sft") -> Proof:
    found = dag.snapshot()
    return prove(found, checkpoint(found, target), row)


def check(proof: Proof, manifests: Path, *more: str) -> tuple[int, str]:
    path = manifests / "proof.json"
    path.write_text(json.dumps(proof))
    # -I: nothing of r1 can be imported.
    command = [sys.executable, "-I", "-S", str(CHECK), str(path), str(manifests), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def manifests(dag: Dag, tmp_path: Path) -> Path:
    """The manifests at their places, and nothing else."""
    for path in dag.root.glob("data/**/manifest.json"):
        target = tmp_path / "alone" / path.relative_to(dag.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path / "alone"


def cases(dag: Dag) -> dict[str, tuple[str, str]]:
    train = dag.table("prompts/train.parquet")["r1_id"]
    corpus = dag.table("prompts/corpus.parquet")["r1_id"]
    return {
        "an example that a step took in": (dag.table("cold_start/examples.parquet")["r1_id"][2], "trained on it"),
        "a task that zero sampled for": (train[1], "trained on it"),
        "a sample whose text was not kept": (dag.table("zero/ledger.parquet")["row_id"][2], "trained on it"),
        "a task that was sampled for in curation alone": (train[5], "made rows from it"),
        "a task that no step took in": (train[9], "read it"),
        "a document of a step": (corpus[4], "trained on it"),
        "a document of no step": (corpus[0], "read it"),
        "a test problem": (dag.table("prompts/test.parquet")["r1_id"][0], "never saw it"),
        "a dropped row": (dag.table("prompts/train_rejected.parquet")["r1_id"][0], "never saw it"),
        "nothing, below all": ("0" * 32, "never saw it"),
        "nothing, above all": ("f" * 32, "never saw it"),
    }


def test_verdicts_hold_for_the_checker_too(dag: Dag, manifests: Path) -> None:
    weights = dag.root / "data/cold_sft/checkpoint/model.safetensors"
    for what, (row, verdict) in cases(dag).items():
        proof = proof_of(dag, row)
        assert proof["verdict"] == verdict, what
        code, said = check(proof, manifests, "--weights", str(weights))
        assert code == 0 and f"data/cold_sft/checkpoint {verdict} ({row})" in said, (what, said)
        assert f"lineage {proof['lineage']}" in said


def _drop_claim(proof: Proof) -> None:
    proof["claims"].pop()


def _other_row(proof: Proof) -> None:
    proof["row"] = "1" + proof["row"][1:] if proof["row"][0] != "1" else "2" + proof["row"][1:]


def _deny(proof: Proof) -> None:
    for claim in proof["claims"]:
        claim["in"] = False


def _hide(proof: Proof) -> None:
    """Say that the row is missing, and show no neighbours."""
    for claim in proof["claims"]:
        if claim["in"]:
            claim.update({"in": False, "leaves": []})


def _drop_manifest(proof: Proof) -> None:
    del proof["manifests"]["prompts"]


def _other_weights(proof: Proof) -> None:
    proof["weights"] = "0" * 32


def _bend_path(proof: Proof) -> None:
    claim = next(c for c in proof["claims"] if c["leaves"] and c["leaves"][0]["path"])
    claim["leaves"][0]["path"][0] = "00" * 32


def _shift(proof: Proof) -> None:
    for claim in proof["claims"]:
        for leaf in claim["leaves"]:
            leaf["index"] += 1


@pytest.mark.parametrize(
    "alter", [_drop_claim, _other_row, _deny, _hide, _drop_manifest, _other_weights, _bend_path, _shift]
)
def test_an_altered_proof_is_refused(dag: Dag, manifests: Path, alter: Callable[[Proof], None]) -> None:
    proof = copy.deepcopy(proof_of(dag, cases(dag)["an example that a step took in"][0]))
    alter(proof)
    code, said = check(proof, manifests)
    assert code == 1 and "REFUSED" in said and "Traceback" not in said, said


def test_neighbours_that_are_not_side_by_side_are_refused(dag: Dag, manifests: Path) -> None:
    """The row stands between the two that are shown; that is just what must not pass."""
    row = sorted(dag.table("cold_start/examples.parquet")["r1_id"])[2]
    proof = proof_of(dag, row)
    leaves = merkle.leaves(dag.table("cold_start/examples.parquet")["r1_id"])
    shown = [{"index": i, "id": leaves[i].hex(), "path": merkle.path(leaves, i)} for i in (1, 3)]
    for claim in proof["claims"]:
        if claim["in"] and claim["set"] != "tables/examples.parquet/parents":
            claim.update({"in": False, "leaves": shown})
    code, said = check(proof, manifests)
    assert code == 1 and "nothing shows that the row is missing" in said


def test_altered_manifests_and_weights_are_refused(dag: Dag, manifests: Path) -> None:
    proof = proof_of(dag, "0" * 32)
    wrong = dag.root / "data/zero/checkpoint/model.safetensors"
    code, said = check(proof, manifests, "--weights", str(wrong))
    assert code == 1 and "not the checkpoint" in said
    path = manifests / "data/prompts/manifest.json"
    path.write_text(path.read_text().replace('"rows": 14', '"rows": 13'))
    code, said = check(proof, manifests)
    assert code == 1 and "is not the manifest that the proof was made with" in said


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 64, 100])
def test_paths_lead_to_the_root_by_an_independent_tree(count: int) -> None:
    """RFC 6962's own recursive definition."""
    from hashlib import sha256

    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return sha256(b"\x00" + leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:])).digest()

    rng = random.Random(count)
    leaves = merkle.leaves(rng.randbytes(16).hex() for _ in range(count))
    assert merkle.root(leaves) == tree(leaves).hex()
    assert len(merkle.path(leaves, 0)) == (count - 1).bit_length()
