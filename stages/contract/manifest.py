"""The manifest of an artifact: its files, its rows and what it was made from. Written into every stage's out.

It holds nothing that differs between identical runs: no time, no host, no speed. What an artifact was made from is
named by content (the digest of the very files that the stage depends on), so a manifest depends on exactly what DVC
compares before it runs the stage again; the inputs' own manifests are found by path and checked by those digests.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import md5, sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stages.contract.determinism import Determinism
from stages.contract.files import replace_file
from stages.contract.merkle import RowSet, order_digest

if TYPE_CHECKING:
    import polars as pl

NAME = "manifest.json"
ROSTER = "roster.bin"
PREFIX = 4  # bytes of each row id in the roster
SOURCE = ("source", "revision", "license")
DESCRIBED = ("r1_id", "r1_parents", *SOURCE)  # the columns of a table that a manifest tells of: no text is read
VERSION = 1
_CODE_LOCK = "stages/code.lock/"
_CHUNK = 1 << 20
_IGNORED = (".gitignore",)  # as .dvcignore has it


@dataclass(frozen=True, kw_only=True)
class File:
    """A file's digests, in hex: SHA-256, and MD5, which DVC names files by."""

    sha256: str
    md5: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Input:
    """A dep of the stage. A folder's digests are those of its list of files; `files` has the SHA-256 of each."""

    sha256: str
    md5: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Rows of one raw source."""

    source: str
    revision: str
    license: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A table's rows. `order` is the digest of the ids in order, `ids` and `parents` are the sets of distinct ones."""

    schema: str
    rows: int
    order: str
    ids: RowSet
    parents: RowSet
    sources: Sequence[Source] = ()


@dataclass(frozen=True, kw_only=True)
class Head:
    """A ledger in short. `order` is the digest of the ids of the table that row numbers count in, else empty.

    `weights`: SHA-256 of the model's safetensors form after steps 1, 2, 4, 8, ...: what a replay compares.
    """

    kind: str  # of stages/contract/ledger.py's TABLES
    trains: str  # the checkpoint's folder in the artifact
    table: str  # the path of the table whose rows are counted; empty where rows are sampled in training
    order: str
    steps: int
    entries: int
    head: str
    used: RowSet
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One artifact: what a stage (and item) wrote in one run."""

    stage: str
    item: str
    code: str  # the stage's code lock
    params: Mapping[str, object]
    inputs: Mapping[str, Input]
    files: Mapping[str, File]  # all but the manifest itself
    tables: Mapping[str, Rows]
    checkpoints: Mapping[str, str]  # folder -> the digest that rows name it by (r1_gen)
    ledgers: Mapping[str, Head]
    determinism: Determinism
    version: int = VERSION

    @property
    def name(self) -> str:
        return f"{self.stage}@{self.item}" if self.item else self.stage

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=True, default=str) + "\n"


def write_manifest(
    out: Path,
    *,
    root: Path,
    stage: str,
    item: str,
    params: Mapping[str, object],
    deps: Sequence[str],
    determinism: Determinism,
) -> None:
    """Describe what a stage left in `out`. `deps` are paths below the project's `root`.

    Raises:
        OSError: a dep or an out can't be read.
    """
    tables, roster = describe_tables(out)
    if roster:
        (out / ROSTER).write_bytes(roster)
    locks = [dep for dep in deps if dep.startswith(_CODE_LOCK)]
    files = {name: digests(out / name) for name in files_below(out) if name != NAME}
    manifest = Manifest(
        stage=stage,
        item=item,
        code="".join((root / lock).read_text().strip() for lock in locks),
        params=params,
        inputs={dep: describe_input(root / dep) for dep in sorted(deps) if dep not in locks},
        files=files,
        tables=tables,
        checkpoints=_checkpoints(files),
        ledgers=_heads(out),
        determinism=determinism,
    )
    replace_file(out / NAME, manifest.text())


def adopt_code(out: Path, code: str, inputs: Mapping[str, Input]) -> None:
    """Have an artifact's manifest name other code, which was proved to make the same. `inputs` are those, as they are
    now, in which such a manifest was changed before."""
    path = out / NAME
    if path.is_file():
        was = read_manifest(path)
        replace_file(path, replace(was, code=code, inputs={**was.inputs, **inputs}).text())


def files_below(folder: Path) -> list[str]:
    """The files of a folder as DVC sees them, sorted: paths with `/`."""
    found = []
    for path in folder.rglob("*"):
        ignored = path.name in _IGNORED or path.suffix == ".part" or "__pycache__" in path.parts
        if path.is_file() and not ignored and not (folder.name == "imports" and path == folder / "README.md"):
            found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def digests(path: Path) -> File:
    """Read a file once for all its digests."""
    strong, dvc, size = sha256(), md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            strong.update(chunk)
            dvc.update(chunk)
            size += len(chunk)
    return File(sha256=strong.hexdigest(), md5=dvc.hexdigest(), size=size)


def describe_input(path: Path) -> Input:
    """A file or a folder as it is now."""
    if not path.is_dir():
        found = digests(path)
        return Input(sha256=found.sha256, md5=found.md5)
    return input_of({name: digests(path / name) for name in files_below(path)})


def input_of(files: Mapping[str, File]) -> Input:
    """A folder of these files: its MD5 is the one that DVC gives it."""
    listed = [{"md5": files[name].md5, "relpath": name} for name in sorted(files)]
    strong = {name: files[name].sha256 for name in sorted(files)}
    return Input(
        sha256=sha256(json.dumps(strong, sort_keys=True).encode()).hexdigest(),
        md5=md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir",
        files=strong,
    )


def describe_tables(out: Path) -> tuple[dict[str, Rows], bytes]:
    """The tables of rows below a folder, and their roster: the first bytes of each row's id, table by table in the
    names' order. With it a missing row can be named."""
    tables: dict[str, Rows] = {}
    roster = b""
    for name in files_below(out):
        if not name.endswith(".parquet"):
            continue
        import polars as pl

        schema = pl.Schema(pl.read_parquet_schema(out / name))
        if "r1_id" not in schema:
            continue
        frame = pl.read_parquet(out / name, columns=[column for column in DESCRIBED if column in schema])
        tables[name] = describe_rows(frame, schema)
        roster += roster_of(frame["r1_id"].to_list())
    return tables, roster


