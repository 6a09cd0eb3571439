"""Rows of all tables: finding them, what they were made from, what was made from them. polars is imported late."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1cli import conditions
from r1cli.conditions import first_line
from r1cli.lineage import imports
from r1cli.lineage.snapshot import Artifact, Snapshot
from stages.contract.errors import UserError

if TYPE_CHECKING:
    import polars as pl

_ID = re.compile(r"[0-9a-f]{6,32}")
WHOLE = 32  # hex digits of an id


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands. `dropped` is the reason, in a sidecar. Row numbers count from 0."""

    id: str
    artifact: str
    table: str
    row: int
    dropped: str | None = None


def is_whole(text: str) -> bool:
    """Whether this is a whole row id."""
    return len(text) == WHOLE and _ID.fullmatch(text) is not None


def find(found: Snapshot, wanted: str) -> list[Place]:
    """The rows that an id, the beginning of one, or a filter names. A filter is a condition (r1cli/conditions.py)
    on the columns of the tables: `source = 'file:gsm8k.jsonl'`, `family = 'code' AND language = 'zh'`.

    Raises:
        UserError: there is no such row, or the filter can't be read.
    """
    import polars as pl

    by_id = _ID.fullmatch(wanted) is not None
    if by_id:
        column = pl.col("r1_id")
        condition = column == wanted if len(wanted) == WHOLE else column.str.starts_with(wanted)
    else:
        try:
            condition = conditions.condition(wanted)
        except UserError as error:
            raise UserError(f"neither a row id nor a filter: {error.message}", hint=_HINT) from error
    places = [
        place
        for artifact in found.artifacts.values()
        for table in artifact.manifest.tables
        for place in _matching(found, artifact, table, condition)
    ]
    if by_id:
        places += _sampled(found, condition, {place.id for place in places})
    if not places:
        what = "row" if by_id else "row of a table with these columns"
        raise UserError(f"no {what} here is {wanted!r}", hint=_HINT)
    if by_id and len({place.id for place in places}) > 1:
        names = sorted({place.id for place in places})
        raise UserError(f"{wanted} begins {len(names)} row ids: {', '.join(names[:3])}", hint="give more digits")
    return places


def one(found: Snapshot, wanted: str) -> list[Place]:
    """The places of the one row that an id, or the beginning of one, names.

    Raises:
        UserError: it names none or several, or is no id.
    """
    if _ID.fullmatch(wanted) is None:
        raise UserError(
            f"{wanted!r} is no row id: 6 to 32 digits of 0-9 and a-f", hint="r1 impact FILTER --json   (ids)"
        )
    return find(found, wanted)


_HINT = "r1 impact ROW_ID, or a filter such as: r1 impact \"source = 'file:mine.jsonl'\""


def _matching(found: Snapshot, artifact: Artifact, table: str, condition: "pl.Expr") -> list[Place]:
    import polars as pl

    frame = pl.scan_parquet(found.file(artifact, table))
    if not set(condition.meta.root_names()) <= set(frame.collect_schema().names()):
        return []
    columns = [name for name in ("r1_row", "r1_id", "r1_drop") if name in ("r1_row", *frame.collect_schema().names())]
    try:
        rows = frame.with_row_index("r1_row").filter(condition).select(columns).collect()
    except pl.exceptions.PolarsError as error:
        raise UserError(
            f"the filter doesn't fit {artifact.folder}/{table} ({first_line(error)})", hint=_HINT
        ) from error
    return [
        Place(id=row["r1_id"], artifact=artifact.name, table=table, row=row["r1_row"], dropped=row.get("r1_drop"))
        for row in rows.iter_rows(named=True)
    ]


def _sampled(found: Snapshot, condition: "pl.Expr", known: Collection[str]) -> list[Place]:
    """Samples that RL took in but whose texts it didn't keep: the ledger alone knows them."""
    import polars as pl

    places: list[Place] = []
    for artifact in found.artifacts.values():
        for name, head in artifact.manifest.ledgers.items():
            if head.table:
                continue
            ledger = pl.scan_parquet(found.file(artifact, name)).with_row_index("r1_row")
            ledger = ledger.select("r1_row", r1_id=pl.col("row_id")).filter(condition)
            places += [
                Place(id=row_id, artifact=artifact.name, table=name, row=row)
                for row, row_id in ledger.collect().iter_rows()
                if row_id not in known
            ]
    return places


def content(found: Snapshot, place: Place) -> dict[str, object]:
    """A row's columns."""
    import polars as pl

    frame = pl.scan_parquet(found.file(found.artifacts[place.artifact], place.table))
    row: dict[str, object] = frame.slice(place.row, 1).collect().row(0, named=True)
    return row


def ancestors(found: Snapshot, place: Place) -> list[tuple[Place, dict[str, object]]]:
    """The rows that a row was made from, nearest first, with their columns."""
    waiting, seen = [place], {place.id}
    listed: list[tuple[Place, dict[str, object]]] = []
    while waiting:
        row = content(found, waiting.pop(0))
        parents = row.get("r1_parents") or ([row["task_id"]] if row.get("task_id") else [])
        assert isinstance(parents, list)
        for parent in parents:
            if str(parent) in seen:
                continue
            seen.add(str(parent))
            if (imported := imports.trace(found, str(parent))) is not None:
                file, number, columns = imported
                folder, _, table = file.rpartition("/")
                listed.append(
                    (Place(id=str(parent), artifact=folder.removeprefix("data/"), table=table, row=number), columns)
                )
                continue
            nearest = min(find(found, str(parent)), key=lambda place: place.dropped is not None)
            listed.append((nearest, content(found, nearest)))
            waiting.append(nearest)
    return listed


def descendants(found: Snapshot, ids: Collection[str]) -> "pl.DataFrame":
    """All rows that were made from these, directly or not: columns id, artifact, table. Samples that are in a ledger
    only count as made from their task."""
    import polars as pl

    links = pl.concat([_links(found, artifact) for artifact in found.artifacts.values()])
    made = links.clear().drop("parent")
    new = pl.Series("parent", sorted(set(ids)), dtype=pl.String)
    seen = set(ids)
    while len(new):
        step = links.join(new.to_frame(), on="parent", how="semi").drop("parent").unique(maintain_order=True)
        made = pl.concat([made, step])
        new = pl.Series("parent", sorted(set(step["id"].to_list()) - seen), dtype=pl.String)
        seen |= set(new.to_list())
    return made.unique(maintain_order=True)


def _links(found: Snapshot, artifact: Artifact) -> "pl.DataFrame":
    """Who was made from whom in an artifact: columns parent, id, artifact, table. Dropped rows are made by nobody."""
    import polars as pl

    frames = [pl.DataFrame(schema={"parent": pl.String, "id": pl.String})]
    names = [""]
    for table in artifact.kept_tables():
        frame = pl.read_parquet(found.file(artifact, table), columns=["r1_id", "r1_parents"])
        frame = frame.select(parent="r1_parents", id="r1_id").explode("parent").drop_nulls("parent")
        frames.append(frame)
        names.append(table)
    for ledger, head in artifact.manifest.ledgers.items():
        if not head.table:
            frame = pl.read_parquet(found.file(artifact, ledger), columns=["task_id", "row_id"])
            frames.append(frame.rename({"task_id": "parent", "row_id": "id"}))
            names.append(ledger)
    labelled = [f.with_columns(table=pl.lit(n)) for f, n in zip(frames, names, strict=True)]
    return pl.concat(labelled).with_columns(artifact=pl.lit(artifact.name)).select("parent", "id", "artifact", "table")
