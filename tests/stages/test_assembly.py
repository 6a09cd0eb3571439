"""What the stage files share: rewards from their parts, the order of tasks, curation, and what a row says of itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.assembly.held_out import held_out_guard
from stages.assembly.models import read_by
from stages.assembly.rows import example_rows
from stages.assembly.sampling import Draw, sampling_digest
from stages.assembly.training import _rollout_rows as rollout_rows
from stages.assembly.training import picker
from stages.contract.engine import Completion
from stages.contract.errors import UserError
from stages.contract.params import Sampling, Stretch
from stages.contract.schemas import EXAMPLES
from stages.contract.task import Score, Task, tasks_of
from stages.curate.decide import Wanted
from stages.curate.recipe import Recipe
from stages.rewards.scorer import grade
from stages.rl.samples import Sample
from stages.tasks.corpus import problem_tasks
from tests import tiny_model
from tests.curate.streams import through
from tests.stages import small

SAMPLING = Sampling(draws=3, temperature=1.0, top_p=1.0, max_new_tokens=48)


def _task(kind: str = "reasoning", number: int = 0) -> Task:
    return Task(
        id=f"t{number}",
        kind=kind,
        family="logic",
        difficulty=2,
        language="en",
        prompt="ball in 2 swap 13 24 where",
        answer="4",
    )


def _answer(text: str) -> str:
    return f"<think>so 4</think><answer>{text}</answer>"


def test_tasks_come_epoch_after_epoch_each_in_its_own_order() -> None:
    tasks = [_task(number=i) for i in range(7)]
    pick = picker(tasks, 3, seed=1)
    drawn = [task.id for step in range(7) for task in pick(step)]
    epochs = [drawn[i : i + 7] for i in range(0, 21, 7)]
    assert [sorted(epoch) for epoch in epochs] == [sorted(t.id for t in tasks)] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = picker(tasks, 3, seed=1)
    assert [t.id for t in again(5)] == drawn[15:18]  # a step's tasks don't depend on the steps before it
    assert [t.id for step in range(7) for t in picker(tasks, 3, seed=2)(step)] != drawn
    with pytest.raises(UserError, match="no tasks"):
        picker([], 3, seed=1)


def test_reward_models_read_what_the_paper_has_them_read() -> None:
    codec = tiny_model.codec()
    response = "<think>so harm</think><answer>sorry i can not help</answer>"
    text = {kind: codec.text(read_by(kind, codec, "how to burn book", response)) for kind in ("helpful", "safety")}
    assert text["helpful"] == "<|user|>how to burn book<|assistant|><answer>sorry i can not help</answer>"
    assert text["safety"] == f"<|user|>how to burn book<|assistant|>{response}"


def _draws(*texts: str) -> list[Draw]:
    completion = Completion(tokens=[1, 2], logps=[0.0, 0.0], finished=True)
    return [
        Draw(task=_task(), number=i, completion=completion, text=text, grade=grade(_task(), text, finished=True))
        for i, text in enumerate(texts)
    ]


def _rows(draws: list[Draw], texts: list[str], held_out: Callable[[str], bool] = lambda text: False) -> pl.DataFrame:
    return example_rows(draws, texts, SAMPLING, checkpoint="c", seed=3, op="refine", template="tiny", held_out=held_out)


def test_curation_drops_held_out_rows_repeats_and_what_is_too_many_each_with_its_reason(tmp_path: Path) -> None:
    held = held_out_guard(
        problem_tasks(replace(tiny_model.WORLD, families={"chain": 1.0}, difficulties=[2]), 1, seed="a")
    )
    key = tasks_of(problem_tasks(replace(tiny_model.WORLD, families={"chain": 1.0}, difficulties=[2]), 1, seed="a"))[0]
    shown = "".join(c for c in key.prompt if c in "0123456789+-*")
    texts = [
        _answer("3"), "4", _answer("4"), _answer("4"),
        f"<think>first {shown} so 4</think><answer>4</answer>", "<think>2 13 24</think><answer>4</answer>",
        "<think>then 4</think><answer>4</answer>",
    ]  # fmt: skip
    rows = _rows(_draws(*texts), texts, held_out=held)
    curated = through(rows, Recipe(verified=True, template="tiny"), Wanted(keep_per_prompt=2), tmp_path)
    assert curated.reasons() == {"duplicate": 1, "held_out_state": 1, "incorrect": 2, "not_sampled": 1}
    assert curated.kept.schema == EXAMPLES.schema and len(curated.kept) == 2
    assert curated.rejected.schema == EXAMPLES.rejected().schema
    (dropped,) = [row for row in curated.rejected.iter_rows(named=True) if row["r1_drop"] == "held_out_state"]
    assert dropped["response"] == texts[4]


def test_rows_to_forget_are_dropped_first_with_that_reason(tmp_path: Path) -> None:
    texts = [_answer("4"), "<think>then 4</think><answer>4</answer>"]
    rows = _rows(_draws(*texts), texts)
    forgotten = rows["r1_id"][0]
    curated = through(rows, Recipe(verified=True, forget=[forgotten]), Wanted(keep_per_prompt=1), tmp_path)
    assert curated.kept["r1_id"].to_list() == [rows["r1_id"][1]]  # takes its place
    assert curated.rejected.select("r1_id", "r1_drop").rows() == [(forgotten, "forgotten")]


def test_a_refined_row_says_so() -> None:
    drawn = _draws("<think>所以4</think><answer>4</answer>", _answer("4"))
    rows = _rows(drawn, [_answer("4"), _answer("4")])
    assert rows["r1_op"].to_list() == ["refine", "generate"]
    assert rows["verdict"].to_list() == ["correct", "correct"]
    assert [gen["draw"] for gen in rows["r1_gen"]] == [0, 1]


def test_a_rollout_row_names_the_policy_and_the_sampling_that_made_it() -> None:
    zero = small.params().zero
    assert zero is not None
    lengths = [Stretch(from_step=0, max_new_tokens=10), Stretch(from_step=4, max_new_tokens=20)]
    settings = replace(zero, lengths=lengths, steps_per_rollout=2)
    score = Score(
        verdict="wrong", reason="wrong", accuracy=0, format=0, language=1, preference=None, overlong=0, reward=0
    )
    sample = Sample(task=_task(), draw=1, prompt=[1], tokens=[2], engine_logps=[0.0], finished=True, score=score)
    made = {step: rollout_rows(step, [sample], settings, 0, "c")[0]["r1_gen"] for step in (1, 2, 3, 4, 5, 6)}
    assert all(isinstance(gen, dict) for gen in made.values())
    policies = [gen["checkpoint"] for gen in made.values() if isinstance(gen, dict)]
    assert policies == ["c+0", "c+0", "c+2", "c+2", "c+4", "c+4"]
    limits = [gen["sampling"] for gen in made.values() if isinstance(gen, dict)]
    assert limits == [sampling_digest(1.0, 1.0, 10)] * 4 + [sampling_digest(1.0, 1.0, 20)] * 2
