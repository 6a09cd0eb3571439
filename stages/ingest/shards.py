"""Tables of any length: rows are written as they come, so many a file."""

from collections import Counter
from pathlib import Path

import polars as pl

from stages.contract.schemas import Table
from stages.contract.tables import write_table

ROWS = 16_384  # of one file: reasoning traces of 8 KB each are 130 MB in memory


class Shards:
    """Rows of a table on their way to `STEM-00000.parquet`, `STEM-00001.parquet`, ... in a folder."""

    def __init__(self, folder: Path, stem: str, table: Table, *, rows: int = ROWS) -> None:
        self._folder, self._stem, self._table, self._rows = folder, stem, table, rows
        self._waiting: list[dict[str, object]] = []
        self._files = 0
        self.count = 0

    def add(self, row: dict[str, object]) -> None:
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) >= self._rows:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Called once more at the end."""
        if self._waiting:
            frame = pl.DataFrame(self._waiting, schema=self._table.schema)
            write_table(frame, self._folder / f"{self._stem}-{self._files:05d}.parquet", self._table)
            self._files += 1
            self._waiting = []


class Responses:
    """Rows of a table of responses on their way to files: those that stay, once each, and those that don't."""

    def __init__(self, folder: Path, table: Table) -> None:
        self.kept, self.rejected = (
            Shards(folder, table.name, table),
            Shards(folder, table.rejected().name, table.rejected()),
        )
        self.reasons: Counter[str] = Counter()
        self._name, self._ids = table.name, set[str]()

    def add(self, row: dict[str, object], drop: str) -> None:
        """Add a row. `drop`: why it can't stay; what it lacks is seen here."""
        row_id = str(row["r1_id"])
        reason = drop or ("" if row["prompt"] else "empty") or ("" if row["response"] else "no_response")
        reason = reason or (f"duplicate:{row_id}" if row_id in self._ids else "")
        if reason:
            self.rejected.add({**row, "r1_drop": reason})
            self.reasons[reason.partition(":")[0]] += 1
            return
        self._ids.add(row_id)
        self.kept.add(row)

    def finish(self) -> dict[str, int]:
        """Write what waits; how many rows there are, by what became of them."""
        self.kept.flush()
        self.rejected.flush()
        dropped = {f"{self._name}_rejected_{reason}": count for reason, count in sorted(self.reasons.items())}
        return {self._name: self.kept.count, **dropped} if self.kept.count or self.rejected.count else {}
