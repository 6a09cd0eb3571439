r"""From tokens to a tree: a precedence parser for answers, LaTeX and plain text alike.

From loosest to tightest: lists (`,`, or, and), relations, unions, sums, products (written or implied), signs,
powers and what follows a value (`!`, `%`, degrees, units). Nesting is bounded; what isn't in the grammar is a
ReadError, never a guess.
"""

from collections.abc import Callable
from fractions import Fraction

from stages.rewards.lexer import Lexer, ReadError, Token
from stages.rewards.notation import ALIASES, CURRENCIES, FUNCTIONS, GREEK, MULTIPLIERS, NUMBER_SETS, RELATIONS, UNIT_NAMES
from stages.rewards.tree import (
    E,
    EMPTY,
    I,
    INFINITY,
    MINUS_ONE,
    PI,
    REALS,
    TEN,
    TWO,
    Node,
    add,
    divide,
    function,
    mul,
    neg,
    num,
    power,
    root,
    symbol,
)

MAX_DEPTH = 40
_END = Token("end_of_text", "", False)
_GREEK_NAMES = frozenset(GREEK.values()) | {"varepsilon", "vartheta", "varphi", "varrho", "ell", "hbar", "varsigma"}
_CONSTANTS = {
    "pi": PI, "infty": INFINITY, "infinity": INFINITY, "inf": INFINITY, "oo": INFINITY, "emptyset": EMPTY,
    "varnothing": EMPTY, "imath": I, "reals": REALS,
}  # fmt: skip
_PRODUCTS = {"*": False, "cdot": False, "times": False, "ast": False, "/": True, "div": True}
_SETS = {"cup": "union", "cap": "meet", "setminus": "minus", "backslash": "minus", "bigcup": "union"}
_SCALES = {"C": "celsius", "F": "fahrenheit"}
_CONDITIONS = frozenset({"in", "ne", "neq", "<", ">", "le", "leq", "ge", "geq"})
_DOTS = Node("text", name="...")
_POINTS_OF_NAME = {"angle": "angle", "triangle": "triangle", "measuredangle": "angle"}
_OPERANDS = ("num", "let")
_OPERATORS = frozenset({"sum", "prod", "int", "iint", "oint", "lim"})


def parse(text: str, *, list_commas: bool = False, unit_letters: bool = True) -> Node:
    r"""The tree of a cleaned answer.

    Raises:
        ReadError: the text is outside the grammar.

    >>> parse(r"\frac12x").args[0].value, parse("(1,2]").name, parse("x<2").name
    (Fraction(1, 2), '(]', '<')
    """
    tokens = Lexer(text, list_commas=list_commas, unit_letters=unit_letters).run()
    try:
        return Parser(tokens).answer()
    except (ZeroDivisionError, OverflowError) as error:
        raise ReadError("arithmetic") from error


