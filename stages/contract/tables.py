"""Reading and writing the Parquet tables between stages: validated both ways, written atomically."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError
from stages.contract.schemas import Table

STREAMED_ROWS = 1 << 13  # of a row group: at 20 KB a row it is held in memory as a whole
PER_ITEM = ("student", "distill", "student_zero", "evaluate")  # stages with one folder an item


def write_table(rows: pl.DataFrame | Sequence[dict[str, object]], path: Path, table: Table) -> None:
    """Write rows to `path` as Parquet with exactly the table's columns.

    The file appears whole or not at all. The bytes depend on the rows alone (one row group size, one
    codec, no clock), so identical runs give identical files.

    Raises:
        ValueError: the rows don't have the table's columns and types (a programmer's error).
        OSError: the disk is full or can't be written.
    """
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), schema=table.schema)
    if frame.schema != table.schema:
        raise ValueError(f"{table.name}: {_difference(frame.schema, table.schema)}")
    _write(path, lambda scratch: frame.write_parquet(scratch, compression="zstd", row_group_size=1 << 16))


def sink_table(rows: pl.LazyFrame, path: Path, table: Table) -> None:
    """Write rows that needn't fit into memory, as `write_table` does; small tables have the same bytes.

    Raises:
        ValueError, OSError: as `write_table`.
    """
    schema = rows.collect_schema()
    if schema != table.schema:
        raise ValueError(f"{table.name}: {_difference(schema, table.schema)}")
    _write(path, lambda scratch: rows.sink_parquet(scratch, compression="zstd", row_group_size=STREAMED_ROWS))


def _write(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".part")
    try:
        write(scratch)
        os.replace(scratch, path)
    except pl.exceptions.PolarsError as error:
        # polars hides a full disk in its own error; the stage's starter must see it for what it is.
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
    finally:
        scratch.unlink(missing_ok=True)


def read_table(path: Path, table: Table) -> pl.DataFrame:
    """Read a Parquet table and check its columns.

    Raises:
        UserError: the file is missing, unreadable or has other columns; the hint names the stage that writes it.
    """
    hint = f"r1 run {owner(path)}"
    if not path.exists():
        raise UserError(f"{_shown(path)} is missing", hint=hint)
    try:
        schema = pl.read_parquet_schema(path)
        if pl.Schema(schema) != table.schema:
            raise UserError(f"{_shown(path)}: {_difference(pl.Schema(schema), table.schema)}", hint=f"{hint} -f")
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{_shown(path)} cannot be read as Parquet ({first})", hint=f"{hint} -f") from error


def owner(path: Path) -> str:
    """The stage that writes a path below `data/`: `data/distill/small/...` is written by `distill@small`.

    >>> owner(Path("data/prompts/train.parquet")), owner(Path("data/distill/small/checkpoint"))
    ('prompts', 'distill@small')
    """
    parts = path.parts
    below = parts[parts.index("data") + 1 :] if "data" in parts[:-1] else (path.parent.name,)
    return f"{below[0]}@{below[1]}" if below[0] in PER_ITEM and len(below) > 1 else below[0]


def _shown(path: Path) -> str:
    return str(Path(*path.parts[path.parts.index("data") :])) if "data" in path.parts else str(path)


def _difference(got: pl.Schema, expected: pl.Schema) -> str:
    missing = [name for name in expected if name not in got]
    extra = [name for name in got if name not in expected]
    if missing or extra:
        parts = []
        if missing:
            parts.append("lacks " + ", ".join(f'"{name}"' for name in missing))
        if extra:
            parts.append("has unknown " + ", ".join(f'"{name}"' for name in extra))
        return f"{'; '.join(parts)} (has: {', '.join(got)})"
    changed = [f'"{n}" is {got[n]}, expected {expected[n]}' for n in expected if got[n] != expected[n]]
    return "; ".join(changed) or "columns are in another order"
