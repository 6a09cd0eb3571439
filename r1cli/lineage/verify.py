"""Is everything what it was when it was made? Every byte is read again: neither file times nor DVC's records of them count.

Levels: files (against the manifests and dvc.lock), rows (ids recomputed from their contents, order, Merkle roots),
ledgers (their chains), closure (inputs and parents exist and are the ones that were read). Each fault is named as
closely as what is left allows.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli import code_lock, pipeline
from r1cli.lineage.snapshot import UNDESCRIBED, Artifact, Checkpoint, Snapshot, behind
from stages.contract.manifest import NAME, PREFIX, ROSTER, File, Head, Rows, digests, files_below, input_of
from stages.contract.merkle import RowSet, order_digest

if TYPE_CHECKING:
    import polars as pl

MOST = 5  # rows of one table that are named for one kind of fault
_LINKS = ("r1_id", "r1_parents", "r1_gen")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is not as it was."""

    level: str  # files | rows | ledgers | closure
    where: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was looked at, and what is wrong."""

    artifacts: int
    files: int
    bytes: int
    rows: int
    steps: int
    faults: Sequence[Fault]


def checked(root: Path, found: Snapshot, checkpoint: Checkpoint | None) -> Report:
    """Check a checkpoint and all that led to it; without one everything here, and DVC's cache."""
    if checkpoint:
        return verify(root, found, found.upstream(checkpoint.artifact.name))
    report = verify(root, found, list(found.artifacts))
    more = [*absent(root, found), *check_cache(root, pipeline.cache_folder(root))]
    return replace(report, faults=[*report.faults, *more])


def verify(root: Path, found: Snapshot, names: Sequence[str]) -> Report:
    """Check artifacts. All of a snapshot's artifacts should be given unless one checkpoint alone is asked about."""
    chosen = [found.artifacts[name] for name in names]
    faults = [Fault(level="files", where=name, what=f"is no manifest ({why})") for name, why in found.broken.items()]
    hashed: dict[str, File] = {}
    for artifact in chosen:
        hashed |= {
            f"{artifact.folder}/{name}": digests(root / artifact.folder / name) for name in _files(root, artifact)
        }
        faults += _check_files(artifact, hashed)
    faults += _check_lock(root, chosen, hashed)
    faults += _check_code(root, chosen)
    damaged = {fault.where for fault in faults}
    rows = steps = 0
    for artifact in chosen:
        for table, entry in artifact.manifest.tables.items():
            rows += entry.rows
            if f"{artifact.folder}/{table}" in damaged:
                faults += _guarded(f"{artifact.folder}/{table}", _check_rows(root, artifact, table, entry))
            else:
                faults += _guarded(f"{artifact.folder}/{table}", _check_whole_rows(root, artifact, table, entry))
        for ledger, head in artifact.manifest.ledgers.items():
            steps += head.steps
            faults += _guarded(f"{artifact.folder}/{ledger}", _check_ledger(root, found, artifact, ledger, head))
        faults += _check_inputs(root, found, artifact, hashed)
    faults += _check_parents(root, found, chosen)
    return Report(
        artifacts=len(chosen),
        files=len(hashed),
        bytes=sum(file.size for file in hashed.values()),
        rows=rows,
        steps=steps,
        faults=list(dict.fromkeys(faults)),
    )


def _files(root: Path, artifact: Artifact) -> list[str]:
    folder = root / artifact.folder
    return files_below(folder) if folder.is_dir() else []


def _check_files(artifact: Artifact, hashed: Mapping[str, File]) -> Iterator[Fault]:
    folder = artifact.folder
    here = {name.removeprefix(f"{folder}/") for name in hashed if name.startswith(f"{folder}/")} - {NAME}
    for name in sorted(artifact.manifest.files.keys() - here):
        yield Fault(level="files", where=f"{folder}/{name}", what="is missing")
    for name in sorted(here - artifact.manifest.files.keys()):
        yield Fault(level="files", where=f"{folder}/{name}", what="is in no manifest")
    for name in sorted(here & artifact.manifest.files.keys()):
        was, now = artifact.manifest.files[name], hashed[f"{folder}/{name}"]
        if was.sha256 != now.sha256 and was.md5 == now.md5:
            what = f"was changed (its two digests of {name} contradict each other)"
            yield Fault(level="files", where=f"{folder}/{NAME}", what=what)
        elif was.sha256 != now.sha256:
            sizes = "" if was.size == now.size else f", {now.size:,} bytes instead of {was.size:,}"
            yield Fault(level="files", where=f"{folder}/{name}", what=f"was changed (SHA-256 differs{sizes})")


