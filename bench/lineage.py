"""What lineage costs: ids and Merkle roots of 800,000 rows, their columns on disk, look-ups, and a GRPO step's share.

Each figure stands beside its limit (issue 4). The GRPO step is timed on the tiny profile's shapes with a fresh model: its
ledger work against the whole step, in one process. Usage: python bench/lineage.py [ROWS]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl

from r1cli.lineage import rows as lookups
from r1cli.lineage.snapshot import opened
from r1cli.lineage.uses import entries_of
from r1cli.publish import link_tree
from stages.contract.determinism import Determinism
from stages.contract.ledger import Ledger
from stages.contract.manifest import describe_rows, read_manifest, write_manifest
from stages.contract.schemas import EXAMPLES
from stages.contract.tables import write_table

ROWS, TASKS_COUNT, STEPS, PER_STEP = 800_000, 200_000, 10_000, 64
ANY = Determinism(threads=1, libraries={}, depends_on=[], open=[])
LIMITS = {
    "ids and Merkle roots (s)": 6.0,
    "id and parents columns (MB)": 25.0,
    "row look-up through the DAG (s)": 1.0,
    "ledger query (s)": 0.05,
    "share of a GRPO step (%)": 2.0,
    "bytes copied by publishing (MB)": 0.0,
}


def timed(work: Callable[[], object]) -> float:
    """Processor seconds, of all threads: what else the machine does doesn't count, and waiting for a disk neither."""
    began = time.process_time()
    work()
    return time.process_time() - began


