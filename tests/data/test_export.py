"""`r1 data export`: the Hub's layout, a card filled from lineage, Croissant with the files' digests."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from huggingface_hub import DatasetCard

from r1cli.data.columns import COLUMNS
from r1cli.data.croissant import CONFORMS_TO
from stages.contract.manifest import NAME
from stages.contract.schemas import EXAMPLES, TABLES, TASKS
from tests.data.conftest import Run, example, put
from tests.lineage.conftest import LICENSES, Dag, task


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_stages_rows_with_where_they_came_from(dag: Dag, r1: Run) -> None:
    code, _, err = r1("export", "cold_start", "out")
    assert code == 0, err
    manifests = {f"manifests/data/{name}/{NAME}" for name in ("prompts", "base", "zero", "cold_start")}
    data = "data/train-00000-of-00001.parquet"
    assert files(Path("out")) == {"README.md", "croissant.json", data, *manifests}
    assert pl.read_parquet(f"out/{data}").equals(dag.table("cold_start/examples.parquet"))
    card = DatasetCard.load("out/README.md")
    assert card.data.configs == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}
    ]
    assert (card.data.license, card.data.pretty_name, card.data.size_categories) == ("other", "r1-cold_start", ["n<1K"])
    assert f"**Non-commercial: made from file:mine.jsonl ({LICENSES[1]}).**" in card.text
    assert "| incorrect | 1 |" in card.text and "| default | train | 5 | 1 |" in card.text
    assert "`zero`: checkpoint: 4 steps on 8 samples" in card.text and "lineage of `cold_start`: `" in card.text
    for column in EXAMPLES.columns:
        assert f"- `{column}`: {COLUMNS[column]}" in card.text


def test_splits_and_configs(dag: Dag, r1: Run) -> None:
    """train and test are one configuration's, the corpus and what was dropped are others."""
    assert r1("export", "prompts", "out", "--with-rejected")[0] == 0
    assert {name for name in files(Path("out")) if name.endswith(".parquet")} == {
        "data/corpus/train-00000-of-00001.parquet",
        "data/prompts/test-00000-of-00001.parquet",
        "data/prompts/train-00000-of-00001.parquet",
        "data/train_rejected/train-00000-of-00001.parquet",
    }
    card = DatasetCard.load("out/README.md")
    splits = {config["config_name"]: [part["split"] for part in config["data_files"]] for config in card.data.configs}
    assert splits == {"corpus": ["train"], "prompts": ["train", "test"], "train_rejected": ["train"]}
    assert 'load_dataset("PATH_OR_ID", "corpus")' in card.text


def test_croissant_tells_every_file_and_column(dag: Dag, r1: Run) -> None:
    assert r1("export", "cold_start", "out")[0] == 0
    said: Any = json.loads(Path("out/croissant.json").read_text())
    assert said["conformsTo"] == CONFORMS_TO and said["license"] == "other"
    (file,) = said["distribution"]
    assert file["sha256"] == hashlib.sha256((Path("out") / file["contentUrl"]).read_bytes()).hexdigest()
    (records,) = said["recordSet"]
    fields = {field["source"]["extract"]["column"]: field for field in records["field"] if "source" in field}
    assert set(fields) | {"r1_gen"} == set(EXAMPLES.columns)
    assert (fields["num_tokens"]["dataType"], fields["prompt"]["dataType"]) == ("sc:Integer", "sc:Text")
    assert fields["r1_parents"]["repeated"] and fields["r1_parents"]["dataType"] == "sc:Text"
    (gen,) = (field for field in records["field"] if "subField" in field)
    assert [part["source"]["transform"]["jsonPath"] for part in gen["subField"]] == [
        "checkpoint", "sampling", "seed", "draw",
    ]  # fmt: skip


def test_exporting_twice_gives_the_same_bytes(dag: Dag, r1: Run) -> None:
    for folder in ("a", "b"):
        assert r1("export", "cold_start", folder)[0] == 0
    assert files(Path("a")) == files(Path("b"))
    assert all((Path("a") / name).read_bytes() == (Path("b") / name).read_bytes() for name in files(Path("a")))


def test_an_imports_licence_and_source_are_told(project: Path, r1: Run) -> None:
    given = [task(n, "hub:owner/set#olympiads", "MIT") for n in range(3)]
    put(project, "imports/mine/tasks", TASKS, [{**row, "revision": "c" * 40} for row in given])
    assert r1("export", "mine", "out")[0] == 0
    card = DatasetCard.load("out/README.md")
    assert (card.data.license, card.data.source_datasets) == ("mit", ["owner/set"])
    assert "| hub:owner/set#olympiads | cccccccccccc | MIT | 3 rows |" in card.text
    assert r1("export", "mine", "other", "--license", "cc-by-4.0", "--with-rejected")[0] == 0
    assert DatasetCard.load("other/README.md").data.license == "cc-by-4.0"
    put(project, "imports/mine/tasks", TASKS, [task(n, "file:x", "") for n in range(3)])
    assert r1("export", "mine", "third")[0] == 0
    card = DatasetCard.load("third/README.md")
    assert card.data.license == "other" and "**Licence unknown: file:x.**" in card.text


def test_empty_tables_are_told_of_only(project: Path, r1: Run) -> None:
    put(project, "imports/mine/tasks", TASKS, [task(1)])
    put(project, "imports/mine/more", TASKS, [])
    assert r1("export", "mine", "out")[0] == 0
    assert DatasetCard.load("out/README.md").data.configs[0]["config_name"] == "default"
    assert "Without rows, and so not here: imports/mine/more." in Path("out/README.md").read_text()
    assert "mine/more has no rows" in r1("export", "mine/more", "other")[2] and not Path("other").exists()


