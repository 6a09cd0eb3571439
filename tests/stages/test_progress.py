"""Loops stopped at every step and resumed: the same bits and ledgers as without a stop, with one thread and with two."""

import errno
import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from stages.assembly.progress import PLAIN, TENSORS, Keeper, Kept
from stages.assembly.training import Rollouts, ledger_entries
from stages.contract.attempt import Attempt
from stages.contract.commits import MANIFEST, numbers
from stages.contract.course import UNKEPT, Progress
from stages.contract.errors import StoppedError
from stages.contract.ledger import Ledger
from stages.contract.params import Checkpoints, Pretrain
from stages.contract.schemas import ROLLOUTS, content_id
from stages.contract.tables import write_table
from stages.contract.task import Score, Task
from stages.contract.team import Team
from stages.model.checkpoint import weights_digest
from stages.model.decoder import Decoder
from stages.model.optimiser import Live
from stages.model.policy import DecoderPolicy
from stages.model.pretrain import pretrain
from stages.model.reward_model import RewardModel, train_pairwise
from stages.model.sft import fine_tune
from stages.rl.loop import Parts, train
from stages.rl.objective import PAPER
from stages.rl.samples import Sample
from stages.rollout.embedded import EmbeddedEngine
from tests import tiny_model
from tests.model.test_training import SETTINGS as SFT
from tests.rl.test_loop import SETTINGS as RL
from tests.stages.stopping import EVERY_STEP, AskedAttempt, Notes, Stopped, StoppingAttempt

Bits = list[list[float]]
Keeping = Callable[[Keeper], Progress[Live]]  # what keeps a loop's states, given its ledger


def bits(model: torch.nn.Module) -> Bits:
    return [p.detach().flatten().tolist() for p in model.parameters()]


def unkept(ledger: Keeper) -> Progress[Live]:
    return UNKEPT


def kept(attempt: Attempt, report: Notes | None = None) -> Keeping:
    return lambda ledger: Kept(attempt, "loop", report or Notes(), [ledger])


def _ledger(decoder: Decoder, *, rows: int = 0) -> Ledger:
    """A ledger of `rows` rows of a table; of samples, without any."""
    ids = [f"{row:032x}" for row in range(rows)]
    return Ledger(Path(), weights=partial(weights_digest, decoder), table="data/x.parquet" if rows else "", ids=ids)


def written(ledger: Ledger) -> dict[str, bytes]:
    """The files that a ledger leaves."""
    with tempfile.TemporaryDirectory() as folder:
        ledger._out = Path(folder)
        ledger.write()
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _pretrain(keeping: Keeping, team: Team) -> object:
    texts = [e.ids for e in tiny_model.tokenizer().encode_batch(list(tiny_model.texts()[:60]))]
    decoder = tiny_model.decoder(scale=1.0)
    settings = Pretrain(
        steps=53, tokens_per_step=200, lr_matrix=1e-2, lr_other=5e-3, warmup_steps=5, decay_from=0.5, betas=[0.9, 0.95]
    )  # more than one row of the curve, more than one chunk of batches, more than one pass over the documents
    ledger = _ledger(decoder, rows=len(texts))
    curve = pretrain(
        decoder, texts, settings, pad_id=0, seed=1, report=Notes(), team=team, progress=keeping(ledger),
        used=ledger.rows,
    )  # fmt: skip
    return curve, bits(decoder), written(ledger)


def _fine_tune(keeping: Keeping, team: Team) -> object:
    policy = DecoderPolicy(tiny_model.decoder(), pad_id=0, team=team)
    prompts, responses = tiny_model.sequences(9, seed=1), tiny_model.sequences(9, seed=2)
    settings = replace(SFT, epochs=3, warmup_steps=2, weight_decay=0.1)
    ledger = _ledger(policy.decoder, rows=len(prompts))
    curve = fine_tune(
        policy, prompts, responses, settings, seed=3, report=Notes(), progress=keeping(ledger), used=ledger.rows
    )  # fmt: skip
    return curve, bits(policy.decoder), written(ledger)


def _reward_model(keeping: Keeping, team: Team) -> object:
    model = RewardModel(tiny_model.decoder(labels=1), pad_id=0, team=team)
    chosen, rejected = tiny_model.sequences(9, seed=1), tiny_model.sequences(9, seed=2)
    ledger = _ledger(model.decoder, rows=len(chosen))
    curve = train_pairwise(
        model, chosen, rejected, replace(SFT, epochs=2), seed=0, report=Notes(), progress=keeping(ledger),
        used=ledger.rows,
    )  # fmt: skip
    return curve, bits(model.decoder), written(ledger)


def _task(number: int) -> Task:
    return Task(
        id=f"{number:032x}",
        kind="reasoning",
        family="logic",
        difficulty=2,
        language="en",
        prompt=f"{number}",
        answer="",
    )


