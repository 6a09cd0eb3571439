"""What sympy works out: within bounds that are looked at before anything is built, and never from text."""

import pytest

from stages.rewards import symbolic
from stages.rewards.algebra import AllLeaves
from stages.rewards.grammar import parse
from stages.rewards.match import matches
from stages.rewards.maths import judge
from stages.rewards.tree import key, symbols

LEAVES = AllLeaves()


@pytest.mark.parametrize(
    ("text", "free"),
    [
        (r"\sum_{k=1}^{n} k^m", {"n", "m"}),
        (r"\int_0^t x\,dx", {"t"}),
        (r"\lim_{h\to0} \frac{x+h}{h}", {"x"}),
        (r"\frac{d}{dx} x^2y", {"x", "y"}),  # a derivative is a function of its variable
        (r"\int_0^1\int_0^x xy\,dy\,dx", set()),
    ],
)
def test_bound_letters_are_not_free(text: str, free: set[str]) -> None:
    assert symbols(parse(text)) == free


def test_what_a_bound_letter_is_called_says_nothing() -> None:
    for one, two in (
        (r"\sum_{i=1}^{n} i^2", r"\sum_{k=1}^{n} k^2"),
        (r"\int_0^1\int_0^1 f x y^2\,dx\,dy", r"\int_0^1\int_0^1 f u v^2\,du\,dv"),
        (r"\lim_{x\to0}\sin x", r"\lim_{y\to0}\sin y"),
    ):
        assert key(parse(one)) == key(parse(two))
    assert key(parse(r"\sum_{i=1}^{n}\sum_{j=1}^{n} i")) != key(parse(r"\sum_{i=1}^{n}\sum_{j=1}^{n} j"))


HUGE = [
    r"\sum_{k=1}^{10^{30}} k^{10^{9}}",
    r"\sum_{k=1}^{9^{9^{9^9}}} k",
    r"\sum_{k=1}^{300} (k+1)^{40}(k+2)^{40}\sin(k)\cos(k)\tan(k)\ln(k)\sqrt{k}",
    r"\prod_{k=1}^{10^{30}} k",
    r"\prod_{k=1}^{10^{6}} (x+k)",
    r"\sum_{a=1}^{9}\sum_{b=1}^{99}\sum_{c=1}^{999}\sum_{d=1}^{9999} \frac{1}{a^b+c^d}",
    r"\sum_{a=1}^{299}\sum_{b=1}^{299}\sum_{c=1}^{299} abc",
    r"\int_0^1 x^{x^{x^{x^{x^x}}}}\,dx",
    r"\int_0^1 (x+1)^{10^9}\,dx",
    r"\int_0^{10^{10^{10}}} x\,dx",
    r"\frac{d^{1000000}}{dx^{1000000}} x^{1000001}",
    r"\frac{d^{9}}{dx^{9}} x^{x^{x}}",
    r"\lim_{x\to 0} \frac{\sin(\tan x)-\tan(\sin x)}{x^{77}}",
    r"\lim_{n\to\infty} (10^9)!",
    r"\lim_{n\to\infty} 2^{(10^9)!}",
    r"\int_0^1 " + "x+" * 100 + r"x\,dx",
    r"\sum_{k=1}^{n}" * 60 + "k",
    r"\int_0^1" * 90 + "x" + r"\,dx" * 90,
    r"\int_0^1" * 900 + "x",
    r"\int_{\int_{\int_0^1 x dx}^1 x dx}^1 x dx",
]


@pytest.mark.parametrize("text", HUGE)
def test_operators_cost_little(text: str) -> None:
    """Decided, so neither by the worker's clock nor by its limits; the time allowed is for a machine that is busy."""
    assert judge("5", text, timeout_s=30).status == "wrong"


@pytest.mark.parametrize(
    "relation",
    [
        "x^{1000000}=1",
        "x^{10^{10^{10}}}=1",
        "(x+1)^{10^9}<0",
        "x^x=27",
        "x^{99}+x+1=0",
        "x^8<(10^9)!",
        "x+2^{3^{4^5}}=1",
    ],
)
def test_relations_over_the_bounds_are_not_solved(relation: str) -> None:
    assert judge(relation, "5", timeout_s=30).status == "wrong"


@pytest.mark.parametrize(
    "text",
    [
        r"\int_{-1}^{1} \frac1x\,dx",
        r"\int_{-1}^{1} \frac{1}{x^2}\,dx",
        r"\int_{-\infty}^{\infty} x\,dx",
        r"\lim_{x\to0} \frac1x",
        r"\lim_{x\to0} \frac{|x|}{x}",
        r"\lim_{x\to0} \sin\frac1x",
        r"\sum_{k=1}^\infty (-1)^k",
        r"\sum_{k=0}^\infty (-2)^k",
    ],
)
def test_what_has_no_value_gets_none(text: str) -> None:
    try:
        found = key(symbolic.worked_out(parse(text)))
    except symbolic.UnsolvedError:
        return
    assert "inf" in found


def test_a_name_is_only_a_name() -> None:
    """Letters that sympy has a meaning for (I, E, S, N, Q, O) are letters like any other."""
    for letter in "IESNQOC":
        assert matches(f"{letter}^2", rf"\int_0^{{{letter}}} 2x\,dx", LEAVES)
        assert not matches("5", rf"\frac{{d}}{{dx}} {letter}x", LEAVES)
        assert matches(f"2{letter}", rf"\frac{{d}}{{dx}} 2{letter}x", LEAVES)
