"""Tables: checked on write and read, whole or absent, the same bytes every time."""

import errno
from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import UserError
from stages.contract.schemas import PAIRS, ROLLOUTS, TASKS, Table
from stages.contract.tables import owner, read_table, write_table

ROW: dict[str, object] = {
    "r1_id": "a" * 32,
    "r1_parents": ["b" * 32],
    "r1_op": "pair",
    "r1_gen": {"checkpoint": "d" * 32, "sampling": "e" * 32, "seed": 0, "draw": 1},
    "rejected_draw": 0,
    "task_id": "c" * 32,
    "language": "en",
    "prompt": "name 2 fruits",
    "chosen": "apple, pear",
    "rejected": "no",
    "margin": 1.5,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "reward_model" / "pairs.parquet"


def refused(path: Path, table: Table = PAIRS) -> UserError:
    with pytest.raises(UserError) as caught:
        read_table(path, table)
    return caught.value


def test_rows_come_back_as_they_went(path: Path) -> None:
    write_table([ROW], path, PAIRS)
    assert read_table(path, PAIRS).to_dicts() == [ROW]


def test_an_empty_table_keeps_its_columns(path: Path) -> None:
    write_table([], path, ROLLOUTS)
    assert read_table(path, ROLLOUTS).schema == ROLLOUTS.schema


def test_a_missing_file_names_the_stage_that_writes_it(path: Path) -> None:
    error = refused(path)
    assert error.message == "data/reward_model/pairs.parquet is missing"
    assert error.hint == "r1 run reward_model"


@pytest.mark.parametrize("keep", [0, 3, 40, -1])
def test_a_truncated_file_is_an_error_with_a_hint(path: Path, keep: int) -> None:
    write_table([ROW] * 50, path, PAIRS)
    path.write_bytes(path.read_bytes()[:keep])
    error = refused(path)
    assert "data/reward_model/pairs.parquet cannot be read as Parquet" in error.message
    assert error.hint == "r1 run reward_model -f"


def test_damage_in_the_middle_is_an_error(path: Path) -> None:
    """The footer, and so the schema, is whole; the pages are not."""
    write_table([ROW | {"prompt": f"prompt {i}"} for i in range(500)], path, PAIRS)
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(bytes(content))
    assert "cannot be read as Parquet" in refused(path).message


def test_another_format_is_an_error(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('{"prompt": "name 2 fruits"}\n')
    assert "cannot be read as Parquet" in refused(path).message


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    assert "cannot be read as Parquet" in refused(path).message


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pl.DataFrame([ROW], schema=PAIRS.schema).drop("chosen"), 'lacks "chosen" (has: r1_id, '),
        (pl.DataFrame([ROW], schema=PAIRS.schema).with_columns(score=pl.lit(1)), 'has unknown "score"'),
        (pl.DataFrame([ROW], schema=PAIRS.schema).rename({"margin": "gap"}), 'lacks "margin"; has unknown "gap"'),
        (
            pl.DataFrame([ROW], schema=PAIRS.schema).with_columns(pl.col("margin").cast(pl.Float64)),
            '"margin" is Float64, expected Float32',
        ),
        (pl.DataFrame([ROW], schema=PAIRS.schema).select(reversed(PAIRS.columns)), "another order"),
    ],
    ids=["lacks", "unknown", "renamed", "type", "order"],
)
def test_other_columns_are_named(path: Path, frame: pl.DataFrame, says: str) -> None:
    path.parent.mkdir(parents=True)
    frame.write_parquet(path)
    error = refused(path)
    assert says in error.message and error.hint == "r1 run reward_model -f"
    with pytest.raises(ValueError, match="pairs: "):
        write_table(frame, path.with_name("other.parquet"), PAIRS)
    assert not path.with_name("other.parquet").exists()


def test_the_same_rows_are_the_same_bytes(path: Path) -> None:
    rows = [ROW | {"prompt": f"prompt {i}", "margin": i / 7} for i in range(200)]
    write_table(rows, path, PAIRS)
    first = path.read_bytes()
    write_table(pl.DataFrame(rows, schema=PAIRS.schema), path, PAIRS)
    assert path.read_bytes() == first
    write_table(read_table(path, PAIRS), path.with_name("again.parquet"), PAIRS)
    assert path.with_name("again.parquet").read_bytes() == first


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    write_table([ROW], path, PAIRS)
    before = path.read_bytes()
    path.with_name("pairs.parquet.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_table([ROW, ROW], path, PAIRS)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["pairs.parquet"]


def test_the_sidecar_is_the_table_with_a_reason(path: Path) -> None:
    write_table([ROW | {"r1_drop": "margin"}], path, PAIRS.rejected())
    assert list(read_table(path, PAIRS.rejected()).columns) == [*PAIRS.columns, "r1_drop"]
    assert "has unknown" in refused(path).message


def test_a_row_id_is_its_content(path: Path) -> None:
    assert PAIRS.row_id(ROW) == PAIRS.row_id(ROW | {"margin": 9.0, "r1_parents": []})
    assert PAIRS.row_id(ROW) != PAIRS.row_id(ROW | {"chosen": "apple"})
    # A value may not slip from one column into the next, nor from one table into another.
    assert PAIRS.row_id(ROW) != PAIRS.row_id(ROW | {"chosen": "apple, pearno", "rejected": ""})
    assert PAIRS.row_id(ROW) != PAIRS.rejected().row_id(ROW | {"r1_drop": ""})


@pytest.mark.parametrize(
    ("path_below", "stage"),
    [
        ("data/prompts/train.parquet", "prompts"),
        ("data/cold_start/examples_rejected.parquet", "cold_start"),
        ("data/evaluate/zero/scores.parquet", "evaluate@zero"),
        ("data/distill/qwen-7b/checkpoint/model.safetensors", "distill@qwen-7b"),
    ],
)
def test_the_owner_of_a_path(path_below: str, stage: str) -> None:
    assert owner(Path("/anywhere") / path_below) == stage


def test_tasks_of_another_table_are_refused(path: Path) -> None:
    write_table([ROW], path, PAIRS)
    assert "lacks" in refused(path, TASKS).message
