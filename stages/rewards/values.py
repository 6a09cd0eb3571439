"""The values of the grammar: numbers, letters, brackets, environments, functions and commands."""

from collections.abc import Callable
from fractions import Fraction

from stages.rewards.cursor import END
from stages.rewards.lexer import ReadError, Token
from stages.rewards.notation import ALIASES, CURRENCIES, FUNCTIONS, MULTIPLIERS, NUMBER_SETS
from stages.rewards.operators import DOTS, GREEK_NAMES, OPERATORS, Operators
from stages.rewards.tree import (
    EMPTY,
    IMAGINARY,
    INFINITY,
    MINUS_ONE,
    PI,
    REALS,
    TEN,
    TWO,
    E,
    Node,
    determinant,
    divide,
    function,
    mul,
    neg,
    num,
    power,
    root,
    symbol,
)

CONSTANTS = {
    "pi": PI, "infty": INFINITY, "infinity": INFINITY, "inf": INFINITY, "oo": INFINITY, "emptyset": EMPTY,
    "varnothing": EMPTY, "imath": IMAGINARY, "reals": REALS,
}  # fmt: skip
POINTS = {"angle": "angle", "triangle": "triangle", "measuredangle": "angle"}
MAX_DETERMINANT = 4
MAX_DEPTH = 100  # brackets and commands within each other; each takes one or two
_OPERANDS = ("num", "let")


