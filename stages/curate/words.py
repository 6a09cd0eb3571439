r"""Texts as comparable tokens. Typesetting is dropped, so that an added comma or space hides nothing."""

import re
import unicodedata

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_THOUSANDS = re.compile(r"(?<=[0-9])(?:,|\{,\}|\\,|,\\!)(?=[0-9]{3}(?![0-9]))")
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_TOKENS = re.compile(rf"\\[a-z]+|{_NUMBER}|[{_HAN}]|[^\W\d_{_HAN}]+|[+\-*/^=<>]")
_LAYOUT = frozenset(
    r"\left \right \big \bigl \bigr \quad \qquad \displaystyle \text \textbf \textit \mathrm \mathbf \rm \bf".split()
)
_SAME = {r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cdot": "*", r"\times": "*", r"\div": "/", r"\leq": r"\le"}
_SAME |= {r"\geq": r"\ge"}
_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/"})
NUMBER_MASK = "#"


def normalise(text: str) -> str:
    """A text for exact comparison: composed Unicode, one case, single spaces.

    Compatibility forms stay apart, for they would turn x² into x2.

    >>> normalise("  How  many\\neggs? ")
    'how many eggs?'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def tokens(text: str) -> list[str]:
    r"""Words, numbers, single Han characters, operators and LaTeX commands, in one case and one spelling.

    >>> tokens(r"Let $x \in \left[1{,}000,\, 2.5\right]$, 求 $\dfrac{a}{b}$")
    ['let', 'x', '\\in', '1000', '2.5', '求', '\\frac', 'a', 'b']
    """
    plain = text.casefold()
    if not plain.isascii():
        plain = plain.translate(_SIGNS)
    if "," in plain:
        plain = _THOUSANDS.sub("", plain)
    return [_SAME.get(token, token) for token in _TOKENS.findall(plain) if token not in _LAYOUT]


def masked(words: list[str]) -> list[str]:
    """The same tokens with every number replaced, which leaves a problem's template.

    >>> masked(["add", "12", "to", "3.5"])
    ['add', '#', 'to', '#']
    """
    return [NUMBER_MASK if word[0] in "0123456789" else word for word in words]
