"""Imported traces and general rows: rows that no stage wrote, from which stages made rows (op `ingest`). Their sources and
licences stand in the import's own tables, data/imports/NAME/traces-*.parquet and general-*.parquet."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli.lineage.snapshot import Artifact, Snapshot
from stages.contract.manifest import SOURCE, Source

if TYPE_CHECKING:
    import polars as pl

FOLDER = "data/imports"
_TRACES = re.compile(rf"{FOLDER}/([^/]+)/(?:traces|general)-\d+\.parquet")


def traces(found: Snapshot) -> dict[str, Path]:
    """The files of imported traces, by their paths in the project."""
    return {name: path for name, path in found.files.items() if _TRACES.fullmatch(name)}


def trace(found: Snapshot, row_id: str) -> tuple[str, int, dict[str, object]] | None:
    """The file, row number and columns of an imported trace, if it is here."""
    import polars as pl

    for name, path in traces(found).items():
        frame = pl.scan_parquet(path).with_row_index("r1_row").filter(pl.col("r1_id") == row_id).collect()
        if len(frame):
            row = frame.row(0, named=True)
            return name, int(row.pop("r1_row")), row
    return None


def sources(found: Snapshot, artifact: Artifact) -> list[Source]:
    """The sources of the imported traces that an artifact's kept rows were made from, with how many rows each gave.
    Where the traces aren't here, the import folder itself stands for them, without a licence."""
    import polars as pl

    if FOLDER not in artifact.manifest.inputs:
        return []
    made = pl.concat(
        [pl.DataFrame(schema={"r1_id": pl.String}), *(_parents(found, artifact, t) for t in artifact.kept_tables())]
    )
    if made.is_empty():
        return []
    known = pl.concat(
        [
            pl.DataFrame(schema=dict.fromkeys(("r1_id", *SOURCE), pl.String)),
            *(pl.read_parquet(path, columns=["r1_id", *SOURCE]) for path in traces(found).values()),
        ]
    ).unique("r1_id")
    joined = made.join(known, on="r1_id", how="left").with_columns(
        pl.col("source").fill_null(FOLDER), pl.col("revision", "license").fill_null("")
    )
    counted = joined.group_by(*SOURCE).len("rows").sort(*SOURCE)
    return [Source(**row) for row in counted.iter_rows(named=True)]


def _parents(found: Snapshot, artifact: Artifact, table: str) -> "pl.DataFrame":
    """The parents of a table's imported rows. Rows that name their source themselves need none."""
    import polars as pl

    frame = pl.scan_parquet(found.file(artifact, table))
    if "license" in frame.collect_schema().names():
        return pl.DataFrame(schema={"r1_id": pl.String})
    imported = frame.filter(pl.col("r1_op") == "ingest").select(r1_id=pl.col("r1_parents").list.first())
    return imported.drop_nulls().collect()