class Parser:
    """The parser's position in the tokens. Every method leaves it behind what it read."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0  # absolute values that are open
        self.inside = 0  # brackets that are open, where [ may close an interval
        self.builder = False  # within a set, where | means "such that"

    # ---- tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def peek(self, offset: int = 1) -> Token:
        return self.tokens[self.at + offset] if self.at + offset < len(self.tokens) else _END

    def take(self) -> Token:
        token = self.next
        self.at += 1
        return token

    def is_op(self, *texts: str) -> bool:
        return self.next.kind == "op" and self.next.text in texts

    def is_cmd(self, *names: str) -> bool:
        return self.next.kind == "cmd" and self.next.text in names

    def expect(self, text: str) -> None:
        if not self.is_op(text):
            raise ReadError("unbalanced")
        self.at += 1

    # ---- lists and relations

    def answer(self) -> Node:
        if not self.tokens:
            raise ReadError("empty")
        self.split_condition()
        items, separators = self.items(lambda: self.next is _END)
        if self.next is not _END:
            raise ReadError("syntax")
        if len(items) == 1:
            return items[0]
        return Node("list", tuple(items), "or" if "or" in separators else ",")

    def split_condition(self) -> None:
        """Make `2k pi (k in Z)` a list of the value and its condition."""
        if self.tokens[-1].text != ")":
            return
        opening, depth = len(self.tokens) - 1, 0
        for opening in range(len(self.tokens) - 1, -1, -1):
            token = self.tokens[opening]
            depth += (token.kind == "op") * ((token.text == ")") - (token.text == "("))
            if depth == 0:
                break
        inside = {token.text for token in self.tokens[opening:] if token.kind in ("op", "cmd")}
        if opening > 0 and inside & _CONDITIONS and self.tokens[opening - 1].kind != "sep":
            self.tokens[opening] = Token("sep", ",", False)
            self.tokens.pop()

    def items(self, stop: Callable[[], bool]) -> tuple[list[Node], set[str]]:
        """Relations between separators, up to where `stop` holds."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ReadError("too_deep")
        items, separators = [self.relation()], set()
        while not stop() and self.next.kind == "sep":
            while self.next.kind == "sep":  # `, and`
                separators.add(self.take().text)
            if stop():
                break
            items.append(self.relation())
        self.depth -= 1
        return items, separators

    def relation(self) -> Node:
        """A chain such as 1 < x <= 2, or a single value."""
        terms, operators = [self.named() or self.union()], []
        while True:
            name = "" if self.next.kind == "op" and self.next.text not in "<>=" else RELATIONS.get(self.next.text, "")
            if self.next.kind not in ("op", "cmd") or not name or name == "|":
                break
            if name == "in" and self.next.kind != "cmd":
                break
            self.at += 1
            if self.is_op("=") and name in "<>":
                self.at += 1
                name += "="
            operators.append(name)
            terms.append(self.union())
        if self.is_cmd("pmod", "bmod", "mod"):
            return self.modulo(terms, operators)
        if not operators:
            return terms[0]
        return Node("rel", tuple(terms), ",".join(operators))

    def modulo(self, terms: list[Node], operators: list[str]) -> Node:
        self.at += 1
        modulus = self.argument() if self.is_op("{") else self.union()
        head = Node("rel", tuple(terms), ",".join(operators)) if operators else terms[0]
        return Node("mod", (head, modulus))

    def named(self) -> Node | None:
        """The name on the left of a definition: `f(x) =`, `Area =`. None, and nothing read, if it is none."""
        start = self.at
        if self.next.kind == "word":
            words = self.words()
            if self.is_op("=", ":") or self.is_cmd("approx"):
                if self.is_op(":"):
                    self.tokens[self.at] = Token("op", "=", False)
                return symbol(words.casefold())
        elif self.next.kind in ("let", "cmd") and (self.next.kind == "let" or self.next.text in _GREEK_NAMES):
            name = self.take().text
            while self.is_op("'"):
                name += self.take().text
            if self.is_op("^") and [self.peek(n).text for n in (1, 2, 3, 4)] == ["{", "-", "1", "}"]:
                self.at += 5
                name += "^-1"
            if self.is_op("("):
                inside: list[str] = []
                self.at += 1
                while len(inside) < 12 and (self.next.kind in ("let", "num", "sep") or (name in "PE" and not self.is_op(")"))):
                    if self.next is _END:
                        break
                    inside.append(self.take().text)
                if inside and self.is_op(")") and self.peek().kind == "op" and self.peek().text == "=":
                    self.at += 1
                    return symbol(f"{name}({''.join(inside)})")
        self.at = start
        return None

    def words(self) -> str:
        words = []
        while self.next.kind == "word":
            words.append(self.take().text)
        return " ".join(words)

    def union(self) -> Node:
        left = self.ratio()
        while True:
            kind = _SETS.get(self.next.text, "") if self.next.kind == "cmd" else ""
            if not kind and self.next.kind == "let" and self.next.text == "U" and left.kind == "seq":
                kind = "union"
            if not kind and self.is_op("-") and left.kind in ("seq", "union") and self.next.kind == "op":
                kind = "minus" if self.peek().text == "\\{" else ""
            if not kind:
                return left
            self.at += 1
            right = self.ratio()
            parts = (*(left.args if left.kind == kind != "minus" else (left,)), right)
            left = Node(kind, parts)

    def ratio(self) -> Node:
        left = self.sum()
        if not self.is_op(":") or self.builder:
            return left
        parts = [left]
        while self.is_op(":"):
            self.at += 1
            if self.next.kind == "num" and len(self.next.text) == 2:
                parts.append(Node("num", name="two digits", value=self.next.value or Fraction(0)))
                self.at += 1
            else:
                parts.append(self.sum())
        return Node("ratio", tuple(parts))

    # ---- sums and products

    def sum(self) -> Node:
        terms = [self.product()]
        while True:
            if self.is_op("+", "-"):
                sign = self.take().text
                if sign == "-" and self.is_op("\\{"):  # R - {1}
                    self.at -= 1
                    break
                term = self.product()
                terms.append(term if sign == "+" else scaled(neg(term)))
            elif self.is_cmd("pm", "mp"):
                name = self.take().text
                terms.append(Node("pm", (self.product(),), name))
            else:
                break
        left = measured_sum(terms)
        if self.is_cmd("over"):
            self.at += 1
            return divide(left, self.sum())
        if self.is_cmd("choose"):
            self.at += 1
            return function("binomial", left, self.sum())
        return left

    def product(self) -> Node:
        left = self.factor()
        while True:
            token = self.next
            if token.kind in ("op", "cmd") and token.text in _PRODUCTS:
                self.at += 1
                right = self.factor()
                left = divide(left, right) if _PRODUCTS[token.text] else mul(left, right)
            elif self.starts_factor():
                if left.kind == "unit":
                    left = self.compound(left)
                    continue
                if token.kind == "num" and self.at and self.tokens[self.at - 1].kind == "num":
                    raise ReadError("syntax")
                left = mul(left, self.factor(signs=False))
            else:
                return scaled(left)
            if left.kind == "text" or (left.kind == "mul" and any(part.kind == "text" for part in left.args)):
                raise ReadError("words")

    def compound(self, left: Node) -> Node:
        """A second measure behind a first: 5 feet 3 inches."""
        right = self.factor(signs=False)
        if right.kind != "unit":
            raise ReadError("words")
        return Node("compound", (left, right))

    def starts_factor(self) -> bool:
        """Whether a value begins here, which is then multiplied with what stands before it."""
        token = self.next
        if token.kind in ("num", "let", "begin", "cur"):
            return not (token.kind == "let" and token.text == "U" and self.peek().text in ("(", "["))
        if token.kind == "op":
            return token.text in ("(", "{", "_(", "^(") or (token.text == "[" and not self.inside) or (token.text == "|" and not self.bars and not self.builder)
        if token.kind != "cmd":
            return False
        name = token.text
        return (
            name in _POINTS_OF_NAME or name in FUNCTIONS or name in ALIASES or name in _CONSTANTS or name in _GREEK_NAMES or name in _COMMANDS
        )

    def factor(self, *, signs: bool = True) -> Node:
        if signs and self.is_op("+", "-"):
            sign = self.take().text
            if self.is_op("+", "-"):
                raise ReadError("syntax")
            node = self.factor()
            return node if sign == "+" else scaled(neg(node))
        if signs and self.is_cmd("pm", "mp"):
            name = self.take().text
            return Node("pm", (self.factor(signs=False),), name)
        return self.suffixed(self.primary())

    def suffixed(self, node: Node) -> Node:
        """A value with the powers, factorials, percents, degrees and units behind it."""
        while True:
            if self.is_op("^"):
                node = self.raised(node)
            elif self.is_op("!"):
                self.at += 1
                node = function("factorial", node)
            elif self.is_op("%"):
                self.at += 1
                node = Node("percent", (node,))
            elif self.is_cmd("degree", "circ"):
                self.at += 1
                node = Node("deg", (node,))
            elif node.kind == "deg" and self.next.kind == "let" and self.next.text in _SCALES:
                node = Node("unit", node.args, _SCALES[self.take().text])
            elif self.is_op("'"):
                self.at += 1
                node = symbol(node.name + "'") if node.kind == "sym" else function("prime", node)
            elif self.next.kind == "word" and self.may_have_unit(node):
                node = self.unit(node)
            else:
                return node

    def may_have_unit(self, node: Node) -> bool:
        """Whether the word here is the node's unit: any word behind a number, a known unit behind a letter."""
        if node.kind == "sym":
            return self.next.text.split()[0].split("/")[0].casefold() in UNIT_NAMES
        return node.kind not in ("unit", "text")

    def raised(self, base: Node) -> Node:
        self.at += 1
        if self.is_cmd("circ", "degree"):
            self.at += 1
            return Node("deg", (base,))
        if self.is_op("{") and self.peek().text in ("circ", "degree") and self.peek(2).text == "}":
            self.at += 3
            return Node("deg", (base,))
        if self.is_cmd("prime"):
            self.at += 1
            return symbol(base.name + "'") if base.kind == "sym" else function("prime", base)
        if base.kind in ("matrix", "seq") and (self.next.text in ("T", "top") or self.peek().text in ("T", "top")):
            self.argument()
            return transposed(base)
        if self.is_op("-", "+"):
            sign = self.take().text
            exponent = self.primary()
            return power(base, neg(exponent) if sign == "-" else exponent)
        exponent = self.argument(digit=False)
        if self.is_op("^"):  # 2^3^4 is 2^(3^4)
            exponent = self.raised(exponent)
        return power(base, exponent)

    def unit(self, node: Node) -> Node:
        """Words behind a value, with their own powers: `cm^2`, `m/s`."""
        parts = [self.words()]
        while True:
            if self.is_op("^"):
                self.at += 1
                exponent = self.argument()
                if exponent.kind != "num":
                    raise ReadError("unit")
                parts.append(f"^{exponent.value}")
            elif self.is_op("/") and self.peek().kind in ("word", "let"):
                self.at += 1
                parts.append(f"/{self.take().text}")
            elif self.next.kind == "word":
                parts.append(" " + self.words())
            else:
                return Node("unit", (node,), "".join(parts))

    # ---- values

    def primary(self) -> Node:
        token = self.take()
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
        return {"i": I, "e": E}.get(name) or symbol(name)

    def flat(self) -> str:
        """A subscript as one text."""
        if not self.is_op("{"):
            return self.take().text
        self.at += 1
        parts = []
        while not self.is_op("}"):
            if self.next is _END or self.is_op("{"):
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
            items = [Node("such", (*items, joined))]
            self.expect("\\}")
            self.bars = bars
            return items[0]
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
            if self.next is _END:
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
        matrix = Node("matrix", tuple(Node("row", tuple(row)) for row in rows))
        return determinant(matrix) if name == "vmatrix" else matrix

    # ---- commands

    def command(self, name: str) -> Node:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in NUMBER_SETS:
            return REALS if name == "R" and not self.is_op("^", "_") else Node("text", name=f"\\{NUMBER_SETS[name]}")
        if name in FUNCTIONS or name in ALIASES:
            return self.call(ALIASES.get(name, name))
        if name in _GREEK_NAMES:
            return self.letter(name.removeprefix("var"))
        if name in _POINTS_OF_NAME:
            letters = []
            while self.next.kind == "let":
                letters.append(self.take().text)
            return symbol(f"{_POINTS_OF_NAME[name]} {''.join(letters)}")
        if name in _COMMANDS:
            return _COMMANDS[name](self)
        if name in ("ldots", "dots", "cdots", "dotsc"):
            return _DOTS
        if name in _OPERATORS:
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
            node = mul(node, self.suffixed_argument())
        return (node,)

    def suffixed_argument(self) -> Node:
        return self.suffixed(self.primary())

    def operator(self, name: str) -> Node:
        """A sum, product, integral or limit with its bounds and body. Never computed: equal by structure alone."""
        bounds: dict[str, Node] = {"_": _DOTS, "^": _DOTS}
        while self.is_op("_", "^"):
            side = self.take().text
            bounds[side] = self.argument()
        return Node("text", (bounds["_"], bounds["^"], self.product()), f"\\{name}")

    def fraction(self) -> Node:
        if self.is_op("("):  # frac(a, b)
            self.at += 1
            pair = self.grouped(")")
            if pair.kind != "list" or len(pair.args) != 2:
                raise ReadError("syntax")
            return divide(*pair.args)
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


