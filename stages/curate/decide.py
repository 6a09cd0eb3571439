"""What is decided between rows: duplicates, prompts that are too easy or too hard, caps, the mix of domains.

Everything follows from the rows' keys (stages/curate/recipe.py) and from nothing else: not from the order in which
sources or shards came, nor from what was curated before. So curating more is the same as curating all at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.curate import near
from stages.curate.recipe import BANDS
from stages.curate.words import Places, mixed

KEEP, DUPLICATE, NEAR_DUPLICATE, TOO_HARD, TOO_EASY, NOT_SAMPLED, OVER_TARGET = range(7)
NAMES = ("", "duplicate", "near_duplicate", "too_hard", "too_easy", "not_sampled", "over_target")
ReadKeys = Callable[[Sequence[str]], pl.DataFrame]
"""Columns of all rows' keys, in the rows' order."""
ReadSketches = Callable[[Places], NDArray[np.uint8]]
"""The sketches of some rows."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the curated set should be."""

    near: float = 0.0  # rows of at least this similarity are duplicates; 0: only equal ones
    pass_rate: tuple[float, float] = (0.0, 1.0)  # of a prompt's draws, the share that is right
    keep_per_prompt: int = 0  # 0: all
    targets: Mapping[str, int] = field(default_factory=dict)  # domain -> rows; without any: all rows


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Of each row (R) what became of it, a place in NAMES, and for duplicates the row that stayed."""

    what_R: NDArray[np.int8]
    stays_R: Places

    def reasons(self, rows: Places, ids: Callable[[Places], Sequence[str]]) -> list[str]:
        """The reasons of dropped rows; `ids` gives rows' ids."""
        names = zip(self.what_R[rows].tolist(), ids(self.stays_R[rows]), strict=True)
        return [
            f"{NAMES[what]}:{row_id}" if what in (DUPLICATE, NEAR_DUPLICATE) else NAMES[what] for what, row_id in names
        ]


def decide(read: ReadKeys, sketches: ReadSketches, rates: pl.DataFrame, wanted: Wanted) -> Decisions:
    """Decide for all rows. `rates`: RATES, a prompt's rows summed up or not."""
    order_R = _order(read(["draw", "id_high", "id_low", "tie"]))
    what_R = np.zeros(len(order_R), np.int8)
    alone_R = read(["alone"])["alone"].to_numpy()
    stays_R = np.where(alone_R, np.arange(len(order_R)), _first_equal(read(["text"]), order_R))
    what_R[stays_R != np.arange(len(order_R))] = DUPLICATE
    if wanted.near > 0:
        left = np.flatnonzero((what_R == KEEP) & ~alone_R)
        first = left[_alike(read, sketches, left, order_R, wanted.near)]
        near_by = first != left
        what_R[left[near_by]], stays_R[left[near_by]] = NEAR_DUPLICATE, first[near_by]
    frame = read(["task", "domain", "rank", "alone"]).with_columns(pl.Series("what", what_R))
    if wanted.pass_rate != (0.0, 1.0):
        what_R[:] = _by_pass_rate(frame, rates, *wanted.pass_rate)
    if wanted.keep_per_prompt:
        frame = frame.with_columns(pl.Series("what", what_R))
        capped = pl.when("alone").then(None).otherwise(pl.lit(wanted.keep_per_prompt))
        what_R[_beyond(frame, "task", capped, pl.col("rank"))] = NOT_SAMPLED
    if wanted.targets:
        frame = frame.with_columns(pl.Series("what", what_R), pl.Series("again", mixed(frame["rank"].to_numpy())))
        target = pl.col("domain").replace_strict(dict(wanted.targets), default=0, return_dtype=pl.Int64)
        # Those with the lowest ranks are from the prompts with most answers by now: another rank decides.
        what_R[_beyond(frame, "domain", target, pl.col("again"))] = OVER_TARGET
    return Decisions(what_R=what_R, stays_R=stays_R)


def _order(keys: pl.DataFrame) -> Places:
    """Each row's place among all: earlier draws first, then by what the row is."""
    sorted_R = keys.with_row_index("row").sort(keys.columns)["row"].to_numpy()
    order_R = np.empty(len(sorted_R), np.int64)
    order_R[sorted_R] = np.arange(len(sorted_R))
    return order_R


def _first_equal(keys: pl.DataFrame, order_R: Places) -> Places:
    """Of each row the first that has the same text."""
    first = keys.with_columns(pl.Series("order", order_R)).select(pl.col("order").min().over(keys.columns))
    row = np.empty(len(order_R), np.int64)
    row[order_R] = np.arange(len(order_R))
    return np.asarray(row[first["order"].to_numpy()])


def _alike(read: ReadKeys, sketches: ReadSketches, left: Places, order_R: Places, least: float) -> Places:
    """Of each row that is left the first of its cluster, as a place in `left`. One band is in memory at a time."""
    order = np.argsort(np.argsort(order_R[left]))
    pairs = []
    for name in BANDS:
        first, second = near.candidates(read([name])[name].to_numpy()[left], order)
        alike = near.similarity(sketches(left[first]), sketches(left[second])) >= least
        pairs.append((first[alike], second[alike]))
    return near.clusters(pairs, order)


def _by_pass_rate(frame: pl.DataFrame, rates: pl.DataFrame, low: float, high: float) -> NDArray[np.int8]:
    share = rates.group_by("task").sum().select("task", share=pl.col("correct") / pl.col("draws"))
    judged = frame.join(share, on="task", how="left", maintain_order="left").select(
        pl.when((pl.col("what") != KEEP) | pl.col("share").is_null())
        .then("what")
        .when(pl.col("share") < low)
        .then(pl.lit(TOO_HARD))
        .when(pl.col("share") > high)
        .then(pl.lit(TOO_EASY))
        .otherwise("what")
    )
    return judged.to_series().cast(pl.Int8).to_numpy()


def _beyond(frame: pl.DataFrame, group: str, count: pl.Expr, rank: pl.Expr) -> Places:
    """The rows still kept that are not among the `count` lowest of their group by rank."""
    kept = frame.with_row_index("row").filter(pl.col("what") == KEEP)
    beyond = kept.filter(rank.rank("ordinal").over(group) > count)
    return beyond["row"].to_numpy()
