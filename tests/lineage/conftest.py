"""A small DAG of real manifests, tables and ledgers, made without any model: prompts, base, zero, cold_start, cold_sft,
evaluate@cold_sft."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from r1cli import code_lock
from r1cli.lineage.snapshot import Snapshot, opened
from stages.contract.determinism import determinism
from stages.contract.ledger import Ledger
from stages.contract.manifest import describe_input, write_manifest
from stages.contract.params import Params
from stages.contract.schemas import DOCUMENTS, EXAMPLES, ROLLOUTS, SCORES, TASKS, Table
from stages.contract.tables import write_table

ROOT = Path(__file__).parents[2]
LICENSES = ("Apache-2.0", "CC-BY-NC-4.0")
DEPS = {
    "prompts": ["data/imports"],
    "base": ["data/prompts/corpus.parquet"],
    "zero": ["data/prompts/train.parquet", "data/base/checkpoint"],
    "cold_start": ["data/prompts/train.parquet", "data/zero/checkpoint"],
    "cold_sft": ["data/cold_start/examples.parquet", "data/base/checkpoint"],
    "evaluate@cold_sft": ["data/cold_sft/checkpoint", "data/prompts/test.parquet"],
}


def rows(table: Table, given: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows with the given columns, all others empty, and their ids."""
    whole = [
        {**{c: ("" if t == pl.String() else None) for c, t in table.columns.items()}, "r1_parents": [], **r}
        for r in given
    ]
    return pl.DataFrame([{**row, "r1_id": table.row_id(row)} for row in whole], schema=table.schema)


