"""Reflective words in responses: the paper's sign of self-verification (its figure on the rise of "wait").

Latin words count as whole words in any case, `wait` but not `waiter` nor `mistakes`; whether the paper
counts inflected forms is not said. Chinese words count as substrings, as nothing separates them.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

PAPER = ("wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check")
CHINESE = ("等等", "检查")
WORDS = PAPER + CHINESE


def count(response: str, words: Sequence[str] = WORDS) -> dict[str, int]:
    """How often each word occurs in a response; words that don't occur are there with 0.

    >>> {word: n for word, n in count("Wait, check: 等等 but waiter").items() if n}
    {'wait': 1, 'but': 1, 'check': 1, '等等': 1}
    """
    found = dict.fromkeys(words, 0)
    for match in _pattern(tuple(words)).findall(response.lower()):
        found[match] += 1
    return found


def reflective_words(response: str, *, extra: Sequence[str] = ()) -> int:
    """How many reflective words a response has, `extra` ones included.

    >>> reflective_words("wait, hmm, check", extra=("hmm",))
    3
    """
    return sum(count(response, tuple(dict.fromkeys((*WORDS, *extra)))).values())


def rates(responses: Sequence[str], words: Sequence[str] = WORDS) -> dict[str, float]:
    """Mean occurrences of each word per response; 0 for no responses."""
    totals = dict.fromkeys(words, 0)
    for response in responses:
        for word, times in count(response, words).items():
            totals[word] += times
    return {word: total / max(1, len(responses)) for word, total in totals.items()}


@lru_cache(maxsize=16)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(
        "|".join(rf"(?<![a-z]){re.escape(w)}(?![a-z])" if w.isascii() else re.escape(w) for w in longest_first)
    )
