"""What differs between two states of the pipeline's outs: rows by stage, params, code, metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli.lineage.revisions import Metrics
from r1cli.lineage.snapshot import Artifact, Snapshot
from r1cli.params_file import flat

if TYPE_CHECKING:
    import polars as pl

NAMED = 3  # ids that are named for each kind of change
# What makes two rows versions of each other: the same question to the same purpose, answered otherwise.
KEYS = {
    "tasks": ("prompt",),
    "documents": (),
    "rollouts": ("step", "task_id", "draw"),
    "examples": ("task_id", "draw"),
    "traces": ("task_id",),
    "general": ("task_id",),
    "pairs": ("task_id", "draw"),
    "labels": ("task_id", "draw"),
    "scores": ("model", "task_id", "draw"),
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A table's rows in two states. `changed` ones are the same question with another answer, counted once."""

    table: str
    before: int
    after: int
    added: Sequence[str]
    removed: Sequence[str]
    changed: int


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A metric in two states, with its 95% intervals where it has them. `apart`: the intervals don't meet."""

    metric: str
    before: float | None
    after: float | None
    intervals: tuple[tuple[float, float] | None, tuple[float, float] | None]

    @property
    def apart(self) -> bool | None:
        first, second = self.intervals
        if first is None or second is None:
            return None
        return first[1] < second[0] or second[1] < first[0]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One stage's differences."""

    stage: str
    only: str  # `before` or `after` where the other state lacks the stage, else empty
    code: bool
    params: Mapping[str, tuple[object, object]]
    rows: Sequence[Rows]
    weights: Sequence[str]  # checkpoints that are others
    libraries: Mapping[str, tuple[object, object]]  # versions that are others


def differences(before: Snapshot, after: Snapshot) -> list[Change]:
    """The stages that differ, in order."""
    names = list(dict.fromkeys([*after.artifacts, *before.artifacts]))
    found = [_change(before, after, name) for name in names]
    return [c for c in found if c.only or c.code or c.params or c.rows or c.weights or c.libraries]


def _change(before: Snapshot, after: Snapshot, name: str) -> Change:
    old, new = before.artifacts.get(name), after.artifacts.get(name)
    if old is None or new is None:
        only = "after" if old is None else "before"
        return Change(stage=name, only=only, code=False, params={}, rows=[], weights=[], libraries={})
    then, now = dict(flat(old.manifest.params)), dict(flat(new.manifest.params))
    tables = sorted({*old.kept_tables(), *new.kept_tables()})
    rows = [found for table in tables if (found := _rows(before, old, after, new, table)) is not None]
    checkpoints = {**old.manifest.checkpoints, **new.manifest.checkpoints}
    return Change(
        stage=name,
        only="",
        code=old.manifest.code != new.manifest.code,
        params=_changed(then, now),
        rows=rows,
        weights=[c for c in checkpoints if old.manifest.checkpoints.get(c) != new.manifest.checkpoints.get(c)],
        libraries=_changed(old.manifest.determinism.libraries, new.manifest.determinism.libraries),
    )


def _changed(then: Mapping[str, object], now: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {key: (then.get(key), now.get(key)) for key in {**then, **now} if then.get(key) != now.get(key)}


def _rows(before: Snapshot, old: Artifact, after: Snapshot, new: Artifact, table: str) -> Rows | None:
    then, now = old.manifest.tables.get(table), new.manifest.tables.get(table)
    if then == now:
        return None
    schema = (then or now).schema  # type: ignore[union-attr]
    frames = [
        _keyed(found.file(artifact, table), schema) if known else _keyed(None, schema)
        for found, artifact, known in ((before, old, then), (after, new, now))
    ]
    removed = frames[0].join(frames[1], on="r1_id", how="anti", maintain_order="left")
    added = frames[1].join(frames[0], on="r1_id", how="anti", maintain_order="left")
    keys = [name for name in frames[0].columns if name != "r1_id"]
    changed = added.join(removed, on=keys, how="semi", nulls_equal=True) if keys else added.clear()
    return Rows(
        table=table,
        before=then.rows if then else 0,
        after=now.rows if now else 0,
        added=added["r1_id"].to_list(),
        removed=removed["r1_id"].to_list(),
        changed=len(changed),
    )


def _keyed(path: Path | None, schema: str) -> "pl.DataFrame":
    """Distinct rows with the columns that make two rows versions of each other."""
    import polars as pl

    keys = KEYS.get(schema, ())
    if path is None:
        return pl.DataFrame(schema={"r1_id": pl.String})
    frame = pl.scan_parquet(path)
    columns = [pl.col("r1_gen").struct.field("draw") if key == "draw" else pl.col(key).cast(pl.String) for key in keys]
    return frame.select("r1_id", *columns).unique("r1_id", keep="first", maintain_order=True).collect()


def figures(before: Metrics, after: Metrics) -> dict[str, list[Figure]]:
    """The metrics that differ, by metrics file."""
    found: dict[str, list[Figure]] = {}
    for stage in sorted({**before, **after}):
        then, now = before.get(stage, {}), after.get(stage, {})
        names = [n for n in {**then, **now} if not n.endswith(("_low", "_high")) and then.get(n) != now.get(n)]
        if names:
            found[stage] = [
                Figure(
                    metric=name,
                    before=then.get(name),
                    after=now.get(name),
                    intervals=(_interval(then, name), _interval(now, name)),
                )
                for name in names
            ]
    return found


def _interval(values: Mapping[str, float], name: str) -> tuple[float, float] | None:
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    return None if low is None or high is None else (low, high)