def examples(count: int) -> pl.DataFrame:
    """Rows as rejection sampling makes them, without ids: four of each task, side by side."""
    tasks = [os.urandom(16).hex() for _ in range(TASKS_COUNT)]
    base = pl.DataFrame({"number": pl.int_range(count, eager=True)})
    task = pl.Series("task_id", [tasks[i * TASKS_COUNT // count] for i in range(count)])
    values = {
        "r1_id": pl.lit(""), "r1_parents": pl.concat_list("task_id"), "r1_op": pl.lit("generate"),
        "r1_gen": pl.struct(
            checkpoint=pl.lit("c" * 32), sampling=pl.lit("s" * 32), seed=pl.lit(0, pl.Int64),
            draw=(pl.col("number") % 4).cast(pl.Int32),
        ),
        "kind": pl.lit("reasoning"), "family": pl.lit("chain"), "language": pl.lit("en"),
        "prompt": pl.format("what is {}*7+2", pl.col("number") * TASKS_COUNT // count),
        "response": pl.format("<think>first {} so it is that</think><answer>{}</answer>", "number", "number"),
        "num_tokens": pl.lit(30, pl.Int32), "source": pl.lit("r1/sampled"),
    }  # fmt: skip
    return base.with_columns(task).with_columns(**values).select(list(EXAMPLES.columns))


def columns_mb(frame: pl.DataFrame, folder: Path) -> float:
    """What the two columns add to the file: it is written with and without them."""
    with_, without = folder / "with.parquet", folder / "without.parquet"
    frame.write_parquet(with_, compression="zstd", row_group_size=1 << 16)
    frame.drop("r1_id", "r1_parents").write_parquet(without, compression="zstd", row_group_size=1 << 16)
    return (with_.stat().st_size - without.stat().st_size) / 1e6


def a_dag(frame: pl.DataFrame, root: Path) -> None:
    """Two artifacts: the rows, and a training whose ledger names 640,000 samples."""
    write_table(frame, root / "data" / "rejection" / "examples.parquet", EXAMPLES)
    write_manifest(
        root / "data" / "rejection", root=root, stage="rejection", item="", params={}, deps=[], determinism=ANY
    )
    out = root / "data" / "grpo"
    out.mkdir(parents=True)
    ledger = Ledger(out, weights=lambda: "")
    tasks = frame["task_id"].unique(maintain_order=True).to_list()
    ids = iter([os.urandom(16).hex() for _ in range(STEPS * PER_STEP)])
    for step in range(1, STEPS + 1):
        task = tasks[step % len(tasks)]
        entry = (1.0, 1.0, 1.0, None, 0.0, 1.2, 0.5, None)
        ledger.record(step, [(next(ids), task, step - 1, *entry) for _ in range(PER_STEP)])
    print(f"{'  writing a ledger of 640,000 samples (s)':44}{timed(ledger.write):8.2f}")
    write_manifest(
        out, root=root, stage="grpo", item="", params={}, deps=["data/rejection/examples.parquet"], determinism=ANY
    )


def step_share() -> float:
    """Per cent of a GRPO step of the tiny profile that its ledger takes."""
    from r1cli.params_file import read_params
    from stages.assembly.training import _rollout_rows, ledger_entries
    from stages.contract.params import parse
    from stages.contract.task import Score, Task
    from stages.model.checkpoint import new_decoder, weights_digest
    from stages.rl.samples import Sample

    params = parse(read_params(Path(__file__).parents[1] / "profiles" / "tiny.yaml"))
    assert params.zero and params.base and params.base.shape
    decoder = new_decoder(params.base.shape, vocabulary=params.base.vocabulary, seed=0)
    score = Score(
        verdict="correct", reason="correct", accuracy=1, format=1, language=1, preference=None, overlong=0, reward=1.2
    )
    samples = []
    for prompt in range(params.zero.prompts_per_step):
        task = Task(
            id=os.urandom(16).hex(), kind="reasoning", family="chain", difficulty=3, language="en",
            prompt="what is 3*5+8-2", answer="21",
        )  # fmt: skip
        for draw in range(params.zero.group_size):
            text = f"<think>first 3*5+8-2 then 15+8-2 next 23-2 so 21</think><answer>{prompt} {draw}</answer>"
            samples.append(
                Sample(
                    task=task, draw=draw, prompt=[1] * 12, tokens=[1] * 40, engine_logps=[0.0] * 40, finished=True,
                    text=text, score=score,
                )
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), weights=lambda: weights_digest(decoder))

        def record() -> None:
            for step in range(1, 33):
                rows = _rollout_rows(step, samples, params.zero, 0, "c")  # type: ignore[arg-type]
                ledger.record(step, ledger_entries(rows, samples, step - 1))
            ledger.write()

        record_s = min(timed(record) for _ in range(3)) / 32
    whole_s = grpo_step_s(SimpleNamespace(params=params, decoder=decoder))
    print(f"{'  ledger, ms a step':44}{record_s * 1e3:8.2f}\n{'  whole GRPO step, ms':44}{whole_s * 1e3:8.1f}")
    return 100 * record_s / whole_s


def grpo_step_s(given: SimpleNamespace) -> float:
    """Seconds of one sampling and one update with the tiny profile's shapes (its scoring and validation left out, so
    the share comes out too high rather than too low)."""
    import torch

    from stages.contract.team import Team
    from stages.model.policy import DecoderPolicy
    from stages.rollout.embedded import EmbeddedEngine

    zero = given.params.zero
    torch.set_num_threads(1)
    team = Team(1)
    engine = EmbeddedEngine(given.decoder, end_id=1, pad_id=0, batch=1024, team=team)
    policy = DecoderPolicy(given.decoder, pad_id=0, team=team)
    prompts = [[5] * 12] * zero.prompts_per_step

    def step() -> None:
        groups = engine.generate(prompts, draws=zero.group_size, max_new_tokens=40, temperature=1.0, top_p=1.0, seed=0)
        samples = [completion.tokens for group in groups for completion in group]
        for begin in range(0, len(samples), 32):
            part = samples[begin : begin + 32]
            logps, _, mask = policy.logps([[5] * 12] * len(part), part, temperature=1.0)
            (logps * mask).sum().backward()

    step()
    return min(timed(step) for _ in range(3))


def published_mb(root: Path) -> float:
    """Megabytes that publishing 256 MB of weights takes on the disk."""
    work, out = root / "work" / "out", root / "data" / "model"
    work.mkdir(parents=True)
    with (work / "model.safetensors").open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    took = timed(lambda: link_tree(work, out))
    print(f"{'  publishing 256 MB (ms)':44}{took * 1e3:8.2f}")
    files = {(s.st_dev, s.st_ino): s.st_blocks for p in (*work.iterdir(), *out.iterdir()) for s in [p.stat()]}
    before = sum(p.stat().st_blocks for p in work.iterdir())
    return (sum(files.values()) - before) * 512 / 1e6


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        frame = examples(count)
        ids: list[str] = []
        described = []

        def identify() -> None:
            nonlocal frame
            ids[:] = EXAMPLES.row_ids(frame)
            frame = frame.with_columns(r1_id=pl.Series(ids))

        spent = timed(identify)
        spent += timed(lambda: described.append(describe_rows(frame, frame.schema)))
        figures["ids and Merkle roots (s)"] = spent
        figures["id and parents columns (MB)"] = columns_mb(frame, root)
        shuffled = columns_mb(frame.sample(fraction=1, shuffle=True, seed=1), root)
        print(f"{'  those columns with all rows shuffled (MB)':44}{shuffled:8.2f}")
        a_dag(frame, root)
        row = ids[count // 2]

        def look_up() -> None:
            found = opened(root)
            lookups.find(found, row)
            lookups.descendants(found, [row])

        figures["row look-up through the DAG (s)"] = min(timed(look_up) for _ in range(3))
        found = opened(root)
        head = read_manifest(root / "data" / "grpo" / "manifest.json").ledgers["ledger.parquet"]
        sample = pl.read_parquet(root / "data" / "grpo" / "ledger.parquet", columns=["row_id"])["row_id"][-1]

        def query() -> None:
            assert len(entries_of(found, found.artifacts["grpo"], "ledger.parquet", head, [sample])) == 1

        figures["ledger query (s)"] = min(timed(query) for _ in range(5))
        size = (root / "data" / "grpo" / "ledger.parquet").stat().st_size / 1e6
        print(f"{'  that ledger on disk (MB)':44}{size:8.2f}")
        figures["bytes copied by publishing (MB)"] = published_mb(root / "publishing")
    figures["share of a GRPO step (%)"] = step_share()
    for name, value in figures.items():
        print(f"{name:44}{value:8.3f}  limit {LIMITS[name]:g}{'' if value <= LIMITS[name] else '   TOO MUCH'}")


if __name__ == "__main__":
    main()
