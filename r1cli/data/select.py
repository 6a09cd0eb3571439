"""Choosing rows of tables: those that a condition fits, the first ones or a random sample, without reading the rest whole."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1cli.conditions import EXAMPLE, condition, first_line
from r1cli.data.artifacts import Rows
from stages.contract.errors import UserError

if TYPE_CHECKING:
    import polars as pl

ROW = "r1_row"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One table's chosen rows, with their numbers (counted from 0) in the column `r1_row`, and how many fitted."""

    table: Rows
    frame: "pl.DataFrame"
    fitting: int
    total: int


def fitting(tables: Sequence[Rows], where: str) -> list[tuple[Rows, "pl.LazyFrame"]]:
    """The tables that have the condition's columns, with the rows that fit it, numbered.

    Raises:
        UserError: no table has the columns, or the condition doesn't fit their types.
    """
    wanted = condition(where) if where else None
    found = []
    for table in tables:
        frame = table.lazy().with_row_index(ROW)
        if wanted is not None:
            if not set(wanted.meta.root_names()) <= set(frame.collect_schema().names()):
                continue
            frame = frame.filter(wanted)
        found.append((table, frame))
    if not found:
        assert wanted is not None
        names = {name for table in tables for name in table.lazy().collect_schema().names()}
        missing = sorted(set(wanted.meta.root_names()) - names) or sorted(set(wanted.meta.root_names()))
        has = ", ".join(sorted(names))
        raise UserError(f"no table of these has {', '.join(missing)} (there are: {has})", hint=f"--where {EXAMPLE}")
    return found


def collect(frame: "pl.LazyFrame", where: str) -> "pl.DataFrame":
    """A lazy frame's rows, in a stream.

    Raises:
        UserError: the condition doesn't fit the columns.
    """
    import polars as pl

    try:
        return frame.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        about = f"the condition {where!r} doesn't fit" if where else "the rows can't be read"
        raise UserError(
            f"{about} ({first_line(error)})", hint=f"--where {EXAMPLE}" if where else "r1 verify"
        ) from error


def choose(tables: Sequence[Rows], *, where: str, count: int, sample: bool, seed: int) -> list[Chosen]:
    """`count` rows: the first that fit, or a random sample of all that fit, the same for the same seed.

    Raises:
        UserError: as `fitting` and `collect`.
    """
    found = fitting(tables, where)
    numbers = [_numbers(table, frame, where) for table, frame in found]
    places = [(place, row) for place, (rows, _) in enumerate(numbers) for row in rows]
    if sample:
        places = sorted(random.Random(seed).sample(places, min(count, len(places))))
    places = places[:count]
    return [
        Chosen(
            table=table,
            frame=fetched(table, [row for of, row in places if of == place]),
            fitting=len(numbers[place][0]),
            total=numbers[place][1],
        )
        for place, (table, _) in enumerate(found)
    ]


def _numbers(table: Rows, frame: "pl.LazyFrame", where: str) -> tuple[Sequence[int], int]:
    """The numbers of the rows that fit, and how many rows there are. Of Parquet the second is in the files' ends."""
    import polars as pl

    total = int(table.lazy().select(pl.len()).collect().item())
    if not where:
        return range(total), total
    return collect(frame.select(ROW), where)[ROW].to_list(), total


def fetched(table: Rows, numbers: Sequence[int]) -> "pl.DataFrame":
    """The rows with these numbers, in the table's order."""
    import polars as pl

    frame = table.lazy().with_row_index(ROW)
    if not numbers:
        return frame.head(0).collect()
    first, last = min(numbers), max(numbers)
    wanted = pl.lit(pl.Series(numbers, dtype=pl.get_index_type())).implode()
    near = frame.slice(first, last - first + 1)  # of Parquet, only the row groups from the first to the last are read
    return near.filter(pl.col(ROW).is_in(wanted)).collect(engine="streaming")
