"""`r1 verify`: one changed byte, row or ledger entry anywhere is found and named, whatever the file times say."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from r1cli import pipeline
from r1cli.lineage import verify as verifying
from r1cli.lineage.snapshot import workspace
from r1cli.lineage.verify import Fault, verify
from stages.contract.ledger import SAMPLES, chain, chain_seed
from stages.contract.manifest import read_manifest
from stages.contract.tables import write_table
from tests.lineage.conftest import DEPS, Dag


def faults(dag: Dag) -> list[Fault]:
    found = workspace(dag.root)
    return [*verify(dag.root, found, list(found.artifacts)).faults, *verifying.absent(dag.root, found)]


def named(dag: Dag, where: str) -> list[str]:
    return [fault.what for fault in faults(dag) if fault.where == where]


def rewrite(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change a table in place, and put its time back."""
    before = path.stat()
    change(pl.read_parquet(io.BytesIO(path.read_bytes()))).write_parquet(path, compression="zstd")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_all_is_as_it_was(dag: Dag) -> None:
    found = workspace(dag.root)
    report = verify(dag.root, found, list(found.artifacts))
    assert report.faults == []
    assert (
        list(found.artifacts) == list(DEPS) and report.steps == 3 + 4 + 3 and report.rows == 14 + 1 + 3 + 20 + 4 + 6 + 3
    )


FILES = sorted(
    ["prompts/corpus.parquet", "prompts/roster.bin", "prompts/manifest.json", "imports/mine/tasks.parquet"]
    + ["base/checkpoint/model.safetensors", "base/ledger.parquet", "base/ledger.json", "zero/manifest.json"]
    + ["zero/rollouts.parquet", "cold_start/examples_rejected.parquet", "evaluate/cold_sft/scores.parquet"]
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_one_flipped_bit_is_named_with_its_time_restored(dag: Dag, name: str, part: float) -> None:
    path = dag.root / "data" / name
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[int(len(content) * part)] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert f"data/{name}" in {fault.where for fault in faults(dag)}


@pytest.mark.parametrize("field", ["sha256", "md5", "size"])
def test_a_manifest_that_was_edited_is_told_from_a_changed_file(dag: Dag, field: str) -> None:
    path = dag.root / "data/zero/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["roster.bin"][field] = 7 if field == "size" else "0" * 32
    path.unlink()
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert {fault.where for fault in faults(dag)} == {"data/zero/manifest.json"}


def test_files_that_came_or_went_are_named(dag: Dag) -> None:
    (dag.root / "data/zero/checkpoint/config.json").unlink()
    (dag.root / "data/zero/checkpoint/pytorch_model.bin").write_bytes(b"x")
    assert "is missing" in named(dag, "data/zero/checkpoint/config.json")
    assert "is in no manifest" in named(dag, "data/zero/checkpoint/pytorch_model.bin")


def test_a_dropped_row_is_named(dag: Dag) -> None:
    row_id = dag.table("prompts/train.parquet")["r1_id"][2]
    rewrite(dag.root / "data/prompts/train.parquet", lambda frame: pl.concat([frame[:2], frame[3:]]))
    said = named(dag, "data/prompts/train.parquet")
    assert f"row 2 was dropped ({row_id})" in said  # in full, for rollouts were made from it
    assert f"has rows made from {row_id}, which is in no table" in named(dag, "data/zero/rollouts.parquet") + named(
        dag, "data/cold_start/examples.parquet"
    )


def test_a_dropped_row_that_nothing_was_made_from_is_named_by_its_beginning(dag: Dag) -> None:
    row_id = dag.table("prompts/corpus.parquet")["r1_id"][7]
    rewrite(dag.root / "data/prompts/corpus.parquet", lambda frame: pl.concat([frame[:7], frame[8:]]))
    assert f"row 7 was dropped ({row_id[:8]}...)" in named(dag, "data/prompts/corpus.parquet")


def test_an_added_row_is_named(dag: Dag) -> None:
    new = dag.table("prompts/test.parquet")[:1]
    rewrite(dag.root / "data/prompts/train.parquet", lambda frame: pl.concat([frame[:4], new, frame[4:]]))
    assert f"row 4 was added ({new['r1_id'][0]})" in named(dag, "data/prompts/train.parquet")


def test_a_repeated_row_is_named(dag: Dag) -> None:
    rewrite(dag.root / "data/prompts/train.parquet", lambda frame: pl.concat([frame, frame[1:2]]))
    assert any("was added" in what for what in named(dag, "data/prompts/train.parquet"))


def test_reordered_rows_are_named(dag: Dag) -> None:
    ids = dag.table("cold_start/examples.parquet")["r1_id"].to_list()
    rewrite(dag.root / "data/cold_start/examples.parquet", lambda frame: frame[[0, 2, 1, 3, 4]])
    said = named(dag, "data/cold_start/examples.parquet")
    assert f"2 rows stand at other places: 1 ({ids[2]}), 2 ({ids[1]})" in said
    assert any("are others now" in what for what in named(dag, "data/cold_sft/ledger.parquet"))


def test_a_row_whose_content_was_changed_under_its_id_is_named(dag: Dag) -> None:
    row_id = dag.table("prompts/train.parquet")["r1_id"][3]
    changed = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("7")).otherwise("answer").alias("answer")
    rewrite(dag.root / "data/prompts/train.parquet", lambda frame: frame.with_columns(changed))
    assert f"row 3 ({row_id}): its content is another" in named(dag, "data/prompts/train.parquet")


