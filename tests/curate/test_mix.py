"""Sampling: decided by seed and row ids, whatever the order of the rows."""

import polars as pl

from stages.curate.mix import sample, shuffle

FRAME = pl.DataFrame({"r1_id": [f"{i:03}" for i in range(100)], "task_id": [f"t{i % 10}" for i in range(100)]})


def ids(frame: pl.DataFrame) -> set[str]:
    return set(frame.get_column("r1_id").to_list())


def test_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    drawn = sample(FRAME, count=20, seed=1)
    assert drawn.kept.height == 20 and drawn.reasons() == {"not_sampled": 80}
    assert ids(sample(FRAME.reverse(), count=20, seed=1).kept) == ids(drawn.kept)
    assert ids(sample(FRAME, count=20, seed=2).kept) != ids(drawn.kept)
    assert sample(FRAME, count=200, seed=1).kept.equals(FRAME)


def test_a_larger_sample_holds_the_smaller() -> None:
    assert ids(sample(FRAME, count=10, seed=1).kept) < ids(sample(FRAME, count=20, seed=1).kept)


def test_every_row_is_about_equally_likely() -> None:
    counts = dict.fromkeys(ids(FRAME), 0)
    for seed in range(400):
        for row in ids(sample(FRAME, count=25, seed=seed).kept):
            counts[row] += 1
    assert 60 < min(counts.values()) and max(counts.values()) < 140  # mean 100, standard deviation 8.7


def test_shuffle_is_a_permutation_decided_by_the_seed() -> None:
    assert shuffle(FRAME, seed=3).equals(shuffle(FRAME.reverse(), seed=3))
    assert shuffle(FRAME, seed=3).sort("r1_id").equals(FRAME)
    assert not shuffle(FRAME, seed=4).equals(shuffle(FRAME, seed=3))
