"""Filters: pure functions from a row to None (keep it) or the reason to drop it.

The paper drops traces that are wrong, unreadable, in mixed languages, with long paragraphs or with code
blocks (2.3.1, 2.3.3, B.3.2, B.4.1) and prints no thresholds: they are arguments here. Rows are read by
their column names: `completion` (or `response`, or `text`), `verdict`, `language_consistency`,
`num_tokens`.
"""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from stages.contract.transcript import Template, split
from stages.curate.outcome import Curated, divide
from stages.curate.words import tokens

Row = Mapping[str, object]
Filter = Callable[[Row], str | None]


def keep(frame: pl.DataFrame, filters: Sequence[Filter]) -> Curated:
    """Apply filters in order. A row is dropped for the first reason that holds."""
    return divide(frame, [_first(row, filters) for row in frame.iter_rows(named=True)])


def _first(row: Row, filters: Sequence[Filter]) -> str | None:
    for reason in filters:
        if found := reason(row):
            return found
    return None


def text_of(row: Row) -> str:
    """The generated text of a row, whichever column the table has it in."""
    for name in ("completion", "response", "text"):
        if name in row:
            return str(row[name])
    raise KeyError(f"a row to filter needs completion, response or text (has: {', '.join(row)})")


def incorrect(row: Row) -> str | None:
    """Drop what was not verified as correct; unknown is not correct."""
    return None if row["verdict"] == "correct" else "incorrect"


def bad_format(template: Template) -> Filter:
    """Drop responses outside the template."""
    return lambda row: None if split(text_of(row), template).well_formed else "bad_format"


def repetition(*, max_share: float, ngram: int = 4) -> Filter:
    """Drop responses in which more than `max_share` of the n-grams are repeats."""
    return lambda row: "repetition" if repeated_share(text_of(row), ngram=ngram) > max_share else None


def repeated_share(text: str, *, ngram: int = 4) -> float:
    """Share of a text's n-grams (words, numbers, Han characters) that occurred before in it.

    >>> repeated_share("a b c d a b c d a b c d"), repeated_share("a b c d e"), repeated_share("a b")
    (0.5555555555555556, 0.0, 0.0)
    """
    words = tokens(text)
    total = len(words) - ngram + 1
    if total < 1:
        return 0.0
    return 1 - len(set(zip(*(words[i:] for i in range(ngram)), strict=False))) / total


def mixed_language(*, min_consistency: float) -> Filter:
    """Drop thoughts of lower language consistency, as the row's own column has it."""

    def reason(row: Row) -> str | None:
        consistency = row["language_consistency"]
        if not isinstance(consistency, int | float):
            raise TypeError(f"language_consistency must be a number, got {consistency!r}")
        return "mixed_language" if consistency < min_consistency else None

    return reason


def too_long(*, max_tokens: int) -> Filter:
    """Drop rows of more than `max_tokens` tokens."""

    def reason(row: Row) -> str | None:
        num_tokens = row["num_tokens"]
        if not isinstance(num_tokens, int):
            raise TypeError(f"num_tokens must be a number, got {num_tokens!r}")
        return "too_long" if num_tokens > max_tokens else None

    return reason


def code_block(row: Row) -> str | None:
    """Drop thoughts with a fenced code block; one in the answer is fine."""
    thought = split(text_of(row)).thought or ""
    return "code_block" if "```" in thought or "~~~" in thought else None


def long_paragraph(*, max_characters: int) -> Filter:
    """Drop thoughts with a paragraph (up to a blank line) of more than `max_characters`."""

    def reason(row: Row) -> str | None:
        thought = (split(text_of(row)).thought or "").replace("\r\n", "\n")
        longest = max(len(paragraph.strip()) for paragraph in thought.split("\n\n"))
        return "long_paragraph" if longest > max_characters else None

    return reason
