"""What a curation step returns: the rows it keeps, and the rows it drops with the reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Curated:
    """`kept` has the input's columns; `rejected` has them and `r1_drop`. Both keep the input's order."""

    kept: pl.DataFrame
    rejected: pl.DataFrame

    def reasons(self) -> dict[str, int]:
        """How many rows each reason dropped, by name. What follows a colon is the single row's."""
        names = self.rejected.get_column("r1_drop").str.split(":").list.first()
        return {str(name): int(count) for name, count in sorted(names.value_counts().iter_rows())}


def divide(frame: pl.DataFrame, reasons: Sequence[str | None]) -> Curated:
    """Divide a frame by one reason a row, None to keep it."""
    drop = pl.Series("r1_drop", reasons, dtype=pl.String)
    return Curated(
        kept=frame.filter(drop.is_null()),
        rejected=frame.with_columns(drop).filter(drop.is_not_null()),
    )


def forget(frame: pl.DataFrame, ids: Collection[str]) -> Curated:
    """Drop the rows that the user wants forgotten, by id: `forgotten`."""
    wanted = set(ids)
    return divide(frame, ["forgotten" if row_id in wanted else None for row_id in frame["r1_id"].to_list()])


def then(first: Curated, second: Curated) -> Curated:
    """Two steps as one, where `second` was given the rows that `first` kept."""
    return Curated(kept=second.kept, rejected=pl.concat([first.rejected, second.rejected]))


def funnel(rows: int, dropped: Mapping[str, int]) -> list[dict[str, str | int]]:
    """Rows in, dropped for each reason and out, as rows of a table.

    >>> [line["rows"] for line in funnel(10, {"duplicate": 3})]
    [10, 3, 7]
    """
    steps = {"in": rows, **dropped, "out": rows - sum(dropped.values())}
    return [{"step": step, "rows": count} for step, count in steps.items()]