def _score(
    tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
) -> list[Score]:
    return [
        Score(
            verdict="wrong", reason="wrong", accuracy=0.0, format=0.0, language=1.0, preference=None, overlong=0.0,
            reward=len(text) % 7 / 7,
        )
        for text in texts
    ]  # fmt: skip


def _grpo(steps_per_rollout: int, reference_every: int) -> Callable[[Keeping, Team], object]:
    def run(keeping: Keeping, team: Team) -> object:
        codec, policy = tiny_model.codec(), DecoderPolicy(tiny_model.decoder(scale=4.0), pad_id=0, team=team)
        ledger = _ledger(policy.decoder)
        engine = EmbeddedEngine(policy.decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=8, team=team)

        def validate(draw: Callable[[Sequence[Task]], list[Sample]]) -> dict[str, float]:
            return {"accuracy": sum(len(s.tokens) for s in draw([_task(90)])) / 10}

        def used(step: int, samples: Sequence[Sample]) -> None:
            rows: list[dict[str, object]] = [
                {"r1_id": content_id("rollouts", [step, s.task.id, s.draw, s.text])} for s in samples
            ]
            ledger.record(step, ledger_entries(rows, samples, step - 1))

        parts = Parts(
            policy=policy,
            engine=engine,
            codec=codec,
            score=_score,
            pick=lambda step: [_task(step % 3), _task(7)],
            forbidden=lambda text: False,
            reflective=len,
            validate=validate,
            keep=lambda step, samples: None,
            used=used,
        )
        settings = replace(
            RL, steps=5, steps_per_rollout=steps_per_rollout, lr=5e-3, reference_every=reference_every,
            validate_every=2, objective=replace(PAPER, kl_beta=1e-2),
        )  # fmt: skip
        optimisation = policy.optimisation(settings)
        curves = train(parts, settings, seed=1, optimisation=optimisation, report=Notes(), progress=keeping(ledger))
        return curves, bits(policy.decoder), written(ledger)

    return run


