"""Sets of real numbers as sorted, merged intervals, from intervals, unions, inequalities and set builders."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from stages.rewards.exact import UndefinedError, rational
from stages.rewards.notation import FLIPPED
from stages.rewards.sampling import FloatArithmetic, OutOfRangeError, evaluate
from stages.rewards.tree import INFINITY, MINUS_INFINITY, Node, add, neg, num, replaced, symbol, symbols

MAX_INTERVALS = 64
Equal = Callable[[Node, Node], bool]


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


Intervals = tuple[Interval, ...]
LINE = Interval(low=MINUS_INFINITY, high=INFINITY, low_closed=False, high_closed=False)


class NotASetError(Exception):
    """The node is no set of real numbers that can be written as intervals."""


def position(node: Node) -> float:
    """A bound's place on the line, for ordering only.

    Raises:
        NotASetError: it isn't a real number.
    """
    if node == INFINITY:
        return math.inf
    if node == MINUS_INFINITY:
        return -math.inf
    try:
        value = evaluate(node, {}, FloatArithmetic())
    except (UndefinedError, OutOfRangeError, KeyError):
        raise NotASetError from None
    if abs(value.imag) > 1e-12:
        raise NotASetError
    return value.real


def compare_positions(left: Node, right: Node, equal: Equal) -> int:
    """-1, 0 or 1; two bounds that floats can't tell apart are compared exactly."""
    first, second = position(left), position(right)
    if first == second and math.isinf(first):
        return 0
    if abs(first - second) <= 1e-9 * max(1.0, abs(first), abs(second)) and equal(left, right):
        return 0
    return -1 if first < second else 1


def as_set(node: Node, equal: Equal) -> tuple[str, Intervals]:
    """The variable that the set was said of (nothing if none) and its intervals, sorted and merged.

    Raises:
        NotASetError: see there.
    """
    match node.kind:
        case "seq" if len(node.args) == 2:
            low, high = node.args
            closed = (node.name[0] == "[", node.name[1] == "]")
            if position(low) >= position(high) and not (closed == (True, True) and equal(low, high)):
                raise NotASetError
            return "", (Interval(low=low, high=high, low_closed=closed[0], high_closed=closed[1]),)
        case "set":
            return "", merged([_point(arg) for arg in node.args], equal)
        case "union":
            return "", merged([one for arg in node.args for one in as_set(arg, equal)[1]], equal)
        case "meet":
            found: Intervals = (LINE,)
            for arg in node.args:
                found = intersected(found, as_set(arg, equal)[1], equal)
            return "", found
        case "minus":
            whole, *taken = (as_set(arg, equal)[1] for arg in node.args)
            for part in taken:
                whole = intersected(whole, complement(part), equal)
            return "", whole
        case "such":
            name, _ = _membership(node.args[0])
            variable, intervals = as_set(node.args[1], equal)
            if variable != name:
                raise NotASetError
            return "", intervals
        case "rel":
            return _relation(node, equal)
        case "list":
            return _conditions(node, equal)
    raise NotASetError


def _point(node: Node) -> Interval:
    position(node)
    return Interval(low=node, high=node, low_closed=True, high_closed=True)


def _membership(node: Node) -> tuple[str, Node | None]:
    if node.kind == "sym":
        return node.name, None
    if node.kind == "rel" and node.name == "in" and node.args[0].kind == "sym":
        return node.args[0].name, node.args[1]
    raise NotASetError


def _conditions(node: Node, equal: Equal) -> tuple[str, Intervals]:
    """Several relations of one variable: all of them, or, with `or` or where all can't be, any of them."""
    parts = [
        as_set(arg, equal)
        for arg in node.args
        if not (arg.kind == "rel" and arg.name == "in" and arg.args[1].kind == "text")
    ]
    names = {name for name, _ in parts}
    if len(names) != 1 or "" in names:
        raise NotASetError
    either = merged([one for _, intervals in parts for one in intervals], equal)
    if node.name == "or":
        return names.pop(), either
    both: Intervals = (LINE,)
    for _, intervals in parts:
        both = intersected(both, intervals, equal)
    return names.pop(), both or (either if node.name == "," else ())


def _relation(node: Node, equal: Equal) -> tuple[str, Intervals]:
    operators = node.name.split(",")
    if operators == ["in"]:
        name, inside = _membership(node)
        assert inside is not None
        return name, as_set(inside, equal)[1]
    found: Intervals = (LINE,)
    name = ""
    for at, operator in enumerate(operators):
        variable, part = _inequality(operator, node.args[at], node.args[at + 1])
        if name and variable != name:
            raise NotASetError
        name = variable
        found = intersected(found, part, equal)
    return name, found


