"""Rows made from imported traces and general rows: their sources and licences reach the card, and a row's way leads there."""

from pathlib import Path

import polars as pl
import pytest

from r1cli.lineage import rows as table_rows
from r1cli.lineage.export import model_card
from r1cli.lineage.snapshot import checkpoint
from r1cli.lineage.tree import sources
from stages.contract.manifest import Source
from stages.contract.schemas import EXAMPLES, GENERAL, TRACES, Table
from stages.contract.tables import write_table
from tests.lineage import conftest
from tests.lineage.conftest import Dag, rows


@pytest.fixture(params=[TRACES, GENERAL], ids=lambda table: str(table.name))
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.param
    return found


@pytest.fixture
def imported(dag: Dag, monkeypatch: pytest.MonkeyPatch, table: Table) -> Dag:
    """cold_start's rows are two of three imported ones and one sampled row."""
    given = [
        {"r1_op": "ingest", "task_id": str(n), "prompt": f"q{n}", "response": f"<think>{n}</think>{n}",
         "source": "hub:owner/set#a", "revision": "c" * 40, "license": "CC-BY-NC-4.0" if n else "MIT"}
        for n in range(3)
    ]  # fmt: skip
    traces = rows(table, given)
    write_table(traces, dag.root / f"data/imports/mine/{table.name}-00000.parquet", table)
    sampled = dag.table("cold_start/examples.parquet")[:1]
    made = [
        {"r1_op": "ingest", "r1_parents": [row["r1_id"]], "task_id": row["task_id"], "prompt": row["prompt"], "response": row["response"]}
        for row in traces[:2].iter_rows(named=True)
    ]  # fmt: skip
    path = dag.root / "data/cold_start/examples.parquet"
    path.unlink()
    write_table(pl.concat([rows(EXAMPLES, made), sampled]), path, EXAMPLES)
    monkeypatch.setitem(conftest.DEPS, "cold_start", [*conftest.DEPS["cold_start"], "data/imports"])
    (dag.root / "data/cold_start/manifest.json").unlink()
    conftest._finish(dag.root, "cold_start", {"seed": 0, "cold_start": {"imports": ["mine"]}})
    return dag


def test_the_traces_licences_are_the_cards(imported: Dag) -> None:
    found = imported.snapshot()
    hub = [Source(source="hub:owner/set#a", revision="c" * 40, license=x, rows=1) for x in ("CC-BY-NC-4.0", "MIT")]
    assert [source for source in sources(found, ["cold_start"]) if source.rows] == hub
    card = model_card(found, checkpoint(found, "cold_sft"), None)
    assert (
        '"owner/set"' in card and "**Non-commercial: made from file:mine.jsonl (CC-BY-NC-4.0), hub:owner/set#a" in card
    )


def test_rows_that_are_not_here_have_no_known_licence(imported: Dag, table: Table) -> None:
    (imported.root / f"data/imports/mine/{table.name}-00000.parquet").unlink()
    (only,) = [source for source in sources(imported.snapshot(), ["cold_start"]) if source.rows]
    assert only == Source(source="data/imports", revision="", license="", rows=2)


def test_a_rows_way_leads_to_the_imported_one(imported: Dag, table: Table) -> None:
    found = imported.snapshot()
    row = imported.table("cold_start/examples.parquet").row(1, named=True)
    ((place, columns),) = table_rows.ancestors(found, table_rows.find(found, row["r1_id"])[0])
    assert (place.artifact, place.table, place.row) == ("imports/mine", f"{table.name}-00000.parquet", 1)
    assert (columns["source"], columns["license"]) == ("hub:owner/set#a", "CC-BY-NC-4.0")


def test_other_artifacts_have_none(dag: Dag, tmp_path: Path) -> None:
    found = dag.snapshot()
    assert {source.source for source in sources(found, list(found.artifacts))} == {
        "r1/embedded-world",
        "file:mine.jsonl",
    }