class Values(Operators):
    """What stands between operators."""

    def primary(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ReadError("too_deep")
        node = self.value(self.take())
        self.depth -= 1
        return node

    def value(self, token: Token) -> Node:
        if token.kind == "num":
            return self.number(token)
        if token.kind == "let":
            return self.letter(token.text)
        if token.kind == "cur":
            return self.money(CURRENCIES[token.text])
        if token.kind == "begin":
            return self.environment(token.text)
        if token.kind == "op":
            return self.bracketed(token.text)
        if token.kind == "word":
            self.at -= 1
            return Node("text", name=self.words().casefold())
        if token.kind == "cmd":
            return self.command(token.text)
        raise ReadError("syntax")

    def money(self, currency: str) -> Node:
        """The amount behind a currency sign, which may be in millions."""
        node = self.suffixed(self.factor())
        if node.kind != "unit":
            return Node("unit", (node,), currency)
        first = node.name.split()[0].casefold()
        return Node("unit", node.args, f"{first} {currency}" if first in MULTIPLIERS else currency)

    def number(self, token: Token) -> Node:
        assert token.value is not None
        if self.is_op("_"):
            raise ReadError("base")
        whole = num(token.value)
        if not token.text.isdigit():
            return whole
        start = self.at
        if self.is_cmd("frac"):
            self.at += 1
            part = divide(self.argument(digit=True), self.argument(digit=True))
        elif self.next.kind == "num" and self.next.spaced and self.peek().text == "/" and self.peek(2).kind == "num":
            part = divide(num(self.next.value or 0), num(self.peek(2).value or 0))
            self.at += 3
        else:
            return whole
        if part.kind == "num" and 0 < part.value < 1:
            return num(token.value + part.value)
        self.at = start
        return whole

    def letter(self, name: str) -> Node:
        if self.next.kind == "num" and not self.next.spaced and self.next.text.isdigit():
            return symbol(f"{name}_{self.take().text}")  # x1 is written for x_1
        if self.is_op("_"):
            self.at += 1
            return symbol(f"{name}_{self.flat()}")
        return {"i": IMAGINARY, "e": E}.get(name) or symbol(name)

    def flat(self) -> str:
        """A subscript as one text."""
        if not self.is_op("{"):
            return self.take().text
        self.at += 1
        parts = []
        while not self.is_op("}"):
            if self.next is END or self.is_op("{"):
                raise ReadError("subscript")
            parts.append(self.take().text)
        self.at += 1
        return "".join(parts)

    def argument(self, *, digit: bool = False) -> Node:
        """The argument of a command: braces, or one token, of a number only its first digit where `digit`."""
        if self.is_op("{"):
            self.at += 1
            return self.grouped("}")
        token = self.next
        if digit and token.kind == "num" and token.text.isdigit() and len(token.text) > 1:
            rest = token.text[1:]
            self.tokens[self.at] = Token("num", rest, False, Fraction(int(rest)))
            return num(int(token.text[0]))
        return self.primary()

    def grouped(self, closing: str) -> Node:
        bars, self.bars = self.bars, 0
        items, separators = self.items(lambda: self.is_op(closing))
        self.expect(closing)
        self.bars = bars
        if len(items) == 1:
            return items[0]
        return Node("list", tuple(items), "or" if "or" in separators else ",")

    def bracketed(self, opening: str) -> Node:
        if opening == "{":
            if self.is_op("}"):
                self.at += 1
                return self.primary()
            return self.grouped("}")
        if opening == "|":
            return self.absolute()
        if opening in ("_(", "^("):
            return function("floor" if opening == "_(" else "ceil", self.grouped(")_" if opening == "_(" else ")^"))
        if opening == "]":  # ]a, b[ is an open interval
            return self.sequence("(", ("[", "]"), {"[": ")", "]": "]"})
        if opening == "\\{":
            return self.braced()
        if opening == "(":
            return self.sequence("(", (")", "]"), {})
        if opening == "[":
            return self.sequence("[", (")", "]", "["), {"[": ")"})
        if opening == "<<":
            return self.sequence("(", (">>",), {">>": ")"})
        raise ReadError("syntax")

    def sequence(self, opening: str, closings: tuple[str, ...], renamed: dict[str, str]) -> Node:
        bars, self.bars = self.bars, 0
        builder, self.builder = self.builder, False
        self.inside += 1
        items, _ = self.items(lambda: self.is_op(*closings))
        self.inside -= 1
        self.bars, self.builder = bars, builder
        if not self.is_op(*closings):
            raise ReadError("unbalanced")
        closing = self.take().text
        brackets = opening + renamed.get(closing, closing)
        if len(items) == 1:
            if brackets not in ("()", "[]"):
                raise ReadError("unbalanced")
            return items[0]
        return Node("seq", tuple(items), brackets)

    def braced(self) -> Node:
        """A set by its elements or by what they fulfil."""
        if self.is_op("\\}"):
            self.at += 1
            return EMPTY
        bars, self.bars, self.builder = self.bars, 0, True
        items, _ = self.items(lambda: self.is_op("\\}", "|", ":") or self.is_cmd("mid"))
        self.builder = False
        if self.is_op("|", ":") or self.is_cmd("mid"):
            self.at += 1
            conditions, separators = self.items(lambda: self.is_op("\\}"))
            joined = conditions[0] if len(conditions) == 1 else Node(
                "list", tuple(conditions), "or" if "or" in separators else "and"
            )  # fmt: skip
            self.expect("\\}")
            self.bars = bars
            return Node("such", (*items, joined))
        self.expect("\\}")
        self.bars = bars
        return Node("set", tuple(items))

    def absolute(self) -> Node:
        self.bars += 1
        builder, self.builder = self.builder, False
        node = self.union()
        self.builder = builder
        self.expect("|")
        self.bars -= 1
        return function("abs", node)

    def environment(self, name: str) -> Node:
        rows: list[list[Node]] = [[]]
        while not (self.next.kind == "end"):
            if self.next is END:
                raise ReadError("unbalanced")
            if self.next.kind == "sep" and self.next.text == "\\\\":
                self.at += 1
                rows.append([])
            elif self.is_op("&"):
                self.at += 1
            elif self.is_cmd("hline"):
                self.at += 1
            else:
                rows[-1].append(self.relation())
                while self.next.kind == "sep" and self.next.text == "," and name in ("cases", "aligned", "align"):
                    self.at += 1
        if self.take().text != name:
            raise ReadError("environment")
        rows = [row for row in rows if row]
        if name in ("cases", "aligned", "align", "gathered", "equation", "split"):
            cells = [cell for row in rows for cell in row]
            return cells[0] if len(cells) == 1 else Node("list", tuple(cells), ",")
        if "matrix" not in name and name not in ("array", "tabular"):
            raise ReadError("environment")
        if not rows or len({len(row) for row in rows}) != 1:
            raise ReadError("matrix")
        if name == "vmatrix" and len(rows) != min(len(rows[0]), MAX_DETERMINANT):
            raise ReadError("matrix")
        matrix = Node("matrix", tuple(Node("row", tuple(row)) for row in rows))
        return determinant(matrix) if name == "vmatrix" else matrix

    # ---- commands

    def command(self, name: str) -> Node:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in NUMBER_SETS:
            return REALS if name == "R" and not self.is_op("^", "_") else Node("text", name=f"\\{NUMBER_SETS[name]}")
        if name in FUNCTIONS or name in ALIASES:
            return self.call(ALIASES.get(name, name))
        if name in GREEK_NAMES:
            return self.letter(name.removeprefix("var"))
        if name in POINTS:
            letters = []
            while self.next.kind == "let":
                letters.append(self.take().text)
            return symbol(f"{POINTS[name]} {''.join(letters)}")
        if name in COMMANDS:
            return COMMANDS[name](self)
        if name in ("ldots", "dots", "cdots", "dotsc"):
            return DOTS
        if name in OPERATORS:
            return self.operator(name)
        raise ReadError("command")

    def call(self, name: str) -> Node:
        """A function's argument, with or without parentheses, and what stands between: \\sin^2 x, \\log_2 8."""
        base = exponent = None
        while self.is_op("_", "^"):
            if self.take().text == "_":
                base = self.argument(digit=True)
            elif self.is_op("-"):
                self.at += 1
                exponent = neg(self.primary())
            else:
                exponent = self.argument()
        if exponent == MINUS_ONE and ("arc" + name) in FUNCTIONS:
            name, exponent = "arc" + name, None
        if name == "log" and self.next.kind == "num" and not self.next.spaced and self.peek().text == "(":
            base = self.primary()  # log2(8)
        node = function(name, *self.call_arguments())
        if name in ("log", "lg") and base is not None:
            node = divide(function("ln", *node.args), function("ln", base))
        elif name == "lg":
            node = divide(function("ln", *node.args), function("ln", TEN))
        elif name == "exp":
            node = power(E, node.args[0])
        return power(node, exponent) if exponent is not None else node

    def call_arguments(self) -> tuple[Node, ...]:
        if self.is_op("(", "{", "["):
            opening = self.take().text
            node = self.grouped({"(": ")", "{": "}", "[": "]"}[opening])
            return node.args if node.kind == "list" else (node,)
        if self.is_op("-"):
            self.at += 1
            return (neg(self.call_arguments()[0]),)
        node = self.suffixed_argument()
        while self.next.kind in _OPERANDS or self.is_cmd("pi", "theta", "alpha", "beta", "frac", "sqrt", "omega"):
            if self.integrals and self.differential():
                break
            node = mul(node, self.suffixed_argument())
        return (node,)

    def suffixed_argument(self) -> Node:
        return self.suffixed(self.primary())

    def fraction(self) -> Node:
        if self.is_op("("):  # frac(a, b)
            self.at += 1
            pair = self.grouped(")")
            if pair.kind != "list" or len(pair.args) != 2:
                raise ReadError("syntax")
            return divide(*pair.args)
        if derivative := self.derivative():
            return derivative
        over = self.argument(digit=True)
        return divide(over, self.argument(digit=True))

    def square_root(self) -> Node:
        degree = TWO
        if self.is_op("["):
            self.at += 1
            degree = self.grouped("]")
        if self.is_op("("):
            self.at += 1
            return root(self.grouped(")"), degree)
        return root(self.argument(), degree)

    def binomial(self) -> Node:
        if self.is_op("("):
            self.at += 1
            pair = self.grouped(")")
            if pair.kind != "list" or len(pair.args) != 2:
                raise ReadError("syntax")
            return function("binomial", *pair.args)
        over = self.argument(digit=True)
        return function("binomial", over, self.argument(digit=True))


def _plain_call(name: str) -> Callable[[Values], Node]:
    return lambda parser: function(name, *parser.call_arguments())


COMMANDS: dict[str, Callable[[Values], Node]] = {
    "frac": Values.fraction,
    "sqrt": Values.square_root,
    "cbrt": lambda parser: root(parser.argument(), num(3)),
    "qdrt": lambda parser: root(parser.argument(), num(4)),
    "binom": Values.binomial,
    "dbinom": Values.binomial,
    "tbinom": Values.binomial,
    "abs": _plain_call("abs"),
    "floor": _plain_call("floor"),
    "ceil": _plain_call("ceil"),
}
