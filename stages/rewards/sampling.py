"""The value of an expression at chosen points, in an arithmetic that is passed in, and equality by such values.

Two arithmetics use this: machine floats, which may only refute (`FloatArithmetic`, here), and numbers of any
precision, which also confirm (`precise`, in the worker). The points are fixed, so that verdicts are deterministic.
"""

import cmath
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Protocol, TypeVar

from stages.rewards.exact import UndefinedError
from stages.rewards.tree import Node, contains, symbols

V = TypeVar("V")

MAX_SYMBOLS = 12
_COMPLEX = frozenset({"i", "Re", "Im", "arg"})
_GOLDEN, _SILVER = Fraction(61803, 100003), Fraction(41421, 100003)
_INTEGER_NAMES = frozenset("nkmjlpqrNKM")
_PERIODIC = frozenset({"factorial", "binomial", "pow", "sin", "cos", "tan", "floor", "ceil", "exp"})


class OutOfRangeError(Exception):
    """The value is too large, or too near a branch, for this arithmetic."""


class Arithmetic(Protocol[V]):
    """What `evaluate` needs. Every method raises UndefinedError or OutOfRangeError rather than return a nan."""

    log_base: int  # of a logarithm without one: 10 or 0 for the natural

    def number(self, value: Fraction) -> V: ...
    def constant(self, name: str) -> V: ...
    def add(self, terms: Sequence[V]) -> V: ...
    def multiply(self, left: V, right: V) -> V: ...
    def power(self, base: V, exponent: V, exact: Fraction | None) -> V: ...
    def call(self, name: str, args: Sequence[V]) -> V: ...


def evaluate(node: Node, point: Mapping[str, V], arithmetic: Arithmetic[V]) -> V:
    """The value of an expression where the symbols have the point's values.

    Raises:
        UndefinedError: there is none (a division by zero), or the node is no expression.
        OutOfRangeError: the arithmetic can't hold it.
    """
    match node.kind:
        case "num":
            return arithmetic.number(node.value)
        case "sym":
            return point[node.name]
        case "const":
            return arithmetic.constant(node.name)
        case "add":
            return arithmetic.add([evaluate(arg, point, arithmetic) for arg in node.args])
        case "mul":
            product = evaluate(node.args[0], point, arithmetic)
            for arg in node.args[1:]:
                product = arithmetic.multiply(product, evaluate(arg, point, arithmetic))
            return product
        case "pow":
            exponent = node.args[1]
            exact = _exact_exponent(exponent)
            base = evaluate(node.args[0], point, arithmetic)
            return arithmetic.power(base, evaluate(exponent, point, arithmetic), exact)
        case "percent":
            return arithmetic.multiply(evaluate(node.args[0], point, arithmetic), arithmetic.number(Fraction(1, 100)))
        case "deg":
            radians = arithmetic.multiply(arithmetic.constant("pi"), arithmetic.number(Fraction(1, 180)))
            return arithmetic.multiply(evaluate(node.args[0], point, arithmetic), radians)
        case "fn":
            return arithmetic.call(node.name, [evaluate(arg, point, arithmetic) for arg in node.args])
    raise UndefinedError


def _exact_exponent(node: Node) -> Fraction | None:
    return node.value if node.kind == "num" else None


def points(names: Sequence[str], *, integers: bool = False) -> list[dict[str, Fraction]]:
    """Fixed points in general position; the first are positive, the later ones of mixed sign.

    >>> [sorted(point) for point in points(["x"])][:1], len(points([]))
    ([['x']], 1)
    """
    if not names:
        return [{}]
    if integers:
        return [
            {name: Fraction(2 + (which * (2 * at + 3) + 5 * at) % 11) for at, name in enumerate(names)}
            for which in range(8)
        ]
    found = []
    for which in range(6):
        point = {}
        for at, name in enumerate(names):
            size = (_GOLDEN * (7 * which + 3 * at + 1) + _SILVER * (at + 1)) % 1 + Fraction(3, 10)
            scale = 1 if which % 2 else 3
            negative = which >= 2 and (which + at) % 2 == 0
            point[name] = -size * scale if negative else size * scale
        found.append(point)
    return found


def variables(*nodes: Node) -> list[str]:
    """The symbols of all nodes, sorted.

    Raises:
        OutOfRangeError: too many.
    """
    names = sorted(frozenset().union(*(symbols(node) for node in nodes)))
    if len(names) > MAX_SYMBOLS:
        raise OutOfRangeError
    return names


def is_complex(*nodes: Node) -> bool:
    return any(contains(node, _COMPLEX) for node in nodes)


def may_be_integer(names: Sequence[str], *nodes: Node) -> bool:
    """Whether the symbols are such as stand for integers, in what is periodic or discrete in them."""
    return bool(names) and _INTEGER_NAMES.issuperset(names) and any(contains(node, _PERIODIC) for node in nodes)


