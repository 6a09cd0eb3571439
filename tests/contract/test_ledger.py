"""The step ledger: what is recorded is what comes back, also through a stop; the chain commits to all of it."""

from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import ReplayedError
from stages.contract.ledger import ROWS, SAMPLES, Entry, Ledger, chain, chain_seed
from stages.contract.manifest import read_head
from stages.contract.merkle import RowSet
from stages.contract.tables import read_table

IDS = [f"{n:032x}" for n in range(6)]
SAMPLE: Entry = (IDS[0], IDS[5], 2, 1.0, 0.1, 0.7, None, 0.0, 1.3, -0.6, "zero_variance")


def counted(folder: Path, *, replay: int = 0) -> Ledger:
    folder.mkdir(exist_ok=True)
    return Ledger(folder, weights=lambda: "w", table="data/x/examples.parquet", ids=IDS, replay=replay)


def test_rows_and_the_head(tmp_path: Path) -> None:
    ledger = counted(tmp_path)
    for step, batch in enumerate(([4, 2], [0], [4, 1], [3, 3]), start=1):
        ledger.rows(step, batch)
    ledger.write()
    found, head = read_table(tmp_path / "ledger.parquet", ROWS), read_head(tmp_path / "ledger.json")
    assert found.select("step", "row").rows() == [(1, 4), (1, 2), (2, 0), (3, 4), (3, 1), (4, 3), (4, 3)]
    assert (head.steps, head.entries, head.head) == (4, 7, found["chain"][-1])
    assert head.used == RowSet.of(IDS[:5]) and list(head.weights) == ["1", "2", "4"]


def test_a_stop_and_a_resume_leave_the_same_bytes(tmp_path: Path) -> None:
    def recorded(stop: int) -> list[bytes]:
        folder, commit = tmp_path / f"out{stop}", tmp_path / f"commit{stop}"
        folder.mkdir()
        commit.mkdir()
        ledger = Ledger(folder, weights=lambda: "w")
        for step in range(1, 6):
            ledger.record(step, [SAMPLE, (IDS[step], *SAMPLE[1:])])
            if step == stop:
                ledger.save(commit)
                ledger = Ledger(folder, weights=lambda: "w")
                ledger.restore(commit)
        ledger.write()
        return [(folder / name).read_bytes() for name in ("ledger.parquet", "ledger.json")]

    assert len({tuple(recorded(stop)) for stop in range(6)}) == 1


def test_a_replay_ends_where_it_was_asked_to(tmp_path: Path) -> None:
    ledger = counted(tmp_path, replay=2)
    ledger.rows(1, [0])
    with pytest.raises(ReplayedError):
        ledger.rows(2, [1])
    assert read_head(tmp_path / "ledger.json").steps == 2


def test_the_chain_changes_from_the_altered_step_on() -> None:
    frame = pl.DataFrame([(s, s % 3) for s in range(1, 7)], schema={"step": pl.Int32, "row": pl.UInt32}, orient="row")
    seed = chain_seed("ledger_rows", "checkpoint", "t", "o")
    links = chain(frame, seed=seed)["chain"].to_list()
    altered = frame.with_columns(row=pl.when(pl.col("step") == 4).then(9).otherwise("row").cast(pl.UInt32))
    other = chain(altered, seed=seed)["chain"].to_list()
    assert [a == b for a, b in zip(links, other, strict=True)] == [True] * 3 + [False] * 3
    assert chain(frame, seed=chain_seed("ledger_rows", "checkpoint", "t", "p"))["chain"][0] != links[0]


def test_an_empty_ledger(tmp_path: Path) -> None:
    Ledger(tmp_path, weights=lambda: "w").write()
    head = read_head(tmp_path / "ledger.json")
    assert (head.steps, head.head) == (0, "") and len(read_table(tmp_path / "ledger.parquet", SAMPLES)) == 0
