r"""Exact values: rational numbers, and a normal form for polynomials over symbols, square roots and i.

Everything is bounded before it is computed, so that an answer such as `9^{9^9}` costs nothing. What is over a
bound, or no rational number, is None: not decided here.
"""

import math
from collections.abc import Callable
from fractions import Fraction

from stages.rewards.tree import Node, key

MAX_BITS = 1 << 14  # of the numerator and denominator of any value
MAX_FACTORIAL = 1000
MAX_TERMS = 150  # of a polynomial
MAX_POWER = 12
MAX_RADICAND = 10**12

Monomial = tuple[tuple[str, int], ...]
Polynomial = dict[Monomial, Fraction]
_UNIT: Monomial = ()


class UndefinedError(Exception):
    """The expression has no value: a division by zero, the logarithm of zero."""


class _TooLarge(Exception):
    """Over a bound; the polynomial is not made."""


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def rational(node: Node) -> Fraction | None:
    r"""The exact value of a rational expression, or None if it is no such thing or over a bound.

    Raises:
        UndefinedError: a division by zero.

    >>> from stages.rewards.grammar import parse
    >>> rational(parse(r"2^3+\sqrt{\frac{4}{9}}")), rational(parse(r"\sqrt2")), rational(parse("9^{9^9}"))
    (Fraction(26, 3), None, None)
    """
    match node.kind:
        case "num":
            return node.value
        case "add" | "mul":
            return _fold(node)
        case "pow":
            base, exponent = rational(node.args[0]), rational(node.args[1])
            return None if base is None or exponent is None else rational_power(base, exponent)
        case "fn":
            return _function(node)
        case "percent":
            value = rational(node.args[0])
            return None if value is None else value / 100
        case "unit" | "deg":
            return None
    return None


def _fold(node: Node) -> Fraction | None:
    total = Fraction(node.kind == "mul")
    decided = True
    for arg in node.args:
        value = rational(arg)
        if value is None:
            decided = False  # the others may still be undefined
        elif decided:
            total = total + value if node.kind == "add" else total * value
            decided = _bits(total) <= MAX_BITS
    return total if decided else None


def rational_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """base ** exponent where that is rational. The odd root of a negative number is the real one."""
    if base == 0:
        if exponent <= 0:
            raise UndefinedError
        return base
    if exponent.denominator == 1:
        if base in (1, -1):
            return Fraction(1) if base == 1 or exponent.numerator % 2 == 0 else Fraction(-1)
        if abs(exponent.numerator) * _bits(base) > MAX_BITS:
            return None
        return Fraction(base**exponent.numerator)
    if exponent.denominator > 64 or (base < 0 and exponent.denominator % 2 == 0):
        return None
    over = integer_root(abs(base.numerator), exponent.denominator)
    under = integer_root(base.denominator, exponent.denominator)
    if over is None or under is None:
        return None
    return rational_power(Fraction(over if base > 0 else -over, under), Fraction(exponent.numerator))


def integer_root(value: int, degree: int) -> int | None:
    """The exact root of a non-negative integer, or None."""
    if value < 2 or degree == 1:
        return value
    if degree == 2:
        found = math.isqrt(value)
        return found if found * found == value else None
    low, high = 1, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    return low if low**degree == value else None


def _function(node: Node) -> Fraction | None:
    values = [rational(arg) for arg in node.args]
    decided = [value for value in values if value is not None]
    if len(decided) < len(values) or not values:
        return None
    name, first = node.name, decided[0]
    if name == "root":
        if decided[1] == 0 or decided[1].denominator != 1:
            raise UndefinedError
        return rational_power(first, 1 / decided[1]) if first or decided[1] > 0 else None
    if name in _ROUNDINGS:
        return Fraction(_ROUNDINGS[name](first))
    if name in ("max", "min"):
        return (max if name == "max" else min)(decided)
    whole = [value.numerator for value in decided if value.denominator == 1]
    if len(whole) < len(decided):
        return None
    if name in ("gcd", "lcm"):
        return Fraction((math.gcd if name == "gcd" else math.lcm)(*whole))
    if name == "factorial" and 0 <= whole[0] <= MAX_FACTORIAL:
        return Fraction(math.factorial(whole[0]))
    if name == "binomial" and 0 <= whole[0] <= MAX_FACTORIAL and whole[1] >= 0:
        return Fraction(math.comb(whole[0], whole[1]))
    return None


