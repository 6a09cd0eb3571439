"""What an evaluation found of its problems in everything that its checkpoint ever saw: contamination.parquet with the rows,
contamination.json with what was looked at and what can't be known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError
from stages.contract.schemas import CONTAMINATION
from stages.contract.tables import owner, read_table, write_table

_TABLE, _SAID = f"{CONTAMINATION.name}.parquet", f"{CONTAMINATION.name}.json"


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """`rows` of CONTAMINATION, the `tables` that were looked at (below data/), and in words what is `unknown`."""

    rows: pl.DataFrame
    tables: Sequence[str]
    unknown: Sequence[str]

    def write(self, folder: Path) -> None:
        write_table(self.rows, folder / _TABLE, CONTAMINATION)
        said = {"tables": list(self.tables), "unknown": list(self.unknown)}
        (folder / _SAID).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_contamination(folder: Path) -> Contamination:
    """What an evaluation's folder has. A file that it lacks is itself something unknown.

    Raises:
        UserError: a file is not what `write` wrote.
    """
    tables, unknown = _read_said(folder / _SAID)
    if (folder / _TABLE).exists():
        return Contamination(rows=read_table(folder / _TABLE, CONTAMINATION), tables=tables, unknown=unknown)
    nobody = f"{_TABLE} is missing"
    return Contamination(rows=pl.DataFrame(schema=CONTAMINATION.schema), tables=[], unknown=[*unknown, nobody])


def _read_said(path: Path) -> tuple[list[str], list[str]]:
    """The tables, and what is unknown."""
    if not path.exists():
        return [], [f"{path.name} is missing"]
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return [str(table) for table in said["tables"]], [str(what) for what in said["unknown"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path.parent.name}/{path.name} is not what evaluate writes ({error})", hint=f"r1 run {owner(path)} -f"
        ) from error
