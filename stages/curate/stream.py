"""Curation from sources to tables: sift the shards, decide between rows, write what stays and what doesn't."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl

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
    """The rows that stay, and those that don't with their reasons; nothing is read yet."""
    kept, dropped = [EXAMPLES.schema.to_frame().lazy()], [EXAMPLES.rejected().schema.to_frame().lazy()]
    ids = _ids(read_keys(store, shards, ["id_high", "id_low"]))
    for number, shard in enumerate(shards):
        begin, end = begins[number : number + 2]
        sifted = pl.scan_parquet(store.path(shard, KEPT)).with_row_index("row")
        out = np.flatnonzero(decisions.what_R[begin:end] != KEEP)
        gone = pl.col("row").is_in(pl.Series(out, dtype=pl.UInt32).implode())
        kept.append((sifted.filter(~gone) if len(out) else sifted).drop("row"))
        dropped.append(pl.scan_parquet(store.path(shard, DROPPED)))
        if len(out):
            why = pl.Series(decisions.reasons(begin + out, ids), dtype=pl.String)
            reason = pl.col("row").replace_strict(pl.Series(out, dtype=pl.UInt32), why, return_dtype=pl.String)
            dropped.append(sifted.filter(gone).with_columns(r1_drop=reason).drop("row"))
    return pl.concat(kept), pl.concat(dropped)


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
