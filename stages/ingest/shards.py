"""Tables of any length: rows are written as they come, so many a file."""

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
