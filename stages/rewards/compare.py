"""Whether two answers say the same, each kind by its own comparator. What no comparator knows is not the same.

The comparison of two expressions is passed in: the caller's process decides what exact arithmetic and floats can
(`QuickLeaves`) and raises NeedsAlgebraError for the rest, which the worker decides (`algebra`).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from stages.rewards.answers import View, measure, view
from stages.rewards.exact import UndefinedError, normal_equal, rational
from stages.rewards.exact import proportional as exactly_proportional
from stages.rewards.notation import FLIPPED
from stages.rewards.sampling import refuted
from stages.rewards.sets import NotASetError, as_set, same_sets
from stages.rewards.tree import BIG, PI, SHAPES, Node, add, contains, key, mul, neg, num, symbols

_SET_KINDS = frozenset({"union", "meet", "minus", "such", "rel", "list"})
_INFINITE = frozenset({"inf"})
_MEASURES = frozenset({"percent", "deg", "unit"})
_SOLVABLE = frozenset({"=", "!=", "<", "<=", ">", ">="})
MAX_VALUES = 200


class NeedsAlgebraError(Exception):
    """Only values of high precision could decide this pair."""


class Leaves(Protocol):
    """The comparison of two expressions, and what solves a relation. May raise NeedsAlgebraError."""

    def equal(self, left: Node, right: Node) -> bool: ...
    def proportional(self, left: Node, right: Node) -> int: ...
    def solutions(self, relation: Node) -> Sequence[Node]: ...


def decided(left: Node, right: Node) -> bool | None:
    """Equality by structure, exact numbers, normal forms and, against it, floats. None: not decided."""
    if key(left) == key(right):
        return True
    if any(contains(node, SHAPES) or node.kind == "based" for node in (left, right)):
        return _based_equal(left, right)
    if any(contains(node, BIG) for node in (left, right)):
        return None
    if any(contains(node, _INFINITE) for node in (left, right)):
        return False
    try:
        first, second = rational(left), rational(right)
    except UndefinedError:
        return False
    if first is not None and second is not None:
        return first == second
    return normal_equal(left, right) if not refuted(left, right) else False


def _based_equal(left: Node, right: Node) -> bool:
    """A numeral with a base against a numeral or number; other shapes are equal by structure alone."""
    values = [node.value if node.kind in ("based", "num") else None for node in (left, right)]
    return values[0] is not None and values[0] == values[1]


class QuickLeaves:
    """What can be decided at once, within tight bounds, in any process."""

    def equal(self, left: Node, right: Node) -> bool:
        known = decided(left, right)
        if known is None:
            raise NeedsAlgebraError
        return known

    def proportional(self, left: Node, right: Node) -> int:
        known = exactly_proportional(left, right)
        if known is None:
            raise NeedsAlgebraError
        return known

    def solutions(self, relation: Node) -> Sequence[Node]:
        raise NeedsAlgebraError


def same(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """Whether an answer says what the gold answer says. Symmetric, but for percent signs (see `_same_percent`)."""
    if key(gold) == key(answer):
        return True
    expected, got = view(gold), view(answer)
    if expected.kind == "chain" or got.kind == "chain":
        return _same_chain(expected, got, leaves)
    if "assigned" in (expected.kind, got.kind):
        return _same_assigned(expected, got, leaves)
    if not _names_agree(expected.name, got.name):
        return gold.kind == answer.kind == "rel" and _same_relation(gold, answer, leaves)
    if expected.kind == "values" and got.kind == "values":
        return _same_values(expected, got, leaves)
    if "values" in (expected.kind, got.kind):
        return _same_mixed(expected, got, leaves)
    return _same_one(expected, got, gold, answer, leaves)


def _names_agree(first: str, second: str) -> bool:
    """Whether two names may be of the same thing: no name fits any; y is the usual name of f(x)."""
    if not first or not second:
        return True
    first, second = (name.replace(" ", "").partition("_")[0] for name in (first, second))
    return first == second or ("(" in first and second == "y") or ("(" in second and first == "y")


def _same_chain(expected: View, got: View, leaves: Leaves) -> bool:
    """x = 10/4 = 2.5 says a value if all its terms are that value."""
    if not _names_agree(expected.name, got.name):
        return False
    wanted, values = (expected.values, got.values)
    if expected.kind == "chain" and got.kind == "chain":
        return same(wanted[-1], values[-1], leaves)
    chain, single = (wanted, values) if expected.kind == "chain" else (values, wanted)
    other = got if expected.kind == "chain" else expected
    return other.kind == "one" and all(same(single[0], term, leaves) for term in chain)


def _same_assigned(expected: View, got: View, leaves: Leaves) -> bool:
    """Named values against named values, or, in the order of their names, against a tuple or list."""
    if expected.kind == got.kind:
        wanted = dict(zip(expected.names, expected.values, strict=True))
        found = dict(zip(got.names, got.values, strict=True))
        return wanted.keys() == found.keys() and all(same(wanted[name], found[name], leaves) for name in wanted)
    named, other = (expected, got) if expected.kind == "assigned" else (got, expected)
    ordered = [value for _, value in sorted(zip(named.names, named.values, strict=True), key=lambda pair: pair[0])]
    if other.kind == "values" and other.listed:
        sequence: Sequence[Node] = other.values
    elif other.kind == "one" and other.values[0].kind == "seq" and other.values[0].name == "()":
        sequence = other.values[0].args
    else:
        return False
    return len(sequence) == len(ordered) and _pairwise(sequence, ordered, leaves)


def _pairwise(left: Sequence[Node], right: Sequence[Node], leaves: Leaves) -> bool:
    return len(left) == len(right) and all(same(one, two, leaves) for one, two in zip(left, right, strict=True))


def _same_values(expected: View, got: View, leaves: Leaves) -> bool:
    """Every value has its partner, whatever the order; where one is a set, repetitions don't count."""
    wanted, found = list(expected.values), list(got.values)
    if max(len(wanted), len(found)) > MAX_VALUES:
        return False
    if expected.exact or got.exact:
        wanted, found = _distinct(wanted, leaves), _distinct(found, leaves)
    return len(wanted) == len(found) and _matched(wanted, found, leaves)


