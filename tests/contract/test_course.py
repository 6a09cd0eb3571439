"""The course of a loop: nothing skipped, nothing seen twice, and the proof of it is computed."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import pytest

from stages.contract.course import Course, Plain, Saved
from stages.contract.errors import UserError
from stages.contract.events import Silent

PLAN = [["a", "b"], ["c"], ["a", "b"], ["c"], ["d"]]


class Memory:
    """Keeps what is committed as JSON text, after every `every` steps."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.saved: tuple[int, str] | None = None

    def load(self, live: Mapping[str, object]) -> Saved | None:
        return self.saved and Saved(step=self.saved[0], plain=json.loads(self.saved[1]), lost_s=3.2)

    def under_way(self) -> AbstractContextManager[None]:
        return nullcontext()

    def due(self, step: int) -> bool:
        return step % self.every == 0

    def commit(self, step: int, live: Mapping[str, object], plain: Plain) -> None:
        self.saved = (step, json.dumps(plain))


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def course(memory: Memory, plan: list[list[str]] = PLAN) -> tuple[Course[object], list[str]]:
    report = Notes()
    made: Course[object] = Course(memory, {}, total=len(plan), plan=plan.__getitem__, report=report)
    return made, report.notes


def go(one: Course[object], *, until: int = 5) -> list[int]:
    seen = []
    for step in one.steps():
        if step == until:
            break
        seen.append(step)
        one.done(PLAN[step], dict)
    return seen


def test_a_course_goes_on_where_it_was_committed_and_says_so() -> None:
    memory = Memory(every=2)
    first, notes = course(memory)
    assert go(first, until=3) == [0, 1, 2] and notes == []
    second, notes = course(memory)
    assert notes == ["resumed at step 2 of 5 (saved 3 s before the stop): rows skipped 0, duplicated 0"]
    assert go(second) == [2, 3, 4]
    second.finish()
    assert memory.saved is not None and memory.saved[0] == 5  # the end is committed too
    third, _ = course(memory)
    assert go(third) == []
    third.finish()


def test_numbered_rows_are_counted_too() -> None:
    plan = [[0, 3], [3, 1], [5]]
    memory = Memory()
    first: Course[object] = Course(memory, {}, total=3, plan=plan.__getitem__, report=Notes())
    for step in first.steps():
        if step == 2:
            break
        first.done(plan[step], dict)
    report = Notes()
    second: Course[object] = Course(memory, {}, total=3, plan=plan.__getitem__, report=report)
    assert report.notes[0].endswith("rows skipped 0, duplicated 0")
    for step in second.steps():
        second.done(plan[step], dict)
    second.finish()
    with pytest.raises(UserError):
        Course(memory, {}, total=3, plan=[[0, 3], [3, 2], [5]].__getitem__, report=report)
    assert report.notes[1].endswith("rows skipped 1, duplicated 1")


def test_what_the_loop_holds_comes_back() -> None:
    memory = Memory()
    first, _ = course(memory)
    for step in first.steps():
        first.done(PLAN[step], lambda: {"curve": [{"step": 1, "loss": 0.1 + 0.2}]})
        break
    found = course(memory)[0].plain["curve"]
    assert found == [{"step": 1, "loss": 0.1 + 0.2}] and isinstance(found[0]["step"], int)  # type: ignore[index]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ([["a", "b"], ["x"], ["c"], [], []], "rows skipped 1, duplicated 1"),
        ([["a", "b", "e"], ["c"], [], [], []], "rows skipped 1, duplicated 0"),
        ([["a"], ["c"], [], [], []], "rows skipped 0, duplicated 1"),
    ],
)
def test_other_rows_than_the_plans_are_counted_and_refused(plan: list[list[str]], told: str) -> None:
    memory = Memory(every=2)
    go(course(memory)[0], until=2)
    report = Notes()
    with pytest.raises(UserError, match="doesn't fit the data"):
        Course(memory, {}, total=5, plan=plan.__getitem__, report=report)
    assert report.notes[0].endswith(told)


def test_a_course_can_not_end_early_or_on_other_rows() -> None:
    short, _ = course(Memory())
    go(short, until=4)
    with pytest.raises(RuntimeError, match="4 of 5 steps done"):
        short.finish()
    wrong, _ = course(Memory())
    for _ in wrong.steps():
        wrong.done(["a"], dict)
    with pytest.raises(RuntimeError, match="rows skipped 5, duplicated 3"):
        wrong.finish()


def test_a_step_that_is_not_accounted_for_is_a_fault() -> None:
    one, _ = course(Memory())
    with pytest.raises(AssertionError, match="not accounted for"):
        for _ in one.steps():
            pass
