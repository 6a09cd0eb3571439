"""Curation from sources to tables: sift the shards, decide between rows, write what stays and what doesn't."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from stages.contract.errors import UserError
from stages.contract.schemas import EXAMPLES
from stages.contract.tables import sink_table
from stages.curate.decide import KEEP, NAMES, Decisions, Wanted, decide
from stages.curate.shards import (
    DROPPED,
    KEPT,
    KEYS,
    Plan,
    Shard,
    Store,
    dropped_by,
    rates,
    read_keys,
    read_sketches,
    sift_all,
)
from stages.curate.words import Places


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """How many rows came in, were dropped for each reason, and stayed; and how many stayed of each domain and source."""

    rows: int
    dropped: Mapping[str, int]
    kept: int
    domains: Mapping[str, int]
    sources: Sequence[tuple[int, int]]  # rows of it, and how many stayed

    def dropped_metrics(self) -> dict[str, int]:
        """How many rows were dropped, by reason, as metrics."""
        return {f"dropped_{reason}": rows for reason, rows in sorted(self.dropped.items())}


def curate(
    found: Plan,
    wanted: Wanted,
    store: Store,
    out: Path,
    *,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Funnel:
    """Write examples.parquet and examples_rejected.parquet to `out`. Rows keep the order of sources and shards."""
    sift_all(found, store, workers=workers, progress=progress)
    shards = list(found.shards)
    sizes = [pl.scan_parquet(store.path(shard, KEYS)).select(pl.len()).collect().item() for shard in shards]
    begins = [0, *accumulate(sizes)]
    strange = set() if not wanted.targets else set(read_keys(store, shards, ["domain"])["domain"]) - set(wanted.targets)
    if strange:
        raise UserError(
            f"no target for rows of {sorted(strange)[0]!r} (has: {', '.join(wanted.targets)})",
            hint=f"r1 run rejection --set rejection.domains.{sorted(strange)[0]}=math",
        )
    decisions = decide(
        lambda columns: read_keys(store, shards, columns),
        read_sketches(store, shards, begins),
        rates(store, shards),
        wanted,
    )
    kept, dropped = _decided(store, shards, begins, decisions)
    sink_table(kept, out / "examples.parquet", EXAMPLES)
    sink_table(dropped, out / "examples_rejected.parquet", EXAMPLES.rejected())
    return _funnel(found, store, sizes, decisions)


def _decided(
    store: Store, shards: Sequence[Shard], begins: Sequence[int], decisions: Decisions
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The rows that stay, and those that don't with their reasons. A shard is read when its turn comes: polars would
    open many scans at a time, and the memory that takes grows with their number."""
    ids = _ids(read_keys(store, shards, ["id_high", "id_low"]))

    def gone(number: int) -> Places:
        return np.flatnonzero(decisions.what_R[begins[number] : begins[number + 1]] != KEEP)

    def kept() -> Iterator[pl.DataFrame]:
        for number, shard in enumerate(shards):
            stays = np.ones(begins[number + 1] - begins[number], np.bool_)
            stays[gone(number)] = False
            yield pl.read_parquet(store.path(shard, KEPT)).filter(pl.Series(stays))

    def dropped() -> Iterator[pl.DataFrame]:
        for number, shard in enumerate(shards):
            yield pl.read_parquet(store.path(shard, DROPPED))
            rows = gone(number)
            if len(rows):
                why = pl.Series("r1_drop", decisions.reasons(begins[number] + rows, ids), dtype=pl.String)
                yield pl.read_parquet(store.path(shard, KEPT))[rows].with_columns(why)

    return _one_by_one(kept, EXAMPLES.schema), _one_by_one(dropped, EXAMPLES.rejected().schema)


def _one_by_one(frames: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """Frames of one schema, each asked for when the one before is written."""

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, most: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in frames():
            chosen = frame if columns is None else frame.select(columns)
            yield chosen if predicate is None else chosen.filter(predicate)

    return register_io_source(read, schema=schema)


def _ids(keys: pl.DataFrame) -> Callable[[Places], list[str]]:
    high, low = keys["id_high"].to_numpy(), keys["id_low"].to_numpy()
    return lambda rows: [f"{a:016x}{b:016x}" for a, b in zip(high[rows].tolist(), low[rows].tolist(), strict=True)]


def _funnel(found: Plan, store: Store, sizes: Sequence[int], decisions: Decisions) -> Funnel:
    decided = np.bincount(decisions.what_R, minlength=len(NAMES)).tolist()
    stays = pl.Series("stays", decisions.what_R == KEEP)
    domains = read_keys(store, found.shards, ["domain"])["domain"].filter(stays).value_counts()
    source_R = pl.Series(np.repeat(np.array([shard.recipe for shard in found.shards], np.int64), sizes))
    between = {name: count for name, count in zip(NAMES[1:], decided[1:], strict=True) if count}
    return Funnel(
        rows=sum(shard.rows for shard in found.shards),
        dropped={**dropped_by(store, found.shards), **between},
        kept=decided[KEEP],
        domains=dict(sorted(domains.iter_rows())),
        sources=[
            (sum(s.rows for s in found.shards if s.recipe == number), int(stays.filter(source_R == number).sum()))
            for number in range(len(found.recipes))
        ],
    )