def _inequality(operator: str, left: Node, right: Node) -> tuple[str, Intervals]:
    """The solutions of a linear inequality in one variable."""
    if operator not in FLIPPED or operator in ("=", "=="):
        raise NotASetError
    if left.kind == "fn" and left.name == "abs" and not symbols(right) and operator != "!=":
        return _absolute(operator, left.args[0], right)
    if left.kind == "sym" and not symbols(right):
        name, bound = left.name, right
    elif right.kind == "sym" and not symbols(left):
        name, bound, operator = right.name, left, FLIPPED[operator]
    else:
        name, bound, operator = _solved(operator, add(left, neg(right)))
    if operator == "!=":
        return name, complement((_point(bound),))
    position(bound)
    closed = operator.endswith("=")
    if operator[0] == "<":
        return name, (Interval(low=MINUS_INFINITY, high=bound, low_closed=False, high_closed=closed),)
    return name, (Interval(low=bound, high=INFINITY, low_closed=closed, high_closed=False),)


def _absolute(operator: str, inner: Node, bound: Node) -> tuple[str, Intervals]:
    """The solutions of |a x + b| < c, for a positive bound."""
    if position(bound) <= 0:
        raise NotASetError
    name, above = _inequality(operator, inner, bound)
    _, below = _inequality(FLIPPED[operator], inner, neg(bound))
    return name, (intersected if operator[0] == "<" else _joined)(above, below, _never)


def _joined(left: Intervals, right: Intervals, equal: Equal) -> Intervals:
    return merged([*left, *right], equal)


def _never(left: Node, right: Node) -> bool:
    """The two bounds of |x| < c differ, for c is positive."""
    return False


def _solved(operator: str, difference: Node) -> tuple[str, Node, str]:
    """The bound of a x + b < 0 with rational a and b."""
    names = symbols(difference)
    if len(names) != 1:
        raise NotASetError
    (name,) = names
    values = [_at(difference, name, Fraction(place)) for place in (0, 1, 2, -3)]
    start, slope = values[0], values[1] - values[0]
    if not slope or values[2] != start + 2 * slope or values[3] != start - 3 * slope:
        raise NotASetError
    return name, num(-start / slope), operator if slope > 0 else FLIPPED[operator]


def _at(node: Node, name: str, value: Fraction) -> Fraction:
    try:
        found = rational(replaced(node, symbol(name), num(value)))
    except UndefinedError:
        found = None
    if found is None:
        raise NotASetError
    return found


def merged(intervals: list[Interval], equal: Equal) -> Intervals:
    """Sorted, with those that overlap or touch made one."""
    if len(intervals) > MAX_INTERVALS:
        raise NotASetError
    result: list[Interval] = []
    for one in sorted(intervals, key=lambda interval: (position(interval.low), not interval.low_closed)):
        if not result:
            result.append(one)
            continue
        last = result[-1]
        order = compare_positions(one.low, last.high, equal)
        if order > 0 or (order == 0 and not (one.low_closed or last.high_closed)):
            result.append(one)
            continue
        ends = compare_positions(one.high, last.high, equal)
        closed = one.high_closed if ends > 0 else last.high_closed if ends < 0 else one.high_closed or last.high_closed
        result[-1] = Interval(
            low=last.low, low_closed=last.low_closed, high=one.high if ends > 0 else last.high, high_closed=closed
        )
    return tuple(result)


def intersected(left: Intervals, right: Intervals, equal: Equal) -> Intervals:
    found = []
    if len(left) * len(right) > MAX_INTERVALS * MAX_INTERVALS:
        raise NotASetError
    for one in left:
        for two in right:
            lows = compare_positions(one.low, two.low, equal)
            highs = compare_positions(one.high, two.high, equal)
            low, low_closed = (one.low, one.low_closed) if lows > 0 else (two.low, two.low_closed)
            high, high_closed = (one.high, one.high_closed) if highs < 0 else (two.high, two.high_closed)
            low_closed = one.low_closed and two.low_closed if lows == 0 else low_closed
            high_closed = one.high_closed and two.high_closed if highs == 0 else high_closed
            order = compare_positions(low, high, equal)
            if order < 0 or (order == 0 and low_closed and high_closed):
                found.append(Interval(low=low, high=high, low_closed=low_closed, high_closed=high_closed))
    return merged(found, equal)


def complement(intervals: Intervals) -> Intervals:
    """What is left of the line. The intervals are sorted and merged."""
    found = []
    low, closed = MINUS_INFINITY, False
    for one in intervals:
        if one.low != MINUS_INFINITY:
            found.append(Interval(low=low, high=one.low, low_closed=closed, high_closed=not one.low_closed))
        low, closed = one.high, not one.high_closed
    if low != INFINITY:
        found.append(Interval(low=low, high=INFINITY, low_closed=closed, high_closed=False))
    return tuple(found)


def same_sets(left: Intervals, right: Intervals, equal: Equal) -> bool:
    return len(left) == len(right) and all(
        (one.low_closed, one.high_closed) == (two.low_closed, two.high_closed)
        and compare_positions(one.low, two.low, equal) == 0
        and compare_positions(one.high, two.high, equal) == 0
        for one, two in zip(left, right, strict=True)
    )
