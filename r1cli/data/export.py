"""Tables as a folder in the Hub's layout: Parquet by configuration and split, a data card, Croissant, manifests.

`datasets.load_dataset(DIR)` reads it as it is; `hf upload` publishes it. Nothing here needs the network.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from r1cli.data import artifacts, card, croissant
from r1cli.data.artifacts import Rows
from r1cli.lineage import revisions, snapshot
from r1cli.lineage.snapshot import Artifact, Snapshot
from r1cli.lineage.tree import sources
from stages.contract.errors import UserError
from stages.contract.manifest import NAME, SOURCE, Source, digests

SPLITS = ("train", "validation", "test")
DEFAULT = "default"
SHARD_BYTES = 400_000_000
_WORD = re.compile(r"[^A-Za-z0-9_.]+")
ROW_GROUP = 4096  # of 8 KB each: 32 MB, which viewers read at once


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split of one configuration: a table, and the files that it became."""

    config: str
    split: str
    table: Rows
    rows: int
    files: Mapping[str, str]  # path in the folder -> SHA-256

    @property
    def pattern(self) -> str:
        return f"{_folder(self.config)}/{self.split}-*.parquet"


def export(project: Path, wanted: str, target: Path, *, rejected: bool, license: str) -> list[str]:
    """Write the folder; returns its files. `project` is the project's root.

    Tables without rows are told of in the card only: loaders refuse empty splits.

    Raises:
        UserError: the folder is not empty, there is no such table, none has rows, a file is not what the manifest says, or the rows were
            made from others than lie here.
    """
    tables = artifacts.find(project, wanted)
    sidecars = _sidecars(project, wanted)
    tables += [sidecar for sidecar in sidecars if rejected and sidecar not in tables]
    if any(table.format != ".parquet" for table in tables):
        raise UserError(f"{wanted} is no Parquet table", hint="r1 data import FILE --name NAME, then export that")
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target} is not empty", hint="give a new folder")
    revision, _, named = wanted.rpartition(":")
    found = revisions.revision(project, revision) if revision else snapshot.workspace(project)
    made = _artifacts(found, tables)
    for artifact in made:
        snapshot.whole(found, artifact.name)
    full = [table for table in tables if not table.lazy().head(1).collect().is_empty()]
    if not full:
        raise UserError(f"{wanted} has no rows", hint=f"r1 data show {wanted} --rejected")
    target.mkdir(parents=True, exist_ok=True)
    parts = [_write(target, *place) for place in _places(full)]
    names = list(dict.fromkeys(name for artifact in made for name in found.upstream(artifact.name)))
    for name in names:
        place = target / "manifests" / found.artifacts[name].folder / NAME
        place.parent.mkdir(parents=True)
        shutil.copyfile(found.file(found.artifacts[name], NAME), place)
    listed = sources(found, names) if names else _sources(tables)
    about = card.About(
        name=f"r1-{_WORD.sub('-', named.removeprefix('data/').removesuffix('.parquet')).strip('-')}",
        parts=parts,
        sources=listed,
        license=license or card.license_of(listed),
        made=[found.artifacts[name] for name in names],
        own=[artifact.name for artifact in made],
        lineage={artifact.name: snapshot.lineage_digest(found, artifact.name) for artifact in made},
        empty=[table.name for table in tables if table not in full],
        dropped=_dropped(sidecars),
    )
    (target / "README.md").write_text(card.text(about), encoding="utf-8")
    described = json.dumps(croissant.describe(about), indent=1, ensure_ascii=False) + "\n"
    (target / "croissant.json").write_text(described, encoding="utf-8")
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def _artifacts(found: Snapshot, tables: Sequence[Rows]) -> list[Artifact]:
    """The artifacts that the tables belong to, their files checked. Imports and files of elsewhere have none."""
    names = {where.resolve(): name for name, where in found.files.items()}
    made: dict[str, Artifact] = {}
    for path in (path for table in tables for path in table.paths):
        name = names.get(path.resolve(), "")
        for artifact in found.artifacts.values():
            file = name.removeprefix(f"{artifact.folder}/")
            if file in artifact.manifest.files and file != name:
                if digests(path).sha256 != artifact.manifest.files[file].sha256:
                    raise UserError(f"{name} is not what its manifest says", hint="r1 verify")
                made[artifact.name] = artifact
    return list(made.values())


def _places(tables: Sequence[Rows]) -> list[tuple[str, str, Rows]]:
    """Each table's configuration and split: `train`, `validation` and `test` of a folder are splits of one, every other
    table is one of its own."""
    placed = []
    for table in tables:
        folder, _, last = table.name.removesuffix(table.format).rpartition("/")
        config, split = (folder.replace("/", "-") or DEFAULT, last) if last in SPLITS else (last, "train")
        placed.append((config, split, table))
    if len({config for config, _, _ in placed}) == 1:
        placed = [(DEFAULT, split, table) for _, split, table in placed]
    if len({place[:2] for place in placed}) < len(placed):
        placed = [(table.name.replace("/", "-"), "train", table) for _, _, table in placed]
    return sorted(placed, key=lambda place: (place[0], SPLITS.index(place[1])))


def _folder(config: str) -> str:
    return "data" if config == DEFAULT else f"data/{config}"


def _write(target: Path, config: str, split: str, table: Rows) -> Part:
    """Write a table's rows in files of a few hundred MB, in the table's order."""
    frame = table.lazy()
    rows = int(frame.select(pl.len()).collect().item())
    count = max(1, math.ceil(table.size / SHARD_BYTES))
    each = max(1, math.ceil(rows / count))
    files = {}
    for number in range(count):
        name = f"{_folder(config)}/{split}-{number:05d}-of-{count:05d}.parquet"
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        part = frame.slice(number * each, each)
        part.sink_parquet(target / name, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True)
        files[name] = digests(target / name).sha256
    return Part(config=config, split=split, table=table, rows=rows, files=files)


def _sources(tables: Sequence[Rows]) -> list[Source]:
    """The raw sources that rows name themselves."""
    counts: dict[tuple[str, str, str], int] = {}
    for table in tables:
        frame = table.lazy()
        if set(SOURCE) <= set(frame.collect_schema().names()):
            for *key, rows in frame.group_by(*SOURCE).len().collect(engine="streaming").iter_rows():
                named = (str(key[0] or ""), str(key[1] or ""), str(key[2] or ""))
                counts[named] = counts.get(named, 0) + rows
    return [Source(source=s, revision=r, license=x, rows=n) for (s, r, x), n in sorted(counts.items())]


def _sidecars(project: Path, wanted: str) -> list[Rows]:
    """The tables of dropped rows beside those of a name, if there are any."""
    try:
        return artifacts.find(project, wanted, rejected=True)
    except UserError:
        return []


def _dropped(sidecars: Sequence[Rows]) -> dict[str, int]:
    """How many rows each reason dropped."""
    counts: dict[str, int] = {}
    for sidecar in sidecars:
        reason = pl.col("r1_drop").str.split(":").list.first()
        for name, rows in sidecar.lazy().group_by(reason).len().collect(engine="streaming").iter_rows():
            counts[str(name)] = counts.get(str(name), 0) + rows
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