LOOPS = {
    "pretrain": _pretrain,
    "sft": _fine_tune,
    "reward model": _reward_model,
    "grpo": _grpo(1, 400),
    "grpo, reference copied every 2 steps": _grpo(1, 2),
    "grpo, two updates a rollout": _grpo(2, 3),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", LOOPS)
def test_stopped_and_resumed_is_the_same_to_the_bit(tmp_path: Path, name: str, threads: int) -> None:
    whole = LOOPS[name](unkept, Team(threads))
    # Each attempt commits once, and is stopped in its next step. Two updates are committed together.
    at, stops = 3 if "two updates" in name else 2, 0
    found: object = None
    while stops < 20:
        report = Notes()
        # What else draws random numbers meanwhile must not matter, nor what a fresh process starts with.
        torch.manual_seed(stops)
        random.seed(stops)
        try:
            found = LOOPS[name](kept(StoppingAttempt(tmp_path / "steps", at=at), report), Team(threads))
            break
        except Stopped:
            stops += 1
            at += 6 if name == "pretrain" else 0  # which has many
    assert found == whole
    assert stops >= (2 if "two updates" in name else 4)


@pytest.mark.parametrize("name", LOOPS)
def test_asked_to_stop_it_commits_once_more_and_goes_on_from_there(tmp_path: Path, name: str) -> None:
    whole = LOOPS[name](unkept, Team(1))
    at = 3  # between the two updates of a rollout, where there are two: the second is done before the commit
    with pytest.raises(StoppedError):
        LOOPS[name](kept(AskedAttempt(tmp_path / "steps", at=at)), Team(1))
    (step,) = numbers(tmp_path / "steps" / "loop")
    assert step == (4 if "two updates" in name else 3)
    rest, all_steps = StoppingAttempt(tmp_path / "steps"), StoppingAttempt(tmp_path / "other")
    assert LOOPS[name](kept(rest), Team(1)) == LOOPS[name](kept(all_steps), Team(1)) == whole
    assert rest.signs == all_steps.signs - step


@pytest.mark.parametrize("damage", ["weights", "json", "missing"])
def test_a_broken_last_state_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    whole = _fine_tune(unkept, Team(1))
    with pytest.raises(Stopped):
        _fine_tune(kept(StoppingAttempt(tmp_path / "steps", at=6)), Team(1))
    folder = tmp_path / "steps" / "loop"
    assert numbers(folder) == [4, 5]
    path = folder / "5" / {"weights": TENSORS, "json": PLAIN, "missing": MANIFEST}[damage]
    if damage == "missing":
        path.unlink()
    else:
        whole_file = path.read_bytes()
        path.write_bytes(whole_file[:-5] + bytes([whole_file[-5] ^ 1]) + whole_file[-4:])
    report = Notes()
    assert _fine_tune(kept(Attempt(tmp_path / "steps", EVERY_STEP), report), Team(1)) == whole
    assert report.notes == ["the state saved at step 5 is broken: the one before it is taken"]


def test_where_all_states_are_broken_the_stage_begins_again(tmp_path: Path) -> None:
    whole = _fine_tune(unkept, Team(1))
    with pytest.raises(Stopped):
        _fine_tune(kept(StoppingAttempt(tmp_path / "steps", at=6)), Team(1))
    for step in (4, 5):
        (tmp_path / "steps" / "loop" / f"{step}" / TENSORS).write_bytes(b"")
    report = Notes()
    assert _fine_tune(kept(Attempt(tmp_path / "steps", EVERY_STEP), report), Team(1)) == whole
    assert report.notes == ["the state saved at step 5, 4 is broken: the stage starts from the beginning"]


def test_every_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    states = Kept(Attempt(tmp_path / "steps", EVERY_STEP), "loop", Notes())
    torch.manual_seed(5)
    random.seed(5)
    states.commit(1, {}, {})
    then = [torch.rand(3).tolist(), random.random(), random.gauss(0, 1)]
    assert [torch.rand(3).tolist(), random.random(), random.gauss(0, 1)] != then
    Kept(Attempt(tmp_path / "steps", EVERY_STEP), "loop", Notes()).load({})
    assert [torch.rand(3).tolist(), random.random(), random.gauss(0, 1)] == then


def test_cadence_and_retention_are_the_params(tmp_path: Path) -> None:
    states = Kept(Attempt(tmp_path / "steps", Checkpoints(every_s=1e9, every_steps=3, keep=3)), "loop", Notes())
    done = []
    for step in range(1, 17):
        if states.due(step):
            states.commit(step, {}, {})
            done.append(step)
    assert done == [3, 6, 9, 12, 15] and numbers(tmp_path / "steps" / "loop") == [9, 12, 15]
    always = Kept(Attempt(tmp_path / "steps", Checkpoints(every_s=1e-9)), "loop", Notes())
    assert always.due(1)
    never = Kept(Attempt(tmp_path / "steps", Checkpoints(every_s=1e9)), "loop", Notes())
    assert not never.due(10**9)


def test_the_time_lost_is_what_the_last_attempt_worked_after_the_commit(tmp_path: Path) -> None:
    def life(began: float, ended: float) -> None:
        (tmp_path / "steps" / "alive").write_text(str(began))
        os.utime(tmp_path / "steps" / "alive", (ended, ended))

    Attempt(tmp_path / "steps", EVERY_STEP)
    life(1000, 1060)
    assert Attempt(tmp_path / "steps", EVERY_STEP).lost_s(1057) == pytest.approx(3)
    life(2000, 2005)  # resumed a while later and stopped before anything was committed
    assert Attempt(tmp_path / "steps", EVERY_STEP).lost_s(1057) == pytest.approx(5)
    assert Attempt(tmp_path / "steps", EVERY_STEP).lost_s(9e9) == 0.0
    assert Attempt(tmp_path, EVERY_STEP).lost_s(1.0) == 0.0  # there was none before


def test_a_full_disk_stops_the_loop_and_loses_nothing(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("can't mount here")
    try:
        whole = _fine_tune(unkept, Team(1))
        with pytest.raises(Stopped):
            _fine_tune(kept(StoppingAttempt(tmp_path / "steps", at=4)), Team(1))
        filler = tmp_path / "filler"
        filler.write_bytes(b"x" * (os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_bsize - 8192))
        with pytest.raises(OSError) as caught:
            _fine_tune(kept(Attempt(tmp_path / "steps", EVERY_STEP)), Team(1))
        assert caught.value.errno == errno.ENOSPC
        assert numbers(tmp_path / "steps" / "loop") == [2, 3]
        filler.unlink()
        assert _fine_tune(kept(Attempt(tmp_path / "steps", EVERY_STEP)), Team(1)) == whole
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_no_pickle_is_written(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        _fine_tune(kept(StoppingAttempt(tmp_path / "steps", at=3)), Team(1))
    files = {path.suffix for path in (tmp_path / "steps" / "loop").rglob("*") if path.is_file()}
    assert files == {".json", ".safetensors", ".parquet"}


def test_kept_rows_survive(tmp_path: Path) -> None:
    row: dict[str, object] = {
        name: {"r1_parents": ["p"], "r1_gen": {"checkpoint": "step-0", "sampling": "s", "seed": 1, "draw": 2}}.get(name)
        for name in ROLLOUTS.columns
    } | {"r1_id": "x", "step": 3, "reward": 0.1, "advantage": -1 / 3, "completion": "好"}
    first, second = Rollouts(), Rollouts()
    first.rows = [row]
    first.save(tmp_path)
    whole = (tmp_path / "rollouts.parquet").read_bytes()
    second.restore(tmp_path)
    (tmp_path / "again").mkdir()
    second.save(tmp_path / "again")
    assert (tmp_path / "again" / "rollouts.parquet").read_bytes() == whole
    write_table(second.rows, tmp_path / "third.parquet", ROLLOUTS)
    assert (tmp_path / "third.parquet").read_bytes() == whole
