"""Random and mutated answers: always a verdict, in time, the same again, and never correct by garbage.

`make fuzz` runs it at length (R1_FUZZ_EXAMPLES).
"""

import os
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.rewards import maths
from stages.rewards.maths import grade, judge
from tests.rewards import cases_first, cases_second, cases_solved, cases_third

EXAMPLES = int(os.environ.get("R1_FUZZ_EXAMPLES", "150"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = [
    "\\frac", "\\sqrt", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "^", "_", "+", "-", "*", "/", "!", "|", ",", ";", "=", "<", ">",
    "\\le", "\\pm", "\\cup", "\\in", "\\infty", "\\pi", "\\sin", "\\log", "\\binom", "\\text{", "\\begin{pmatrix}", "\\end{pmatrix}",
    "&", "\\\\", "\\left", "\\right", "%", "\\%", "$", "\\$", "^\\circ", "\\overline", "x", "y", "i", "e", "n", "0", "1", "2", "10",
    "99999", "0.5", "1,000", "1e9", " ", "\\,", " or ", " cm", "\\boxed{", "<think>", "</think>", "<answer>", "</answer>", "####",
    "the answer is ", "½", "²", "√", "∞", "−", "\u200b", "B", "(A)", ".", "...", ":", "'", "\\mid", "\\mathbb{R}", "\\sum", "\\mathrm{",
    "\\sum_{k=1}^{n}", "\\int_0^1", "\\int_", "\\,dx", "dx", "\\lim_{x\\to0^+}", "\\lim_", "\\frac{d}{dx}", "\\prod_{k=1}^{9}", "k", "x^2=4",
]  # fmt: skip
ROWS = [
    response
    for module in (cases_first, cases_second, cases_third, cases_solved)
    for _, response, _, _ in module.cases()
]
GOLD = "7919"


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A row of the tables with a part cut out, doubled or replaced."""
    text = draw(st.sampled_from(ROWS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 8)))
        put = draw(st.one_of(st.just(""), st.just(text[start:end] * 2), st.sampled_from(PIECES)))
        text = text[:start] + put + text[end:]
    return text


ANSWERS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.text(max_size=60),
    mutated(),
    st.builds(lambda piece, times: piece * times, st.sampled_from(PIECES), st.integers(1, 800)),
)


@given(ANSWERS)
@FUZZ
def test_any_response_gets_a_verdict_in_time(text: str) -> None:
    begin = time.perf_counter()
    for response in (text, rf"\boxed{{{text}}}", f"<think>a</think><answer>{text}</answer>"):
        verdict = grade(response, GOLD, last_number=False)
        assert verdict.status in ("wrong", "unknown") or GOLD in text
        assert grade(response, GOLD, last_number=False) == verdict
    assert time.perf_counter() - begin < 3 * (maths.TIMEOUT_S + 1)


@given(ANSWERS, ANSWERS)
@FUZZ
def test_any_pair_of_answers_gets_a_verdict(gold: str, answer: str) -> None:
    if not gold.strip(" $\t\r\n"):
        return
    verdict = judge(gold, answer)
    assert verdict.status in ("correct", "wrong", "unknown")
    assert judge(gold, gold).status != "wrong"
    maths._compared.cache_clear()
    assert judge(gold, answer) == verdict
