"""Sums, products, limits, derivatives, integrals, equations and inequalities, worked out by sympy. Its only home.

Runs in the worker, within its clock and memory. Nothing is parsed here: sympy's objects are built from our tree, after
bounds on its size, and what it finds becomes our tree again, whose equality is then decided as any other's. What sympy
leaves undone, or what holds only under a condition, is not worked out.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import sympy
from sympy.core.expr import Expr
from sympy.core.symbol import Symbol
from sympy.sets.sets import Set

from stages.rewards.exact import UndefinedError, rational
from stages.rewards.precise import integral_agrees
from stages.rewards.tree import (
    BIG,
    EMPTY,
    IMAGINARY,
    INFINITY,
    MINUS_INFINITY,
    MINUS_ONE,
    ONE,
    PI,
    REALS,
    TWO,
    ZERO,
    E,
    Node,
    add,
    contains,
    function,
    mul,
    num,
    power,
    replaced,
    root,
    size,
    symbol,
    symbols,
    with_args,
)

MAX_NODES = 60  # of an operator's body, or of a relation
MAX_NESTED = 2  # operators that sympy works out within each other
MAX_BITS = 128  # of a number
MAX_EXPONENT = 40  # of one power, and of all powers of a tree together
MAX_GAMMA = 100  # of the number under a factorial or binomial
MAX_ORDER = 10  # of a derivative
MAX_TERMS = 300  # of a sum or product that is written out
MAX_WRITTEN = 6000  # nodes of all of them together
MAX_DEGREE = 8  # of an equation
MAX_SOLUTIONS = 12


class UnsolvedError(Exception):
    """Not worked out: over a bound, outside what is covered, or left undone by sympy."""


# ---- operators


def worked_out(node: Node) -> Node:
    r"""The tree with every operator replaced by what it comes to.

    Raises:
        UnsolvedError: one of them is not worked out.

    >>> from stages.rewards.grammar import parse
    >>> from stages.rewards.tree import key
    >>> key(worked_out(parse(r"\sum_{k=0}^\infty 2^{-k}"))), key(worked_out(parse(r"\lim_{x\to0}\frac{\sin x}{x}")))
    ('2/1', '1/1')
    """
    if not contains(node, BIG):
        return node
    args = tuple(worked_out(arg) for arg in node.args)
    if node.kind != "big":
        return with_args(node, args)
    variable, *bounds, body = args
    if node.name in ("sum", "prod"):
        return _series(node.name, variable, bounds[0], bounds[1], body)
    names = _Names(variable, *bounds, body)
    x, f = names.symbols[variable.name], names.build(body)
    if node.name == "int":
        found = names.tree(sympy.integrate(f, (x, names.build(bounds[0]), names.build(bounds[1]))))
        if frozenset().union(*map(_letters, args)) - {variable.name} or integral_agrees(
            body, variable.name, bounds[0], bounds[1], found
        ):
            return found
        raise UnsolvedError
    if node.name == "diff":
        order = bounds[0].value
        if order > MAX_ORDER:
            raise UnsolvedError
        return names.tree(sympy.diff(f, x, int(order)))
    return names.tree(_limit(f, x, names.build(bounds[0]), node.name.removeprefix("lim")))


def _limit(f: Expr, x: Symbol, to: Expr, side: str) -> Expr:
    if to.is_infinite or side:
        return sympy.limit(f, x, to, side or "-")
    above, below = sympy.limit(f, x, to, "+"), sympy.limit(f, x, to, "-")
    if above != below:
        raise UnsolvedError
    return above


def _series(name: str, variable: Node, low: Node, high: Node, body: Node) -> Node:
    """A sum or product. A short one is written out; the closed form of a long one is that for a letter as its end."""
    first, last = _whole(low), _whole(high)
    if first is not None and last is not None:
        count = last - first + 1
        if count <= 0:
            return ZERO if name == "sum" else ONE
        if count <= MAX_TERMS and count * size(body) <= MAX_WRITTEN:
            return (add if name == "sum" else mul)(*(replaced(body, variable, num(k)) for k in range(first, last + 1)))
    far = last is not None or (name == "prod" and high == INFINITY)
    end = symbol("end of the series") if far else high
    counted = symbols(low) | symbols(end)
    names = _Names(variable, low, end, body, whole=counted | _letters(variable), natural=counted)
    k, f = names.symbols[variable.name], names.build(body)
    made = (sympy.Sum if name == "sum" else sympy.Product)(f, (k, names.build(low), names.build(end)))
    found = made.doit() if name == "sum" else sympy.simplify(made.doit())
    if last is None and far:
        return names.tree(sympy.limit(found, names.symbols[end.name], sympy.oo))
    return replaced(names.tree(found), end, high)


def _whole(node: Node) -> int | None:
    try:
        value = rational(node)
    except UndefinedError:
        raise UnsolvedError from None
    return value.numerator if value is not None and value.denominator == 1 else None


# ---- relations


def solutions(relation: Node) -> Sequence[Node]:
    r"""The complete solution of an equation or inequality in one variable, as a set; of an equation also its real part
    alone, if its variable may be real (`z` and `w` are complex) and there is one.

    Raises:
        UnsolvedError: it can't be solved completely.

    >>> from stages.rewards.grammar import parse
    >>> from stages.rewards.tree import key
    >>> [key(found) for found in solutions(parse("x^2=4"))], [found.name for found in solutions(parse("x^2<4"))]
    (['set:(-2/1;2/1)'], ['()'])
    """
    left, right = relation.args
    difference = add(left, mul(MINUS_ONE, right))
    names = _Names(difference, real=relation.name != "=")
    (name,) = symbols(relation)
    x, f = names.symbols[name], names.build(difference)
    if relation.name == "=":
        return _equation(names, f, x, complex_only=name in ("z", "w"))
    over, under = sympy.fraction(sympy.together(f))
    if not all(_degree(part, x) <= MAX_DEGREE for part in (over, under)):
        raise UnsolvedError
    kinds = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "!=": sympy.Ne}
    held = kinds[relation.name](f, 0)
    if held in (sympy.true, sympy.false):
        return (REALS if held == sympy.true else EMPTY,)
    try:
        return (_set(names, sympy.solve_univariate_inequality(held, x, relational=False)),)
    except NotImplementedError:
        raise UnsolvedError from None


def _degree(f: Expr, x: Symbol) -> int:
    """The degree of a polynomial with rational coefficients."""
    if not f.is_polynomial(x) or not f.free_symbols <= {x}:
        raise UnsolvedError
    poly = sympy.Poly(f, x)
    if not poly.domain.is_ZZ and not poly.domain.is_QQ:
        raise UnsolvedError
    return max(0, int(poly.degree()))


def _equation(names: "_Names", f: Expr, x: Symbol, *, complex_only: bool) -> list[Node]:
    try:
        over, under = sympy.fraction(sympy.together(f))
        if not 0 < _degree(over, x) <= MAX_DEGREE or _degree(under, x) > MAX_DEGREE:
            raise UnsolvedError
    except UnsolvedError:
        return [_real_roots(names, f, x)]
    roots = sympy.roots(sympy.Poly(over, x))
    if sum(roots.values()) != sympy.degree(over, x):
        raise UnsolvedError
    kept = [value for value in roots if under.subs(x, value) != 0]
    every = Node("set", tuple(names.tree(value) for value in kept))
    real = [value for value in kept if abs(sympy.im(sympy.N(value, 40))) < sympy.Float("1e-30")]
    if complex_only or len(real) == len(kept) or not real:
        return [every]
    return [every, Node("set", tuple(names.tree(value) for value in real))]


def _real_roots(names: "_Names", f: Expr, x: Symbol) -> Node:
    """The real solutions of an equation that is no polynomial's, if they are finitely many and sympy knows them all."""
    try:
        found = sympy.solveset(f, x, sympy.S.Reals)
    except (NotImplementedError, ValueError, TypeError):
        raise UnsolvedError from None
    if not isinstance(found, sympy.FiniteSet) or not 0 < len(found) <= MAX_SOLUTIONS:
        raise UnsolvedError
    return _set(names, found)


