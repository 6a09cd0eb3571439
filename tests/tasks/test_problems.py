"""Problems: gold answers are right by an independent reader, and worked solutions earn everything."""

import random

import pytest

from stages.contract.errors import UserError
from stages.contract.task import Task, tasks_of
from stages.contract.transcript import split
from stages.rewards.scorer import gradable, grade
from stages.tasks.corpus import problem_row, problem_tasks
from stages.tasks.problems import FAMILIES, Problem, draw, state_id, states_in
from stages.tasks.traces import response, worked, wrong_answer
from tests.tasks.reading import line, read
from tests.tiny_model import WORLD

ALL = [(family, language, d) for family in FAMILIES for language in ("en", "zh") for d in (2, 3, 4, 5)]


def _problems(family: str, language: str, difficulty: int, count: int = 40) -> list[Problem]:
    rng = random.Random(f"{family} {language} {difficulty}")
    return [FAMILIES[family](rng, difficulty=difficulty, language=language) for _ in range(count)]


def _task(problem: Problem) -> Task:
    row = problem_row(problem)
    return Task(
        id=str(row["r1_id"]), kind="reasoning", family=problem.family, difficulty=problem.difficulty,
        language=problem.language, prompt=problem.question, answer=problem.answer, tests=problem.tests,
    )  # fmt: skip


@pytest.mark.parametrize(("family", "language", "difficulty"), ALL)
def test_answers_are_what_an_independent_reader_finds(family: str, language: str, difficulty: int) -> None:
    for problem in _problems(family, language, difficulty):
        asked = read(problem.question)
        assert asked is not None, problem.question
        if family == "code":
            assert line(problem.answer) == asked.answer
            slope, offset = (int(n) for n in asked.answer.split())
            assert all(slope * x + offset == y for x, y in problem.tests)
            assert len({x for x, _ in problem.tests}) == 5  # two shown, three hidden
        else:
            assert problem.answer == asked.answer
            assert 0 <= int(problem.answer) <= 99


@pytest.mark.parametrize(("family", "language", "difficulty"), ALL)
def test_gold_and_worked_solutions_earn_everything_and_wrong_ones_nothing(
    family: str, language: str, difficulty: int
) -> None:
    rng = random.Random(1)
    for problem in _problems(family, language, difficulty, count=15):
        task, solution = _task(problem), worked(problem)
        for text in (response("", problem.answer), solution):
            graded = grade(task, text, finished=True)
            assert (graded.verdict, graded.format, graded.language) == ("correct", 1.0, 1.0), (text, graded)
        assert split(solution).well_formed
        if family != "code":
            assert gradable(problem.answer)
        graded = grade(task, response("", wrong_answer(rng, problem)), finished=True)
        assert graded.verdict == "wrong", (problem, graded)


@pytest.mark.parametrize(("family", "language", "difficulty"), ALL)
def test_states_follow_from_each_other_and_show_in_the_worked_solution(
    family: str, language: str, difficulty: int
) -> None:
    for problem in _problems(family, language, difficulty, count=15):
        if family in ("chain", "word"):
            (attempt,) = problem.tries
            assert len(attempt) == difficulty + 1
            assert {str(eval(state)) for state in attempt} == {problem.answer}
        elif family == "logic":
            (attempt,) = problem.tries
            assert len(attempt) == difficulty + 1
            for state in attempt[:-1]:
                asked = read(f"ball in {state[0]} swap {state[2:]} where")
                assert asked is not None and asked.answer == problem.answer
        else:
            assert len(problem.tries) == int(line(problem.answer).split()[0])  # one attempt a slope
            for attempt in problem.tries:
                value, wanted = attempt[-1].split("?")
                assert {str(eval(state)) for state in attempt[1:-1]} <= {value}
                assert (value == wanted) == (attempt is problem.tries[-1])
        assert problem.states[0] == state_id(problem.question_key)
        shown = states_in(worked(problem))
        long = {state_id(s) for a in problem.tries for s in a if len(s) > 1 and "?" not in s}
        assert long <= shown


def test_equal_keys_are_equal_problems_whatever_the_story() -> None:
    rng = random.Random(3)
    drawn = [draw(rng, families=WORLD.families, difficulties=[2], chinese=0.5) for _ in range(4000)]
    by_key: dict[str, set[tuple[str, str]]] = {}
    by_reading: dict[tuple[str, str], set[str]] = {}
    for problem in drawn:
        asked = read(problem.question)
        assert asked is not None
        by_key.setdefault(problem.question_key, set()).add(asked.what)
        by_reading.setdefault(asked.what, set()).add(problem.question_key)
    assert {len(found) for found in by_key.values()} == {len(found) for found in by_reading.values()} == {1}
    assert len(by_key) < len(drawn)  # there were repeats


def test_tasks_are_distinct_deterministic_and_graded_as_tasks() -> None:
    frame = problem_tasks(WORLD, 150, seed="a")
    assert frame.equals(problem_tasks(WORLD, 150, seed="a")) and not frame.equals(problem_tasks(WORLD, 150, seed="b"))
    assert frame["r1_id"].n_unique() == 150 == len({states[0] for states in frame["states"]})
    assert set(frame["family"]) == set(FAMILIES) and set(frame["language"]) == {"en", "zh"}
    for task in tasks_of(frame):
        assert grade(task, response("", task.answer), finished=True).verdict == "correct"


def test_a_world_too_small_for_its_problems_is_an_error_and_no_endless_search() -> None:
    from dataclasses import replace

    small = replace(WORLD, families={"logic": 1.0}, difficulties=[1])  # 4 cups, 6 swaps
    assert len(problem_tasks(small, 24, seed="a")) == 24
    with pytest.raises(UserError, match="24 found, 25 wanted") as caught:
        problem_tasks(small, 25, seed="a")
    assert "prompts.train" in caught.value.hint
    for world, message in (
        (replace(WORLD, families={"chian": 1.0}), "'chian' is not one of chain, word, logic, code"),
        (replace(WORLD, families={}), "shares"),
        (replace(WORLD, families={"chain": 0.0}), "shares"),
        (replace(WORLD, families={"chain": 2.0, "word": -1.0}), "shares"),
        (replace(WORLD, difficulties=[]), "difficulties"),
        (replace(WORLD, difficulties=[1, 2]), "at least 2"),
    ):
        with pytest.raises(UserError, match=message):
            problem_tasks(world, 5, seed="a")
