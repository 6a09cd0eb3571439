"""Grading in batches: the same grades in the same order as one by one, whatever happens to a process."""

import os
import signal
import time

import pytest

from stages.contract.task import Task
from stages.rewards.batch import CHUNK, Graders
from stages.rewards.scorer import grade

SUM = Task(id="a", kind="reasoning", family="chain", difficulty=2, language="en", prompt="what is 2+3", answer="5")
CODE = Task(
    id="b", kind="reasoning", family="code", difficulty=2, language="en", prompt="f", answer="x*3", tests=((2, 6),)
)


def _rows(count: int) -> tuple[list[Task], list[str], list[bool]]:
    tasks = [CODE if i % 3 == 0 else SUM for i in range(count)]
    texts = [f"<think>so</think><answer>{'x*3' if i % 3 == 0 else i % 7}</answer>" for i in range(count)]
    return tasks, texts, [i % 5 > 0 for i in range(count)]


@pytest.mark.parametrize("size", [0, 1, 2])
def test_grades_are_those_of_one_by_one_in_order(size: int) -> None:
    tasks, texts, finished = _rows(3 * CHUNK + 5)
    counts: list[int] = []
    with Graders(size) as graders:
        found = graders.submit(tasks, texts, finished).result(counts.append)
    assert found == [grade(t, x, finished=f) for t, x, f in zip(tasks, texts, finished, strict=True)]
    assert counts[-1] == len(tasks) and counts == sorted(counts)


def test_submitting_returns_before_anything_is_graded() -> None:
    with Graders(1) as graders:
        began = time.monotonic()
        pending = graders.submit(*_rows(200))
        assert time.monotonic() - began < 0.2  # a process alone takes longer to start
        assert pending.done() < 200
        assert len(pending.result()) == 200 and pending.done() == 200


def test_a_process_that_is_killed_costs_nothing() -> None:
    with Graders(1) as graders:
        graders.submit(*_rows(1)).result()
        os.kill(graders._idle[0].process.pid, signal.SIGKILL)
        tasks, texts, finished = _rows(40)
        found = graders.submit(tasks, texts, finished).result()
        assert found == [grade(t, x, finished=f) for t, x, f in zip(tasks, texts, finished, strict=True)]
        assert graders.num_replaced == 1


def test_a_row_that_takes_too_long_is_unknown_and_its_neighbours_are_not() -> None:
    slow = Task(
        id="c", kind="reasoning", family="code", difficulty=0, language="en", prompt="", answer="",
        code='{"type": "stdin", "cases": [{"input": "", "output": "1"}], "time_limit_s": 30}',
    )  # fmt: skip
    tasks, texts, finished = _rows(5)
    tasks[2], texts[2] = slow, "<think>so</think>\n```python\nwhile True: pass\n```"
    finished = [True] * 5
    with Graders(1, timeout_s=3.0) as graders:
        found = graders.submit(tasks, texts, finished).result()
    assert [g.reason for g in found][2] == "unknown:timeout"
    assert [g.verdict for g in found] == ["correct", "wrong", "unknown", "correct", "wrong"]
