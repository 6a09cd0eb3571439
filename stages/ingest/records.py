"""The rows of a file, one at a time and in its order: Parquet, JSON lines, JSON, CSV."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError

SUFFIXES = (".jsonl", ".json", ".parquet", ".csv")
HINT = "r1 data import --help"
BATCH = 4096  # rows of a Parquet file that are in memory at once
Record = Mapping[str, object]


def records(path: Path) -> Iterator[Record]:
    """The rows of a file.

    Raises:
        UserError: the file can't be read as what its name says, naming the line.
    """
    match path.suffix:
        case ".parquet":
            return _parquet(path)
        case ".csv":
            return _csv(path)
        case ".json":
            return _json(path)
        case _:
            return _lines(path)


def _parquet(path: Path) -> Iterator[Record]:
    try:
        frame = pl.scan_parquet(path)
        for start in range(0, int(frame.select(pl.len()).collect().item()), BATCH):
            yield from frame.slice(start, BATCH).collect().iter_rows(named=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path.name} cannot be read as Parquet ({_first_line(error)})", hint=HINT) from error


def _csv(path: Path) -> Iterator[Record]:
    try:
        yield from pl.read_csv(path, infer_schema=False).iter_rows(named=True)
    except pl.exceptions.NoDataError:
        return
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path.name} cannot be read as CSV ({_first_line(error)})", hint=HINT) from error


def _lines(path: Path) -> Iterator[Record]:
    try:
        # newline="\n": JSON strings may hold U+2028 and other marks that lines would otherwise be broken at.
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _object(_parse(line, f"{path.name}:{number}"), path, number)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error


def _json(path: Path) -> Iterator[Record]:
    """A list of objects, one object, or, as many call their JSON lines, one object a line."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    if content.lstrip().startswith("["):
        rows = _parse(content, path.name)
        assert isinstance(rows, list)
        for number, row in enumerate(rows, start=1):
            yield _object(row, path, number)
        return
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        yield from _lines(path)
        return
    yield _object(whole, path, 1)


def _object(row: object, path: Path, number: int) -> Record:
    if not isinstance(row, dict):
        raise UserError(f"{path.name}:{number} is no JSON object", hint=HINT)
    return row


def _parse(content: str, where: str) -> object:
    # ValueError, for a number of thousands of digits is JSON that Python doesn't read.
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not valid JSON ({_first_line(error)})", hint=HINT) from error


def _not_utf8(path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{path.name} is not UTF-8 (byte {error.start})", hint=HINT)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