def test_large_tables_become_several_files(project: Path, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for shard in range(3):
        put(project, f"rejection/examples-{shard:05d}", EXAMPLES, [example(10 * shard + n) for n in range(5)])
    (project / "data/rejection/examples.parquet").unlink()
    size = sum(path.stat().st_size for path in (project / "data/rejection").glob("examples-*"))
    monkeypatch.setattr("r1cli.data.export.SHARD_BYTES", size // 2 + 1)
    assert r1("export", "rejection", "out")[0] == 0
    paths = sorted((project / "out" / "data").glob("*.parquet"))
    assert [path.name for path in paths] == [f"train-0000{n}-of-00002.parquet" for n in (0, 1)]
    frames = [pl.read_parquet(path) for path in paths]
    assert [len(frame) for frame in frames] == [8, 7]
    assert pl.concat(frames)["prompt"].to_list() == [f"what is {10 * s + n}+1" for s in range(3) for n in range(5)]
    said: Any = json.loads((project / "out" / "croissant.json").read_text())
    assert [records["@id"] for records in said["recordSet"]] == [
        "default/train-00000-of-00002", "default/train-00001-of-00002",
    ]  # fmt: skip


def test_damage_and_a_folder_in_use_are_refused(dag: Dag, r1: Run) -> None:
    assert r1("export", "cold_start", "out")[0] == 0
    assert "out is not empty" in r1("export", "cold_start", "out")[2]
    assert "no table here is called 'nonsense'" in r1("export", "nonsense", "new")[2]
    Path("x.jsonl").write_text("{}\n")
    assert "is no Parquet table" in r1("export", "x.jsonl", "new")[2]
    path = dag.root / "data/cold_start/examples.parquet"
    frame = pl.read_parquet(path)
    path.unlink()
    frame[:3].write_parquet(path)
    assert "data/cold_start/examples.parquet is not what its manifest says" in r1("export", "cold_start", "new")[2]
    assert not Path("new").exists()


def test_every_column_is_told() -> None:
    assert {name for table in TABLES for name in (*table.columns, "r1_drop")} <= set(COLUMNS)


# What other tools make of it (optional: `make test-hub`).


@pytest.fixture
def exported(dag: Dag, r1: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("prompts", "cold_start", "zero"):
        assert r1("export", name, str(tmp_path / "hub" / name))[0] == 0
    return tmp_path / "hub"


@pytest.mark.hub
def test_datasets_loads_the_folder(exported: Path, dag: Dag, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    assert datasets.get_dataset_config_names(str(exported / "prompts")) == ["corpus", "prompts"]
    loaded = datasets.load_dataset(str(exported / "prompts"), "prompts", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 14, "test": 3}
    rows = datasets.load_dataset(str(exported / "zero"), cache_dir=str(tmp_path / "cache"))["train"]
    assert list(rows) == dag.table("zero/rollouts.parquet").to_dicts()


@pytest.mark.hub
def test_croissant_is_valid_and_its_records_are_the_rows(exported: Path, dag: Dag) -> None:
    croissant = pytest.importorskip("mlcroissant")
    for name, table in (("cold_start", "examples"), ("zero", "rollouts")):
        described = croissant.Dataset(jsonld=str(exported / name / "croissant.json"))
        assert not described.metadata.ctx.issues.errors
        records = list(described.records("default/train"))
        frame = dag.table(f"{name}/{table}.parquet")
        assert [record["default/train/r1_id"].decode() for record in records] == frame["r1_id"].to_list()
        assert records[0]["default/train/r1_gen"]["default/train/r1_gen/draw"] == frame["r1_gen"][0]["draw"]


@pytest.mark.hub
def test_the_tables_are_plain_parquet(dag: Dag) -> None:
    """As stages write them: no export is needed to look at them with DuckDB or pandas."""
    duckdb, pandas = pytest.importorskip("duckdb"), pytest.importorskip("pandas")
    for path in sorted((dag.root / "data").rglob("*.parquet")):
        if path.parent.name == "mine":
            continue  # a stand-in for an import that is no table
        frame = pl.read_parquet(path)
        assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(len(frame),)]
        assert len(pandas.read_parquet(path)) == len(frame)
    path = dag.root / "data/zero/rollouts.parquet"
    found = duckdb.sql(f"SELECT r1_gen.draw, avg(reward) FROM '{path}' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [(0, 0.0), (1, 1.0)]
    assert pandas.read_parquet(path)["r1_gen"][0]["draw"] == 0


def test_another_revisions_rows(dag: Dag, r1: Run) -> None:
    stages = {"prompts": {"cmd": "true", "outs": ["data/prompts", "data/base", "data/zero", "data/cold_start"]}}
    (dag.root / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (dag.root / "dvc.lock").unlink()
    for command in (
        [sys.executable, "-m", "dvc", "commit", "-f"],
        ["git", "add", "dvc.yaml", "dvc.lock", ".dvc"],
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start"],
    ):
        subprocess.run(command, cwd=dag.root, check=True)
    expected = dag.table("cold_start/examples.parquet")
    path = dag.root / "data/cold_start/examples.parquet"
    path.unlink()
    assert r1("export", "main:cold_start", "out")[0] == 0
    assert pl.read_parquet("out/data/*.parquet").equals(expected)
    assert f"manifests/data/zero/{NAME}" in files(Path("out"))
