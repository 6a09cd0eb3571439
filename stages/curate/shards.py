"""Curation of any number of rows in bounded memory: shard by shard, each result kept under the name of what it is of.

A shard is a stretch of rows of a Parquet file. Its result (kept rows, dropped rows, keys) lies in a folder that is named
by the hash of the rows, the recipe, what is held out and the code, and that appears whole or not at all. So whoever was
killed goes on shard by shard, and whoever adds rows sifts the new ones only. Workers claim shards by a lock: more of
them, on any machine that sees the folder, only make it faster.

Not covered: a file system without flock between machines (two workers then sift the same shard, with the same result).
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.contract.commits import sync
from stages.contract.schemas import EXAMPLES, content_id
from stages.curate import near, worker
from stages.curate.decontaminate import HeldOut, hold_out
from stages.curate.recipe import GRADED, Recipe, Sifted, sifted
from stages.curate.recipe import KEYS as KEY_COLUMNS
from stages.curate.recipe import RATES as RATE_COLUMNS

ROWS = 4096  # of a shard
KEPT, DROPPED, KEYS, RATES, SKETCHES = (
    "kept.parquet",
    "dropped.parquet",
    "keys.parquet",
    "rates.parquet",
    "sketches.npy",
)
INLINE = 5  # so few shards aren't worth starting workers
COLUMNS = {**EXAMPLES.columns, **GRADED}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows of a file, sifted by the recipe of that number. `name` is that of the result."""

    path: str
    begin: int
    rows: int
    recipe: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Parquet files of EXAMPLES with the columns GRADED, and what their rows must be."""

    name: str
    files: Sequence[Path]
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All shards in order. `held_out` is a table of the columns HELD_OUT."""

    shards: Sequence[Shard]
    recipes: Sequence[Recipe]
    held_out: pl.DataFrame
    ngram: int

    def text(self) -> str:
        return json.dumps(
            {
                "shards": [asdict(shard) for shard in self.shards],
                "recipes": [asdict(recipe) for recipe in self.recipes],
                "held_out": self.held_out.to_dict(as_series=False),
                "ngram": self.ngram,
            }
        )

    @classmethod
    def read(cls, text: str) -> "Plan":
        plain = json.loads(text)
        return cls(
            shards=[Shard(**shard) for shard in plain["shards"]],
            recipes=[Recipe(**recipe) for recipe in plain["recipes"]],
            held_out=pl.DataFrame(plain["held_out"], schema=HELD_OUT),
            ngram=plain["ngram"],
        )


HELD_OUT = {"r1_id": pl.String(), "prompt": pl.String(), "solution": pl.Boolean()}


def plan(sources: Sequence[Source], held_out: pl.DataFrame, *, ngram: int = 10, code: str = "") -> Plan:
    """Cut sources into shards. Of the files only what isn't text is read: a row's id stands for its texts."""
    benchmarks = held_out.select(list(HELD_OUT))
    against = content_id("held out", [ngram, *(benchmarks[name].to_list() for name in HELD_OUT)])
    shards = []
    for number, source in enumerate(sources):
        same = json.dumps([near.VERSION, code, against, asdict(source.recipe)], sort_keys=True)
        for path in source.files:
            frame = pl.read_parquet(path, columns=[name for name in COLUMNS if name not in EXAMPLES.identity])
            for begin in range(0, frame.height, ROWS):
                part = frame[begin : begin + ROWS]
                of = hashlib.sha256(same.encode() + part.write_ndjson().encode()).hexdigest()[:32]
                shards.append(Shard(path=str(path), begin=begin, rows=part.height, recipe=number, name=of))
    return Plan(shards=shards, recipes=[source.recipe for source in sources], held_out=benchmarks, ngram=ngram)


