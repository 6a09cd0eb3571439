"""A place in the tokens of an answer, and what every part of the parser does with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from stages.rewards.lexer import ReadError, Token
from stages.rewards.tree import Node

END = Token("end_of_text", "", False)


class Cursor(ABC):
    """The parser's position in the tokens. Every method leaves it behind what it read."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0  # absolute values that are open
        self.inside = 0  # brackets that are open, where [ may close an interval
        self.builder = False  # within a set, where | means "such that"
        self.integrals = 0  # that are open, where a differential ends a product
        self.tries = 0  # of reading an integral

    @property
    def next(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def peek(self, offset: int = 1) -> Token:
        return self.tokens[self.at + offset] if self.at + offset < len(self.tokens) else END

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

    def words(self) -> str:
        words = []
        while self.next.kind == "word":
            words.append(self.take().text)
        return " ".join(words)

    @abstractmethod
    def items(self, stop: Callable[[], bool]) -> tuple[list[Node], set[str]]: ...

    @abstractmethod
    def relation(self) -> Node: ...

    @abstractmethod
    def union(self) -> Node: ...

    @abstractmethod
    def sum(self) -> Node: ...

    @abstractmethod
    def product(self) -> Node: ...

    @abstractmethod
    def starts_factor(self) -> bool: ...

    @abstractmethod
    def factor(self, *, signs: bool = True) -> Node: ...

    @abstractmethod
    def suffixed(self, node: Node) -> Node: ...