# -- dvc.lock and the code --------------------------------------------------------------------------


def absent(root: Path, found: Snapshot) -> list[Fault]:
    """Stages of the pipeline that are in dvc.lock, whose artifacts aren't here, or have no manifest."""
    names = [name for name in pipeline.lock_entries(root) if name not in found.artifacts]
    known = pipeline.names(root) if names else set()
    what = "is in dvc.lock, but has no readable manifest here"
    return [Fault(level="files", where=name, what=what) for name in names if name in known]


def _check_lock(root: Path, chosen: Sequence[Artifact], hashed: Mapping[str, File]) -> Iterator[Fault]:
    lock = pipeline.lock_entries(root)
    for artifact in chosen:
        entry = lock.get(artifact.name)
        if entry is None:
            yield Fault(level="files", where="dvc.lock", what=f"has no entry for {artifact.name}")
            continue
        for path, digest in pipeline.paths_of(entry, "outs").items():
            if path == artifact.folder:
                below = {n.removeprefix(f"{path}/"): f for n, f in hashed.items() if n.startswith(f"{path}/")}
                if input_of(below).md5 != digest and _as_described(artifact, below):
                    yield Fault(level="files", where=f"{path}/{NAME}", what="was changed (dvc.lock has another MD5)")
            elif not (root / path).is_file():
                yield Fault(level="files", where=path, what="is missing")
            elif digests(root / path).md5 != digest:
                yield Fault(level="files", where=path, what="was changed (dvc.lock has another MD5)")
        for path, digest in pipeline.paths_of(entry, "deps").items():
            known = artifact.manifest.inputs.get(path)
            if known is not None and known.md5 != digest:
                yield Fault(
                    level="files", where="dvc.lock", what=f"{artifact.name}: {path} is not what its manifest says"
                )


def _as_described(artifact: Artifact, below: Mapping[str, File]) -> bool:
    """Whether all files but the manifest are as it says: then it is the manifest that differs."""
    return {n: f.sha256 for n, f in below.items() if n != NAME} == {
        n: f.sha256 for n, f in artifact.manifest.files.items()
    }


def _check_code(root: Path, chosen: Sequence[Artifact]) -> Iterator[Fault]:
    modules = list(dict.fromkeys(artifact.manifest.stage for artifact in chosen))
    for stage in code_lock.out_of_date(root, modules):
        yield Fault(level="files", where=f"stages/code.lock/{stage}", what="is not the hash of the stage's code")


# -- rows -------------------------------------------------------------------------------------------


def _guarded(where: str, faults: Iterator[Fault]) -> Iterator[Fault]:
    """A table that can't be read is a fault, not the end."""
    import polars as pl

    try:
        yield from faults
    except FileNotFoundError:
        return  # said already
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError, IndexError) as error:
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        yield Fault(level="rows", where=where, what=f"can't be read ({first})")


def _check_whole_rows(root: Path, artifact: Artifact, name: str, entry: Rows) -> Iterator[Fault]:
    """A table whose bytes are right: does its manifest tell the truth about it?"""
    import polars as pl

    where = f"{artifact.folder}/{name}"
    frame = pl.read_parquet(root / where)
    ids = frame["r1_id"].to_list()
    parents = frame["r1_parents"].explode().drop_nulls().unique().to_list()
    if (len(ids), order_digest(ids)) != (entry.rows, entry.order):
        yield Fault(level="rows", where=where, what="has other rows than its manifest says")
    if RowSet.of(ids) != entry.ids or RowSet.of(parents) != entry.parents:
        yield Fault(level="rows", where=where, what="has another Merkle root than its manifest says")
    yield from _changed_rows(where, frame)


def _changed_rows(where: str, frame: "pl.DataFrame") -> Iterator[Fault]:
    from stages.contract.schemas import table_of

    table = table_of(frame.schema)
    if table is None:
        yield Fault(level="rows", where=where, what="has columns of no table of r1")
        return
    pairs = zip(frame["r1_id"].to_list(), table.row_ids(frame), strict=True)
    changed = [row for row, (stored, content) in enumerate(pairs) if stored != content]
    for row in changed[:MOST]:
        yield Fault(level="rows", where=where, what=f"row {row} ({frame['r1_id'][row]}): its content is another")


