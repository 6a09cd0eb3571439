"""Sampling and shuffling tables. What is drawn depends on the seed and the rows' ids, not on their order."""

import hashlib

import polars as pl

from stages.curate.outcome import Curated, divide

_RANK = "r1_rank"


def sample(frame: pl.DataFrame, *, count: int, seed: int) -> Curated:
    """Draw `count` rows, or all where there are fewer. Kept rows keep their order; the rest is `not_sampled`."""
    order = sorted(range(frame.height), key=_ranks(frame, seed).__getitem__)
    chosen = set(order[:count])
    return divide(frame, [None if i in chosen else "not_sampled" for i in range(frame.height)])


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
