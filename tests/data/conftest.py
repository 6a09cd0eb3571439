"""A project folder with tables as stages write them, and `r1 data` run in it."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from r1cli.app import main
from stages.contract.schemas import EXAMPLES, ROLLOUTS, Table
from stages.contract.tables import write_table
from tests.lineage.conftest import dag, made, rows

__all__ = ["dag", "made"]

Shown = tuple[int, str, str]
Run = Callable[..., Shown]
GEN = {"checkpoint": "c" * 32, "sampling": "s", "seed": 0, "draw": 0}


@pytest.fixture
def r1(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `r1 data` in this process, in the current folder: (exit code, stdout, stderr)."""

    def run(*arguments: str) -> Shown:
        with pytest.raises(SystemExit) as ended:
            main(["data", *arguments])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


def rollout(number: int) -> dict[str, object]:
    right = number % 3 == 0
    return {
        "r1_op": "generate", "r1_gen": {**GEN, "draw": number % 2}, "step": number // 2, "task_id": f"t{number % 5}",
        "kind": "reasoning", "family": "code" if number % 4 == 0 else "chain", "language": "zh" if number % 5 == 0 else "en",
        "prompt": f"what is {number}+1", "completion": f"<think>one more than {number}</think><answer>{number + 1}</answer>",
        "num_tokens": 10 + number, "finish": "stop", "verdict": "correct" if right else "wrong",
        "reason": "correct" if right else "no_answer", "accuracy": float(right), "format": 1.0,
        "language_consistency": 1.0, "preference": None, "reward": 1.2 if right else 0.2, "advantage": 0.5, "masked": None,
    }  # fmt: skip


def example(number: int, response: str = "", **more: object) -> dict[str, object]:
    return {
        "r1_op": "generate", "r1_gen": {**GEN, "draw": 0}, "task_id": f"t{number}", "kind": "reasoning", "family": "chain",
        "language": "en", "prompt": f"what is {number}+1", "response": response or f"<think>{number}</think>{number + 1}",
        "num_tokens": 7, "source": "r1/sampled", **more,
    }  # fmt: skip


def put(root: Path, path: str, table: Table, given: list[dict[str, object]]) -> pl.DataFrame:
    frame = rows(table, given)
    write_table(frame, root / "data" / f"{path}.parquet", table)
    return frame


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rollouts of `zero`, rows of `rejection` (one dropped), those of `distill@small`'s evaluation left out."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(json.dumps({"stages": {}}))
    put(root, "zero/rollouts", ROLLOUTS, [rollout(n) for n in range(24)])
    put(root, "rejection/examples", EXAMPLES, [example(n) for n in range(6)])
    dropped = rows(EXAMPLES, [example(9)]).with_columns(r1_drop=pl.lit("duplicate:abc"))
    write_table(dropped, root / "data/rejection/examples_rejected.parquet", EXAMPLES.rejected())
    pl.DataFrame({"row_id": ["x"]}).write_parquet(root / "data/zero/ledger.parquet")
    monkeypatch.chdir(root)
    return root
