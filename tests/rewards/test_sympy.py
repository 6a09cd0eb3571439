"""Sympy as referee: random expressions that it rewrites stay equal, and perturbed ones don't pass."""

import random

import pytest

from stages.rewards.maths import judge

sympy = pytest.importorskip("sympy")
NUM_EXPRESSIONS = 60
X, Y = sympy.symbols("x y")


def expression(draw: random.Random, depth: int, *, constant: bool):  # type: ignore[no-untyped-def]
    """A random expression, of two variables or none."""
    if depth == 0:
        ratio = sympy.Rational(draw.randint(1, 9), draw.randint(1, 9))
        return draw.choice(
            [sympy.sqrt(draw.randint(2, 20)), sympy.pi, sympy.E, ratio] if constant else [X, Y, X, ratio]
        )
    first, second = (expression(draw, depth - 1, constant=constant) for _ in range(2))
    made = (
        lambda: first + second,
        lambda: first - second,
        lambda: first * second,
        lambda: first / (second + 1) if second != -1 else first,
        lambda: first ** draw.choice([2, 3]),
        lambda: draw.choice([sympy.sin, sympy.cos, sympy.exp, sympy.sqrt, sympy.atan])(first),
        lambda: sympy.log(first**2 + 1),
    )
    return draw.choice(made)()


@pytest.mark.parametrize("constant", [True, False])
def test_agrees_with_sympy(constant: bool) -> None:
    draw = random.Random(11)
    for _ in range(NUM_EXPRESSIONS):
        made = expression(draw, 3, constant=constant)
        if made == 0 or made.has(sympy.zoo, sympy.nan, sympy.oo):
            continue
        gold = sympy.latex(made, ln_notation=True)
        for rewrite in (sympy.expand, sympy.factor, sympy.together):
            same = sympy.latex(rewrite(made), ln_notation=True)
            assert judge(gold, same).status == "correct", (gold, same)
        for near in (
            made + sympy.Rational(1, 1000),
            made * sympy.Rational(1001, 1000),
            made + sympy.Integer(10) ** -40,
        ):
            answer = sympy.latex(near, ln_notation=True)
            assert judge(gold, answer).status == "wrong", (gold, answer)