def _reward(frame: pl.DataFrame, step: int) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(pl.col("step") == step).then(9.0).otherwise("reward").cast(pl.Float32).alias("reward")
    )


def test_an_edited_ledger_entry_is_named(dag: Dag) -> None:
    rewrite(dag.root / "data/zero/ledger.parquet", lambda frame: _reward(frame, 3))
    said = named(dag, "data/zero/ledger.parquet")
    assert any("step 3: its entries are not those that were recorded" in what for what in said)


def test_an_edited_ledger_is_found_even_with_its_chain_made_anew(dag: Dag) -> None:
    head = read_manifest(dag.root / "data/zero/manifest.json").ledgers["ledger.parquet"]
    seed = chain_seed(head.kind, head.trains, head.table, head.order)
    rewrite(dag.root / "data/zero/ledger.parquet", lambda frame: chain(_reward(frame, 3).drop("chain"), seed=seed))
    assert any("its manifest says" in what for what in named(dag, "data/zero/ledger.parquet"))
    assert any("is not in the ledger as it is there" in what for what in named(dag, "data/zero/ledger.parquet"))


@pytest.mark.parametrize("keep", [[0, 1, 2, 3, 4, 5], [0, 1, 4, 5, 6, 7], [2, 3, 0, 1, 4, 5, 6, 7]])
def test_ledger_steps_that_were_cut_off_taken_out_or_swapped_are_found(dag: Dag, keep: list[int]) -> None:
    rewrite(dag.root / "data/zero/ledger.parquet", lambda frame: frame[keep])
    assert {"ledgers", "files"} <= {f.level for f in faults(dag) if f.where == "data/zero/ledger.parquet"}


def test_an_input_that_was_made_anew_is_found_by_the_one_who_used_it(dag: Dag) -> None:
    path = dag.root / "data/zero/ledger.parquet"
    write_table(_reward(pl.read_parquet(path), 1), path, SAMPLES)
    (dag.root / "data/base/checkpoint/model.safetensors").write_bytes(b"others")
    said = named(dag, "data/base/checkpoint/model.safetensors")
    assert "is not the file that zero was made from" in said and "is not the file that cold_sft was made from" in said


def test_changed_code_and_a_changed_lock_are_found(dag: Dag) -> None:
    (dag.root / "stages" / "zero.py").write_text("NAME = 1\n")
    lock = dag.root / "dvc.lock"
    text = lock.read_text()
    digest = pipeline.paths_of(pipeline.lock_entries(dag.root)["base"], "deps")["data/prompts/corpus.parquet"]
    lock.write_text(text.replace(digest, "0" * 32))
    where = {fault.where for fault in faults(dag)}
    assert {"stages/code.lock/zero", "dvc.lock"} <= where


def test_an_artifact_without_its_manifest_is_named(dag: Dag) -> None:
    (dag.root / "data/zero/manifest.json").unlink()
    assert named(dag, "zero") == ["is in dvc.lock, but has no readable manifest here"]
    assert "no manifest says where it came from (cold_start)" in named(dag, "data/zero/checkpoint")


def test_what_dvc_lock_has_of_stages_that_are_no_more_is_no_fault(dag: Dag) -> None:
    lock = dag.root / "dvc.lock"
    values = json.loads(lock.read_text())
    values["stages"]["evaluate@gone"] = {"cmd": "true", "outs": [{"path": "data/evaluate/gone", "md5": "0" * 32}]}
    lock.write_text(json.dumps(values))
    assert faults(dag) == []


def test_the_caches_copies_are_read_too(dag: Dag) -> None:
    cache = dag.root / ".dvc" / "cache" / "files" / "md5"
    good, bad = cache / "90" / "0150983cd24fb0d6963f7d28e17f72", cache / "aa" / ("0" * 30)
    for path in (good, bad):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"abc")
    assert [fault.where for fault in verifying.check_cache(dag.root, cache)] == [f".dvc/cache/files/md5/aa/{'0' * 30}"]
