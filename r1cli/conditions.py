"""Conditions on rows, as users type them: SQL (`reward > 0.5 AND family = 'code'`) or a polars expression
(`pl.col("reward") > 0.5`). Neither is ever evaluated as Python: the first is parsed by polars, the second is read off its
syntax tree, with the names below and nothing else."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from stages.contract.errors import UserError

if TYPE_CHECKING:
    import polars as pl

EXAMPLE = "\"reward > 0.5 AND family = 'code'\"   (or: 'pl.col(\"reward\") > 0.5')"
MAX_CHARACTERS = 2_000
_OPERATORS: Mapping[type[ast.AST], Callable[..., object]] = {
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.Invert: operator.invert,
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_METHODS = {
    "": "is_null is_not_null is_in is_between is_nan is_finite is_duplicated is_unique is_first_distinct fill_null abs "
    "round not_ and_ or_ xor eq ne lt le gt ge eq_missing ne_missing mean median std min max sum count len n_unique "
    "quantile rank over cum_count hash",
    "str": "contains contains_any starts_with ends_with len_chars len_bytes count_matches extract find slice head tail "
    "strip_chars strip_prefix strip_suffix to_lowercase to_uppercase",
    "list": "len contains get first last min max sum mean any all unique n_unique",
    "struct": "field",
}
_ALLOWED = {namespace: frozenset(names.split()) for namespace, names in _METHODS.items()}


def condition(text: str) -> "pl.Expr":
    """The condition that a text states.

    Raises:
        UserError: it can't be read.
    """
    import polars as pl

    if len(text) > MAX_CHARACTERS:
        raise UserError(f"a condition of {len(text):,} characters", hint=f"up to {MAX_CHARACTERS:,}, such as {EXAMPLE}")
    try:
        return _polars(text) if "col(" in text else pl.sql_expr(text)
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise UserError(f"{text[:80]!r} is no polars expression ({first_line(error)})", hint=EXAMPLE) from error
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{text[:80]!r} is no condition ({first_line(error)})", hint=EXAMPLE) from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, up to 200 characters."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def _polars(text: str) -> "pl.Expr":
    import polars as pl

    found = _value(ast.parse(text.strip(), mode="eval").body)
    if not isinstance(found, pl.Expr):
        raise ValueError("it names no column")
    return found


def _value(node: ast.AST) -> object:
    """What a node means: an expression or a constant."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element) for element in elements]
        case ast.UnaryOp(op=op, operand=operand):
            return _apply(op, _value(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(op, _value(left), _value(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _apply(op, _value(left), _value(right))
        case ast.Compare():
            raise ValueError("join comparisons with &, each in parentheses")
        case ast.BoolOp():
            raise ValueError("use & and | for and and or, each side in parentheses")
        case ast.Call(func=function, args=arguments, keywords=keywords):
            named = {str(word.arg): _value(word.value) for word in keywords}
            return _called(function, [_value(argument) for argument in arguments], named)
    raise ValueError(f"{ast.unparse(node)!r} is not understood")


def _apply(op: ast.AST, *operands: object) -> object:
    import polars as pl

    known = _OPERATORS.get(type(op))
    # Constants alone are not worked out: -1 is enough, and "x" * 10**9 would be too much.
    number = len(operands) == 1 and isinstance(operands[0], int | float)
    if known is None or not (number or any(isinstance(operand, pl.Expr) for operand in operands)):
        raise ValueError(f"{type(op).__name__} is not understood here")
    return known(*operands)


def _called(function: ast.AST, arguments: list[object], named: dict[str, object]) -> object:
    import polars as pl

    namespace: str
    match function:
        case ast.Name(id="col" | "lit" as name) | ast.Attribute(value=ast.Name(id="pl"), attr="col" | "lit" as name):
            return cast(Callable[..., object], getattr(pl, name))(*arguments, **named)
        case ast.Attribute(value=ast.Attribute(value=inner, attr="str" | "list" | "struct" as namespace), attr=name):
            owner = getattr(_expression(inner), namespace)
        case ast.Attribute(value=inner, attr=name):
            owner, namespace = _expression(inner), ""
        case _:
            raise ValueError(f"{ast.unparse(function)!r} is not understood")
    if name not in _ALLOWED[namespace]:
        raise ValueError(f"{name} is not among {', '.join(sorted(_ALLOWED[namespace]))}")
    return cast(Callable[..., object], getattr(owner, name))(*arguments, **named)


def _expression(node: ast.AST) -> "pl.Expr":
    import polars as pl

    found = _value(node)
    if not isinstance(found, pl.Expr):
        raise ValueError(f"{ast.unparse(node)!r} is no expression")
    return found
