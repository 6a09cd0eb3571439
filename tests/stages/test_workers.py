"""Rejection sampling by several workers, some of which die: the same rows in the same order as by one."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Params
from stages.contract.pieces import WORKER
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.prompts import main as prompts
from tests.stages import small

PROMPTS = 1400  # six pieces


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workers")
    data, params = root / "data", _params()
    out = data / "prompts"
    out.mkdir(parents=True)
    prompts(params, Paths(data=data, out=out, metrics=root / "m.json", plots=root / "plots"), Silent())
    model = data / "grpo" / "checkpoint"
    save_tokenizer(train_tokenizer(["ball in 2 swap 13 24 where"], vocabulary=400), model)
    tokenizer = load_tokenizer(model)
    decoder = new_decoder(small.SHAPE, vocabulary=tokenizer.get_vocab_size(), seed=0)
    save_checkpoint(decoder, tokenizer, model, tokenizer_from=model)
    return data


def _params() -> Params:
    params = small.params()
    assert params.world and params.prompts and params.rejection
    world = replace(params.world, families={"chain": 1.0}, difficulties=[3, 4], documents=300)
    sampling = replace(params.rejection.sampling, draws=2)
    return replace(
        params,
        world=world,
        prompts=replace(params.prompts, train=PROMPTS),
        rejection=replace(params.rejection, prompts=PROMPTS, sampling=sampling),
    )


def _folder(data: Path, name: str) -> Path:
    return data.parent / "work" / name / "run"  # as deep as r1's, so that each has a store of its own


def _work(data: Path, name: str) -> Path:
    work = _folder(data, name)
    work.mkdir(parents=True)
    params = {
        key: value for key, value in asdict(_params()).items() if key in ("seed", "threads", "rollout", "rejection")
    }
    job = {"stage": "rejection", "item": "", "params": params, "deps": [], "data": str(data), "checkpoints": {}}
    (work / "job.json").write_text(json.dumps({**job, "deadlines": {}}))
    return work


def _start(work: Path, count: int) -> "subprocess.Popen[str]":
    stage = [sys.executable, "-m", "stages.rejection", str(work)]
    command = [sys.executable, "-m", "r1cli.dispatch.workers", str(count), "--", *stage] if count > 1 else stage
    environment = {k: v for k, v in os.environ.items() if k != WORKER} | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def _tables(work: Path) -> dict[str, bytes]:
    assert json.loads((work / "result.json").read_text()) == {"ok": True}
    return {path.name: path.read_bytes() for path in sorted((work / "out").glob("*.parquet"))}


def test_any_number_of_workers_makes_the_same_rows_also_if_some_die(data: Path) -> None:
    alone = _work(data, "alone")
    process = _start(alone, 1)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    wanted = _tables(alone)
    assert len(wanted) == 2

    work = _work(data, "three")
    process = _start(work, 3)
    killed = _kill_helpers(work, process, 1)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert killed
    assert _tables(work) == wanted
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (alone, work)]
    assert metrics[0] == metrics[1]
    assert not (work / "steps").exists()


def test_a_leader_that_dies_is_followed_by_one_that_goes_on(data: Path) -> None:
    work = _work(data, "led")
    process = _start(work, 2)
    pieces = work / "steps" / "sampling-grpo-checkpoint"
    _await(lambda: pieces.is_dir() and any(path.name.isdecimal() for path in pieces.iterdir()), process)
    leader = _workers(process)["0"]
    os.kill(leader, signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL, said
    assert not (work / "result.json").exists()
    process = _start(work, 1)  # another number of workers goes on as well
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    notes = [json.loads(line).get("text", "") for line in (work / "events.jsonl").read_text().splitlines()]
    assert any("resumed with" in note and "skipped 0, duplicated 0" in note for note in notes)
    assert _tables(work) == _tables(_folder(data, "alone"))


def _kill_helpers(work: Path, process: "subprocess.Popen[str]", count: int) -> list[int]:
    """Kill helpers that hold a piece; their process numbers."""
    pieces = work / "steps" / "sampling-grpo-checkpoint-pieces"
    found: list[int] = []

    def helpers_at_work() -> bool:
        held = (
            {path.name.rpartition("-")[2] for path in pieces.iterdir() if "." in path.name}
            if pieces.is_dir()
            else set()
        )
        helpers = [pid for worker, pid in _workers(process).items() if worker != "0" and str(pid) in held]
        found[:] = helpers[:count]
        return len(found) == count

    _await(helpers_at_work, process)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found


def _workers(process: "subprocess.Popen[str]") -> dict[str, int]:
    """The workers of a launcher: number -> process."""
    found = {}
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in listed:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        number = [entry.decode().partition("=")[2] for entry in environment if entry.startswith(f"{WORKER}=".encode())]
        found.update({number[0]: int(pid)} if number else {})
    return found


def _await(ready: object, process: "subprocess.Popen[str]") -> None:
    assert callable(ready)
    until = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)
