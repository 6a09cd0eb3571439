"""Metrics against hand-worked numbers, brute force, and the traps that other graders fell into."""

import itertools
import math
from statistics import fmean

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract.schemas import SCORES
from stages.evals.metrics import (
    Question,
    cons_at_k,
    interval,
    mean_at_n,
    mean_pass_at_k,
    paired_difference,
    pass_at_k,
    pass_curve,
    questions,
    spearman,
    student_t,
    summary,
    tie_rate,
    vote,
)


def question(task: str, correct: str, answers: str | None = None) -> Question:
    """`correct` as 1 and 0, `answers` as letters with `-` for none."""
    letters = answers or "".join("a" if c == "1" else "b" for c in correct)
    return Question(
        task_id=task, correct=tuple(c == "1" for c in correct), answers=tuple(None if a == "-" else a for a in letters)
    )


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_pass_at_k_is_the_mean_over_all_subsets(draws: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(draws)))
    subsets = [any(chosen) for chosen in itertools.combinations(draws, k)]
    assert pass_at_k(len(draws), sum(draws), k) == pytest.approx(fmean(subsets))


@pytest.mark.parametrize("k", [0, 5])
def test_pass_at_k_refuses_too_few_draws(k: int) -> None:
    with pytest.raises(ValueError, match="draws"):
        pass_at_k(4, 0, k)


def test_mean_at_n_does_not_change_with_n() -> None:
    once = [question("a", "10"), question("b", "11")]
    thrice = [question("a", "10" * 3), question("b", "11" * 3)]
    assert mean_at_n(once).mean == mean_at_n(thrice).mean == 0.75
    assert (mean_at_n(once).low, mean_at_n(once).high) == (mean_at_n(thrice).low, mean_at_n(thrice).high)


def test_questions_weigh_the_same_whatever_their_draws() -> None:
    assert mean_at_n([question("a", "1"), question("b", "0000")]).mean == 0.5


def test_interval_by_hand() -> None:
    found = interval([0.0, 0.5, 1.0, 0.5])
    half = 3.182 * math.sqrt(1 / 6) / 2  # t(0.975, 3), standard deviation with n - 1
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=2e-3)
    assert math.isnan(interval([1.0]).low)
    with pytest.raises(ValueError):
        interval([])


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (29, 2.045), (599, 1.964)],
)
def test_student_t_table(degrees: int, expected: float) -> None:
    assert student_t(0.975, degrees) == pytest.approx(expected, abs=5e-3)


def test_all_correct_is_not_certainty() -> None:
    all_right = mean_at_n([question(str(i), "11") for i in range(20)])
    assert (all_right.mean, all_right.high) == (1.0, 1.0)
    assert all_right.low == pytest.approx(0.8316, abs=1e-4)  # Clopper-Pearson for 20 of 20
    none_right = mean_at_n([question(str(i), "00") for i in range(20)])
    assert (none_right.low, none_right.high) == pytest.approx((0.0, 0.1684), abs=1e-4)
    one = mean_at_n([question("a", "1")])
    assert one.low == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("answers", "correct", "expected", "tied", "empty"),
    [
        ("aab", "110", 1.0, False, False),
        ("abb", "100", 0.0, False, False),
        ("ab", "10", 0.5, True, False),
        ("ba", "01", 0.5, True, False),
        ("abc", "100", 1 / 3, True, False),
        ("a---", "1000", 1.0, False, False),  # no answer never votes
        ("----", "0000", 0.0, False, True),
        ("aab", "100", 0.5, False, False),  # equal answers that were graded apart
    ],
)
def test_vote(answers: str, correct: str, expected: float, tied: bool, empty: bool) -> None:
    asked = question("q", correct, answers)
    outcome = vote(asked.answers, asked.correct)
    assert outcome.correct == pytest.approx(expected)
    assert (outcome.tied, outcome.empty) == (tied, empty)


@given(st.permutations(list(zip("aabbc-", (1, 1, 0, 0, 0, 0), strict=True))))
def test_votes_do_not_depend_on_the_order(draws: list[tuple[str, int]]) -> None:
    asked = question("q", "".join(str(c) for _, c in draws), "".join(a for a, _ in draws))
    assert vote(asked.answers, asked.correct).correct == 0.5