def _set(names: "_Names", found: Set) -> Node:
    if found is sympy.S.EmptySet:
        return EMPTY
    if isinstance(found, sympy.FiniteSet):
        return Node("set", tuple(names.tree(value) for value in found))
    if isinstance(found, sympy.Interval):
        brackets = ("(" if found.left_open else "[") + (")" if found.right_open else "]")
        return Node("seq", (names.tree(found.start), names.tree(found.end)), brackets)
    if isinstance(found, sympy.Union):
        return Node("union", tuple(_set(names, part) for part in found.args))
    raise UnsolvedError


# ---- trees to sympy and back


_FUNCTIONS: dict[str, Callable[..., Expr]] = {
    **{name: getattr(sympy, name) for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch erf".split()},
    **{"arc" + name: getattr(sympy, "a" + name) for name in "sin cos tan cot sec csc sinh cosh tanh".split()},
    "ln": sympy.log, "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "sgn": sympy.sign,
    "max": sympy.Max, "min": sympy.Min, "factorial": sympy.factorial, "binomial": sympy.binomial,
}  # fmt: skip
_NAMES = {made: name for name, made in _FUNCTIONS.items()}
_CONSTANTS = {
    "pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo
}  # fmt: skip
_ATOMS = {
    sympy.pi: PI, sympy.E: E, sympy.I: IMAGINARY, sympy.oo: INFINITY, sympy.S.NegativeInfinity: MINUS_INFINITY
}  # fmt: skip
_UNDONE = (
    sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative, sympy.Subs, sympy.AccumBounds, sympy.nan,
    sympy.zoo, sympy.RootSum,
)  # fmt: skip


class _Names:
    """The symbols of some trees as sympy has them, by other names, so that no letter means anything to it.

    `whole` stand for integers and, of them, `natural` for none below 0. The others are real, or complex if not `real`.
    """

    def __init__(
        self,
        *nodes: Node,
        whole: frozenset[str] = frozenset(),
        natural: frozenset[str] = frozenset(),
        real: bool = True,
    ) -> None:
        self.symbols = {}
        for at, name in enumerate(sorted(frozenset().union(*(_letters(node) for node in nodes)))):
            domain = {"integer": True} if name in whole else {"real": True} if real else {}
            self.symbols[name] = sympy.Symbol(f"x{at}", **domain, **({"nonnegative": True} if name in natural else {}))
        self._back = {made: name for name, made in self.symbols.items()}
        if sum(size(node) for node in nodes) > MAX_NODES or max(map(_nested, nodes)) > MAX_NESTED:
            raise UnsolvedError
        if sum(map(_exponents, nodes)) > MAX_EXPONENT:
            raise UnsolvedError

    def build(self, node: Node) -> Expr:
        """The expression of a tree.

        Raises:
            UnsolvedError: it is over a bound, or no expression.
        """
        if node.kind == "num":
            if max(node.value.numerator.bit_length(), node.value.denominator.bit_length()) > MAX_BITS:
                raise UnsolvedError
            return sympy.Rational(node.value.numerator, node.value.denominator)
        if node.kind == "sym":
            return self.symbols[node.name]
        if node.kind == "const":
            return _CONSTANTS[node.name]
        if node.kind == "add":
            return sympy.Add(*map(self.build, node.args))
        if node.kind == "mul":
            return sympy.Mul(*map(self.build, node.args))
        if node.kind == "pow":
            _bounded(node.args[1], MAX_EXPONENT)
            if _letters(node.args[1]) and _has_letters_in_exponents(node.args[1]):
                raise UnsolvedError  # a tower
            return sympy.Pow(*map(self.build, node.args))
        if node.kind == "fn" and node.name == "root":
            degree = _whole(node.args[1])
            if degree is None or not 0 < degree <= MAX_EXPONENT:
                raise UnsolvedError
            return sympy.Pow(self.build(node.args[0]), sympy.Rational(1, degree))
        if node.kind == "fn":
            if node.name in ("factorial", "binomial"):
                for arg in node.args:
                    _bounded(arg, MAX_GAMMA)
            # In the calculus that sympy is asked for, a logarithm without a base is the natural one.
            made = _FUNCTIONS.get({"log": "ln"}.get(node.name, node.name))
            if made is None:
                raise UnsolvedError
            return made(*map(self.build, node.args))
        raise UnsolvedError

    def tree(self, found: Expr) -> Node:
        """What sympy found, as our tree.

        Raises:
            UnsolvedError: something in it is undone, holds only under a condition, or has no name here.
        """
        found = _generic(found)
        if found.has(*_UNDONE):
            raise UnsolvedError
        return self._tree(found)

    def _tree(self, found: Expr) -> Node:
        if found in _ATOMS:
            return _ATOMS[found]
        if isinstance(found, sympy.Rational):
            return num(Fraction(int(found.p), int(found.q)))
        if isinstance(found, sympy.Symbol):
            return symbol(self._back[found])
        args = tuple(self._tree(arg) for arg in found.args)
        if isinstance(found, sympy.Add):
            return add(*args)
        if isinstance(found, sympy.Mul):
            return mul(*args)
        if isinstance(found, sympy.Pow):
            exponent = args[1]
            if exponent.kind == "num" and exponent.value == Fraction(1, 2):
                return root(args[0], TWO)
            return power(*args)
        if isinstance(found, sympy.exp):
            return power(E, args[0])
        if isinstance(found, sympy.gamma):
            return function("factorial", add(args[0], MINUS_ONE))
        name = _NAMES.get(type(found))
        if name is None:
            raise UnsolvedError
        return function(name, *args)


def _generic(found: Expr) -> Expr:
    """The case of a piecewise result that holds in general: the first that is done and no mere equality's."""
    if not isinstance(found, sympy.Piecewise):
        return found.replace(lambda part: isinstance(part, sympy.Piecewise), _generic) if found.args else found
    for value, condition in found.args:
        if not isinstance(condition, sympy.Eq) and not value.has(*_UNDONE):
            return _generic(value)
    raise UnsolvedError


def _letters(node: Node) -> frozenset[str]:
    """The names of all symbols, bound ones too."""
    if node.kind == "sym":
        return frozenset((node.name,))
    return frozenset().union(*(_letters(arg) for arg in node.args)) if node.args else frozenset()


def _exponents(node: Node) -> Fraction:
    """All powers' whole exponents together: what sympy may multiply out."""
    own = node.args[1].value if node.kind == "pow" and node.args[1].kind == "num" else Fraction(0)
    return abs(own) + sum(map(_exponents, node.args), start=Fraction(0))


def _nested(node: Node) -> int:
    return (node.kind == "big") + max(map(_nested, node.args), default=0)


def _has_letters_in_exponents(node: Node) -> bool:
    if node.kind == "pow" and _letters(node.args[1]):
        return True
    return any(map(_has_letters_in_exponents, node.args))


def _bounded(node: Node, limit: int) -> None:
    """Refuse what sympy would compute at once to more than a small number: 2^(10^9), (10^9)!."""
    if _letters(node):
        return
    if contains(node, frozenset({"pow", "factorial", "binomial"})):
        raise UnsolvedError
    try:
        value = rational(node)
    except UndefinedError:
        raise UnsolvedError from None
    if value is not None and (abs(value) > limit or value.denominator > limit):
        raise UnsolvedError
