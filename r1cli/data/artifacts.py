"""The tables that a name stands for: a stage's, an import's, another revision's, or any file."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli.conditions import first_line
from r1cli.lineage import revisions, snapshot
from r1cli.project import find_project
from stages.contract.errors import UserError

if TYPE_CHECKING:
    import polars as pl

HINT = "r1 data show rejection   (a stage, STAGE/TABLE, an import, REVISION:STAGE, or a file)"
_SHARD = re.compile(r"(-|/)\d{4,}(-of-\d+)?$")
_LOADERS = {".parquet": "scan_parquet", ".jsonl": "scan_ndjson", ".ndjson": "scan_ndjson", ".csv": "scan_csv"}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """One table: what it is called (`rejection/examples`), and its files, of which a sharded table has several."""

    name: str
    paths: Sequence[Path]
    format: str = ".parquet"

    def lazy(self) -> "pl.LazyFrame":
        """The rows, in the files' order.

        Raises:
            UserError: a file can't be read.
        """
        import polars as pl

        scan: Callable[..., pl.LazyFrame] = getattr(pl, _LOADERS[self.format])
        try:
            frame = scan(list(self.paths))
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{self.name} cannot be read ({first_line(error)})", hint="r1 verify") from error
        return frame

    @property
    def dropped(self) -> bool:
        """Whether it is a sidecar: `examples_rejected`, or an import's `rejected`."""
        last = self.name.rpartition("/")[2].removesuffix(self.format)
        return last == "rejected" or last.endswith("_rejected")

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)


def find(here: Path, wanted: str, *, rejected: bool = False) -> list[Rows]:
    """The tables that a name stands for. Sidecars of dropped rows only where asked for or named themselves.

    Raises:
        UserError: there is none.
    """
    local = here / Path(wanted).expanduser()
    if local.is_file() or (local.is_dir() and not (local / "dvc.yaml").is_file() and _is_path(wanted)):
        found = _local(local, wanted)
    else:
        before, _, name = wanted.rpartition(":")
        root = find_project(here).root
        files = revisions.state(root, before).files if before else snapshot.workspace(root).files
        found = _named(files, name, wanted)
    chosen = [rows for rows in found if rows.dropped == rejected]
    if not chosen and rejected:
        raise UserError(f"{wanted} has no table of dropped rows", hint=f"r1 data show {wanted}")
    return chosen or found  # a sidecar may be named itself


def _is_path(wanted: str) -> bool:
    """Whether a folder was meant by this, and no stage: `./x`, `/x`, `~/x`, or a path outside `data/`."""
    return wanted.startswith((".", "/", "~")) or not wanted.startswith("data/")


def _local(path: Path, wanted: str) -> list[Rows]:
    if path.is_file():
        if path.suffix not in _LOADERS:
            raise UserError(f"{wanted} is no table ({', '.join(_LOADERS)})", hint=HINT)
        return [Rows(name=wanted, paths=[path], format=path.suffix)]
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in _LOADERS)
    found = _grouped({p.relative_to(path).as_posix(): p for p in files})
    if not found:
        raise UserError(f"{wanted} holds no table ({', '.join(_LOADERS)})", hint=HINT)
    return found


def _named(files: Mapping[str, Path], name: str, wanted: str) -> list[Rows]:
    tables = {
        path.removeprefix("data/"): where
        for path, where in files.items()
        if path.endswith(".parquet") and path.startswith("data/")
    }
    key = name.removeprefix("./").removeprefix("data/").removesuffix(".parquet").strip("/").replace("@", "/")
    keys = (key, f"imports/{key}")
    found = [rows for rows in _grouped(tables) if any(f"{rows.name}/".startswith(f"{one}/") for one in keys)]
    # Which rows a training's steps took in is the ledger's, not the data's; named itself, it is shown.
    found = [rows for rows in found if not rows.name.endswith("ledger")] or found
    if not found:
        names = sorted({rows.name.partition("/")[0] for rows in _grouped(tables)} | {r.name for r in _grouped(tables)})
        near = difflib.get_close_matches(key, names, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"no table here is called {wanted!r}{meant}", hint=HINT if names else "r1 run all")
    return found


def _grouped(files: Mapping[str, Path]) -> list[Rows]:
    """Tables by their names without suffix and shard number."""
    shards: dict[tuple[str, str], list[Path]] = {}
    for name in sorted(files):
        stem, _, suffix = name.rpartition(".")
        shards.setdefault((_SHARD.sub("", stem), f".{suffix}"), []).append(files[name])
    return [Rows(name=name, paths=paths, format=suffix) for (name, suffix), paths in sorted(shards.items())]