def _matched(wanted: list[Node], found: list[Node], leaves: Leaves) -> bool:
    rest = {index: node for index, node in enumerate(found)}
    for node in sorted(wanted, key=key):
        partner = next((index for index, other in rest.items() if key(other) == key(node)), None)
        if partner is None:
            partner = next((index for index, other in rest.items() if same(node, other, leaves)), None)
        if partner is None:
            return False
        del rest[partner]
    return True


def _distinct(nodes: list[Node], leaves: Leaves) -> list[Node]:
    kept: list[Node] = []
    for node in dict.fromkeys(nodes):
        if not any(same(node, other, leaves) for other in kept):
            kept.append(node)
    return kept


def _same_mixed(expected: View, got: View, leaves: Leaves) -> bool:
    """Several values against one: a bare list against a tuple, a set of one, or points against intervals."""
    many, one = (expected, got) if expected.kind == "values" else (got, expected)
    single = one.values[0]
    if single.kind == "seq":
        brackets = single.name == "()" or (single.name == "[]" and len(single.args) > 2)
        return brackets and many.listed and _pairwise(many.values, single.args, leaves)
    if single.kind == "matrix":
        return many.listed and _pairwise(many.values, _column(single), leaves)
    distinct = _distinct(list(many.values), leaves)
    if len(distinct) == 1 and (not many.listed or len(many.values) == 1):
        return same(distinct[0], single, leaves)
    if single.kind in _SET_KINDS and many.exact:
        return _same_sets(Node("set", many.values), single, leaves)
    return False


def _column(matrix: Node) -> tuple[Node, ...]:
    """The entries of a matrix of one column, else none."""
    return tuple(row.args[0] for row in matrix.args) if all(len(row.args) == 1 for row in matrix.args) else ()


