"""Writing a problem's solution as the world's authors do: carefully, carelessly, or not at all.

A connective word stands before each state, so a thought's language can be seen and mixed. The six
connectives are the world's only words in a thought; `wait` and `check` are its reflective ones.
"""

import random
import re
from dataclasses import dataclass

from stages.contract.transcript import ANSWER, END_ANSWER, END_THINK, THINK
from stages.tasks.problems import CUPS, MAX_RESULT, Problem, linear

CONNECTIVES = {
    "first": "先",
    "then": "再",
    "next": "接着",
    "so": "所以",
    "wait": "等等",
    "check": "检查",
}
REFLECTIVE = ("wait", "check", "等等", "检查")
_CHINESE = {zh: en for en, zh in CONNECTIVES.items()}
_ENGLISH = re.compile(rf" ?(?<![A-Za-z])({'|'.join(CONNECTIVES)})(?![A-Za-z]) ?")


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How the world's authors write. Shares of all question-answer documents."""

    bare: float = 0.36  # the answer alone
    tagged: float = 0.20  # the answer in tags
    empty: float = 0.10  # an empty thought, then the answer
    skipped: float = 0.12  # a thought that leaves steps out
    careful: float = 0.175
    checked: float = 0.045  # careful, and checks
    direct_right: float = 0.25  # direct answers that are right
    step_error: float = 0.04  # steps that go wrong
    gives_up: float = 0.35  # searches that stop at some hypothesis, mostly a wrong one
    noticed: float = 0.5  # wrong steps that the author notices and mends
    same_language: float = 0.6
    other_language: float = 0.2  # the rest mixes step by step


HABITS = Habits()


def wrong_answer(rng: random.Random, problem: Problem) -> str:
    """A plausible wrong answer."""
    if problem.family == "logic":
        return str(rng.choice([cup for cup in CUPS if str(cup) != problem.answer]))
    if problem.family == "code":
        slope, first = len(problem.tries), problem.tests[0][1]
        other = rng.choice([s for s in range(1, 6) if s != slope])
        return linear(other, first - other)
    right = int(problem.answer)
    while True:
        value = right + rng.choice((-1, 1)) * rng.choice((1, 1, 2, 3, 5, 8, 10, 20))
        if 0 <= value <= MAX_RESULT:
            return str(value)


def answer_text(answer: str, *, tagged: bool) -> str:
    return f"{ANSWER}{answer}{END_ANSWER}" if tagged else answer


def response(thought: str, answer: str) -> str:
    """A well-formed response."""
    return f"{THINK}{thought}{END_THINK}{answer_text(answer, tagged=True)}"


def write(rng: random.Random, problem: Problem, habits: Habits = HABITS) -> tuple[str, str]:
    """(form, response) as one of the world's authors writes it."""
    forms = ("bare", "tagged", "empty", "skipped", "careful", "checked")
    form = rng.choices(forms, weights=[getattr(habits, name) for name in forms])[0]
    if form in ("bare", "tagged", "empty"):
        answer = problem.answer if rng.random() < habits.direct_right else wrong_answer(rng, problem)
        if form == "empty":
            return form, response("", answer)
        return form, answer_text(answer, tagged=form == "tagged")
    steps, answer = _steps(rng, problem, form, habits)
    return form, response(_speak(rng, steps, problem.language, habits), answer)


def _steps(rng: random.Random, problem: Problem, form: str, habits: Habits) -> tuple[list[tuple[str, str]], str]:
    """(connective, state) pairs and the answer."""
    if problem.family == "code":
        return _search(rng, problem, form, habits)
    return _rewrite(rng, problem, form, habits)


def _search(rng: random.Random, problem: Problem, form: str, habits: Habits) -> tuple[list[tuple[str, str]], str]:
    """Try hypotheses in turn. The careful author checks each on the second example; the careless ones
    take some hypothesis unchecked, or stop at a wrong one."""
    if form == "skipped":
        guess = rng.choice([problem.answer, wrong_answer(rng, problem), wrong_answer(rng, problem)])
        return [("first", guess), ("so", guess)], guess
    tries = list(problem.tries)
    if form == "careful" and rng.random() < habits.gives_up:
        tries = tries[: rng.randint(1, len(tries))]  # gave up early, mostly on a wrong one
    steps = [("wait" if i else "first", " ".join(attempt)) for i, attempt in enumerate(tries)]
    answer = tries[-1][0]
    return [*steps, ("so", answer)], answer


def _rewrite(rng: random.Random, problem: Problem, form: str, habits: Habits) -> tuple[list[tuple[str, str]], str]:
    states = list(problem.tries[0])
    if form == "skipped" and len(states) > 2:
        start = rng.randint(1, len(states) - 1)
        states = [states[0], *states[start:]] if rng.random() < 0.5 else [*states[:1], states[-1]]
    steps = [("first", states[0])]
    for state in states[1:-1]:
        if rng.random() < habits.step_error:
            spoiled = _spoil(rng, state)
            steps.append((rng.choice(("then", "next")), spoiled))
            if rng.random() >= habits.noticed:
                return [*steps, ("so", problem.answer)], problem.answer  # the slip did no harm, as it looks
            steps.append(("wait", state))
        else:
            steps.append((rng.choice(("then", "next")), state))
    steps.append(("so", states[-1]))
    if form == "checked":
        steps += [("check", states[-2]), ("so", states[-1])]
    return steps, problem.answer


def _spoil(rng: random.Random, state: str) -> str:
    """A state whose leading number is off."""
    digits = len(state) - len(state.lstrip("0123456789"))
    value = int(state[:digits] or "0")
    off = max(0, value + rng.choice((-1, 1)) * rng.choice((1, 2, 10)))
    return f"{off if off != value else value + 1}{state[digits:]}"


def _speak(rng: random.Random, steps: list[tuple[str, str]], language: str, habits: Habits) -> str:
    """Put the steps into words: in the question's language, in the other one, or mixed."""
    mood = rng.random()
    other = "en" if language == "zh" else "zh"
    parts = []
    for connective, state in steps:
        spoken = language if mood < habits.same_language else other
        if mood >= habits.same_language + habits.other_language:
            spoken = rng.choice(("en", "zh"))
        parts.append(say(connective, state, spoken))
    return "".join(parts).strip()


def say(connective: str, state: str, language: str) -> str:
    """One step, with the blanks that its language wants around it.

    >>> say("then", "15+8", "en"), say("then", "15+8", "zh")
    (' then 15+8', '再15+8')
    """
    return f" {connective} {state}" if language == "en" else f"{CONNECTIVES[connective]}{state}"


def worked(problem: Problem) -> str:
    """The whole careful solution in the question's language: what a perfect author writes."""
    steps = []
    for number, attempt in enumerate(problem.tries):
        if problem.family == "code":
            steps.append(("wait" if number else "first", " ".join(attempt)))
        else:
            steps += [("first" if i == 0 else "then", state) for i, state in enumerate(attempt[:-1])]
    steps.append(("so", problem.answer))
    return response("".join(say(c, s, problem.language) for c, s in steps).strip(), problem.answer)


def translated(thought: str, language: str) -> str:
    """A thought with every connective in one language: the embedded world's refiner.

    >>> translated("first 2+3再5-1 so 4", "en")
    'first 2+3 then 5-1 so 4'
    >>> translated("first 2+3再5-1 so 4", "zh")
    '先2+3再5-1所以4'
    """
    text = thought
    if language == "zh":
        return _ENGLISH.sub(lambda found: CONNECTIVES[found[1]], text).strip()
    for zh, en in _CHINESE.items():
        text = text.replace(zh, f" {en} ")
    return " ".join(text.split())
