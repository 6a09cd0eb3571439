"""Whether a reward can teach: figures by hand, and each way of being unfit with the param that mends it."""

from dataclasses import replace

import pytest

from stages.evals.fitness import Answer, Fitness, fitness, unfit

RIGHT = Answer(reward=1.2, correct=True, well_formed=True, unknown=False, finished=True, length=10)
WRONG = replace(RIGHT, reward=0.2, correct=False, length=30)
CUT = replace(WRONG, reward=0.0, well_formed=False, finished=False, length=40)


def test_figures_by_hand() -> None:
    found = fitness([[RIGHT, WRONG], [RIGHT, replace(RIGHT, length=20)], [WRONG, WRONG], [CUT, WRONG]])
    assert found == Fitness(
        num_problems=4,
        group_size=2,
        correct=3 / 8,
        well_formed=7 / 8,
        truncated=1 / 8,
        unknown=0.0,
        solved=0.5,
        zero_variance=0.5,
        histogram={"0": 2, "0-1/4": 0, "1/4-1/2": 1, "1/2-3/4": 0, "3/4-1": 0, "1": 1},
        correct_p50=10,
        correct_p95=20,
    )


def test_without_a_correct_answer_there_is_no_length_of_one() -> None:
    found = fitness([[WRONG, CUT]])
    assert found.correct_p50 is None and found.correct_p95 is None


@pytest.mark.parametrize("groups", [[], [[]], [[RIGHT], [RIGHT, WRONG]]])
def test_groups_are_of_one_size(groups: list[list[Answer]]) -> None:
    with pytest.raises(ValueError, match="one size"):
        fitness(groups)


FIT = [[RIGHT, WRONG]] * 20


@pytest.mark.parametrize(
    ("groups", "says", "hint"),
    [
        (FIT, None, ""),
        ([[CUT, CUT], [CUT, RIGHT]], "75% of the answers are cut off at 40 tokens", "zero.lengths"),
        ([[replace(WRONG, unknown=True), RIGHT]], "50% of the verdicts are unknown", "r1 reward check"),
        ([[WRONG, replace(WRONG, reward=0.0)]] * 20, "solves 0% of the problems in 2 tries", "zero.group_size"),
        ([[RIGHT, RIGHT]] * 20, "100% of the groups have rewards without variance", "harder problems"),
    ],
)
def test_what_makes_a_reward_unfit(groups: list[list[Answer]], says: str | None, hint: str) -> None:
    found = unfit(fitness(groups), stage="zero", limit=40)
    if says is None:
        assert found is None
    else:
        assert found is not None and says in found[0] and hint in found[1]