def roster_of(ids: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(row_id[: 2 * PREFIX] for row_id in ids))


def describe_rows(frame: "pl.DataFrame", schema: "pl.Schema") -> Rows:
    """A table's digests. `schema` is the whole table's; of its columns the frame needs those of DESCRIBED only."""
    from stages.contract.schemas import schema_name

    ids = frame["r1_id"].to_list()
    return Rows(
        schema=schema_name(schema),
        rows=len(frame),
        order=order_digest(ids),
        ids=RowSet.of(ids),
        parents=RowSet.of(frame["r1_parents"].explode().drop_nulls().unique().to_list()),
        sources=_sources(frame),
    )


def _sources(frame: "pl.DataFrame") -> list[Source]:
    if not set(SOURCE) <= set(frame.columns):
        return []
    counted = frame.group_by(*SOURCE).len("rows").sort(*SOURCE)
    return [Source(**row) for row in counted.iter_rows(named=True)]


def _checkpoints(files: Mapping[str, File]) -> dict[str, str]:
    """Folders with weights, and what rows name them by: 16 bytes of SHA-256 over a single weights file."""
    return {
        name.rpartition("/")[0]: file.sha256[:32]
        for name, file in files.items()
        if name.rpartition("/")[2] == "model.safetensors"
    }


def _heads(out: Path) -> dict[str, Head]:
    return {path.name: read_head(path.with_suffix(".json")) for path in sorted(out.glob("*ledger.parquet"))}


def read_head(path: Path) -> Head:
    return _head(json.loads(path.read_text()))


def read_manifest(path: Path) -> Manifest:
    """A manifest from its file.

    Raises:
        ValueError, KeyError, TypeError: it is none.
        OSError: it can't be read.
    """
    return parse_manifest(path.read_text(encoding="utf-8"))


def parse_manifest(text: str) -> Manifest:
    """A manifest from its text. Raises ValueError, KeyError or TypeError where it is none."""
    value = cast(dict[str, dict[str, dict[str, object]]], json.loads(text))
    plain = cast(dict[str, str], value)
    if cast(dict[str, object], value)["version"] != VERSION:
        raise ValueError(f"manifest version {plain['version']}, this r1 reads {VERSION}")
    return Manifest(
        stage=plain["stage"],
        item=plain["item"],
        code=plain["code"],
        params=value["params"],
        inputs={name: Input(**entry) for name, entry in value["inputs"].items()},  # type: ignore[arg-type]
        files={name: File(**entry) for name, entry in value["files"].items()},  # type: ignore[arg-type]
        tables={name: _rows(entry) for name, entry in value["tables"].items()},
        checkpoints=cast(dict[str, str], value["checkpoints"]),
        ledgers={name: _head(entry) for name, entry in value["ledgers"].items()},
        determinism=Determinism(**value["determinism"]),  # type: ignore[arg-type]
    )


def _rows(entry: Mapping[str, object]) -> Rows:
    sets = {key: _set(entry[key]) for key in ("ids", "parents")}
    sources = [Source(**source) for source in cast(list[dict[str, object]], entry["sources"])]  # type: ignore[arg-type]
    return Rows(**{**entry, **sets, "sources": sources})  # type: ignore[arg-type]


def _head(entry: Mapping[str, object]) -> Head:
    return Head(**{**entry, "used": _set(entry["used"])})  # type: ignore[arg-type]


def _set(value: object) -> RowSet:
    return RowSet(**cast(dict[str, object], value))  # type: ignore[arg-type]
