"""Integer expressions in x, parsed with `ast` and interpreted here: nothing a model writes is compiled or run.

Grammar: non-negative integer literals, `x`, `+ - * // %`, unary minus, parentheses. `//` and `%` round
towards minus infinity, as Python's do. Text, tree and every intermediate value are capped, so that the
cost of one expression is bounded by its length.

What is not covered: programs with statements or calls; those need a process that can be killed.
"""

import ast
import re

MAX_LENGTH = 120  # characters
MAX_DEPTH = 64  # nodes from the root to a leaf
MAX_MAGNITUDE = 10**15  # of every literal and intermediate value
MAX_DEGREE = 8  # of the polynomials that `canonical` writes out

_CHARACTERS = re.compile(r"[0-9x+\-*/%() ]+")
_JUXTAPOSED = re.compile(r"[0-9]x")  # `3x` is no product, and `0x10` would be read as a hexadecimal literal
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)


class ExpressionError(Exception):
    """The text is no expression of the grammar, or its value is undefined or too large."""


def parse(text: str) -> ast.expr:
    """Parse an expression.

    Raises:
        ExpressionError: the text is outside the grammar or over a cap.

    >>> evaluate(parse("x*3+2"), 5)
    17
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise ExpressionError("too_long")
    if not _CHARACTERS.fullmatch(text) or _JUXTAPOSED.search(text):
        raise ExpressionError("not_an_expression")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError("not_an_expression") from error
    _check(tree, MAX_DEPTH)
    return tree


def _check(node: ast.expr, depth: int) -> None:
    """Refuse every node that is not on the list."""
    if depth == 0:
        raise ExpressionError("too_deep")
    match node:
        case ast.Constant(value=int()) | ast.Name(id="x"):
            return
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            _check(left, depth - 1)
            _check(right, depth - 1)
        case _:
            raise ExpressionError("not_an_expression")


def evaluate(tree: ast.expr, x: int) -> int:
    """The value of a parsed expression at `x`.

    Raises:
        ExpressionError: a division by zero, or a value above MAX_MAGNITUDE.
    """
    match tree:
        case ast.Constant(value=int(value)):
            result = value
        case ast.Name():
            result = x
        case ast.UnaryOp(operand=operand):
            result = -evaluate(operand, x)
        case ast.BinOp(left=left, op=op, right=right):
            result = _apply(op, evaluate(left, x), evaluate(right, x))
        case _:
            raise AssertionError("not a tree that parse() returned")
    if abs(result) > MAX_MAGNITUDE:
        raise ExpressionError("too_large")
    return result


def _apply(op: ast.operator, left: int, right: int) -> int:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
    if right == 0:
        raise ExpressionError("division_by_zero")
    return left // right if isinstance(op, ast.FloorDiv) else left % right


def canonical(tree: ast.expr) -> str:
    """One text for expressions that are the same polynomial, so that equal programs vote together.

    Expressions with `//` or `%`, and those above MAX_DEGREE, keep their own text without spaces.

    >>> canonical(parse("2 + 3*x")), canonical(parse("(x+1)*3-1")), canonical(parse("x // 2"))
    ('3*x+2', '3*x+2', 'x//2')
    """
    terms = _polynomial(tree)
    if terms is None:
        return ast.unparse(tree).replace(" ", "")
    written = [_term(factor, degree) for degree, factor in sorted(terms.items(), reverse=True) if factor]
    return "+".join(written).replace("+-", "-") or "0"


def _term(factor: int, degree: int) -> str:
    power = "*".join("x" * degree)
    if not power:
        return str(factor)
    return power if factor == 1 else f"-{power}" if factor == -1 else f"{factor}*{power}"


def _polynomial(node: ast.expr) -> dict[int, int] | None:
    """Degree -> factor, or None where the expression is no polynomial of at most MAX_DEGREE."""
    match node:
        case ast.Constant(value=int(value)):
            return {0: value}
        case ast.Name():
            return {1: 1}
        case ast.UnaryOp(operand=operand):
            inner = _polynomial(operand)
            return None if inner is None else {degree: -factor for degree, factor in inner.items()}
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, ast.Add | ast.Sub | ast.Mult):
            first, second = _polynomial(left), _polynomial(right)
            return None if first is None or second is None else _combine(op, first, second)
    return None


def _combine(op: ast.operator, left: dict[int, int], right: dict[int, int]) -> dict[int, int] | None:
    total: dict[int, int] = {}
    if isinstance(op, ast.Mult):
        for i, a in left.items():
            for j, b in right.items():
                total[i + j] = total.get(i + j, 0) + a * b
        return total if max(total) <= MAX_DEGREE else None
    sign = 1 if isinstance(op, ast.Add) else -1
    for degree in {*left, *right}:
        total[degree] = left.get(degree, 0) + sign * right.get(degree, 0)
    return total