_ROUNDINGS: dict[str, Callable[[Fraction], Fraction | int]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "sgn": lambda value: (value > 0) - (value < 0),
}


def normal_equal(left: Node, right: Node) -> bool | None:
    r"""Whether two expressions have one normal form: numerators and denominators multiplied out crosswise.

    False only where the atoms are independent (symbols, square roots, i), so that it is a proof. None: not decided.

    >>> from stages.rewards.grammar import parse
    >>> normal_equal(parse(r"\frac{x^2-1}{x-1}"), parse("1+x")), normal_equal(parse(r"\sqrt{12}"), parse(r"2\sqrt3"))
    (True, True)
    """
    atoms: set[str] = set()
    try:
        over, under = _ratio(left, atoms)
        other_over, other_under = _ratio(right, atoms)
        if not under or not other_under:
            return None
        equal = _product(over, other_under) == _product(other_over, under)
    except _TooLarge:
        return None
    return True if equal else None if any(":" in atom for atom in atoms) else False


def _ratio(node: Node, atoms: set[str]) -> tuple[Polynomial, Polynomial]:
    """Numerator and denominator. Opaque parts become atoms with a colon in their name."""
    one: Polynomial = {_UNIT: Fraction(1)}
    match node.kind:
        case "num":
            return ({_UNIT: node.value} if node.value else {}), one
        case "sym":
            atoms.add(node.name)
            return {((node.name.replace(":", "_"), 1),): Fraction(1)}, one
        case "const" if node.name == "i":
            return {(("√-1", 1),): Fraction(1)}, one
        case "add":
            over: Polynomial = {}
            under = one
            for arg in node.args:
                part, below = _ratio(arg, atoms)
                over = _sum(_product(over, below), _product(part, under)) if below != under else _sum(over, part)
                under = _product(under, below) if below != under else under
            return over, under
        case "mul":
            over, under = one, one
            for arg in node.args:
                part, below = _ratio(arg, atoms)
                over, under = _product(over, part), _product(under, below)
            return over, under
        case "pow" if node.args[1].kind == "num":
            return _power(node, node.args[1].value, atoms)
        case "fn" if node.name == "root" and node.args[1].kind == "num" and node.args[1].value == 2:
            return _square_root(node, node.args[0], atoms)
        case "percent":
            over, under = _ratio(node.args[0], atoms)
            return over, _product(under, {_UNIT: Fraction(100)})
    return _atom(node, atoms)


def _atom(node: Node, atoms: set[str]) -> tuple[Polynomial, Polynomial]:
    name = ":" + key(node)
    atoms.add(name)
    return {((name, 1),): Fraction(1)}, {_UNIT: Fraction(1)}


def _power(node: Node, exponent: Fraction, atoms: set[str]) -> tuple[Polynomial, Polynomial]:
    base = node.args[0]
    if exponent == Fraction(1, 2):
        return _square_root(node, base, atoms)
    if exponent.denominator != 1 or abs(exponent) > MAX_POWER:
        return _atom(node, atoms)
    over, under = _ratio(base, atoms)
    if exponent < 0:
        if not over:
            raise _TooLarge  # a division by zero: there is no normal form
        over, under = under, over
    times = abs(exponent.numerator)
    result: tuple[Polynomial, Polynomial] = ({_UNIT: Fraction(1)}, {_UNIT: Fraction(1)})
    for _ in range(times):
        result = _product(result[0], over), _product(result[1], under)
    return result


