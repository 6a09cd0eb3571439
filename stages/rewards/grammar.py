r"""From tokens to a tree: a precedence parser for answers, LaTeX and plain text alike.

From loosest to tightest: lists (`,`, or, and), relations, unions, sums, products (written or implied), signs,
powers and what follows a value (`!`, `%`, degrees, units). Nesting is bounded; what isn't in the grammar is a
ReadError, never a guess.
"""

from collections.abc import Callable
from fractions import Fraction

from stages.rewards.cursor import END
from stages.rewards.lexer import Lexer, ReadError, Token
from stages.rewards.notation import ALIASES, FUNCTIONS, RELATIONS, UNIT_NAMES
from stages.rewards.operators import GREEK_NAMES, OPERATORS
from stages.rewards.tree import Node, add, divide, function, mul, neg, power, symbol, transposed
from stages.rewards.values import COMMANDS, CONSTANTS, MAX_DEPTH, POINTS, Values

MAX_SUFFIXES = 12  # behind one value
_PRODUCTS = {"*": False, "cdot": False, "times": False, "ast": False, "/": True, "div": True}
_SETS = {"cup": "union", "cap": "meet", "setminus": "minus", "backslash": "minus", "bigcup": "union"}
_SCALES = {"C": "celsius", "F": "fahrenheit"}
_CONDITIONS = frozenset({"in", "ne", "neq", "<", ">", "le", "leq", "ge", "geq"})
_VALUES = FUNCTIONS | ALIASES.keys() | CONSTANTS.keys() | GREEK_NAMES | POINTS.keys() | COMMANDS.keys() | OPERATORS


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


class Parser(Values):
    """Lists, relations, unions, sums and products of values."""

    def answer(self) -> Node:
        if not self.tokens:
            raise ReadError("empty")
        self.split_condition()
        items, separators = self.items(lambda: self.next is END)
        if self.next is not END:
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
        elif self.next.kind in ("let", "cmd") and (self.next.kind == "let" or self.next.text in GREEK_NAMES):
            name = self.take().text
            while self.is_op("'"):
                name += self.take().text
            if self.is_op("^") and [self.peek(n).text for n in (1, 2, 3, 4)] == ["{", "-", "1", "}"]:
                self.at += 5
                name += "^-1"
            if self.is_op("("):
                inside: list[str] = []
                self.at += 1
                while len(inside) < 12 and (
                    self.next.kind in ("let", "num", "sep") or (name in "PE" and not self.is_op(")"))
                ):
                    if self.next is END:
                        break
                    inside.append(self.take().text)
                if inside and self.is_op(")") and self.peek().kind == "op" and self.peek().text == "=":
                    self.at += 1
                    return symbol(f"{name}({''.join(inside)})")
        self.at = start
        return None

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
        if self.integrals and self.differential():
            return False
        if token.kind in ("num", "let", "begin", "cur"):
            return not (token.kind == "let" and token.text == "U" and self.peek().text in ("(", "["))
        if token.kind == "op":
            return (
                token.text in ("(", "{", "_(", "^(")
                or (token.text == "[" and not self.inside)
                or (token.text == "|" and not self.bars and not self.builder)
            )
        if token.kind != "cmd":
            return False
        return token.text in _VALUES

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
        for _ in range(MAX_SUFFIXES):
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
        raise ReadError("too_deep")

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
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ReadError("too_deep")
            exponent = self.raised(exponent)
            self.depth -= 1
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
            return Node(
                "unit", (mul(*(part.args[0] if part is units[0] else part for part in node.args)),), units[0].name
            )
        matrices = [factor for factor in node.args if factor.kind == "matrix"]
        if len(matrices) == 1:
            others = [factor for factor in node.args if factor.kind != "matrix"]
            return Node("matrix", tuple(
                Node("row", tuple(mul(*others, cell) for cell in row.args)) for row in matrices[0].args
            ))  # fmt: skip
    return node
