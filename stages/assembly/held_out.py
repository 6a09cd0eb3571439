"""What no training row may hold: the problems of validation and test, and what imports hold out."""

from collections.abc import Callable

import polars as pl

from stages.contract.job import Paths
from stages.contract.schemas import DOCUMENTS, TASKS
from stages.contract.tables import read_table
from stages.curate.decontaminate import benchmarks
from stages.tasks.corpus import SOURCE
from stages.tasks.problems import states_in


def held_out_tasks(paths: Paths) -> pl.DataFrame:
    """The problems that no training row may hold."""
    names = ("validation", "test")
    return pl.concat([read_table(paths.data / "prompts" / f"{name}.parquet", TASKS) for name in names])


def held_out_problems(paths: Paths) -> pl.DataFrame:
    """The problems that curation looks for in rows' texts: everybody's but the embedded world's, whose states tell them."""
    tasks = held_out_tasks(paths).filter(pl.col("source") != SOURCE["source"])
    return benchmarks(tasks, read_table(paths.data / "prompts" / "held_out.parquet", DOCUMENTS))


def held_out_guard(*frames: pl.DataFrame) -> Callable[[str], bool]:
    """Whether a text works on a held-out problem. Such a text must not be trained on."""
    problems = frozenset(states[0] for frame in frames for states in frame["states"].to_list())
    return lambda text: not problems.isdisjoint(states_in(text))