def _square_root(node: Node, base: Node, atoms: set[str]) -> tuple[Polynomial, Polynomial]:
    """sqrt(a/b) as sqrt(ab)/b with a square-free radicand; an atom if the radicand is no small rational."""
    try:
        value = rational(base)
    except UndefinedError:
        raise _TooLarge from None
    if value is None or value.numerator * value.denominator > MAX_RADICAND or value < -MAX_RADICAND:
        return _atom(node, atoms)
    outside, inside = _square_free(abs(value.numerator * value.denominator))
    monomial = ((f"√{inside}", 1),) if inside > 1 else _UNIT
    over: Polynomial = {monomial: Fraction(outside)} if value else {}
    if value < 0:
        over = _product(over, {(("√-1", 1),): Fraction(1)})
    return over, {_UNIT: Fraction(value.denominator)}


def _square_free(value: int) -> tuple[int, int]:
    """(a, b) with value = a^2 b, b without square factors up to 10^12."""
    outside, inside, divisor = 1, 1, 2
    while divisor * divisor * divisor <= value:
        while value % (divisor * divisor) == 0:
            value //= divisor * divisor
            outside *= divisor
        if value % divisor == 0:
            value //= divisor
            inside *= divisor
        divisor += 1
    found = math.isqrt(value)  # what is left is a prime, its square, or two primes
    return (outside * found, inside) if found * found == value else (outside, inside * value)


def _sum(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for monomial, factor in right.items():
        value = total.get(monomial, Fraction(0)) + factor
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > MAX_TERMS * 8:
        raise _TooLarge
    total: Polynomial = {}
    for first, a in left.items():
        for second, b in right.items():
            monomial, factor = _times(first, second)
            value = total.get(monomial, Fraction(0)) + a * b * factor
            if _bits(value) > MAX_BITS:
                raise _TooLarge
            if value:
                total[monomial] = value
            else:
                total.pop(monomial, None)
    if len(total) > MAX_TERMS:
        raise _TooLarge
    return total


def _times(first: Monomial, second: Monomial) -> tuple[Monomial, int]:
    """The product of two monomials and what its square roots leave: sqrt6 sqrt2 = 2 sqrt3, i i = -1."""
    if not first or not second:
        return first or second, 1
    powers: dict[str, int] = {}
    factor, radicand = 1, 1
    for name, exponent in (*first, *second):
        if name == "√-1":
            factor = -factor if name in powers else factor
            powers[name] = 1 - powers.get(name, 0)
        elif name[0] == "√":
            inside = int(name[1:])
            common = math.gcd(radicand, inside)
            factor *= common
            radicand = radicand * inside // (common * common)
        else:
            powers[name] = powers.get(name, 0) + exponent
    if radicand > 1:
        powers[f"√{radicand}"] = 1
    return tuple(sorted((name, exponent) for name, exponent in powers.items() if exponent)), factor


def proportional(left: Node, right: Node) -> int | None:
    """The sign of c where left = c right for a constant c, 0 if there is none, None if not decided.

    For equations `left = 0`: where both denominators are alike or hold symbols, the numerators alone are compared,
    so that y = 1/x is xy = 1. The sign then says nothing; it is 1.
    """
    atoms: set[str] = set()
    try:
        (over, under), (other_over, other_under) = _ratio(left, atoms), _ratio(right, atoms)
    except _TooLarge:
        return None
    if not over or not other_over or not under or not other_under:
        return None
    factor = _constant_ratio(over, other_over)
    if factor is None:
        return None if any(":" in atom for atom in atoms) else 0
    below = _constant_ratio(under, other_under)
    return 1 if below is None or factor / below > 0 else -1


def _constant_ratio(left: Polynomial, right: Polynomial) -> Fraction | None:
    """The rational c with left = c right."""
    if left.keys() != right.keys():
        return None
    ratios = {left[monomial] / right[monomial] for monomial in left}
    return ratios.pop() if len(ratios) == 1 else None
