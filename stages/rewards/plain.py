r"""The fast path: answers that are a number or words as they stand, as normalised text and exact rational numbers.

Nothing is evaluated: text is matched against a grammar of numbers and kept as a `fractions.Fraction`, so that there is
neither rounding nor a way to run what a model wrote. What would take a parser or algebra to read is an `expression`.

Numbers: sign, thousands separators (`1,080`, `1{,}080`, `1\,080`), decimals, `a/b`, `\frac{a}{b}`, percent
(50% is 1/2), `$`, a trailing dot, units in `\text{}`, degrees.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from stages.rewards.extraction import MAX_ANSWER

MAX_DIGITS = 400  # of one number: keeps exact arithmetic cheap

_DECIMAL = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)(?:"
    rf"\\frac ?(?:\{{(?P<over>[+-]?[0-9]+)\}}|(?P<over1>[0-9])) ?(?:\{{(?P<under>[+-]?[0-9]+)\}}|(?P<under1>[0-9]))"
    rf"|(?P<ratio>[0-9]+) ?/ ?(?P<by>[0-9]+)"
    rf"|(?P<decimal>{_DECIMAL})"
    rf") ?(?P<percent>%?)"
)
_UNIT = re.compile(
    r"(?P<value>.*?) ?"
    r"(?:\\text ?\{(?P<unit>[^{}]*)\}(?:\^\{?(?P<power>[0-9])\}?)?|(?P<degrees>\^\{?\\circ\}?|°))"
)
_WHOLE_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_FONTS = re.compile(r"\\(?:textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|operatorname)(?![A-Za-z])")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_DELIMITERS = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[()\[\]!]|\\?\$")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|\\,|[\u2009\u202f])(?=[0-9]{3}(?![0-9]))")
_SPACES = re.compile(r"(?:\\[,;: ]|\s|~)+")
_CHOICE = re.compile(r"\(([A-Za-z])\)")
# What makes a text an expression, whose equality to another text only algebra could deny.
_EXPRESSION = re.compile(
    r"[\\+*/^=_(){}\[\]<>|%√π×÷·∞±≤≥²³¹⁰⁴-⁹½¼¾]|[0-9][^\W\d_]|[^\W\d_][0-9]|[0-9] ?[ ,;:.] ?[0-9]|[0-9] ?[-!]|- ?[0-9]"
)
# Words that change a value or hedge it, so that what they stand in is no unit: "5 thousand", "5 or six".
_NO_UNIT = frozenset(
    "hundred thousand million billion trillion dozen percent half quarter k or and to plus minus times over not "
    "zero one two three four five six seven eight nine ten eleven twelve".split()
)
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x2212: 0x2D, 0x2013: 0x2D}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A normalised answer. `number` is exact, percent and separators resolved; None for anything else."""

    kind: Literal["number", "text", "expression", "invalid"]
    text: str  # canonical: equal texts of one kind are equal answers
    number: Fraction | None = None
    unit: str = ""
    percent: bool = False


@lru_cache(maxsize=16384)
def read(answer: str) -> Value:
    r"""Normalise an answer.

    >>> read("$1,080.").text, read(r"\dfrac{2}{-4}").text, read("50%").text, read(r"12\text{ cm}").unit
    ('1080', '-1/2', '1/2', 'cm')
    >>> read(r"\text{Left}").text, read("x + 1").kind, read("").kind
    ('left', 'expression', 'invalid')
    """
    if len(answer) > MAX_ANSWER:
        return Value(kind="invalid", text="")
    if answer.isascii() and answer.isdigit() and len(answer) <= MAX_DIGITS:  # most answers
        return Value(kind="number", text=answer.lstrip("0") or "0", number=Fraction(int(answer)))
    text = _normalise(answer)
    if not text or not balanced(text):
        return Value(kind="invalid", text="")
    if whole := _WHOLE_TEXT.fullmatch(text):
        text = whole[1].strip()
        if not text:
            return Value(kind="invalid", text="")
    value, unit = _without_unit(text)
    found = _NUMBER.fullmatch(value)
    number = _rational(found) if found else None
    if found and number is not None:
        return Value(kind="number", text=str(number), number=number, unit=unit, percent=bool(found["percent"]))
    choice = _CHOICE.fullmatch(text)
    words = choice[1] if choice else text
    if _EXPRESSION.search(words):
        return Value(kind="expression", text=words.replace(" ", ""))
    return Value(kind="text", text=words.casefold())


def _normalise(answer: str) -> str:
    text = answer.translate(_WIDE)
    text = _FRACTIONS.sub(r"\\frac", _FONTS.sub(r"\\text", text))
    text = _DELIMITERS.sub("", text)
    text = _THOUSANDS.sub(",", text).replace("\\%", "%")
    text = _SPACES.sub(" ", text).strip()
    text = text.removesuffix(".").removesuffix("。").rstrip()
    if text.startswith("{") and text.endswith("}") and text.count("{") == 1:
        text = text[1:-1].strip()
    return text[0] + text[1:].lstrip() if text[:1] in ("+", "-") else text


def _without_unit(text: str) -> tuple[str, str]:
    """Split `12\\text{ cm}^2` into value and unit; words that multiply the value are no units."""
    if not text.endswith(("}", "°", "\\circ")) and not text[-1].isdigit():
        return text, ""
    found = _UNIT.fullmatch(text)
    if not found or not found["value"]:
        return text, ""
    if found["degrees"]:
        return found["value"], "degrees"
    unit = found["unit"].strip().casefold()
    if not _NO_UNIT.isdisjoint(unit.split()) or any(character.isdigit() for character in unit):
        return text, ""
    return found["value"], unit + (found["power"] or "")


def _rational(found: re.Match[str]) -> Fraction | None:
    """The exact value of a matched number; None for a denominator of 0 or too many digits."""
    over = found["over"] or found["over1"] or found["ratio"]
    under = found["under"] or found["under1"] or found["by"]
    decimal = (found["decimal"] or "").replace(",", "")
    if max(len(over or ""), len(under or ""), len(decimal)) > MAX_DIGITS:
        return None
    if over:
        if int(under) == 0:
            return None
        value = Fraction(int(over), int(under))
    else:
        whole, _, part = decimal.partition(".")
        value = Fraction(int(whole + part), 10 ** len(part))
    if found["percent"]:
        value /= 100
    return -value if found["sign"] == "-" else value


def balanced(text: str) -> bool:
    depth, escaped = 0, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0
