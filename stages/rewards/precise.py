"""Equality of expressions by values of any precision. mpmath's only home; runs in the worker.

Equal means: at every fixed point where both have a value (a real one, unless i is spoken of), the values agree to
far more digits than the sizes of all intermediate values differ by. The precision grows until that holds, so that
neither 5 + 10^-200 under a root nor a difference of large numbers passes for something else.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import mpmath
from mpmath import mp

from stages.rewards.exact import UndefinedError
from stages.rewards.sampling import OutOfRangeError, evaluate, is_complex, may_be_integer, points, variables
from stages.rewards.tree import INFINITY, Node, contains

START_BITS = 300
MAX_BITS = 6_000  # of precision; it tells values apart that differ by 10^-800 of themselves
MAX_GAMMA_BITS = 1500
QUADRATURE_BITS = 80
MAX_MAGNITUDE = 20_000  # bits of any value's exponent
_LOG = frozenset({"log"})


class PreciseArithmetic:
    """mpmath's numbers at its current precision. Keeps the range of magnitudes met, in bits."""

    log_base: int

    def __init__(self, log_base: int = 10) -> None:
        self.low, self.high = 0, 0
        self.log_base = log_base

    @property
    def spread(self) -> int:
        return self.high - self.low

    def number(self, value: Fraction) -> mpmath.mpf:
        return self._kept(mpmath.mpf(value.numerator) / value.denominator)

    def constant(self, name: str) -> mpmath.mpf:
        if name == "inf":
            raise UndefinedError
        return {"pi": +mp.pi, "e": +mp.e, "i": mpmath.mpc(0, 1)}[name]

    def add(self, terms: Sequence[mpmath.mpf]) -> mpmath.mpf:
        total = mpmath.fsum(terms)
        largest = max((mpmath.mag(term) for term in terms if term), default=0)
        return self._kept(self._cut(total, int(largest)))

    def multiply(self, left: mpmath.mpf, right: mpmath.mpf) -> mpmath.mpf:
        return self._kept(left * right)

    def power(self, base: mpmath.mpf, exponent: mpmath.mpf, exact: Fraction | None) -> mpmath.mpf:
        if not base:
            if mpmath.re(exponent) <= 0:
                raise UndefinedError
            return mpmath.mpf(0)
        if exponent and mpmath.mag(exponent) > 64:
            raise OutOfRangeError
        if abs(exponent) * max(1, abs(mpmath.mag(base))) > MAX_MAGNITUDE:
            raise OutOfRangeError
        if exact is not None and exact.denominator % 2 and mpmath.im(base) == 0 and mpmath.re(base) < 0:
            size = mpmath.power(-mpmath.re(base), exponent)
            return self._kept(size if exact.numerator % 2 == 0 else -size)
        return self._kept(mpmath.power(base, exponent))

    def call(self, name: str, args: Sequence[mpmath.mpf]) -> mpmath.mpf:
        first = args[0]
        if first and mpmath.mag(first) > 200 and name not in ("abs", "root", "ln", "log", "max", "min", "Re", "Im"):
            raise OutOfRangeError
        try:
            value = self._call(name, args)
        except (ZeroDivisionError, ValueError):  # mpmath's words for a pole or a domain
            raise UndefinedError from None
        return self._kept(self._cut(value, int(mpmath.mag(first)) if first else 0))

    def _call(self, name: str, args: Sequence[mpmath.mpf]) -> mpmath.mpf:
        first = args[0]
        if name == "root":
            degree = args[1]
            if mpmath.im(degree) or degree != int(degree) or not 0 < degree <= 1000:
                raise UndefinedError
            return self.power(first, 1 / degree, Fraction(1, int(degree)))
        if name in ("ln", "log"):
            if not first:
                raise UndefinedError
            return mpmath.log(first) / (mpmath.log(10) if name == "log" and self.log_base == 10 else 1)
        if name in ("max", "min"):
            if any(mpmath.im(value) for value in args):
                raise UndefinedError
            return (max if name == "max" else min)(args)
        if name in ("floor", "ceil"):
            return self._rounded(name, first)
        if name == "factorial":
            return self._factorial(first)
        if name == "binomial":
            if any(value and mpmath.mag(value) > 14 for value in args):
                raise OutOfRangeError
            self._gamma_bounds(*args)
            return mpmath.binomial(first, args[1])
        if name not in _FUNCTIONS or len(args) != 1:
            raise UndefinedError
        return _FUNCTIONS[name](first)

    def _rounded(self, name: str, value: mpmath.mpf) -> mpmath.mpf:
        """Floor or ceiling; what is an integer but for rounding errors is that integer."""
        nearest = mpmath.nint(mpmath.re(value))
        if abs(value - nearest) < mpmath.ldexp(1, -mp.prec // 2):
            return nearest
        return (mpmath.floor if name == "floor" else mpmath.ceil)(mpmath.re(value))

    def _factorial(self, value: mpmath.mpf) -> mpmath.mpf:
        if value and mpmath.mag(value) > 11:
            raise OutOfRangeError
        self._gamma_bounds(value)
        return mpmath.factorial(value)

    def _gamma_bounds(self, *values: mpmath.mpf) -> None:
        """The gamma function of other than integers takes seconds at thousands of bits."""
        if mp.prec > MAX_GAMMA_BITS and any(value != mpmath.nint(mpmath.re(value)) for value in values):
            raise OutOfRangeError

    def _cut(self, value: mpmath.mpf, largest: int) -> mpmath.mpf:
        """The value, or 0 where it is but the rounding error of terms of the largest magnitude."""
        limit = max(largest, 0) - mp.prec + 30
        if isinstance(value, mpmath.mpc):
            real, imaginary = value.real, value.imag
            real = mpmath.mpf(0) if real and mpmath.mag(real) < limit else real
            imaginary = mpmath.mpf(0) if imaginary and mpmath.mag(imaginary) < limit else imaginary
            return mpmath.mpc(real, imaginary) if imaginary else real
        return mpmath.mpf(0) if value and mpmath.mag(value) < limit else value

    def _kept(self, value: mpmath.mpf) -> mpmath.mpf:
        if isinstance(value, mpmath.mpc):
            if mpmath.isnan(value.real) or mpmath.isnan(value.imag):
                raise UndefinedError
            if value.imag and value.real and mpmath.mag(value.imag) < mpmath.mag(value.real) - mp.prec + 30:
                value = value.real
            elif not value.imag:
                value = value.real
        elif mpmath.isnan(value):
            raise UndefinedError
        if not mpmath.isfinite(value):
            raise UndefinedError
        if value:
            size = int(mpmath.mag(value))
            if abs(size) > MAX_MAGNITUDE:
                raise OutOfRangeError
            self.low, self.high = min(self.low, size), max(self.high, size)
        return value


_FUNCTIONS = {
    name: getattr(mpmath, theirs)
    for name, theirs in {
        **{name: name for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch arg sign erf".split()},
        **{"arc" + name: "a" + name for name in "sin cos tan cot sec csc sinh cosh tanh".split()},
        "abs": "fabs", "Re": "re", "Im": "im", "sgn": "sign",
    }.items()
}  # fmt: skip


def equal(left: Node, right: Node) -> bool:
    r"""Whether two expressions have the same values.

    Raises:
        OutOfRangeError: their values are too large, or of too different magnitudes, to be told apart.

    >>> from stages.rewards.grammar import parse
    >>> equal(parse(r"\sqrt{3+2\sqrt2}"), parse(r"1+\sqrt2")), equal(parse(r"\sqrt{25+10^{-200}}"), parse("5"))
    (True, False)
    """
    names = variables(left, right)
    for base in (10, 0) if contains(left, _LOG) or contains(right, _LOG) else (10,):
        if _agree(left, right, names, points(names), base):
            return True
        if may_be_integer(names, left, right) and _agree(left, right, names, points(names, integers=True), base):
            return True
    return False


def _agree(left: Node, right: Node, names: Sequence[str], at: Sequence[Mapping[str, Fraction]], log_base: int) -> bool:
    pairs = [pair for point in at if (pair := _values(left, right, point, log_base)) is not None]
    if names and not is_complex(left, right):
        real = [pair for pair in pairs if pair[0]]
        if len(real) >= 2:
            pairs = real
    if len(pairs) < min(2, len(at)):
        return False
    return all(same for _, same in pairs)


def _values(left: Node, right: Node, point: Mapping[str, Fraction], log_base: int) -> tuple[bool, bool] | None:
    """Whether both values at a point are real, and whether they are the same; None where one is undefined.

    Where one is real and the other isn't, they are on different branches, which says nothing in real analysis.
    """
    bits = START_BITS
    while True:
        with mpmath.workprec(bits):
            arithmetic = PreciseArithmetic(log_base)
            values = {name: mpmath.mpf(value.numerator) / value.denominator for name, value in point.items()}
            try:
                first = evaluate(left, values, arithmetic)
                second = evaluate(right, values, arithmetic)
            except UndefinedError:
                return None
            needed = 2 * arithmetic.spread + 200
            difference = abs(first - second)
            if difference and mpmath.mag(difference) > arithmetic.high + 120 - bits:
                return _both_real(first, second), False  # far beyond the errors of the largest value met
            if needed <= bits:
                tolerance = mpmath.ldexp(1, arithmetic.spread + 60 - bits)
                return _both_real(first, second), bool(difference <= tolerance * max(abs(first), abs(second)))
        if needed > MAX_BITS:
            raise OutOfRangeError
        bits = needed + 64


def integral_agrees(body: Node, name: str, low: Node, high: Node, value: Node) -> bool:
    """Whether a definite integral's claimed value stands beside numerical quadrature. True also where quadrature
    doesn't come to a result (it oscillates, or a bound has no value) and so can't object."""
    with mpmath.workprec(QUADRATURE_BITS):
        arithmetic = PreciseArithmetic()

        def at(node: Node) -> mpmath.mpf:
            if contains(node, frozenset({"inf"})):
                return mpmath.inf if node == INFINITY else -mpmath.inf
            return evaluate(node, {}, arithmetic)

        try:
            claimed = at(value)
            found, error = mpmath.quad(
                lambda x: evaluate(body, {name: x}, arithmetic), [at(low), at(high)], error=True, maxdegree=6
            )
        except (UndefinedError, OutOfRangeError, ZeroDivisionError, ValueError):
            return True
        scale = max(1, abs(found))
        return bool(error > scale * mpmath.mpf("1e-6") or abs(found - claimed) <= scale * mpmath.mpf("1e-4"))


def _both_real(first: mpmath.mpf, second: mpmath.mpf) -> bool:
    return not isinstance(first, mpmath.mpc) and not isinstance(second, mpmath.mpc)


def proportional(left: Node, right: Node) -> int:
    """The sign of c where left = c right for a constant c other than 0; 0 if there is none. For equations.

    Raises:
        OutOfRangeError: as in `equal`.
    """
    names = variables(left, right)
    ratios = []
    for point in points(names):
        with mpmath.workprec(START_BITS):
            values = {name: mpmath.mpf(value.numerator) / value.denominator for name, value in point.items()}
            arithmetic = PreciseArithmetic()
            try:
                first, second = (evaluate(node, values, arithmetic) for node in (left, right))
            except UndefinedError:
                continue
            if isinstance(first, mpmath.mpc) or isinstance(second, mpmath.mpc):
                continue
            if not first or not second:
                if bool(first) != bool(second):
                    return 0
                continue
            ratios.append(first / second)
    if len(ratios) < 2 or not names:
        return 0
    with mpmath.workprec(START_BITS):
        near = mpmath.ldexp(1, 100 - START_BITS) * abs(ratios[0])
        if any(abs(ratio - ratios[0]) > near for ratio in ratios):
            return 0
    return 1 if ratios[0] > 0 else -1
