"""What differs between two tables, row by row: added, removed, the same question answered otherwise, and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from r1cli.data.artifacts import Rows
from r1cli.lineage.diff import KEYS
from stages.contract.errors import UserError
from stages.contract.schemas import schema_name

if TYPE_CHECKING:
    import polars as pl

ID, NUMBER = "r1_id", "r1_row"
GROUPS = ("kind", "family", "language", "source", "license", "verdict", "r1_drop")
QUESTIONS = ("prompt", "question", "problem", "text")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two tables. Rows are told apart by `r1_id` where both have it, else by all that they hold.

    `added` and `removed` are row numbers in the second and the first table. `changed` pairs of them share the key columns
    (the question, and which draw) and differ in the rest. `altered`: rows with one id of which a column differs that no id
    covers, by column.
    """

    tables: tuple[str, str]
    rows: tuple[int, int]
    same: int
    added: Sequence[int]
    removed: Sequence[int]
    changed: Sequence[tuple[int, int]]
    key: Sequence[str]
    columns: Mapping[str, tuple[str, str]]  # of other types, or on one side only (then "" on the other)
    altered: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)  # column -> value -> counts

    @property
    def none(self) -> bool:
        return not (self.added or self.removed or self.altered or self.columns)


def pairs(before: Sequence[Rows], after: Sequence[Rows]) -> list[tuple[Rows, Rows]]:
    """Which table is compared with which: those of one name, or the only two.

    Raises:
        UserError: none of either fits one of the other.
    """
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    ends = {rows.name.rpartition("/")[2]: rows for rows in after}
    found = [(rows, ends[end]) for rows in before if (end := rows.name.rpartition("/")[2]) in ends]
    if not found:
        names = [", ".join(rows.name for rows in side) for side in (before, after)]
        raise UserError(
            f"no table of one ({names[0]}) has its like in the other ({names[1]})", hint="name a table of each"
        )
    return found


def differ(before: Rows, after: Rows) -> Difference:
    """Compare two tables. Texts are compared by their hashes: memory grows with the rows, not with what they hold."""
    import polars as pl

    frames = [before.lazy(), after.lazy()]
    schemas = [frame.collect_schema() for frame in frames]
    shared = [name for name in schemas[0].names() if schemas[0][name] == schemas[1].get(name)]
    if not shared:
        raise UserError(f"{before.name} and {after.name} have no column in common", hint="name two tables of one kind")
    columns = {
        name: (str(schemas[0].get(name, "")), str(schemas[1].get(name, "")))
        for name in dict.fromkeys([*schemas[0].names(), *schemas[1].names()])
        if name not in shared
    }
    key = _key(schemas[0], shared)
    old, new = (_hashed(frame, shared, key) for frame in frames)
    both = old.join(new, on=[ID, "nth"], how="inner", suffix="_new")
    removed, added = old.join(new, on=[ID, "nth"], how="anti"), new.join(old, on=[ID, "nth"], how="anti")
    altered = {
        name: count
        for name in shared
        if (count := int(both.select((pl.col(f"#{name}") != pl.col(f"#{name}_new")).sum()).item()))
    }
    return Difference(
        tables=(before.name, after.name),
        rows=(len(old), len(new)),
        same=len(both),
        added=added[NUMBER].sort().to_list(),
        removed=removed[NUMBER].sort().to_list(),
        changed=_changed(removed, added) if key else [],
        key=key,
        columns=columns,
        altered=altered,
        groups=_groups(frames, shared),
    )


def _key(schema: "pl.Schema", shared: Sequence[str]) -> list[str]:
    """The columns that make two rows versions of each other."""
    wanted = ["r1_gen" if name == "draw" else name for name in KEYS.get(schema_name(schema), ())]
    if wanted and set(wanted) <= set(shared):
        return wanted
    return [name for name in QUESTIONS if name in shared][:1]


def _hashed(frame: "pl.LazyFrame", shared: Sequence[str], key: Sequence[str]) -> "pl.DataFrame":
    """Each row's number, id, hash of its key and of each column; `nth` tells rows of one id apart."""
    import polars as pl

    own = pl.col(ID) if ID in shared else pl.struct(shared).hash().cast(pl.String)
    keyed = [pl.col(k).struct.field("draw") if k == "r1_gen" else pl.col(k) for k in key]
    hashes = [pl.col(name).hash().alias(f"#{name}") for name in shared]
    hashed = frame.with_row_index(NUMBER).select(
        NUMBER,
        own.alias(ID),
        pl.struct(keyed).hash().alias("key") if keyed else pl.lit(0, pl.UInt64).alias("key"),
        *hashes,
    )
    return hashed.collect(engine="streaming").with_columns(nth=pl.col(ID).cum_count().over(ID))


def _changed(removed: "pl.DataFrame", added: "pl.DataFrame") -> list[tuple[int, int]]:
    """Rows that went and rows that came with the same key: the first with the first, and so on."""
    import polars as pl

    old, new = (
        side.sort(NUMBER).select(NUMBER, "key", nth=pl.col("key").cum_count().over("key")) for side in (removed, added)
    )
    met = old.join(new, on=["key", "nth"], how="inner", suffix="_new").sort(NUMBER)
    return [(one, other) for one, other in met.select(NUMBER, f"{NUMBER}_new").iter_rows()]


def _groups(frames: Sequence["pl.LazyFrame"], shared: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """The counts that differ, of the columns with few values."""
    import polars as pl

    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name in GROUPS:
        if name not in shared:
            continue
        value = (
            pl.col(name).cast(pl.String).str.split(":").list.first()
            if name == "r1_drop"
            else pl.col(name).cast(pl.String)
        )
        counts = [
            dict(f.select(value.alias("v")).group_by("v").len().collect(engine="streaming").iter_rows()) for f in frames
        ]
        values = sorted({str(v) for side in counts for v in side if v is not None})
        differing = {v: (counts[0].get(v, 0), counts[1].get(v, 0)) for v in values}
        differing = {v: sides for v, sides in differing.items() if sides[0] != sides[1]}
        if differing and len(values) > 1:
            found[name] = differing
    return found