class FloatArithmetic:
    """Complex floats. `scale` is the largest magnitude met, which bounds the rounding errors from above."""

    log_base: int

    def __init__(self, log_base: int = 10) -> None:
        self.scale = 1.0
        self.log_base = log_base

    def number(self, value: Fraction) -> complex:
        try:
            return self._kept(complex(value.numerator / value.denominator))
        except OverflowError:
            raise OutOfRangeError from None

    def constant(self, name: str) -> complex:
        if name == "inf":
            raise UndefinedError
        return {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}[name]

    def add(self, terms: Sequence[complex]) -> complex:
        return self._kept(sum(terms))

    def multiply(self, left: complex, right: complex) -> complex:
        return self._kept(left * right)

    def power(self, base: complex, exponent: complex, exact: Fraction | None) -> complex:
        if abs(exponent) > 1e5:
            raise OutOfRangeError
        if base == 0:
            if exponent.real <= 0:
                raise UndefinedError
            return 0j
        if exact is not None and exact.denominator % 2 and exact.denominator > 1 and base.imag == 0 and base.real < 0:
            size = abs(base.real) ** float(exact)
            return self._kept(complex(size if exact.numerator % 2 == 0 else -size))
        whole = exact is not None and exact.denominator == 1
        if not whole:
            self._off_branch(base)
        try:
            return self._kept(base ** int(exact) if whole and exact is not None else base**exponent)
        except (OverflowError, ZeroDivisionError):
            raise OutOfRangeError from None

    def call(self, name: str, args: Sequence[complex]) -> complex:
        try:
            return self._kept(self._call(name, args))
        except (OverflowError, ValueError, ZeroDivisionError):
            raise OutOfRangeError from None

    def _call(self, name: str, args: Sequence[complex]) -> complex:
        first = args[0]
        if name == "root":
            degree = Fraction(args[1].real).limit_denominator(1000)
            if degree.denominator != 1 or not 0 < degree <= 1000:
                raise UndefinedError
            return self.power(first, complex(1 / degree), 1 / degree)
        if name == "abs":
            return complex(abs(first))
        if name in ("ln", "log"):
            if first == 0:
                raise UndefinedError
            self._off_branch(first)
            return cmath.log(first) / (math.log(10) if name == "log" and self.log_base == 10 else 1)
        if name in _CMATH:
            return _CMATH[name](first)
        if name in _RECIPROCALS:
            return 1 / _CMATH[_RECIPROCALS[name]](first)
        if name in _INVERSE_RECIPROCALS:
            return _CMATH[_INVERSE_RECIPROCALS[name]](1 / first)
        if name == "arccot":
            return math.pi / 2 - cmath.atan(first)
        raise OutOfRangeError  # left to the arithmetic of higher precision

    def _off_branch(self, value: complex) -> None:
        """A negative number whose imaginary part may be a rounding error is on either side of the branch."""
        if value.real < 0 and 0 < abs(value.imag) <= 1e-9 * abs(value.real):
            raise OutOfRangeError

    def _kept(self, value: complex) -> complex:
        size = abs(value)
        if not size < 1e200:
            raise OutOfRangeError
        self.scale = max(self.scale, size)
        return complex(value.real, value.imag or 0.0)


_CMATH = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
    "arctan": cmath.atan, "arcsinh": cmath.asinh, "arctanh": cmath.atanh,
    "Re": lambda z: complex(z.real), "Im": lambda z: complex(z.imag),
    "arcsin": cmath.asin, "arccos": cmath.acos, "arccosh": cmath.acosh,
}  # fmt: skip
_RECIPROCALS = {"cot": "tan", "sec": "cos", "csc": "sin", "coth": "tanh", "sech": "cosh", "csch": "sinh"}
_INVERSE_RECIPROCALS = {"arcsec": "arccos", "arccsc": "arcsin"}


def float_values(
    left: Node, right: Node, point: Mapping[str, Fraction], log_base: int
) -> tuple[complex, complex, float]:
    """Both values at a point and the largest magnitude on the way to them."""
    arithmetic = FloatArithmetic(log_base)
    at = {name: complex(float(value)) for name, value in point.items()}
    first = evaluate(left, at, arithmetic)
    return first, evaluate(right, at, arithmetic), arithmetic.scale


def refuted(left: Node, right: Node) -> bool:
    r"""Whether floats show that two expressions differ. False proves nothing.

    >>> from stages.rewards.grammar import parse
    >>> refuted(parse(r"\sqrt{2}"), parse("1.41")), refuted(parse(r"\sin^2x"), parse(r"1-\cos^2x"))
    (True, False)
    """
    bases = (10, 0) if contains(left, frozenset({"log"})) or contains(right, frozenset({"log"})) else (10,)
    try:
        names = variables(left, right)
    except OutOfRangeError:
        return False
    return not may_be_integer(names, left, right) and all(_refuted(left, right, names, base) for base in bases)


def _refuted(left: Node, right: Node, names: Sequence[str], log_base: int) -> bool:
    everywhere = not names or is_complex(left, right)
    for point in points(names):
        try:
            first, second, scale = float_values(left, right, point, log_base)
        except (UndefinedError, OutOfRangeError):
            continue
        if not everywhere and (_imaginary(first, scale) or _imaginary(second, scale)):
            continue
        if abs(first - second) > 1e-7 * scale and abs(first - second) > 1e-9 * max(abs(first), abs(second)):
            return True
    return False


def _imaginary(value: complex, scale: float) -> bool:
    return abs(value.imag) > 1e-9 * scale