def _plain_call(name: str) -> Callable[[Parser], Node]:
    return lambda parser: function(name, *parser.call_arguments())


_COMMANDS: dict[str, Callable[[Parser], Node]] = {
    "frac": Parser.fraction,
    "sqrt": Parser.square_root,
    "cbrt": lambda parser: root(parser.argument(), num(3)),
    "qdrt": lambda parser: root(parser.argument(), num(4)),
    "binom": Parser.binomial,
    "dbinom": Parser.binomial,
    "tbinom": Parser.binomial,
    "abs": _plain_call("abs"),
    "floor": _plain_call("floor"),
    "ceil": _plain_call("ceil"),
}


def measured_sum(terms: list[Node]) -> Node:
    """A sum; a unit behind its last term is the whole sum's."""
    last = terms[-1]
    if len(terms) > 1 and last.kind == "unit" and not any(term.kind == "unit" for term in terms[:-1]):
        return Node("unit", (add(*terms[:-1], last.args[0]),), last.name)
    return terms[0] if len(terms) == 1 else add(*terms)


def scaled(node: Node) -> Node:
    """A product of one matrix and scalars, as the matrix of the products; a unit in it is the whole product's."""
    if node.kind == "mul":
        units = [factor for factor in node.args if factor.kind == "unit"]
        if len(units) == 1:
            return Node("unit", (mul(*(part.args[0] if part is units[0] else part for part in node.args)),), units[0].name)
        matrices = [factor for factor in node.args if factor.kind == "matrix"]
        if len(matrices) == 1:
            others = [factor for factor in node.args if factor.kind != "matrix"]
            return Node("matrix", tuple(
                Node("row", tuple(mul(*others, cell) for cell in row.args)) for row in matrices[0].args
            ))  # fmt: skip
    return node


def transposed(node: Node) -> Node:
    if node.kind == "seq":
        return Node("matrix", tuple(Node("row", (item,)) for item in node.args))
    columns = zip(*(row.args for row in node.args), strict=True)
    return Node("matrix", tuple(Node("row", tuple(column)) for column in columns))


def determinant(matrix: Node) -> Node:
    """The determinant as a sum of products, by the first row."""
    rows = [row.args for row in matrix.args]
    if len(rows) != len(rows[0]) or len(rows) > 4:
        raise ReadError("matrix")
    return _determinant(rows)


def _determinant(rows: list[tuple[Node, ...]]) -> Node:
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, cell in enumerate(rows[0]):
        minor = _determinant([row[:column] + row[column + 1 :] for row in rows[1:]])
        terms.append(mul(cell, minor) if column % 2 == 0 else neg(mul(cell, minor)))
    return add(*terms)

