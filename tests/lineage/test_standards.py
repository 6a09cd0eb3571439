"""What `r1 export` writes, read and signed by the standards' own libraries (optional: `make test-standards`)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from r1cli.lineage.export import export
from r1cli.lineage.snapshot import checkpoint
from tests.lineage.conftest import Dag

pytestmark = pytest.mark.standards


@pytest.fixture
def folder(dag: Dag, tmp_path: Path) -> Path:
    found = dag.snapshot()
    export(dag.root, found, checkpoint(found, "cold_sft"), tmp_path / "out", records=dag.root / ".r1" / "runs")
    return tmp_path / "out"


def test_in_toto_reads_the_statement_and_slsa_the_predicate(folder: Path) -> None:
    statements = pytest.importorskip("in_toto_attestation.v1.statement")
    messages = pytest.importorskip("in_toto_attestation.v1.statement_pb2")
    provenance = pytest.importorskip("in_toto_attestation.predicates.provenance.v1.provenance_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    said: Any = json.loads((folder / "provenance.json").read_text())
    read = json_format.ParseDict(said, messages.Statement())
    statements.Statement(read.subject, read.predicate_type, read.predicate).validate()
    json_format.ParseDict(said["predicate"], provenance.Provenance())


def test_openlineage_reads_the_events(folder: Path) -> None:
    model = pytest.importorskip("openlineage.client.event_v2")
    version = pytest.importorskip("openlineage.client.facet_v2").dataset_version_dataset.DatasetVersionDatasetFacet
    for line in (folder / "openlineage.jsonl").read_text().splitlines():
        event: Any = json.loads(line)
        read = model.RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            eventType=model.RunState[event["eventType"]],
            run=model.Run(event["run"]["runId"]),
            job=model.Job(event["job"]["namespace"], event["job"]["name"]),
            inputs=[model.InputDataset(d["namespace"], d["name"]) for d in event["inputs"]],
            outputs=[model.OutputDataset(d["namespace"], d["name"]) for d in event["outputs"]],
        )
        assert read.schemaURL == event["schemaURL"]
        facets = [d["facets"]["version"] for d in [*event["inputs"], *event["outputs"]]]
        assert all(facet["_schemaURL"] == version(facet["datasetVersion"])._schemaURL for facet in facets)


def test_the_folder_is_signed_and_any_changed_file_breaks_the_signature(folder: Path, tmp_path: Path) -> None:
    """By OpenSSF's model-signing, with a key of one's own: weights, card, statement and manifests together."""
    pytest.importorskip("model_signing")
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    form = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = ec.generate_private_key(ec.SECP256R1())
    private, public, signature = tmp_path / "key", tmp_path / "key.pub", tmp_path / "model.sig"
    plain = form.PrivateFormat.PKCS8, form.NoEncryption()
    private.write_bytes(key.private_bytes(form.Encoding.PEM, *plain))
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))

    def call(*arguments: str) -> int:
        command = [sys.executable, "-m", "model_signing", *arguments, str(folder), "--signature", str(signature)]
        return subprocess.run(command, capture_output=True).returncode

    def verify() -> int:
        return call("verify", "key", "--public_key", str(public))

    assert call("sign", "key", "--private_key", str(private)) == 0 and verify() == 0
    for name in ("model.safetensors", "README.md", "provenance.json", "manifests/data/zero/manifest.json"):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert verify() != 0, name
        path.write_bytes(whole)
    assert verify() == 0
