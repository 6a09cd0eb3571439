"""The operators that bind a variable: sums, products, integrals, limits and derivatives, as LaTeX writes them."""

from abc import abstractmethod
from fractions import Fraction

from stages.rewards.cursor import Cursor
from stages.rewards.lexer import ReadError
from stages.rewards.notation import GREEK
from stages.rewards.tree import IMAGINARY, MINUS_ONE, Node, bound, num, power, symbol

GREEK_NAMES = frozenset(GREEK.values()) | {"varepsilon", "vartheta", "varphi", "varrho", "ell", "hbar", "varsigma"}
OPERATORS = frozenset({"sum", "prod", "int", "iint", "oint", "lim"})
DOTS = Node("text", name="...")
MAX_INTEGRALS = 8  # in an answer


class Operators(Cursor):
    """Reads an operator with its bounds, its variable and its body."""

    @abstractmethod
    def primary(self) -> Node: ...

    @abstractmethod
    def letter(self, name: str) -> Node: ...

    @abstractmethod
    def argument(self, *, digit: bool = False) -> Node: ...

    def operator(self, name: str) -> Node:
        """A sum, product, integral or limit. One whose variable or bounds aren't the usual ones is read as it stands,
        and then equals its own structure alone."""
        side = self.one_sided() if name == "lim" else ""
        bounds: dict[str, Node] = {"_": DOTS, "^": DOTS}
        while self.is_op("_", "^"):
            sign = self.take().text
            bounds[sign] = self.argument()
        low, high = bounds["_"], bounds["^"]
        if name == "int" and DOTS not in (low, high) and (node := self.integral(low, high)):
            return node
        body = self.product()
        if low.kind == "rel" and (low.args[0].kind == "sym" or low.args[0] == IMAGINARY):
            if name in ("sum", "prod") and low.name == "=" and high != DOTS:
                return bound(name, low.args[0], (low.args[1], high), body)
            if name == "lim" and low.name == "to" and high == DOTS:
                return bound(f"lim{side}", low.args[0], (low.args[1],), body)
        return Node("text", (low, high, body), f"\\{name}{side}")

    def one_sided(self) -> str:
        """The sign behind a limit's point, as in 0^+ and 0^{+}, which is taken out of the tokens."""
        if not self.is_op("_") or self.peek().text != "{":
            return ""
        end = next((at for at in range(self.at, len(self.tokens)) if self.tokens[at].text == "}"), self.at)
        for form, last in ((("^", "{", "+", "}"), 1), (("^", "+"), 0), (("+",), 0)):
            start = end + last - len(form)
            texts = [token.text for token in self.tokens[max(0, start) : end + last]]
            if [text.replace("-", "+") for text in texts] == list(form):
                del self.tokens[start : end + last]
                return "-" if "-" in texts else "+"
        return ""

    def integral(self, low: Node, high: Node) -> Node | None:
        """The body of an integral up to its differential. None, and nothing read, where it has none."""
        start, depth, self.integrals = self.at, self.depth, self.integrals + 1
        self.tries += 1
        if self.tries > MAX_INTEGRALS:  # each may be read twice, and so may those within it
            return None
        try:
            if self.is_cmd("frac") and self.peek().text == "{" and self.differential(2) and self.peek(4).text == "}":
                self.at += 3
                variable = self.letter(self.take().text)
                self.at += 1
                body = power(self.argument(digit=True), MINUS_ONE)
            else:
                body = self.sum()
                if not self.differential():
                    raise ReadError("integral")
                self.at += 1
                variable = self.primary()
            if variable.kind != "sym":
                raise ReadError("integral")
            return bound("int", variable, (low, high), body)
        except ReadError:
            self.at, self.depth = start, depth
            return None
        finally:
            self.integrals -= 1

    def differential(self, offset: int = 0) -> bool:
        """Whether `dx` or its like stands here."""
        second = self.peek(offset + 1)
        return self.peek(offset) == ("let", "d", self.peek(offset).spaced, None) and (
            second.kind == "let" or (second.kind == "cmd" and second.text in GREEK_NAMES)
        )

    def derivative(self) -> Node | None:
        r"""An operator `\frac{d^n}{dx^n}`, also with `\partial`, and what it is applied to. None, and nothing read, if
        no such thing is here."""
        start = self.at
        over = self.differentials(variable=False)
        under = self.differentials(variable=True) if over else None
        if over and under and over[1] == under[1] and self.starts_factor():
            return bound("diff", under[0], (num(over[1]),), self.product())
        self.at = start
        return None

    def differentials(self, *, variable: bool) -> tuple[Node, int] | None:
        """`{d^n}` or, with a variable, `{dx^n}`: the variable and n."""
        if not self.is_op("{") or self.peek().text not in ("d", "partial"):
            return None
        self.at += 2
        if variable and self.next.kind != "let":
            return None
        letter = symbol(self.take().text if variable else "d")
        order = Fraction(1)
        if self.is_op("^"):
            self.at += 1
            order = self.argument().value
        if not self.is_op("}") or order.denominator != 1 or order < 1:
            return None
        self.at += 1
        return letter, order.numerator
