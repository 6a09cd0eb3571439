"""Four families of verifiable problems whose worked solutions a tiny model can learn.

- chain: an arithmetic expression, `what is 3*5+8-2`; a product only as the first operation, so that
  working from left to right is right; every intermediate result is within 0-99.
- word: the same as a story.
- logic: a ball under one of four cups, and swaps.
- code: find f from two examples; the answer is an expression in x, graded by running it on hidden inputs.
  The slope can't be seen at once: it must be tried and *checked*, so here checking pays.

A problem's difficulty is its number of operations (code: its number of hypotheses to try, plus one).
Not covered: negative numbers, division, precedence beyond the leading product.
"""

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

NAMES = {"en": ("Ann", "Bob", "Eve", "Max"), "zh": ("小安", "小明", "小红", "小李")}
CUPS = (1, 2, 3, 4)
SWAPS = tuple((a, b) for a in CUPS for b in CUPS if a < b)
MAX_RESULT = 99
_STATE = re.compile(r"[0-9x][0-9x+*\- ]*[0-9x]")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem and its worked solution.

    `tries` holds one or more attempts; an attempt is the list of states that it rewrites, the last of
    them its result. All families but code have one attempt. For code an attempt is
    (hypothesis, its value at the second example by rewriting, and that value beside the wanted one: `16?21`).
    """

    family: str
    difficulty: int
    language: str
    question: str
    answer: str
    tries: tuple[tuple[str, ...], ...]
    tests: tuple[tuple[int, int], ...] = ()

    @property
    def states(self) -> list[str]:
        """Hashes of the problem (first) and of every intermediate state of its solution."""
        texts = [self.question_key, *(state for attempt in self.tries for state in attempt)]
        return list(dict.fromkeys(state_id(text) for text in texts))

    @property
    def question_key(self) -> str:
        """What identifies the problem, whatever its language or story: its first state, or its examples."""
        if self.family == "code":
            return " ".join(f"f{x}={y}" for x, y in self.tests[:2])
        return self.tries[0][0]


def state_id(text: str) -> str:
    """A state's hash.

    >>> state_id("15+8-2") == state_id(" 15+8-2 ")
    True
    """
    return hashlib.sha256(b"state:" + text.strip().encode()).hexdigest()[:32]


def states_in(text: str) -> set[str]:
    """Hashes of everything in a text that could be a state: maximal runs of digits, x, operators and
    blanks, and the blank-free pieces of such a run.

    >>> {state_id("15+8-2"), state_id("2 34 13")} <= states_in("first 3*5+8-2 15+8-2 so 2 34 13 then")
    True
    """
    runs = _STATE.findall(text)
    return {state_id(piece) for run in runs for piece in (run, *run.split(), *_tails(run))}


def _tails(run: str) -> list[str]:
    """A run may hold a value and then a state of several pieces: every tail counts."""
    pieces = run.split()
    return [" ".join(pieces[i:]) for i in range(1, len(pieces))]


def evaluate(terms: list[int], operators: str) -> list[int] | None:
    """Running results from left to right, or None where one leaves 0-99."""
    results = [terms[0]]
    for operator, term in zip(operators, terms[1:], strict=True):
        last = results[-1]
        results.append(last * term if operator == "*" else last + term if operator == "+" else last - term)
        if not 0 <= results[-1] <= MAX_RESULT:
            return None
    return results


def expression(terms: list[int], operators: str) -> str:
    """The expression as it is written.

    >>> expression([3, 5, 8], "*+")
    '3*5+8'
    """
    return str(terms[0]) + "".join(f"{o}{t}" for o, t in zip(operators, terms[1:], strict=True))


def _chain_parts(rng: random.Random, operations: int) -> tuple[list[int], str, list[int]]:
    while True:
        product = rng.random() < 0.5
        operators = ("*" if product else rng.choice("+-")) + "".join(rng.choice("+-") for _ in range(operations - 1))
        first = rng.randint(2, 9) if product else rng.randint(1, 30)
        terms = [first, rng.randint(2, 9), *(rng.randint(1, 9) for _ in range(operations - 1))]
        results = evaluate(terms, operators)
        if results is not None:
            return terms, operators, results


def _rewriting(terms: list[int], operators: str, results: list[int]) -> tuple[str, ...]:
    """3*5+8-2, 15+8-2, 23-2, 21."""
    return tuple(
        expression([results[i], *terms[i + 1 :]], operators[i:]) for i in range(len(operators))
    ) + (str(results[-1]),)  # fmt: skip


def chain(rng: random.Random, *, difficulty: int, language: str) -> Problem:
    terms, operators, results = _chain_parts(rng, difficulty)
    written = expression(terms, operators)
    question = f"what is {written}" if language == "en" else f"{written}等于几"
    tries = (_rewriting(terms, operators, results),)
    return Problem(
        family="chain", difficulty=difficulty, language=language, question=question, answer=tries[0][-1], tries=tries
    )


def word(rng: random.Random, *, difficulty: int, language: str) -> Problem:
    terms, operators, results = _chain_parts(rng, difficulty)
    name = rng.choice(NAMES[language])
    if language == "en":
        verbs = {"+": "gets", "-": "loses"}
        start = f"{name} has {terms[0]} bags of {terms[1]}" if operators[0] == "*" else f"{name} has {terms[0]}"
        rest = [(o, t) for o, t in zip(operators, terms[1:], strict=True) if o != "*"]
        question = " ".join([start, *(f"{verbs[o]} {t}" for o, t in rest), "how many"])
    else:
        verbs = {"+": "得", "-": "失"}
        start = f"{name}有{terms[0]}袋各{terms[1]}" if operators[0] == "*" else f"{name}有{terms[0]}"
        rest = [(o, t) for o, t in zip(operators, terms[1:], strict=True) if o != "*"]
        question = start + "".join(f"{verbs[o]}{t}" for o, t in rest) + "还有几"
    tries = (_rewriting(terms, operators, results),)
    return Problem(
        family="word", difficulty=difficulty, language=language, question=question, answer=tries[0][-1], tries=tries
    )


def moved(ball: int, swap: tuple[int, int]) -> int:
    """The ball's cup after a swap."""
    return swap[1] if ball == swap[0] else swap[0] if ball == swap[1] else ball