def task(number: int, source: str = "r1/embedded-world", license: str = LICENSES[0]) -> dict[str, object]:
    return {
        "r1_op": "template", "kind": "reasoning", "family": "chain" if number % 2 else "word", "language": "en",
        "prompt": f"what is {number}+1", "answer": str(number + 1), "tests": "", "states": [f"s{number}"],
        "source": source, "revision": "1", "license": license,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Dag:
    """The project folder."""

    root: Path

    def table(self, path: str) -> pl.DataFrame:
        return pl.read_parquet(self.root / "data" / path)

    def snapshot(self) -> Snapshot:
        return opened(self.root)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lineage") / "project"
    (root / "stages").mkdir(parents=True)
    (root / "stages" / "__init__.py").touch()
    modules = [name.partition("@")[0] for name in DEPS]
    for module in modules:
        (root / "stages" / f"{module}.py").write_text(f'NAME = "{module}"\n')
    code_lock.write(root, code_lock.out_of_date(root, modules))
    (root / "data" / "imports" / "mine").mkdir(parents=True)
    (root / "data" / "imports" / "mine" / "tasks.parquet").write_bytes(b"not looked into")
    (root / "params.yaml").write_text("profile: tiny\nseed: 0\n")
    plain = {name: {"cmd": "true"} for name in DEPS if "@" not in name}
    matrix = {
        name.partition("@")[0]: {"foreach": [name.partition("@")[2]], "do": {"cmd": "true"}}
        for name in DEPS
        if "@" in name
    }
    (root / "dvc.yaml").write_text(json.dumps({"stages": plain | matrix}))  # JSON is YAML
    for write in (_prompts, _base, _zero, _cold_start, _cold_sft, _evaluate):
        write(root)
    _lock(root)
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    return root


@pytest.fixture
def dag(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dag:
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return Dag(root=tmp_path / "project")


def _finish(root: Path, name: str, params: dict[str, object] | None = None) -> None:
    stage, _, item = name.partition("@")
    write_manifest(
        root / "data" / stage / item,
        root=root,
        stage=stage,
        item=item,
        params=params or {"seed": 0, stage: {"steps": 3}},
        deps=[f"stages/code.lock/{stage}", *DEPS[name]],
        determinism=determinism(stage, Params(threads=2), {"python": "3.11", "torch": "2.13.0"}),
    )


def _lock(root: Path) -> None:
    """dvc.lock as DVC would write it."""
    entries = {}
    for name, deps in DEPS.items():
        stage, _, item = name.partition("@")
        out = f"data/{stage}/{item}".rstrip("/")
        entries[name] = {
            "cmd": "true",
            "deps": [{"path": dep, "md5": describe_input(root / dep).md5} for dep in deps],
            "outs": [{"path": out, "md5": describe_input(root / out).md5}],
        }
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": entries}))  # JSON is YAML


def _weights(out: Path, content: bytes) -> None:
    (out / "checkpoint").mkdir(parents=True)
    (out / "checkpoint" / "model.safetensors").write_bytes(content)
    (out / "checkpoint" / "config.json").write_text("{}")


def _digest(root: Path, name: str) -> str:
    return describe_input(root / "data" / name / "checkpoint" / "model.safetensors").sha256[:32]


def _prompts(root: Path) -> None:
    out = root / "data" / "prompts"
    imported = [{**task(100 + n, "file:mine.jsonl", LICENSES[1]), "r1_op": "ingest"} for n in range(2)]
    write_table(rows(TASKS, [*(task(n) for n in range(12)), *imported]), out / "train.parquet", TASKS)
    dropped = rows(TASKS, [task(200)]).with_columns(r1_drop=pl.lit("held_out_text:x"))
    write_table(dropped, out / "train_rejected.parquet", TASKS.rejected())
    write_table(rows(TASKS, [task(n) for n in range(50, 53)]), out / "test.parquet", TASKS)
    texts = [
        {
            "r1_op": "template",
            "text": f"page {n % 18}",
            "source": "r1/embedded-world",
            "revision": "1",
            "license": LICENSES[0],
        }
        for n in range(20)
    ]
    write_table(rows(DOCUMENTS, texts), out / "corpus.parquet", DOCUMENTS)
    _finish(root, "prompts", {"seed": 0, "prompts": {"train": 12}})


def _base(root: Path) -> None:
    out = root / "data" / "base"
    _weights(out, b"base weights")
    ids = pl.read_parquet(root / "data/prompts/corpus.parquet")["r1_id"].to_list()
    ledger = Ledger(out, weights=lambda: "w", table="data/prompts/corpus.parquet", ids=ids)
    for step in range(1, 4):
        ledger.rows(step, [4 * step, 4 * step + 1])  # rows 0 to 3 and the last ones are never used
    ledger.write()
    _finish(root, "base")


def _zero(root: Path) -> None:
    out = root / "data" / "zero"
    _weights(out, b"zero weights")
    ids = pl.read_parquet(root / "data/prompts/train.parquet")["r1_id"].to_list()
    ledger = Ledger(out, weights=lambda: "w")
    kept: list[dict[str, object]] = []
    for step in range(1, 5):
        gen = {"checkpoint": f"{_digest(root, 'base')}+{step - 1}", "sampling": "s", "seed": 0}
        samples = [
            {
                "r1_parents": [ids[step]], "r1_op": "generate", "r1_gen": {**gen, "draw": draw}, "step": step,
                "task_id": ids[step], "completion": f"answer {draw}", "reward": float(draw), "advantage": draw - 0.5,
                "masked": None,
            }
            for draw in range(2)
        ]  # fmt: skip
        frame = rows(ROLLOUTS, samples)
        earned = (1.0, 1.0, 1.0, None, 0.0)
        ledger.record(
            step, [(i, ids[step], step - 1, *earned, float(d), d - 0.5, None) for d, i in enumerate(frame["r1_id"])]
        )
        if step % 2:
            kept += frame.to_dicts()
    ledger.write()
    write_table(pl.DataFrame(kept, schema=ROLLOUTS.schema), out / "rollouts.parquet", ROLLOUTS)
    _finish(root, "zero")


def _cold_start(root: Path) -> None:
    out = root / "data" / "cold_start"
    ids = pl.read_parquet(root / "data/prompts/train.parquet")["r1_id"].to_list()
    gen = {"checkpoint": _digest(root, "zero"), "sampling": "s", "seed": 0, "draw": 0}
    given = [
        {"r1_parents": [i], "r1_op": "generate", "r1_gen": gen, "task_id": i, "prompt": f"p{i}", "response": "r"}
        for i in ids[1:7]
    ]
    examples = rows(EXAMPLES, given)
    write_table(examples[:5], out / "examples.parquet", EXAMPLES)
    dropped = examples[5:].with_columns(r1_drop=pl.lit("incorrect"))
    write_table(dropped, out / "examples_rejected.parquet", EXAMPLES.rejected())
    _finish(root, "cold_start", {"seed": 0, "cold_start": {"prompts": 6}})


def _cold_sft(root: Path) -> None:
    out = root / "data" / "cold_sft"
    _weights(out, b"cold weights")
    ids = pl.read_parquet(root / "data/cold_start/examples.parquet")["r1_id"].to_list()
    ledger = Ledger(out, weights=lambda: "w", table="data/cold_start/examples.parquet", ids=ids)
    for step, batch in enumerate(([3, 0], [4, 1], [2]), start=1):
        ledger.rows(step, batch)
    ledger.write()
    _finish(root, "cold_sft")


def _evaluate(root: Path) -> None:
    out = root / "data" / "evaluate" / "cold_sft"
    ids = pl.read_parquet(root / "data/prompts/test.parquet")["r1_id"].to_list()
    gen = {"checkpoint": _digest(root, "cold_sft"), "sampling": "s", "seed": 0, "draw": 0}
    given = [
        {"r1_parents": [i], "r1_op": "verify", "r1_gen": gen, "model": "cold_sft", "task_id": i, "completion": "c"}
        for i in ids
    ]
    write_table(rows(SCORES, given), out / "scores.parquet", SCORES)
    _finish(root, "evaluate@cold_sft")
    metrics = root / "data" / "metrics"
    metrics.mkdir()
    figures = {"pass_at_1": 0.5, "pass_at_1_low": 0.4, "pass_at_1_high": 0.6, "preference": 0.3}
    (metrics / "evaluate-cold_sft.json").write_text(json.dumps(figures))
