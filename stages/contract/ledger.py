"""The step ledger of a training: which rows each step took in, chained so that none can be added, dropped or altered.

A stage records every step as it happens (not as it was planned). Two forms: trainings on a table record row numbers of
that table (4 bytes a row); RL records the rows that it samples itself, with what they earned. Written as NAME.parquet
and NAME.json, the ledger's head, which the artifact's manifest repeats.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import polars as pl

from stages.contract.errors import ReplayedError
from stages.contract.manifest import Head
from stages.contract.merkle import RowSet, order_digest
from stages.contract.schemas import Table
from stages.contract.tables import read_table, write_table

ROWS = Table(
    name="ledger_rows",
    columns={"step": pl.Int32(), "row": pl.UInt32(), "chain": pl.String()},
    identity=("step", "row"),
)
SAMPLES = Table(
    name="ledger_samples",
    columns={
        "step": pl.Int32(),
        "row_id": pl.String(),  # what its row of ROLLOUTS has, or would have, as r1_id
        "task_id": pl.String(),
        "policy": pl.Int32(),  # updates that the sampling policy had seen
        "accuracy": pl.Float32(),
        "format": pl.Float32(),
        "language": pl.Float32(),
        "preference": pl.Float32(),
        "overlong": pl.Float32(),
        "reward": pl.Float32(),
        "advantage": pl.Float32(),
        "masked": pl.String(),
        "chain": pl.String(),
    },
    identity=("step", "row_id"),
)
TABLES = {table.name: table for table in (ROWS, SAMPLES)}
Entry = tuple[int | float | str | None, ...]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Ledger:
    """Takes in a training's steps.

    `weights` gives the model's digest now. `ids` are those of the table's rows, where rows are counted in a table.
    With `replay`, recording that step writes the ledger and raises ReplayedError.
    """

    def __init__(
        self,
        out: Path,
        *,
        weights: Callable[[], str],
        name: str = "ledger",
        trains: str = "checkpoint",
        table: str = "",
        ids: Sequence[str] = (),
        replay: int = 0,
    ) -> None:
        self._out, self._name, self._trains, self._table, self._ids = out, name, trains, table, ids
        self._weights_now, self._replay = weights, replay
        self._entries: list[Entry] = []
        self._weights: dict[str, str] = {}

    def record(self, step: int, entries: Sequence[Entry]) -> None:
        """Step `step` (from 1) is done. Entries are a ledger table's columns between `step` and `chain`."""
        self._entries += [(step, *entry) for entry in entries]
        if step & (step - 1) == 0:
            self._weights[str(step)] = self._weights_now()
        if step == self._replay:
            self.write()
            raise ReplayedError

    def rows(self, step: int, rows: Sequence[int]) -> None:
        """Record a step's row numbers."""
        self.record(step, [(row,) for row in rows])

    def save(self, folder: Path) -> None:
        """Write what has been recorded to a commit's folder (a Keeper of stages/assembly/progress.py)."""
        write_table(self._frame(), folder / f"{self._name}.parquet", self._unchained)
        (folder / f"{self._name}.json").write_text(json.dumps(self._weights))

    def restore(self, folder: Path) -> None:
        """Go on from what a commit's folder holds."""
        self._entries = read_table(folder / f"{self._name}.parquet", self._unchained).rows()
        self._weights = json.loads((folder / f"{self._name}.json").read_text())

    @property
    def _kind(self) -> Table:
        return ROWS if self._table else SAMPLES

    @property
    def _unchained(self) -> Table:
        """The table before its links are computed, which is done once."""
        columns = {name: kind for name, kind in self._kind.columns.items() if name != "chain"}
        return Table(name=self._kind.name, columns=columns, identity=self._kind.identity)

    def _frame(self) -> pl.DataFrame:
        return pl.DataFrame(self._entries, schema=self._unchained.schema, orient="row")

    def write(self) -> None:
        """Write NAME.parquet and NAME.json."""
        kind = self._kind
        order = order_digest(self._ids) if self._table else ""
        chained = chain(self._frame(), seed=chain_seed(kind.name, self._trains, self._table, order))
        write_table(chained, self._out / f"{self._name}.parquet", kind)
        head = Head(
            kind=kind.name,
            trains=self._trains,
            table=self._table,
            order=order,
            steps=chained["step"].n_unique(),
            entries=len(chained),
            head=str(chained["chain"][-1]) if len(chained) else "",
            used=RowSet.of(used_ids(chained, self._ids)),
            weights=self._weights,
        )
        (self._out / f"{self._name}.json").write_text(json.dumps(asdict(head), indent=1) + "\n")


def used_ids(ledger: pl.DataFrame, ids: Sequence[str]) -> set[str]:
    """All row ids that a ledger names: rows of the table (`ids` are its ids in order), or samples and their tasks."""
    if "row" in ledger.columns:
        return {ids[row] for row in ledger["row"].unique().to_list()}
    return {*ledger["row_id"].to_list(), *ledger["task_id"].to_list()}


def chain_seed(kind: str, trains: str, table: str, order: str) -> str:
    """What the chain starts from: it commits to the table that row numbers count in."""
    return sha256(_encode([kind, trains, table, order]).encode()).hexdigest()


def chain(frame: pl.DataFrame, *, seed: str) -> pl.DataFrame:
    """Entries, sorted by step, with each step's link: SHA-256 over the link before it and the step's entries."""
    links: list[str] = []
    before = seed
    rows = frame.rows()
    begin = 0
    for end in range(1, len(rows) + 1):
        if end < len(rows) and rows[end][0] == rows[begin][0]:
            continue
        before = sha256((before + _encode(rows[begin:end])).encode()).hexdigest()
        links += [before] * (end - begin)
        begin = end
    return frame.with_columns(pl.Series("chain", links, dtype=pl.String))
