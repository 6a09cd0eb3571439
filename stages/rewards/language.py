r"""Language consistency of a thought: Num(words of the target language) / Num(words), the paper's eq. 7.

The paper takes the thought alone, adds the share in [0, 1] directly to the reward, and says neither
what a word is in Chinese nor what becomes of symbols. Here:

- a maximal run of two or more Latin letters is one word (English);
- a maximal run of Han characters of length n counts ceil(n / 2) words, as Chinese words have about two;
- a maximal run of two or more letters of any other alphabet is one word of neither language;
- what stands in maths (`$...$`, `$$...$$`, `\(...\)`, `\[...\]`, `\begin{...}...\end{...}`) or in code (a fence, or
  backticks within a line) is neutral; so are digits, symbols, LaTeX commands, single letters, Greek and the
  mathematical alphabets;
- a thought without words, or no thought at all, is consistent: 1.0.

What is not covered: two languages of one script. French counts as English; so do names and code.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass

_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_SYMBOLS = "\u0370-\u03ff\u1f00-\u1fff\u2100-\u214f\U0001d400-\U0001d7ff"
_MARKS = re.compile(r"```|`|\$\$|\$|\\[()\[\]]|\\(?:begin|end)\{[A-Za-z]{1,20}\*?\}")
_WORDS = re.compile(rf"\\[A-Za-z]+|([{_LATIN}]{{2,}})|([{HAN}]+)|([^\W\d_{_LATIN}{HAN}{_SYMBOLS}]{{2,}})")


@dataclass(frozen=True, kw_only=True)
class WordCounts:
    """Words by script."""

    latin: int
    han: int
    other: int

    @property
    def total(self) -> int:
        return self.latin + self.han + self.other


def count_words(text: str) -> WordCounts:
    r"""Count the words of each script, in time linear in the text.

    >>> count_words(r"so \frac{x}{2} 所以等 да")
    WordCounts(latin=1, han=2, other=1)
    """
    latin = han = other = 0
    for latin_run, han_run, other_run in _WORDS.findall(prose(text)):
        if latin_run:
            latin += 1
        elif han_run:
            han += (len(han_run) + 1) // 2
        elif other_run:
            other += 1
    return WordCounts(latin=latin, han=han, other=other)


def prose(text: str) -> str:
    r"""A text without its maths and code, in almost linear time. An opening mark that nothing closes is text.

    A single dollar opens maths only before a character that is no blank, and closes it only behind one and not before a
    digit, so that prices are none; it and a single backtick close within their line.

    >>> prose(r"so $x + y$ is `f(x)` or \(z\), for $5 or $6")
    'so   is   or  , for $5 or $6'
    """
    marks = list(_MARKS.finditer(text))
    places: dict[str, list[int]] = {"\n": [at for at, character in enumerate(text) if character == "\n"]}
    for mark in marks:
        places.setdefault(mark[0], []).append(mark.start())
    kept: list[str] = []
    at = 0
    for mark in marks:
        closer, inside = _closer(mark[0]), mark.end()
        end = _next(places.get(closer, []), inside)
        if mark.start() < at or end is None:
            continue
        if closer in ("$", "`") and (_next(places["\n"], inside) or len(text)) < end:
            continue
        if closer == "$" and (text[inside].isspace() or text[end - 1].isspace() or text[end + 1 : end + 2].isdigit()):
            continue
        kept += [text[at : mark.start()], " "]
        at = end + len(closer)
    return "".join([*kept, text[at:]])


def _closer(opener: str) -> str:
    if opener.startswith("\\begin"):
        return opener.replace("begin", "end", 1)
    return {"\\(": "\\)", "\\[": "\\]"}.get(opener, opener)


def _next(places: list[int], start: int) -> int | None:
    index = bisect_left(places, start)
    return places[index] if index < len(places) else None


def consistency(thought: str | None, language: str) -> float:
    """Share of the thought's words that are in `language` ("en" or "zh").

    Raises:
        ValueError: another language (a programmer's error).

    >>> consistency("first 3+4 then 7", "en"), consistency("first 3+4 再 7", "zh"), consistency("3+4", "zh")
    (1.0, 0.5, 1.0)
    """
    if language not in ("en", "zh"):
        raise ValueError(f"language must be en or zh, got {language!r}")
    words = count_words(thought or "")
    if not words.total:
        return 1.0
    return (words.latin if language == "en" else words.han) / words.total


def dominant(text: str) -> str:
    """The language that most of a text's words are in: "zh" or, also when there are none, "en"."""
    words = count_words(text)
    return "zh" if words.han > words.latin else "en"
