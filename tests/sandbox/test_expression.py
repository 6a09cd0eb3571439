"""Expressions in x: the grammar, Python's own arithmetic as the twin, and one hostile text a test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sandbox.expression import MAX_LENGTH, ExpressionError, canonical, evaluate, parse

leaves = st.one_of(st.just("x"), st.integers(0, 99).map(str))
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", " + "]), inner).map(
            lambda t: f"({t[0]}{t[1]}{t[2]})"
        ),
        inner.map(lambda e: f"-{e}"),
    ),
    max_leaves=8,
)


@given(expressions, st.integers(-50, 50))
def test_agrees_with_python(text: str, x: int) -> None:
    try:
        got = evaluate(parse(text), x)
    except ExpressionError as error:
        assert str(error) in ("division_by_zero", "too_large", "too_long")
        return
    assert got == eval(text, {"__builtins__": {}}, {"x": x})  # noqa: S307 - the twin; the text is our own


@given(expressions, st.integers(-9, 9))
def test_canonical_text_has_the_same_value(text: str, x: int) -> None:
    try:
        tree = parse(text)
        value = evaluate(tree, x)
        again = evaluate(parse(canonical(tree)), x)
    except ExpressionError:
        return  # undefined here, or a canonical text over a cap
    assert again == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x*3+2", "3*x+2"),
        ("2+x+x+x", "3*x+2"),
        ("-(x-4)", "-x+4"),
        ("x*x-x*x", "0"),
        ("x%7", "x%7"),
        ("(x + 1)//2", "(x+1)//2"),
    ],
)
def test_canonical(text: str, expected: str) -> None:
    assert canonical(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "y", "x x", "3x", "0x10", "x**9", "x/2", "1.5", "1e3", "007", "x(3)", "x.real", "x[0]",
        "x if x else 1", "(x:=3)", "lambda: x", "x,1", "f(x)=x", "x==1", "True", "~x", "+x", "x\n+1", "x#", "x\x00",
        "ｘ", "٣", "(x", "x)", "()", "__import__('os')", "x&1", "9_9", "not x", "x @ x", "*x",
    ],
)  # fmt: skip
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(ExpressionError, match="not_an_expression"):
        parse(text)


def test_caps_length() -> None:
    assert evaluate(parse("x".rjust(MAX_LENGTH)), 1) == 1
    with pytest.raises(ExpressionError, match="too_long"):
        parse("+".join("x" * MAX_LENGTH))


def test_caps_depth() -> None:
    with pytest.raises(ExpressionError, match="too_deep"):
        parse("-" * 100 + "x")


def test_caps_magnitude() -> None:
    with pytest.raises(ExpressionError, match="too_large"):
        evaluate(parse("*".join(["x"] * 40)), 99)
    with pytest.raises(ExpressionError, match="too_large"):
        evaluate(parse("9" * 100 + "%7"), 1)


def test_division_by_zero_is_no_value() -> None:
    for text in ("5//x", "5%x"):
        with pytest.raises(ExpressionError, match="division_by_zero"):
            evaluate(parse(text), 0)
