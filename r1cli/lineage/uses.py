"""What the step ledgers say: which training steps took rows in, and what these earned."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli.lineage.snapshot import Artifact, Snapshot
from stages.contract.errors import UserError
from stages.contract.manifest import Head

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one training took in. `entries`: step and row id, and for RL what the ledger holds of the sample."""

    artifact: str
    ledger: str
    trains: str
    entries: "pl.DataFrame"

    @property
    def steps(self) -> list[int]:
        return sorted(set(self.entries["step"].to_list()))

    def described(self) -> dict[str, object]:
        """For programs."""
        entries = self.entries.to_dicts()
        return {"artifact": self.artifact, "trains": self.trains, "steps": self.steps, "entries": entries}


def uses(found: Snapshot, ids: Collection[str], names: Collection[str] | None = None) -> list[Use]:
    """The trainings (of these artifacts, or all) that took in one of the rows or, in RL, a sample for one."""
    listed = []
    for artifact in found.artifacts.values():
        if names is not None and artifact.name not in names:
            continue
        for name, head in artifact.manifest.ledgers.items():
            entries = entries_of(found, artifact, name, head, ids)
            if len(entries):
                listed.append(Use(artifact=artifact.name, ledger=name, trains=head.trains, entries=entries))
    return listed


def entries_of(found: Snapshot, artifact: Artifact, name: str, head: Head, ids: Collection[str]) -> "pl.DataFrame":
    """A ledger's entries about some rows.

    Raises:
        UserError: the table whose rows it counts isn't here, or is another now.
    """
    import polars as pl

    wanted = pl.Series("id", sorted(set(ids)), dtype=pl.String)
    ledger = pl.scan_parquet(found.file(artifact, name)).drop("chain")
    if not head.table:
        return ledger.filter(
            pl.col("row_id").is_in(wanted.implode()) | pl.col("task_id").is_in(wanted.implode())
        ).collect()
    table = pl.scan_parquet(_counted(found, artifact, head)).select(row_id="r1_id").with_row_index("row")
    numbers = table.filter(pl.col("row_id").is_in(wanted.implode())).with_columns(pl.col("row").cast(pl.UInt32))
    chosen = numbers.collect()
    ledger = ledger.filter(pl.col("row").is_in(chosen["row"].implode()))
    return ledger.collect().join(chosen, on="row").select("step", "row_id").sort("step", "row_id")


def _counted(found: Snapshot, artifact: Artifact, head: Head) -> Path:
    """Where the table lies whose rows a ledger counts. With another order of rows every answer would be wrong."""
    for producer in found.artifacts.values():
        own = head.table.removeprefix(f"{producer.folder}/")
        if own != head.table and own in producer.manifest.tables:
            if producer.manifest.tables[own].order != head.order:
                raise UserError(
                    f"{artifact.name} was trained on another {head.table} than lies here",
                    hint=f"r1 run {artifact.name}",
                )
            return found.file(producer, own)
    raise UserError(f"{head.table} is not here ({found.label})", hint="dvc checkout   (or: dvc pull)")
