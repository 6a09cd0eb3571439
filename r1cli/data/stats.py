"""A table in figures: sizes, shares, lengths, rewards and why rows earned or lost them. Computed in a stream."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1cli.data.artifacts import Rows
from r1cli.data.select import ROW, collect, fitting
from stages.contract.errors import UserError
from stages.contract.transcript import END_THINK, THINK

if TYPE_CHECKING:
    import polars as pl

SHARES = (
    "kind", "category", "family", "language", "thought", "answer_language", "safety", "difficulty", "r1_op", "verdict", "reason", "finish", "masked", "safe", "refused",
    "truncated", "source", "license", "r1_drop",
)  # fmt: skip
FIGURES = (
    "num_tokens", "accuracy", "format", "language_consistency", "preference", "reward", "advantage", "margin",
    "quality",
)  # fmt: skip
TEXTS = ("prompt", "question", "problem", "text", "response", "completion", "chosen", "rejected", "answer", "solution")
THOUGHTS = ("response", "completion", "chosen")
QUANTILES = (0.05, 0.5, 0.95)
TOP = 12  # values of a column that are named


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often a value of a column is there. `value` None: all the others together, of which there are `others`."""

    column: str
    value: str | None
    rows: int
    others: int = 0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A numeric column, or the length of a text in characters."""

    column: str
    rows: int  # that have it
    mean: float
    low: float
    quantiles: tuple[float, ...]
    high: float


@dataclass(frozen=True, kw_only=True)
class Stats:
    """A table in figures."""

    table: str
    files: int
    size: int
    rows: int
    ids: int | None  # distinct rows
    prompts: int | None  # distinct prompts
    nulls: Mapping[str, int]
    shares: Sequence[Share]
    figures: Sequence[Figure]
    by: Sequence[Mapping[str, object]]


def stats(tables: Sequence[Rows], *, where: str = "", by: str = "") -> list[Stats]:
    """The figures of each table that has the condition's columns; with `by`, of its groups too.

    Raises:
        UserError: the condition doesn't fit, or no table has the column `by`.
    """
    found = fitting(tables, where)
    if by:
        having = [(table, frame) for table, frame in found if by in frame.collect_schema().names()]
        if not having:
            names = sorted({n for _, frame in found for n in frame.collect_schema().names() if n in SHARES})
            raise UserError(f"no table of these has the column {by!r}", hint=f"--by {' | '.join(names) or 'COLUMN'}")
        found = having
    return [_stats(table, frame.drop(ROW), where, by) for table, frame in found]


def _stats(table: Rows, frame: "pl.LazyFrame", where: str, by: str) -> Stats:
    import polars as pl

    columns = frame.collect_schema().names()
    measured = _measures(frame)
    whole = collect(frame.select(pl.len().alias("\0rows"), pl.all().null_count()), where).row(0, named=True)
    # Each in a step of its own: together, polars keeps whole texts in memory for what needs lengths and hashes only.
    named = [name for name in ("r1_id", "prompt") if name in columns]
    distinct = (
        collect(frame.select(pl.col(name).hash().n_unique() for name in named), where) if named else pl.DataFrame()
    )
    lengths = frame.select(value.alias(name) for name, value in measured.items())
    figures = collect(lengths.select(_summaries(measured)), where).row(0, named=True) if measured else {}
    return Stats(
        table=table.name,
        files=len(table.paths),
        size=table.size,
        rows=whole["\0rows"],
        ids=int(distinct["r1_id"][0]) if "r1_id" in named else None,
        prompts=int(distinct["prompt"][0]) if "prompt" in named else None,
        nulls={c: count for c in columns if (count := whole[c])},
        shares=[share for c in SHARES if c in columns for share in _shares(frame, c, where)],
        figures=[_figure(figures, name) for name in measured if figures[f"{name} n"]],
        by=_groups(frame, measured, by, where) if by else [],
    )


def _summaries(names: Iterable[str]) -> list["pl.Expr"]:
    import polars as pl

    return [
        summary
        for name in names
        for summary in (
            pl.col(name).count().alias(f"{name} n"),
            pl.col(name).mean().alias(f"{name} mean"),
            pl.col(name).min().alias(f"{name} min"),
            *(pl.col(name).quantile(q).alias(f"{name} {q}") for q in QUANTILES),
            pl.col(name).max().alias(f"{name} max"),
        )
    ]


def _measures(frame: "pl.LazyFrame") -> dict[str, "pl.Expr"]:
    """What is measured of a table's rows, by name."""
    import polars as pl

    schema = frame.collect_schema()
    found = {name: pl.col(name) for name in FIGURES if name in schema and schema[name].is_numeric()}
    texts = [name for name in TEXTS if schema.get(name) == pl.String]
    found |= {f"{name} characters": pl.col(name).str.len_chars() for name in texts}
    for name in THOUGHTS:
        if name in texts:
            parts = pl.col(name).str.splitn(END_THINK, 2)
            thought = parts.struct.field("field_0").str.strip_prefix(THINK)
            closed = parts.struct.field("field_1").is_not_null()
            found[f"{name}: thought characters"] = pl.when(closed).then(thought.str.len_chars())
    return found


def _figure(whole: Mapping[str, float], name: str) -> Figure:
    return Figure(
        column=name,
        rows=int(whole[f"{name} n"]),
        mean=whole[f"{name} mean"],
        low=whole[f"{name} min"],
        quantiles=tuple(whole[f"{name} {q}"] for q in QUANTILES),
        high=whole[f"{name} max"],
    )


def _shares(frame: "pl.LazyFrame", column: str, where: str) -> list[Share]:
    """The most frequent values of a column, and the rest as one. Of a reason such as `duplicate:ID` the word counts."""
    import polars as pl

    value = pl.col(column).cast(pl.String)
    value = value.str.split(":").list.first() if column in ("r1_drop", "masked") else value
    counted = collect(
        frame.select(value=value).drop_nulls().filter(pl.col("value") != "").group_by("value").len(), where
    )
    counted = counted.sort("len", "value", descending=[True, False])
    listed = [Share(column=column, value=value, rows=rows) for value, rows in counted.head(TOP).iter_rows()]
    if len(counted) > TOP:
        rest = int(counted["len"][TOP:].sum())
        listed.append(Share(column=column, value=None, rows=rest, others=len(counted) - TOP))
    return listed


def _groups(
    frame: "pl.LazyFrame", measured: Mapping[str, "pl.Expr"], by: str, where: str
) -> Sequence[Mapping[str, object]]:
    """The means of what is measured, for each value of a column."""
    import polars as pl

    means = [value.mean().alias(name) for name, value in measured.items()]
    grouped = frame.group_by(pl.col(by).cast(pl.String)).agg(pl.len().alias("rows"), *means)
    return collect(grouped, where).sort("rows", by, descending=[True, False]).to_dicts()
