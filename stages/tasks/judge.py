"""The embedded world's judge: it compares two summaries as the paper's judge model does.

Paper, reward models: every pair is judged several times with the order swapped at random, the verdicts
are averaged, and only pairs with a clear margin are kept. Like a model, this judge errs and favours
what it reads first; unlike one, it is thirty lines.
"""

import random

from stages.tasks.general import GeneralPrompt, rubric

FIRST_BIAS = 0.3  # in rubric points, for whatever stands first
LABELS = (-2, -1, 0, 1, 2)  # [[B>>A]] [[B>A]] [[A=B]] [[A>B]] [[A>>B]]


def verdict(rng: random.Random, prompt: GeneralPrompt, first: str | None, second: str | None, *, noise: float) -> int:
    """One of the five labels, as a number from the first answer's side."""
    difference = rubric(prompt, first) - rubric(prompt, second) + FIRST_BIAS + rng.gauss(0.0, noise)
    size = 0 if abs(difference) < 0.5 else 1 if abs(difference) < 1.5 else 2
    return size if difference > 0 else -size


def judge_pair(
    rng: random.Random, prompt: GeneralPrompt, a: str | None, b: str | None, *, queries: int, noise: float
) -> float:
    """Mean verdict for `a` over `b`, -2 to 2, over queries with the order swapped at random."""
    total = 0
    for _ in range(queries):
        swapped = rng.random() < 0.5
        total += -verdict(rng, prompt, b, a, noise=noise) if swapped else verdict(rng, prompt, a, b, noise=noise)
    return total / queries
