"""Exact deduplication after normalisation. The first row of its kind stays."""

from collections.abc import Sequence

import polars as pl

from stages.curate.outcome import Curated, divide
from stages.curate.words import normalise


def deduplicate(frame: pl.DataFrame, *, by: Sequence[str] = ("prompt",)) -> Curated:
    """Drop rows whose `by` columns equal those of an earlier row but for case and spacing.

    The reason is `duplicate:` and the `r1_id` of the row that stayed.
    """
    first: dict[tuple[str, ...], str] = {}
    reasons: list[str | None] = []
    columns = [frame.get_column(name).to_list() for name in by]
    for row_id, *values in zip(frame.get_column("r1_id").to_list(), *columns, strict=True):
        key = tuple(normalise(value) for value in values)
        kept = first.get(key)
        reasons.append(None if kept is None else f"duplicate:{kept}")
        first.setdefault(key, row_id)
    return divide(frame, reasons)
