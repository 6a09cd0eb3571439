r"""From an answer's text to tokens: numbers with their separators, commands, letters, words and signs.

Everything is one pass of anchored matches over the text, so its cost is linear. Nothing is looked up by a name
that the text gives: what isn't in the tables of `notation` stays a letter, a word or an error.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from stages.rewards.notation import (
    DECORATIONS,
    FONTS,
    IGNORED,
    PLAIN_NAMES,
    SHORT_UNITS,
    SKIPPED_ARGUMENT,
    SPACED_UNITS,
)

MAX_DIGITS = 4096
MAX_TOKENS = 3000
MAX_LEVEL = 8  # fonts within fonts
MAX_EXPONENT = 5000  # of the e in 1e5


class ReadError(Exception):
    """The text is no answer of the grammar. The message is one word."""


class Token(NamedTuple):
    """`kind` is num, let, cmd, word, op, sep, begin or end; `spaced`: white space stood before it."""

    kind: str
    text: str
    spaced: bool
    value: Fraction | None = None


_SPACE = re.compile(r"(?:\s|~|\\[,;:!> ])+")
_GROUPED = r"[1-9][0-9]{0,2}"
_SEPARATOR = r"(?:\{,\}|,?\\[!,;: ]|,\\!|\\!|~)"
_NUMBER = re.compile(
    rf"(?P<tex>{_GROUPED}(?:{_SEPARATOR}[0-9]{{3}}(?![0-9]))+)"
    rf"|(?P<comma>{_GROUPED}(?:,[0-9]{{3}}(?![0-9]))+(?!,[0-9]))"
    rf"|(?P<space>{_GROUPED}(?: [0-9]{{3}}(?![0-9]))+(?! ?[/\\0-9]))"
    r"|(?P<plain>[0-9]+(?![0-9])|(?=\.[0-9]))"
)
_DECIMALS = re.compile(r"\.(?P<digits>[0-9]*)")
_REPEATING = re.compile(
    r"\\(?:overline|bar|dot) ?(?:\{(?P<many>[0-9]{1,50})\}|(?P<one>[0-9]))|\((?P<paren>[0-9]{1,50})\)"
)
_DOTS = re.compile(r" ?(?:\\[lc]?dots[cb]?|\.\.\.)")
_SCIENTIFIC = re.compile(r"[eE](?P<exponent>[+-]?[0-9]{1,6})(?![0-9.])")
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_LETTERS = re.compile(r"[^\W\d_]+")
_ENVIRONMENT = re.compile(r" ?\{ ?([a-zA-Z]+)\*? ?\}")
_COLUMNS = re.compile(r" ?(?:\[[a-z]\])? ?\{[lcr|@{} .\-]*\}")
_SIGNS = re.compile(r"\*\*|<=|>=|!=|==|->|=>|:=|[-+*/^_=<>()\[\]{}|!%:'&]|\\[{}|]")
_INLINE = re.compile(r"[$+\-.]*\d|[\d.,/+\-\s%$]+$|\(?[^\W\d_]\)?$|.*[\\^=<>+]")
_UNIT_WORD = r"(?:[A-Za-z]{2,}|[msghlLNJWV])(?:\^?\{?[0-9]\}?)?"
_UNIT = re.compile(rf"{_UNIT_WORD}(?: ?/ ?{_UNIT_WORD})*")
_DELIMITERS = {
    "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "langle": "<<",
    "rangle": ">>", "lvert": "|", "rvert": "|", "vert": "|", "lVert": "|", "rVert": "|", "Vert": "|",
    "lfloor": "_(", "rfloor": ")_", "lceil": "^(", "rceil": ")^",
}  # fmt: skip
OPENING = frozenset(("(", "[", "\\{", "<<"))
CLOSING = frozenset((")", "]", "\\}", ">>"))
_JOINTS = {"land": "and", "wedge": "and", "lor": "or", "vee": "or"}
_CJK_JOINTS = {"或": "or", "和": "and", "且": "and", "与": "and", "或者": "or"}


class Lexer:
    """One pass over a text. `list_commas`: a comma is never a thousands separator; `unit_letters`: `5 m` is metres."""

    def __init__(self, text: str, *, list_commas: bool = False, unit_letters: bool = True, level: int = 0) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.list_commas, self.unit_letters = list_commas, unit_letters
        self.level = level  # of fonts within fonts
        self.tokens: list[Token] = []
        self.spaced = False

    def run(self) -> list[Token]:
        """All tokens of the text.

        Raises:
            ReadError: a character or command outside the grammar, or too many tokens.
        """
        text, end = self.text, len(self.text)
        while self.at < end:
            space = _SPACE.match(text, self.at)
            if space:
                self.at, self.spaced = space.end(), True
                continue
            self._one(text[self.at])
            self.spaced = False
            if len(self.tokens) > MAX_TOKENS:
                raise ReadError("too_long")
        return self.tokens

    def _put(self, kind: str, text: str, value: Fraction | None = None) -> None:
        self.tokens.append(Token(kind, text, self.spaced, value))

    def _one(self, character: str) -> None:
        text = self.text
        if character.isdigit() or (character == "." and text[self.at + 1 : self.at + 2].isdigit()):
            self._number()
        elif text.startswith("...", self.at):
            self._put("cmd", "ldots")
            self.at += 3
        elif character == "\\":
            self._backslash()
        elif character == "$":
            self._dollar()
        elif character in "€£₹¥":
            self._put("cur", character)
            self.at += 1
        elif character in ",;":
            self._put("sep", ",")
            self.at += 1
        elif found := _LETTERS.match(text, self.at):
            self._letters(found[0])
        elif found := _SIGNS.match(text, self.at):
            self._sign(found[0])
        else:
            raise ReadError("character")

    def _sign(self, sign: str) -> None:
        self.at += len(sign)
        if sign in OPENING:
            self.depth += 1
        elif sign in CLOSING:
            self.depth -= 1
        named = {
            "<=": "le",
            ">=": "ge",
            "!=": "ne",
            "==": "=",
            "->": "to",
            "=>": "to",
            ":=": "=",
            "**": "^",
            "\\|": "|",
        }
        sign = named.get(sign, sign)
        self._put("cmd" if sign.isalpha() else "op", sign)

    def _dollar(self) -> None:
        """A dollar before a number is money; any other only delimits mathematics."""
        self.at += 1
        if self.text[self.at : self.at + 1] == "$":
            self.at += 1
        elif self.text[self.at : self.at + 1].isdigit() and self.text.count("$") % 2:
            self._put("cur", "$")

    def _number(self) -> None:
        found = _NUMBER.match(self.text, self.at)
        if not found:
            raise ReadError("number")
        kind = found.lastgroup
        if kind == "comma" and (self.list_commas or (self.depth > 0 and ",0" not in found[0])):
            kind = "plain"
        if kind == "plain" and found.lastgroup == "comma":
            digits = found[0].partition(",")[0]
            self.at += len(digits)
        elif kind == "space" and self.tokens and self.tokens[-1].kind == "num":
            raise ReadError("number")
        else:
            digits = re.sub(r"[^0-9]", "", found[0])
            self.at = found.end()
        start = found.start()
        value, whole = self._fraction_part(digits)
        self._put("num", digits if whole else self.text[start : self.at], value)

    def _fraction_part(self, digits: str) -> tuple[Fraction, bool]:
        """The value of the number that begins with these digits, and whether it was a plain integer."""
        decimals, repeating = "", ""
        dot = _DECIMALS.match(self.text, self.at)
        if dot and not self.text.startswith("..", self.at):
            self.at, decimals = dot.end(), dot["digits"]
            again = _REPEATING.match(self.text, self.at)
            if again:
                self.at, repeating = again.end(), again["many"] or again["one"] or again["paren"]
            elif decimals and (dots := _DOTS.match(self.text, self.at)):
                self.at, repeating = dots.end(), _period(decimals)
                decimals = decimals[: -len(repeating)]
        if len(digits) + len(decimals) > MAX_DIGITS:
            raise ReadError("too_long")
        value = Fraction(int((digits + decimals) or "0"), 10 ** len(decimals))
        if repeating:
            value += Fraction(int(repeating), (10 ** len(repeating) - 1) * 10 ** len(decimals))
        scientific = _SCIENTIFIC.match(self.text, self.at)
        if scientific and not repeating:
            exponent = int(scientific["exponent"])
            if abs(exponent) > MAX_EXPONENT:
                raise ReadError("too_large")
            self.at = scientific.end()
            value *= Fraction(10) ** exponent
        return value, not (dot or scientific)

    def _backslash(self) -> None:
        text = self.text
        found = _COMMAND.match(text, self.at)
        if found:
            self.at = found.end()
            return self._command(found[1])
        following = text[self.at + 1 : self.at + 2]
        if following in ("{", "}", "|"):
            return self._sign(text[self.at : self.at + 2])
        self.at += 2
        if following == "\\":
            self._put("sep", "\\\\")
        elif following == "%":
            self._put("op", "%")
        elif following == "$":
            self._put("cur", "$")
        elif following in ("(", ")", "[", "]", "/", "-", "@", "", "\n"):
            return
        elif following in ("_", "&", "#"):
            self._put("op", following)
        else:
            raise ReadError("command")

    def _command(self, name: str) -> None:
        if name in IGNORED:
            if name in ("left", "right") and self.text.startswith(".", self.at):
                self.at += 1
        elif name in SKIPPED_ARGUMENT:
            self._braces()
        elif name in ("begin", "end"):
            found = _ENVIRONMENT.match(self.text, self.at)
            if not found:
                raise ReadError("environment")
            self.at = found.end()
            if name == "begin" and found[1] in ("array", "tabular") and (columns := _COLUMNS.match(self.text, self.at)):
                self.at = columns.end()
            self._put(name, found[1])
        elif name in _DELIMITERS:
            sign = _DELIMITERS[name]
            self.depth += (sign in OPENING) - (sign in CLOSING)
            self._put("op", sign)
        elif name in FONTS:
            self._font(name)
        elif name == "mathbb" or name == "Bbb":
            self._put("cmd", self._braces().strip())
        elif name in DECORATIONS:
            inner = self._braces().strip()
            if not inner.isalnum() or len(inner) > 3:
                raise ReadError("command")
            self._put("let", f"{inner}{name}")
        elif name in _JOINTS:
            self._put("sep", _JOINTS[name])
        elif name in ("pounds", "euro", "textdollar"):
            self._put("cur", {"p": "£", "e": "€", "t": "$"}[name[0]])
        else:
            self._put("cmd", {"dfrac": "frac", "tfrac": "frac", "cfrac": "frac"}.get(name, name))

    def _braces(self) -> str:
        """The balanced content of the braces here, or the one character that stands in their place."""
        text = self.text
        while text.startswith((" ", "~"), self.at):
            self.at += 1
        if not text.startswith("{", self.at):
            self.at += 1
            return text[self.at - 1 : self.at]
        depth, start = 0, self.at + 1
        while self.at < len(text):
            character = text[self.at]
            if character == "\\":
                self.at += 1
            elif character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    self.at += 1
                    return text[start : self.at - 1]
            self.at += 1
        raise ReadError("unbalanced")

    def _font(self, name: str) -> None:
        """A word in another font is a word; mathematics in another font is only mathematics."""
        content = self._braces()
        if name == "phantom":
            return
        inner = content.strip().removesuffix(".").strip("~ ")
        lowered = inner.casefold()
        if not inner:
            self.spaced = self.spaced or bool(content)
            return
        if lowered in ("or", "and", ","):
            self._put("sep", lowered)
        elif (
            self._after_value()
            and not name.startswith(("bold", "operator"))
            and inner not in PLAIN_NAMES
            and _UNIT.fullmatch(inner)
        ):
            self._put("word", inner)
        elif name.startswith(("text", "mbox", "hbox", "emph")) and not _INLINE.match(inner):
            joint = next((word for word in ("or", "and") if lowered.startswith(word + " ") and len(lowered) < 8), "")
            if joint:
                self._put("sep", joint)
                inner = inner[len(joint) :].strip()
            self._put("word", " ".join(inner.split()))
        elif name.startswith(("mathrm", "operatorname", "bold", "math")) and len(inner) > 1 and inner.isalpha():
            self._letters(inner, font=True)
        elif self.level >= MAX_LEVEL:
            raise ReadError("too_deep")
        else:
            options = {"list_commas": self.list_commas, "unit_letters": self.unit_letters}
            self.tokens += Lexer(inner, **options, level=self.level + 1).run()

    def _letters(self, run: str, *, font: bool = False) -> None:
        """A run of letters: a function's name, a joint, a unit, a word, or a product of letters."""
        if not font:
            self.at += len(run)
        lowered = run.lower()
        after_value = self._after_value()
        if run in _CJK_JOINTS or lowered in ("or", "and"):
            self._put("sep", _CJK_JOINTS.get(run, lowered))
        elif run in PLAIN_NAMES:
            self._put("cmd", run)
        elif after_value and run in SHORT_UNITS:
            self._put("word", run)
        elif after_value and self.unit_letters and (self.spaced or font) and run in SPACED_UNITS and self._ends():
            self._put("word", run)
        elif len(run) > 1 and (name := _leading_function(run)):
            self._put("cmd", name)
            self._put("let", run[-1])
        elif run[0] >= "\u2e80":
            self._put("word", run)  # Chinese, Japanese, Korean
        elif len(run) == 1:
            self._put("let", run)
        elif font or len(run) > 3 or not run.isascii() or (len(run) == 3 and _looks_like_word(run, self)):
            self._put("word", run)
        else:
            for letter in run:
                self._put("let", letter)
                self.spaced = False

    def _after_value(self) -> bool:
        return bool(self.tokens) and (self.tokens[-1].kind == "num" or self.tokens[-1].text in ("}", ")", "]", "pi"))

    def _ends(self) -> bool:
        return not self.text[self.at :].strip(" .^23{}/") or self.text[self.at :].lstrip().startswith(("/", "^"))


def _leading_function(run: str) -> str:
    """The function in a run such as `sinx`, or nothing."""
    return run[:-1] if run[:-1] in PLAIN_NAMES and len(run) > 3 and run[:-1] not in ("inf", "max", "min") else ""


def _looks_like_word(run: str, lexer: Lexer) -> bool:
    """Whether three letters are rather a word than a product: beside a space, or as words are spelled."""
    beside = lexer.spaced or lexer.text[lexer.at : lexer.at + 1] == " "
    return beside and not set(run.lower()) <= set("abcxyzpqrmnijkuvwst")


def _period(decimals: str) -> str:
    """What repeats at the end of the decimals before three dots.

    Raises:
        ReadError: nothing repeats, so that the value is not known.
    """
    for length in range(1, len(decimals) // 2 + 1):
        if decimals[-length:] == decimals[-2 * length : -length] and (length > 1 or len(decimals) >= 2):
            return decimals[-length:]
    raise ReadError("truncated")