def _check_rows(root: Path, artifact: Artifact, name: str, entry: Rows) -> Iterator[Fault]:
    """A table whose bytes were changed: which rows were dropped, added, moved or altered?"""
    import polars as pl

    where = f"{artifact.folder}/{name}"
    frame = pl.read_parquet(root / where)
    now = [row_id[: 2 * PREFIX] for row_id in frame["r1_id"].to_list()]
    then = _roster(root, artifact, name)
    count = len(now)
    yield from _changed_rows(where, frame)
    if count == entry.rows and order_digest(frame["r1_id"].to_list()) == entry.order:
        return
    if then is None:
        yield Fault(level="rows", where=where, what=f"has {count} rows instead of {entry.rows}, or others")
        return
    dropped, added = Counter(then) - Counter(now), Counter(now) - Counter(then)
    for prefix in list(dropped.elements())[:MOST]:
        full = _full_id(root, prefix)
        yield Fault(level="rows", where=where, what=f"row {then.index(prefix)} was dropped ({full})")
    for prefix in list(added.elements())[:MOST]:
        row = now.index(prefix)
        yield Fault(level="rows", where=where, what=f"row {row} was added ({frame['r1_id'][row]})")
    if not dropped and not added:
        moved = [row for row, (a, b) in enumerate(zip(then, now, strict=True)) if a != b]
        named = ", ".join(f"{row} ({frame['r1_id'][row]})" for row in moved[:MOST])
        yield Fault(level="rows", where=where, what=f"{len(moved)} rows stand at other places: {named}")


def _roster(root: Path, artifact: Artifact, name: str) -> list[str] | None:
    """The beginnings of the ids that a table had, in order; None where the roster itself was changed."""
    path = root / artifact.folder / ROSTER
    known = artifact.manifest.files.get(ROSTER)
    if known is None or not path.is_file() or digests(path).sha256 != known.sha256:
        return None
    content, at = path.read_bytes(), 0
    for table in sorted(artifact.manifest.tables):
        size = artifact.manifest.tables[table].rows * PREFIX
        if table == name:
            part = content[at : at + size].hex()
            return [part[i : i + 2 * PREFIX] for i in range(0, len(part), 2 * PREFIX)]
        at += size
    return None


def _full_id(root: Path, prefix: str) -> str:
    """The whole id of a row that is gone, if another table's rows were made from it; else its beginning."""
    import polars as pl

    for path in sorted((root / "data").rglob("*.parquet")):
        parents = pl.scan_parquet(path).select(pl.col("r1_parents").explode()).unique()
        try:
            hits = parents.filter(pl.col("r1_parents").str.starts_with(prefix)).collect()
        except (pl.exceptions.PolarsError, OSError):
            continue  # no table of rows, or a damaged one
        if len(hits) == 1:
            return str(hits["r1_parents"][0])
    return f"{prefix}..."


# -- ledgers ----------------------------------------------------------------------------------------


def _check_ledger(root: Path, found: Snapshot, artifact: Artifact, name: str, head: Head) -> Iterator[Fault]:
    import polars as pl

    from stages.contract.ledger import chain, chain_seed, used_ids
    from stages.contract.manifest import read_head

    where = f"{artifact.folder}/{name}"
    beside = (root / where).with_suffix(".json")
    if beside.is_file() and read_head(beside) != head:
        yield Fault(level="ledgers", where=str(beside.relative_to(root)), what="is not the head in the manifest")
    ledger = pl.read_parquet(root / where)
    again = chain(ledger.drop("chain"), seed=chain_seed(head.kind, head.trains, head.table, head.order))
    wrong = ledger.filter(ledger["chain"] != again["chain"])
    if len(wrong):
        step = wrong["step"][0]
        yield Fault(level="ledgers", where=where, what=f"step {step}: its entries are not those that were recorded")
    end = str(again["chain"][-1]) if len(again) else ""
    if (len(ledger), ledger["step"].n_unique(), end) != (head.entries, head.steps, head.head):
        now = f"{len(ledger)} entries of {ledger['step'].n_unique()} steps, ending with {end[:8]}"
        what = f"has {now}; its manifest says {head.entries} of {head.steps}, ending with {head.head[:8]}"
        yield Fault(level="ledgers", where=where, what=what)
    ids: list[str] = []
    if head.table:
        ids = pl.read_parquet(root / head.table, columns=["r1_id"])["r1_id"].to_list()
        if order_digest(ids) != head.order:
            yield Fault(level="ledgers", where=where, what=f"counts in rows of {head.table}, which are others now")
            return
    if RowSet.of(used_ids(ledger, ids)) != head.used:
        yield Fault(level="ledgers", where=where, what="names other rows than its manifest says")
    if not head.table:
        yield from _check_samples(root, where, artifact, ledger)