def test_cons_at_k_uses_every_block() -> None:
    asked = [question("q", "110100", "aabacc")]
    assert cons_at_k(asked, 3).mean == 0.5  # aab: right; acc: wrong
    assert cons_at_k(asked, 6).mean == 1.0
    assert tie_rate([question("q", "1011", "abaa")], 2) == 0.5
    with pytest.raises(ValueError, match="cons@7"):
        cons_at_k(asked, 7)


def test_paired_difference_is_narrower_than_the_parts() -> None:
    a = [question(str(i), "1111" if i % 2 else "1000") for i in range(30)]
    b = [question(str(i), "1110" if i % 2 else "0000") for i in reversed(range(30))]
    found = paired_difference(a, b)
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert mean_at_n(a).low < mean_at_n(b).high
    with pytest.raises(ValueError, match="same questions"):
        paired_difference(a, b[1:])


def test_spearman_by_hand() -> None:
    # ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: 4.5 / sqrt(4.5 * 5)
    assert spearman([1, 2, 2, 3], [10, 30, 20, 40]) == pytest.approx(4.5 / math.sqrt(22.5))
    assert math.isnan(spearman([1, 1], [1, 2])) and math.isnan(spearman([1], [1]))
    with pytest.raises(ValueError):
        spearman([1, 2], [1])


def scores() -> pl.DataFrame:
    rows = []
    for model, kind, task, family, correct in [
        ("zero", "reasoning", "t1", "chain", "1101"),
        ("zero", "reasoning", "t2", "word", "0000"),
        ("base", "reasoning", "t1", "chain", "0100"),
        ("base", "reasoning", "t2", "word", "0001"),
        ("zero", "safety", "t3", "safety", "00"),
    ]:
        for draw, right in enumerate(correct):
            rows.append(
                {
                    "r1_gen": {"checkpoint": "c", "sampling": "s", "seed": 0, "draw": draw},
                    "model": model,
                    "kind": kind,
                    "task_id": task,
                    "family": family,
                    "difficulty": 2,
                    "answer": "5" if right == "1" else None,
                    "verdict": "correct" if right == "1" else "wrong",
                    "correct": right == "1",
                    "format": 1.0,
                    "language_consistency": 0.5,
                    "num_tokens": 10 + draw,
                    "truncated": draw == 3,
                }
            )
    return pl.DataFrame(rows, schema=SCORES.schema)


def test_questions_of_a_table_are_sorted_and_of_one_model() -> None:
    zero = (
        scores()
        .filter(pl.col("model") == "zero", pl.col("kind") == "reasoning")
        .sample(fraction=1, shuffle=True, seed=1)
    )
    assert [(q.task_id, q.correct) for q in questions(zero)] == [
        ("t1", (True, True, False, True)),
        ("t2", (False, False, False, False)),
    ]
    with pytest.raises(ValueError, match="several models"):
        questions(scores())


def test_summary_counts_reasoning_only() -> None:
    table = summary(scores())
    assert table.get_column("model").to_list() == ["base", "zero"]
    zero = table.row(1, named=True)
    assert (zero["questions"], zero["draws"], zero["accuracy"], zero["cons"], zero["cons_k"]) == (2, 8, 0.375, 0.5, 4)
    assert (zero["format"], zero["language"], zero["tokens"], zero["truncated"]) == (1.0, 0.5, 11.5, 0.25)
    assert (zero["no_answer"], zero["unknown"]) == (0.625, 0.0)


def test_summary_by_family() -> None:
    table = summary(scores(), by="family").filter(pl.col("model") == "zero")
    assert table.select("group", "accuracy").rows() == [("chain", 0.75), ("word", 0.0)]
    assert summary(scores().clear()).height == 0


def test_pass_curve_stops_at_the_fewest_draws() -> None:
    curve = pass_curve(scores().filter(pl.col("kind") == "reasoning")).filter(pl.col("model") == "zero")
    assert curve.get_column("k").to_list() == [1, 2, 4]
    assert curve.get_column("mean").to_list() == pytest.approx([0.375, 0.5, 0.5])
    assert mean_pass_at_k([question("a", "1100")], 2).mean == pytest.approx(5 / 6)