def logic(rng: random.Random, *, difficulty: int, language: str) -> Problem:
    ball = rng.choice(CUPS)
    swaps = [rng.choice(SWAPS) for _ in range(difficulty)]
    places = [ball]
    for swap in swaps:
        places.append(moved(places[-1], swap))
    written = [f"{a}{b}" for a, b in swaps]
    states = tuple(" ".join([str(places[i]), *written[i:]]) for i in range(difficulty)) + (str(places[-1]),)
    listed = " ".join(written)
    question = f"ball in {ball} swap {listed} where" if language == "en" else f"球在{ball}换{listed}在哪"
    return Problem(
        family="logic",
        difficulty=difficulty,
        language=language,
        question=question,
        answer=str(places[-1]),
        tries=(states,),
    )


def linear(slope: int, offset: int) -> str:
    """An expression for slope*x+offset.

    >>> linear(1, 4), linear(3, 0), linear(2, -5)
    ('x+4', 'x*3', 'x*2-5')
    """
    head = "x" if slope == 1 else f"x*{slope}"
    return head if offset == 0 else f"{head}{offset:+d}"


SLOPES = (1, 2, 3, 4, 5)


def hypothesis(slope: int, *, first: int, x: int, wanted: int) -> tuple[str, ...]:
    """One attempt at f with f(1)=first: the expression, its value at x by rewriting, and the comparison.

    The comparison is written out because a tiny model compares neighbours well and distant numbers badly.

    >>> hypothesis(2, first=6, x=6, wanted=21)
    ('x*2+4', '6*2+4', '12+4', '16?21')
    """
    offset = first - slope
    signed = f"{offset:+d}" if offset else ""
    states = [linear(slope, offset)]
    if slope > 1:
        states.append(f"{x}*{slope}{signed}")
    if offset:
        states.append(f"{x * slope}{signed}")
    states.append(f"{x * slope + offset}?{wanted}")
    return tuple(states)


def code(rng: random.Random, *, difficulty: int, language: str) -> Problem:
    while True:
        slope = difficulty - 1 if difficulty < 5 else rng.choice(SLOPES[3:])
        first, x = rng.randint(1, 15), rng.randint(2, 9)
        offset = first - slope
        if slope == 1 and offset == 0:
            continue  # f(x) = x shows nothing
        hidden = rng.sample([v for v in range(2, 14) if v != x], 3)
        tests = tuple((v, slope * v + offset) for v in (1, x, *hidden))
        tries = tuple(hypothesis(s, first=first, x=x, wanted=tests[1][1]) for s in SLOPES if s <= slope)
        if all(0 <= s * x + first - s <= MAX_RESULT for s in SLOPES[:slope]):
            break
    verb = "write" if language == "en" else "写出"
    question = f"{verb} f f(1)={first} f({x})={tests[1][1]}"
    return Problem(
        family="code",
        difficulty=difficulty,
        language=language,
        question=question,
        answer=linear(slope, offset),
        tries=tries,
        tests=tests,
    )


FAMILIES: dict[str, Callable[..., Problem]] = {"chain": chain, "word": word, "logic": logic, "code": code}


def draw(rng: random.Random, *, families: dict[str, float], difficulties: list[int], chinese: float) -> Problem:
    """One random problem of the world."""
    family = rng.choices(list(families), weights=list(families.values()))[0]
    language = "zh" if rng.random() < chinese else "en"
    return FAMILIES[family](rng, difficulty=rng.choice(difficulties), language=language)