def _same_one(expected: View, got: View, gold: Node, answer: Node, leaves: Leaves) -> bool:
    left, right = expected.values[0], got.values[0]
    if left.kind == right.kind == "rel":
        return _same_sets(left, right, leaves) or _same_relation(left, right, leaves)
    if left.kind in _SET_KINDS or right.kind in _SET_KINDS:
        if _same_sets(left, right, leaves) or _same_lists(left, right, leaves):
            return True
        return gold.kind == answer.kind == "rel" and _same_relation(gold, answer, leaves)
    if left.kind in _MEASURES or right.kind in _MEASURES:
        return _same_measured(left, right, leaves)
    shapes = {left.kind, right.kind} & (SHAPES | {"row"})
    if shapes:
        return _same_shape(left, right, leaves)
    return leaves.equal(left, right)


def _same_lists(left: Node, right: Node, leaves: Leaves) -> bool:
    """Lists that are no plain values: of relations, for one."""
    return left.kind == right.kind == "list" and len(left.args) == len(right.args) and _matched(
        list(left.args), list(right.args), leaves
    )  # fmt: skip


def _same_sets(left: Node, right: Node, leaves: Leaves) -> bool:
    try:
        (name, first), (other, second) = as_set(left, leaves.equal), as_set(right, leaves.equal)
        return (name == other or not name or not other) and same_sets(first, second, leaves.equal)
    except NotASetError:
        return False


def _same_shape(left: Node, right: Node, leaves: Leaves) -> bool:
    if left.kind == right.kind == "text":
        return left.name == right.name and _pairwise(left.args, right.args, leaves)
    if left.kind == right.kind == "seq":
        alike = left.name == right.name or (len(left.args) > 2 and {left.name, right.name} == {"()", "[]"})
        return alike and _pairwise(left.args, right.args, leaves)
    if {left.kind, right.kind} == {"seq", "matrix"}:
        sequence, matrix = (left, right) if left.kind == "seq" else (right, left)
        return sequence.name == "()" and _pairwise(sequence.args, _column(matrix), leaves)
    if left.kind == right.kind and left.kind in ("matrix", "row", "mod"):
        return _pairwise(left.args, right.args, leaves)
    if "ratio" in (left.kind, right.kind):
        return _same_ratio(left, right, leaves)
    return False


def _same_ratio(left: Node, right: Node, leaves: Leaves) -> bool:
    """Times of the day digit by digit; ratios as such, also against the fraction that they are."""
    both = left.kind == right.kind == "ratio"
    if any(arg.name == "two digits" for node in (left, right) if node.kind == "ratio" for arg in node.args):
        return both and _pairwise(left.args, right.args, leaves)
    if both:
        if len(left.args) != len(right.args):
            return False
        first = zip(left.args[1:], right.args[1:], strict=True)
        return all(leaves.equal(mul(left.args[0], two), mul(right.args[0], one)) for one, two in first)
    ratio, other = (left, right) if left.kind == "ratio" else (right, left)
    if len(ratio.args) != 2 or other.kind in SHAPES:
        return False
    return leaves.equal(ratio.args[0], mul(ratio.args[1], other))


