r"""The mathematics verifier: does a response's final answer equal the gold answer?

`grade` is the door. It extracts the final answer (`extraction`) and climbs a ladder, cheapest rung first: literal
numbers and words (`plain`), then a parser of its own (`lexer`, `grammar`) and typed comparators (`compare`, `sets`)
over exact arithmetic and machine floats (`exact`, `sampling`), then, in a process that can be killed (`pool`,
`worker`), values of high precision (`precise`) and what sympy works out (`symbolic`). Nothing in an answer is ever evaluated as code.

What counts as equal: the same value (1/2, 0.5, 50%), the same expression (up to identities), the same set, tuple,
interval, matrix, relation, word or choice. A decimal equals what it is exactly: 0.33 is not 1/3 and 3.14 is not pi,
but 0.333... is 1/3. 50% against 50 is right where the gold carries the sign or is at least 1. Units may be left
out; two that are both known must agree after conversion. docs/decisions/0004 lists what is not covered.
"""

from functools import lru_cache

from stages.contract.verdict import Verdict
from stages.rewards.answers import readings
from stages.rewards.compare import NeedsAlgebraError, QuickLeaves
from stages.rewards.extraction import MAX_ANSWER, final_answer, find_answer, is_sentence
from stages.rewards.match import matches
from stages.rewards.plain import balanced, read
from stages.rewards.pool import POOL, WorkerError

__all__ = ["grade", "judge", "read"]

TIMEOUT_S = 2.0  # wall clock of one comparison in a worker
MAX_CACHED = 512  # characters of gold and answer together
_BLANK = " $\t\r\n"
_QUICK = QuickLeaves()


def grade(response: str, gold: str, *, last_number: bool = True, timeout_s: float = TIMEOUT_S) -> Verdict:
    r"""Grade a response's final answer against the gold answer.

    `last_number`: where nothing marks an answer, the last formula or number of the response is it. The gold may be
    bare, or a worked solution that ends in `\boxed{}` or `#### 72`.

    Raises:
        ValueError: the gold is empty. It would never match, so it is a fault of the data.

    >>> grade(r"<think>Hm.</think>So it is \boxed{\frac{2}{4}}.", "0.5").status
    'correct'
    >>> grade("The answer is (2, 1].", "(1, 2]").status, grade("It takes 72 minutes.", "72").extracted
    ('wrong', '72')
    """
    wanted = gold_text(gold)
    found = find_answer(response, last_number=last_number)
    if found.answer is None:
        return Verdict(status="wrong", reason=found.reason)
    verdict = judge(wanted, found.answer, timeout_s=timeout_s)
    if verdict.status == "correct" or not found.others or _is_mathematics(found.answer, bare=found.bare):
        return verdict
    for other in found.others:
        second = judge(wanted, other, timeout_s=timeout_s)
        if second.status == "correct" or found.bare:
            return second
    return verdict


def _is_mathematics(answer: str, *, bare: bool) -> bool:
    """Whether a bare response is itself an answer, so that no number is to be looked for in it."""
    return bare and len(answer) <= MAX_ANSWER and not is_sentence(answer) and readings(answer)[0].kind != "text"


@lru_cache(maxsize=65536)
def gold_text(gold: str) -> str:
    r"""The answer in a gold field.

    Raises:
        ValueError: there is none.

    >>> gold_text("6*7 = 42\n#### 42"), gold_text(r"so \boxed{x+1}")
    ('42', 'x+1')
    """
    text = gold
    if "####" in gold or "\\boxed" in gold:
        text = final_answer(gold).answer or ""
    if not text.strip(_BLANK):
        raise ValueError(f"the gold answer is empty: {gold[:80]!r}")
    return text.strip()


def judge(gold: str, answer: str, *, timeout_s: float = TIMEOUT_S) -> Verdict:
    r"""Compare an extracted answer with a bare gold answer.

    Unknown, and never rewarded: `timeout`, `unparsable_gold`, `worker` (no process could decide it).

    >>> judge(r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}").reason, judge("{", "5").reason
    ('equal', 'unparsable_gold')
    """
    status, reason = _judged(gold, answer)
    if status == "algebra":
        try:
            status, reason = _by_worker(gold, answer, timeout_s)
        except WorkerError:
            status, reason = "unknown", "worker"
    extracted = _canonical(answer)
    if status == "correct":
        return Verdict(status="correct", reason=reason, extracted=extracted)
    return Verdict(status="wrong" if status == "wrong" else "unknown", reason=reason, extracted=extracted)


@lru_cache(maxsize=16384)
def _canonical(answer: str) -> str:
    return read(answer).text or answer[:MAX_ANSWER]


def _judged(gold: str, answer: str) -> tuple[str, str]:
    """As `_compared`, from a cache for answers of usual length: many responses share gold and answer."""
    cached = len(gold) + len(answer) <= MAX_CACHED
    return _compared(gold, answer) if cached else _compared.__wrapped__(gold, answer)


@lru_cache(maxsize=65536)
def _compared(gold: str, answer: str) -> tuple[str, str]:
    """Status and reason, or status `algebra` where only the worker could decide."""
    if len(gold) > MAX_ANSWER or not balanced(gold) or not gold.strip(_BLANK):
        return "unknown", "unparsable_gold"
    if gold == answer:
        return "correct", "equal"
    if len(answer) > MAX_ANSWER:
        return "wrong", "too_long"
    expected, got = read(gold), read(answer)
    if expected.kind == "number" == got.kind and not (expected.unit or got.unit or expected.percent or got.percent):
        return ("correct", "equal") if expected.number == got.number else ("wrong", "different")
    try:
        return ("correct", "equal") if matches(gold, answer, _QUICK) else ("wrong", "different")
    except (NeedsAlgebraError, RecursionError):
        return "algebra", ""


@lru_cache(maxsize=65536)
def _by_worker(gold: str, answer: str, timeout_s: float) -> tuple[str, str]:
    outcome = POOL.decide(gold, answer, timeout_s)
    if outcome == "timeout":
        return "unknown", "timeout"
    return {"same": ("correct", "equal"), "different": ("wrong", "different")}.get(outcome, ("unknown", "failed"))
