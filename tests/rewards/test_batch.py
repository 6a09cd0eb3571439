"""Grading in batches: the same grades in the same order as one by one, whatever happens to a process."""

import json
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


def test_rows_begun_ahead_are_graded_once_and_in_their_place() -> None:
    tasks, texts, finished = _rows(40)
    with Graders(2) as graders:
        for place in (30, 3, 17, 3):
            graders.ahead(tasks[place], texts[place], finished[place])
        assert len(graders._ahead) == 3
        found = graders.grade_all(tasks, texts, finished)
        assert found == [grade(t, x, finished=f) for t, x, f in zip(tasks, texts, finished, strict=True)]
        assert not graders._ahead
        assert graders.grade_all(tasks, texts, finished) == found
    with Graders(0) as graders:
        graders.ahead(tasks[0], texts[0], finished[0])
        assert graders.grade_all(tasks, texts, finished) == found


SPIN = {"type": "stdin", "cases": [{"input": "", "output": "7"}], "time_limit_s": 10}


def test_a_slow_program_runs_while_the_sampler_goes_on() -> None:
    """The sampler waits, at its second completion, until the first one's program has run: without overlap for ever."""
    task = Task(
        id="d",
        kind="reasoning",
        family="code",
        difficulty=0,
        language="en",
        prompt="",
        answer="",
        code=json.dumps(SPIN),
    )
    slow = "<think>so</think>\n```python\nfor i in range(10**6): pass\nprint(7)\n```"
    late = "<think>so</think>\n```python\nprint(8)\n```"
    with Graders(1) as graders:
        graders.ahead(task, slow, True)
        (begun,) = graders._ahead.values()
        begun.result(timeout=60)
        graders.ahead(task, late, True)
        found = graders.grade_all([task, task], [late, slow], [True, True])
    assert [g.reason for g in found] == ["wrong_answer:case 1", "correct"]


def test_every_row_is_graded_by_its_template() -> None:
    texts = ["<think>so</think><answer>5</answer>", r"<think>so</think>It is \boxed{5}."]
    for size in (0, 1):
        with Graders(size, template="chat") as graders:
            graders.ahead(SUM, texts[1], True)
            found = graders.grade_all([SUM, SUM], texts, [True, True])
        assert [(g.accuracy, g.format) for g in found] == [(0.0, 0.0), (1.0, 1.0)]