class Store:
    """The results of shards, in folders of their names, and files of rows. It remembers which of them were used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, shard: Shard) -> bool:
        return self.path(shard, KEPT).is_file()

    def path(self, shard: Shard, what: str) -> Path:
        self._used.add(shard.name)
        return self.folder / shard.name / what

    def put(self, shard: Shard, found: Sifted) -> None:
        """Keep a shard's result. It is there as a whole or not at all."""
        part = self.folder / f"{shard.name}.{os.getpid()}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name, frame in (
            (KEPT, found.curated.kept.select(list(EXAMPLES.columns))),
            (DROPPED, found.curated.rejected.select(list(EXAMPLES.rejected().columns))),
            (KEYS, found.keys),
            (RATES, found.rates),
        ):
            frame.write_parquet(part / name, compression="lz4")  # read once more: quick matters more than small
        np.save(part / SKETCHES, found.sketches)
        sync(part)
        try:
            os.rename(part, self.folder / shard.name)
        except OSError:  # another worker was quicker, with the same result
            shutil.rmtree(part)

    def rows(self, name: str) -> Path:
        """Where a file of rows lies."""
        self._used.add(name)
        return self.folder / name

    def write(self, name: str, frame: pl.DataFrame) -> Path:
        """Write a file of rows."""
        path = self.rows(name)
        part = path.with_name(f"{name}.{os.getpid()}.part")
        frame.write_parquet(part, compression="lz4", row_group_size=ROWS)  # a shard is read alone
        os.replace(part, path)
        return path

    def clean(self) -> None:
        """Remove what was not used, and what killed workers left."""
        for path in self.folder.iterdir():
            if path.name not in self._used:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def sift_all(
    found: Plan, store: Store, *, workers: int = 1, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Sift the shards that the store lacks. `progress` is told how many shards are done.

    Raises:
        RuntimeError: a worker failed, with what it said.
    """
    missing = [shard for shard in found.shards if not store.has(shard)]
    if workers <= 1 or len(missing) <= INLINE:
        held_out = index(found)
        for shard in found.shards:
            if not store.has(shard):
                store.put(shard, _sift(shard, found, held_out))
            progress(sum(map(store.has, found.shards)))
        return
    text = store.folder / "plan.json"
    text.write_text(found.text())
    started = [worker.start(text, store.folder) for _ in range(min(workers, len(missing)))]
    try:
        while any(process.poll() is None for process in started):
            for process in started:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    continue
            progress(sum(map(store.has, found.shards)))
    finally:
        for process in started:
            process.kill()
    failed = next((process for process in started if process.returncode), None)
    if failed is not None and failed.stderr is not None:
        raise RuntimeError(f"a curation worker failed: {failed.stderr.read().decode(errors='replace').strip()[-2000:]}")


def sift_claimed(found: Plan, store: Store, *, alive: Callable[[], bool]) -> None:
    """A worker's part: sift every shard that nobody sifts at the moment, as long as `alive` says so."""
    held_out = index(found)
    for shard in found.shards:
        if not alive():
            return
        for _ in claimed(store.folder / f"{shard.name}.lock") if not store.has(shard) else ():
            if not store.has(shard):
                store.put(shard, _sift(shard, found, held_out))


def claimed(path: Path) -> Iterator[None]:
    """Once, if nobody else holds the file's lock. It stays while the loop's body runs."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        yield


def index(found: Plan) -> HeldOut | None:
    return hold_out(found.held_out, ngram=found.ngram) if len(found.held_out) else None


def _sift(shard: Shard, found: Plan, held_out: HeldOut | None) -> Sifted:
    rows = pl.scan_parquet(shard.path).slice(shard.begin, shard.rows).collect()
    return sifted(rows, found.recipes[shard.recipe], held_out)


def read_keys(store: Store, shards: Sequence[Shard], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of all keys, in the shards' order."""
    none = pl.DataFrame(schema={name: KEY_COLUMNS.get(name, pl.UInt64()) for name in columns})
    return pl.concat([none, *(pl.read_parquet(store.path(shard, KEYS), columns=list(columns)) for shard in shards)])


def read_sketches(
    store: Store, shards: Sequence[Shard], begins: Sequence[int]
) -> Callable[[np.typing.NDArray[np.int64]], near.Sketches]:
    """A reader of single rows' sketches; `begins`: where each shard's rows begin, and their number."""
    files = [np.load(store.path(shard, SKETCHES), mmap_mode="r") for shard in shards]

    def read(rows: np.typing.NDArray[np.int64]) -> near.Sketches:
        found = np.empty((len(rows), near.SLOTS), np.uint8)
        place = np.searchsorted(begins, rows, side="right") - 1
        for number in np.unique(place):
            mine = place == number
            found[mine] = files[number][rows[mine] - begins[number]]
        return found

    return read


def rates(store: Store, shards: Sequence[Shard]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=RATE_COLUMNS), *(pl.read_parquet(store.path(s, RATES)) for s in shards)])


def dropped_by(store: Store, shards: Sequence[Shard]) -> Mapping[str, int]:
    """How many rows each filter dropped, in the order of what is dropped first."""
    frames = [pl.DataFrame(schema={"r1_drop": pl.String})]
    frames += [pl.read_parquet(store.path(shard, DROPPED), columns=["r1_drop"]) for shard in shards]
    names = pl.concat(frames)["r1_drop"].str.split(":").list.first()
    return dict(names.value_counts(sort=True).iter_rows())