def _same_measured(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """Values with a percent sign, degrees or a unit."""
    gold, answer = _without_words(gold), _without_words(answer)
    kinds = {gold.kind, answer.kind}
    if kinds.isdisjoint(_MEASURES):
        return same(gold, answer, leaves)
    if kinds == {"percent", "unit"}:
        return False
    if "percent" in kinds:
        return _same_percent(gold, answer, leaves)
    if "deg" in kinds and not (kinds & {"unit"} and not _is_angle(gold, answer)):
        return _same_degrees(gold, answer, leaves)
    left, right = (node.args[0] if node.kind in _MEASURES else node for node in (gold, answer))
    if gold.kind == answer.kind == "unit":
        first, second = measure(gold.name), measure(answer.name)
        if first is not None and second is not None:
            return first[0] == second[0] and same(mul(left, num(first[1])), mul(right, num(second[1])), leaves)
    return same(left, right, leaves)


def _without_words(node: Node) -> Node:
    """The value without a unit that isn't in the tables, such as `apples` or, behind a percent sign, `of them`."""
    if node.kind == "unit" and (measure(node.name) is None or node.args[0].kind in ("percent", "deg")):
        return node.args[0]
    return node


def _is_angle(*nodes: Node) -> bool:
    return all(node.kind == "deg" or (measure(node.name) or ("", 0))[0] in ("angle", "radian") for node in nodes)


def _same_percent(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """50% is 1/2. Without its sign it is taken for 50 where the question may have asked for percent.

    That is where the gold carries the sign, or where it is a bare number of at least 1: 50% is then accepted for
    50, but 0.5% not for 0.5, which is 50%.
    """
    left, right = (node.args[0] if node.kind == "percent" else node for node in (gold, answer))
    if gold.kind == answer.kind:
        return same(left, right, leaves)
    hundredth = num(Fraction(1, 100))
    scaled = (left, mul(right, hundredth)) if answer.kind == "percent" else (mul(left, hundredth), right)
    if any(node.kind in SHAPES for node in (left, right)):
        return False
    if leaves.equal(*scaled):
        return True
    if gold.kind != "percent":
        try:
            value = rational(left)
        except UndefinedError:
            return False
        if value is None or value < 1:
            return False
    return leaves.equal(left, right)


def _same_degrees(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """90 degrees is 90, and pi/2 where the other side speaks of pi."""
    left, right = (node.args[0] if node.kind in _MEASURES else node for node in (gold, answer))
    if any(node.kind in SHAPES for node in (left, right)):
        return False
    other = right if gold.kind == "deg" else left
    if gold.kind != answer.kind and contains(other, frozenset({"pi"})):
        radians = mul(left if gold.kind == "deg" else right, PI, num(Fraction(1, 180)))
        return leaves.equal(radians, other)
    return leaves.equal(left, right)


def _same_relation(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """Equations up to a factor, inequalities up to a positive one, chains and other relations term by term."""
    gold, answer = _ascending(gold), _ascending(answer)
    if gold.name != answer.name or len(gold.args) != len(answer.args):
        return False
    pairs = list(zip(gold.args, answer.args, strict=True))
    if gold.name not in ("=", "<", "<=", "!="):
        return all(same(one, two, leaves) for one, two in pairs)
    if any(contains(node, SHAPES - {"text"} | {"pm"}) for pair in pairs for node in pair):
        forward = all(same(one, two, leaves) for one, two in pairs)
        return forward or (gold.name in ("=", "!=") and _pairwise(gold.args, answer.args[::-1], leaves))
    if any(contains(node, frozenset({"text", "percent", "deg", "unit"})) for pair in pairs for node in pair):
        return all(same(one, two, leaves) for one, two in pairs)
    differences = (add(node.args[0], neg(node.args[1])) for node in (gold, answer))
    sign = leaves.proportional(*differences)
    return sign > 0 if gold.name in ("<", "<=") else sign != 0


def _ascending(node: Node) -> Node:
    """A chain that only descends, turned round."""
    operators = node.name.split(",")
    if all(operator in (">", ">=", "=") for operator in operators) and any(operator != "=" for operator in operators):
        return Node("rel", node.args[::-1], ",".join(FLIPPED[operator] for operator in reversed(operators)))
    return node


def solves(gold: Node, answer: Node, leaves: Leaves) -> bool:
    """Whether the answer is all solutions of the gold, an equation or inequality in one variable. The gold alone is
    solved: to repeat a question is no answer to it."""
    if gold.kind != "rel" or gold.name not in _SOLVABLE or len(symbols(gold)) != 1:
        return False
    if any(contains(side, SHAPES | BIG | _MEASURES | {"pm"}) for side in gold.args):
        return False
    (variable,) = symbols(gold)
    if any(side.kind == "sym" for side in gold.args) and not all(symbols(side) for side in gold.args):
        return False  # it is solved
    got = view(answer)
    if got.kind not in ("one", "values") or got.name not in ("", variable):
        return False
    named = frozenset().union(*(symbols(value) for value in got.values))
    if not named <= (frozenset() if gold.name in ("=", "!=") else {variable}):
        return False
    return any(same(found, answer, leaves) for found in leaves.solutions(gold))
