"""Rows through the stream of curation, in a folder of the test's."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.contract.schemas import EXAMPLES
from stages.contract.tables import read_table
from stages.curate.decide import Wanted
from stages.curate.outcome import Curated
from stages.curate.recipe import GRADED, Recipe
from stages.curate.shards import HELD_OUT, Source, Store, plan
from stages.curate.stream import curate

ROWS = {**EXAMPLES.columns, **GRADED}
NOTHING = pl.DataFrame(schema=HELD_OUT)


def row(prompt: str, response: str, **columns: object) -> dict[str, object]:
    """A row of EXAMPLES and GRADED: right, in one language, the first draw of its prompt."""
    found: dict[str, object] = {
        "r1_parents": [f"task of {prompt}"],
        "r1_op": "generate",
        "r1_gen": {"checkpoint": "c", "sampling": "s", "seed": 0, "draw": columns.pop("draw", 0)},
        "task_id": f"task of {prompt}",
        "kind": "reasoning",
        "family": "math",
        "language": "en",
        "prompt": prompt,
        "response": response,
        "num_tokens": 1,
        "source": "test",
        "verdict": "correct",
        "language_consistency": 1.0,
        "held_out": False,
        "license": "",
        **columns,
    }
    return {"r1_id": EXAMPLES.row_id(found), **found}


def written(frames: Sequence[pl.DataFrame], folder: Path) -> list[Path]:
    """Frames as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.parquet" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        frame.write_parquet(path)
    return paths


def through(
    frame: pl.DataFrame, recipe: Recipe, wanted: Wanted, folder: Path, *, held_out: pl.DataFrame = NOTHING
) -> Curated:
    """What becomes of rows."""
    files = written([frame.select(list(ROWS))], folder / "rows")
    found = plan([Source(name="test", files=files, recipe=recipe)], held_out)
    curate(found, wanted, Store(folder / "store"), folder / "out")
    return Curated(
        kept=read_table(folder / "out" / "examples.parquet", EXAMPLES),
        rejected=read_table(folder / "out" / "examples_rejected.parquet", EXAMPLES.rejected()),
    )