def _check_samples(root: Path, where: str, artifact: Artifact, ledger: "pl.DataFrame") -> Iterator[Fault]:
    """The rollouts that were kept are samples of the ledger, with what they earned."""
    import polars as pl

    path = root / artifact.folder / "rollouts.parquet"
    if not path.is_file():
        return
    columns = ["step", "r1_id", "task_id", "reward", "advantage", "masked"]
    rollouts = pl.read_parquet(path, columns=columns).rename({"r1_id": "row_id"})
    same = ["step", "row_id", "task_id", "reward", "advantage", "masked"]
    strange = rollouts.join(ledger.select(same), on=same, how="anti", nulls_equal=True)
    for row in strange.head(MOST).iter_rows(named=True):
        what = f"step {row['step']}: sample {row['row_id']} of rollouts.parquet is not in the ledger as it is there"
        yield Fault(level="ledgers", where=where, what=what)


# -- closure ----------------------------------------------------------------------------------------


def _check_inputs(root: Path, found: Snapshot, artifact: Artifact, hashed: Mapping[str, File]) -> Iterator[Fault]:
    """The inputs that the artifact was made from are the files that lie there now."""
    for path, known in artifact.manifest.inputs.items():
        files = known.files if known.md5.endswith(".dir") else {"": known.sha256}
        for name, digest in files.items():
            whole = f"{path}/{name}" if name else path
            if not (root / whole).is_file():
                yield Fault(level="closure", where=whole, what=f"is missing; {artifact.name} was made from it")
                continue
            now = hashed[whole].sha256 if whole in hashed else digests(root / whole).sha256
            if now != digest:
                what = f"is not the file that {artifact.name} was made from"
                yield Fault(level="closure", where=whole, what=what)
        if (root / path).is_dir():
            for name in sorted(set(files_below(root / path)) - set(files)):
                what = f"was not there when {artifact.name} was made"
                yield Fault(level="closure", where=f"{path}/{name}", what=what)
        if path.startswith("data/") and path not in UNDESCRIBED:
            if not behind(path, found.artifacts.values()):
                yield Fault(level="closure", where=path, what=f"no manifest says where it came from ({artifact.name})")


def _check_parents(root: Path, found: Snapshot, chosen: Sequence[Artifact]) -> Iterator[Fault]:
    """Every parent is a row of a table, every sampled task too, every generating checkpoint an artifact's."""
    import polars as pl

    weights = {w for artifact in found.artifacts.values() for w in artifact.manifest.checkpoints.values()}
    known: list[pl.Series] = []
    needed: list[tuple[str, pl.Series]] = []
    for artifact in found.artifacts.values():
        for table in artifact.manifest.tables:
            where = f"{artifact.folder}/{table}"
            try:
                columns = [name for name in pl.read_parquet_schema(root / where) if name in _LINKS]
                frame = pl.read_parquet(root / where, columns=columns)
            except (pl.exceptions.PolarsError, OSError):
                continue  # said already
            known.append(frame["r1_id"])
            if artifact in chosen:
                needed.append((where, frame["r1_parents"].explode().drop_nulls().unique()))
                yield from _check_generators(where, frame, weights)
    every = pl.concat(known).unique() if known else pl.Series(dtype=pl.String)
    for where, parents in needed:
        lost = parents.filter(~parents.is_in(every.implode())).sort()
        for row_id in lost.head(MOST).to_list():
            yield Fault(level="closure", where=where, what=f"has rows made from {row_id}, which is in no table")


def _check_generators(where: str, frame: "pl.DataFrame", weights: set[str]) -> Iterator[Fault]:
    if "r1_gen" not in frame.columns:
        return
    made_by = frame["r1_gen"].struct.field("checkpoint").drop_nulls().str.split("+").list.first().unique().sort()
    for digest in made_by.to_list():
        if digest not in weights:
            yield Fault(level="closure", where=where, what=f"has rows sampled from a model that is not here ({digest})")


# -- DVC's cache ------------------------------------------------------------------------------------


def check_cache(root: Path, cache: Path) -> list[Fault]:
    """Whether the cache's copies of what dvc.lock names hold what their names say. Those that are the very files of the
    working tree (hard links) have been read there."""
    here = {(s.st_dev, s.st_ino) for p in (root / "data").rglob("*") if p.is_file() for s in [p.stat()]}
    faults = []
    for path in sorted(cache.rglob("*")):
        if not path.is_file() or path.suffix not in ("", ".dir"):
            continue
        stat = os.stat(path)
        name = f"{path.parent.name}{path.name}"
        if (stat.st_dev, stat.st_ino) in here or f"{digests(path).md5}{path.suffix}" == name:
            continue
        faults.append(Fault(level="files", where=str(path.relative_to(root)), what="does not hold what its name says"))
    return faults
