"""Ways to hide a problem that cost nothing: each rewrites a text so that it still asks the same, or the same with other
numbers. Used by the tests on stand-ins, and by bench/decontamination.py on real problems."""

import random
import re

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)


def verbatim(rng: random.Random, text: str) -> str:
    return text


def respaced(rng: random.Random, text: str) -> str:
    """Spaces of other kinds and numbers, in the middle of formulas too, and invisible characters within words."""
    blanks = ("  ", "\n", "\t", "\u00a0", " \u2009", "\n\n")
    text = re.sub(r" ", lambda m: rng.choice(blanks) if rng.random() < 0.5 else " ", text)
    text = re.sub(r"([,.$=+\-()\[\]{}^])", lambda m: f" {m[0]} " if rng.random() < 0.5 else m[0], _protected(text))
    return re.sub(r"(?<=[a-z])(?=[a-z])", lambda m: "\u200b" if rng.random() < 0.02 else "", _restored(text))


def repunctuated(rng: random.Random, text: str) -> str:
    """Commas and full stops come and go or become others; quotes and apostrophes are typed otherwise."""
    text = re.sub(r"(?<!\d)[,;](?= )|\.(?= |$)|\?", lambda m: rng.choice((";", "", "!", " -", " ...", m[0])), text)
    text = re.sub(
        r"(?<=[a-z]) (?=[a-z])", lambda m: rng.choice((", ", " (", ") ")) if rng.random() < 0.1 else " ", text
    )
    return re.sub("['’]", lambda m: rng.choice("’'ʼ`"), text.replace('"', rng.choice("“«*")))


def latex(rng: random.Random, text: str) -> str:
    """Numbers become formulas, formulas are written otherwise, words are set in another shape."""
    text = re.sub(r"\\[dtc]?frac\{([^{}]+)\}\{([^{}]+)\}", lambda m: _fraction(rng, m[1], m[2]), text)
    text = re.sub(r"\^(\w)", r"^{\1}", text).replace(r"\times", r"\cdot").replace(r"\le ", r"\leq ")
    text = re.sub(r"\$([^$]{1,80})\$", lambda m: rng.choice((rf"\({m[1]}\)", f"${m[1]}$", m[1])), text)
    text = re.sub(r"(?<![\\\w{}$^.,/])\d+(?:,\d{3})*(?:\.\d+)?(?![\w\\}^$/])", lambda m: _set(rng, m[0]), text)
    text = re.sub(r"\b[A-Za-z]{5,}\b(?![^$]*\})", lambda m: _shaped(rng, m[0]), text)
    return re.sub(r"(?<!\\)%", r"\\%", text).replace("(", r"\left(").replace(")", r"\right)")


def renumbered(rng: random.Random, text: str) -> str:
    """Every number is another, in digits or in words."""
    text = _NUMBER.sub(lambda m: _other(rng, m[0]), text)
    return _WORD.sub(lambda m: rng.choice([word for word in _WORDS if word != m[0].lower()]), text)


def wrapped(rng: random.Random, text: str) -> str:
    """All of it at once, within a longer text."""
    for change in (renumbered, latex, repunctuated, respaced):
        text = change(rng, text)
    return f"Here is one from my notes, solve it step by step. {text} Put the final answer within a box, please."


KINDS = {
    "verbatim": verbatim,
    "re-spaced": respaced,
    "re-punctuated": repunctuated,
    "LaTeX-rewritten": latex,
    "re-numbered": renumbered,
    "all, wrapped": wrapped,
}


def _protected(text: str) -> str:
    """Separators within numbers stay: 1,000 with blanks in it is two numbers."""
    return re.sub(r"(?<=\d)([,.])(?=\d)", lambda m: "\ue000" if m[1] == "," else "\ue001", text)


def _restored(text: str) -> str:
    return text.replace("\ue000", ",").replace("\ue001", ".")


def _fraction(rng: random.Random, above: str, below: str) -> str:
    return rng.choice((rf"\dfrac{{{above}}}{{{below}}}", rf"\tfrac {{{above}}} {{{below}}}", f"({above})/({below})"))


def _set(rng: random.Random, number: str) -> str:
    number = number.replace(",", rng.choice(("{,}", r"\,", ",")))
    return rng.choice((f"${number}$", rf"\({number}\)", rf"$\mathbf{{{number}}}$", number))


def _shaped(rng: random.Random, word: str) -> str:
    return rng.choice((rf"\text{{{word}}}", rf"\textbf{{{word}}}", word)) if rng.random() < 0.1 else word


def _other(rng: random.Random, number: str) -> str:
    plain = number.replace(",", "")
    if "." in plain:
        return f"{float(plain) + rng.randint(1, 9):.{len(plain.partition('.')[2])}f}"
    other = int(plain) + rng.randint(1, max(9, int(plain)))
    return f"{other:,}" if "," in number else str(other)
