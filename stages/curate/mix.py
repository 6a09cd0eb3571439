"""Sampling and mixing tables. What is drawn depends on the seed and the rows' ids, not on their order."""

import hashlib
from collections.abc import Mapping

import polars as pl

from stages.curate.outcome import Curated, divide

_RANK = "r1_rank"


def sample(frame: pl.DataFrame, *, count: int, seed: int) -> Curated:
    """Draw `count` rows, or all where there are fewer. Kept rows keep their order; the rest is `not_sampled`."""
    order = sorted(range(frame.height), key=_ranks(frame, seed).__getitem__)
    chosen = set(order[:count])
    return divide(frame, [None if i in chosen else "not_sampled" for i in range(frame.height)])


def keep_per(frame: pl.DataFrame, *, by: str, count: int, seed: int) -> Curated:
    """Keep at most `count` rows of each value of `by` (such as answers of one prompt); the rest is `not_sampled`."""
    ranks = _ranks(frame, seed)
    groups = frame.get_column(by).to_list()
    taken: dict[object, int] = {}
    chosen = set()
    for i in sorted(range(frame.height), key=ranks.__getitem__):
        if taken.get(groups[i], 0) < count:
            taken[groups[i]] = taken.get(groups[i], 0) + 1
            chosen.add(i)
    return divide(frame, [None if i in chosen else "not_sampled" for i in range(frame.height)])


def mix(parts: Mapping[str, pl.DataFrame], counts: Mapping[str, int], *, seed: int) -> Curated:
    """Draw `counts[name]` rows of each part and shuffle them together. The parts have the same columns.

    Raises:
        ValueError: a part without a count, or a count without a part.
    """
    if parts.keys() != counts.keys():
        raise ValueError(f"parts {sorted(parts)} and counts {sorted(counts)} differ")
    drawn = [sample(parts[name], count=counts[name], seed=seed) for name in parts]
    return Curated(
        kept=shuffle(pl.concat([part.kept for part in drawn]), seed=seed),
        rejected=pl.concat([part.rejected for part in drawn]),
    )


def shuffle(frame: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """The rows in an order that the seed decides."""
    return frame.with_columns(pl.Series(_RANK, _ranks(frame, seed))).sort(_RANK, maintain_order=True).drop(_RANK)


def _ranks(frame: pl.DataFrame, seed: int) -> list[bytes]:
    """A pseudo-random rank for each row, from the seed and its id; equal ids have equal ranks."""
    key = seed.to_bytes(16, "little", signed=True)
    return [
        hashlib.blake2b(row_id.encode(), key=key, digest_size=16).digest()
        for row_id in frame.get_column("r1_id").to_list()
    ]
