"""What an answer means, as a tree of plain values: numbers, symbols, operations, and the shapes that hold them.

Kinds of expressions: `num` (value), `sym`, `const` (pi, e, i, inf), `add`, `mul`, `pow`, `fn` (name = function),
`pm` (plus or minus), `percent`, `deg`, `text`, `big` (an operator that binds a variable: see `bound`). Kinds of shapes: `list` (bare, name = separator), `seq` (name =
brackets, as in `(1,2)` or `[1,2)`), `set`, `such` (set builder), `union`, `meet`, `minus` (of sets), `rel` (name =
operators, as in `<,<`), `matrix` of `row`s, `ratio`, `mod`, `unit` (name = unit; over one value), `based`.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

MAX_FOLD = 1 << 128  # numerators and denominators that the constructors still fold

SHAPES = frozenset({"list", "seq", "set", "such", "union", "meet", "minus", "rel", "matrix", "ratio", "mod", "text"})


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `value` for numbers only; `name` as the kind asks."""

    kind: str
    args: tuple["Node", ...] = ()
    name: str = ""
    value: Fraction = Fraction(0)


def num(value: Fraction | int) -> Node:
    return Node("num", value=Fraction(value))


ZERO, ONE, TWO, MINUS_ONE, TEN = num(0), num(1), num(2), num(-1), num(10)
INFINITY, PI, E, IMAGINARY = (Node("const", name=name) for name in ("inf", "pi", "e", "i"))
MINUS_INFINITY = Node("mul", (MINUS_ONE, INFINITY))
REALS = Node("seq", (MINUS_INFINITY, INFINITY), "()")
EMPTY = Node("set")


def symbol(name: str) -> Node:
    return Node("sym", name=name)


def function(name: str, *args: Node) -> Node:
    return Node("fn", args, name)


def _small(value: Fraction) -> bool:
    return abs(value.numerator) < MAX_FOLD and value.denominator < MAX_FOLD


def add(*terms: Node) -> Node:
    """A sum, flattened, its numbers folded while they are small."""
    total, rest = Fraction(0), []
    for term in terms:
        for part in term.args if term.kind == "add" else (term,):
            if part.kind == "num" and _small(part.value) and _small(total):
                total += part.value
            else:
                rest.append(part)
    if total or not rest:
        rest.append(num(total))
    return rest[0] if len(rest) == 1 else Node("add", tuple(rest))


def mul(*factors: Node) -> Node:
    """A product, flattened, its numbers folded while they are small. A zero keeps its company: 0/0 isn't 0."""
    total, rest = Fraction(1), []
    for factor in factors:
        for part in factor.args if factor.kind == "mul" else (factor,):
            if part.kind == "num" and _small(part.value) and _small(total):
                total *= part.value
            else:
                rest.append(part)
    if total != 1 or not rest:
        rest.insert(0, num(total))
    return rest[0] if len(rest) == 1 else Node("mul", tuple(rest))


def neg(node: Node) -> Node:
    return mul(MINUS_ONE, node)


def power(base: Node, exponent: Node) -> Node:
    if exponent == ONE:
        return base
    if base.kind == "num" and base.value and exponent == MINUS_ONE:
        return num(1 / base.value)
    return Node("pow", (base, exponent))


def divide(over: Node, under: Node) -> Node:
    return mul(over, power(under, MINUS_ONE))


def root(radicand: Node, degree: Node = TWO) -> Node:
    return function("root", radicand, degree)


@lru_cache(maxsize=8192)
def key(node: Node) -> str:
    """One text for trees that are equal up to the order of sums, products, unions and sets."""
    if node.kind == "num":
        # Hexadecimal: decimal digits cost quadratic time, and Python refuses more than 4,300 of them.
        return f"{node.value.numerator:x}/{node.value.denominator:x}"
    args = [key(arg) for arg in node.args]
    if node.kind in ("add", "mul", "union", "meet", "set"):
        args.sort()
        if node.kind in ("set", "union", "meet"):
            args = list(dict.fromkeys(args))
    if not args:
        return f"{node.kind}:{node.name}" if node.kind != "sym" else node.name
    return f"{node.kind}:{node.name}({';'.join(args)})"


BIG = frozenset({"big"})
BOUND = "#"  # begins the name of a bound variable; no letter of an answer does


def bound(name: str, variable: Node, bounds: tuple[Node, ...], body: Node) -> Node:
    """A big operator: `sum` and `prod` (from, to), `int` (from, to), `lim`, `lim+`, `lim-` (to), `diff` (times).

    The variable gets a name that is the same however it was called, and other than those bound in the body. Its
    children are the variable, the bounds and the body. For a derivative it stays what it was: it is free in the result.
    """
    if name == "diff":
        return Node("big", (variable, *bounds, body), name)
    inner = symbol(f"{BOUND}{_height(body) + 1}")
    return Node("big", (inner, *bounds, replaced(body, variable, inner)), name)


def _height(node: Node) -> int:
    """How many bound variables are within each other."""
    return (node.kind == "big") + max((_height(arg) for arg in node.args), default=0)


def with_args(node: Node, args: tuple[Node, ...]) -> Node:
    """The node over other arguments, sums and products folded anew."""
    if args == node.args:
        return node
    rebuilt = {"add": add, "mul": mul}.get(node.kind)
    return rebuilt(*args) if rebuilt else Node(node.kind, args, node.name, node.value)


def replaced(node: Node, old: Node, new: Node) -> Node:
    """The tree with another node in the place of every node that equals `old`."""
    return new if node == old else with_args(node, tuple(replaced(arg, old, new) for arg in node.args))


def size(node: Node) -> int:
    """How many nodes the tree has."""
    return 1 + sum(size(arg) for arg in node.args)


def symbols(node: Node) -> frozenset[str]:
    """The names of the free symbols."""
    if node.kind == "sym":
        return frozenset() if node.name.startswith(BOUND) else frozenset((node.name,))
    return frozenset().union(*(symbols(arg) for arg in node.args)) if node.args else frozenset()


def contains(node: Node, kinds: frozenset[str]) -> bool:
    """Whether any node of the tree is of one of the kinds, or a function or constant of that name."""
    if node.kind in kinds or (node.kind in ("fn", "const") and node.name in kinds):
        return True
    return any(contains(arg, kinds) for arg in node.args)


def substitute(node: Node, kind: str, replacement: dict[str, Node]) -> Node:
    """The tree with every node of a kind replaced by its name's replacement, where there is one.

    A replacement gets the node's arguments: a `pm` node of one argument becomes plus or minus that argument.
    """
    args = tuple(substitute(arg, kind, replacement) for arg in node.args)
    if node.kind == kind and node.name in replacement:
        return mul(replacement[node.name], *args)
    return with_args(node, args)


def transposed(node: Node) -> Node:
    if node.kind == "seq":
        return Node("matrix", tuple(Node("row", (item,)) for item in node.args))
    columns = zip(*(row.args for row in node.args), strict=True)
    return Node("matrix", tuple(Node("row", tuple(column)) for column in columns))


def determinant(matrix: Node) -> Node:
    """The determinant as a sum of products, by the first row."""
    rows = [row.args for row in matrix.args]
    return _determinant(rows)


def _determinant(rows: list[tuple[Node, ...]]) -> Node:
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, cell in enumerate(rows[0]):
        minor = _determinant([row[:column] + row[column + 1 :] for row in rows[1:]])
        terms.append(mul(cell, minor) if column % 2 == 0 else neg(mul(cell, minor)))
    return add(*terms)
