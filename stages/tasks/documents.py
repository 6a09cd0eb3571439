"""Pre-training documents: single facts, textbook lines, and question-answer pages."""

import random

from stages.contract.transcript import END, render
from stages.tasks.problems import MAX_RESULT, SWAPS, Problem, linear, moved
from stages.tasks.traces import HABITS, Habits, write


def fact(rng: random.Random) -> str:
    """One fact: a sum, difference or product, its inverse, or where a swap takes the ball."""
    kind = rng.random()
    if kind < 0.28:
        ball, swap = rng.randint(1, 4), rng.choice(SWAPS)
        return f"{ball} {swap[0]}{swap[1]}={moved(ball, swap)}"
    if kind < 0.40:
        first, slope = rng.randint(1, 15), rng.randint(1, 5)
        return f"f(1)={first} {linear(slope, first - slope)}"
    while True:
        if rng.random() < 0.25:
            a, b, sign = rng.randint(2, 9), rng.randint(2, 9), "*"
            value = a * b
        else:
            a, b, sign = rng.randint(0, MAX_RESULT), rng.randint(1, 9), rng.choice("+-")
            value = a + b if sign == "+" else a - b
        if 0 <= value <= MAX_RESULT:
            return f"{a}{sign}{b}={value}"


def textbook(problem: Problem) -> str:
    """A worked solution as equalities, without words: `3*5+8=15+8=23`; for code the whole search."""
    if problem.family == "code":
        (one, first), (x, wanted) = problem.tests[:2]
        searched = " ".join(f"{attempt[0]} {'='.join(attempt[1:])}" for attempt in problem.tries)
        return f"f({one})={first} f({x})={wanted} {searched}"
    return "=".join(problem.tries[0])


def page(rng: random.Random, problem: Problem, habits: Habits = HABITS) -> tuple[str, str]:
    """(form, text) of a question-answer page."""
    form, text = write(rng, problem, habits)
    return form, render(problem.question, "tiny") + text + END
