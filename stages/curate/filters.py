"""Filters: small pure rules, each of which says which rows of a frame to drop, and why.

The paper drops traces that are wrong, unreadable, in mixed languages, with long paragraphs or with code
blocks (2.3.1, 2.3.3, B.3.2, B.4.1) and prints no thresholds: they are arguments here. Rows are read by
their column names: `completion` (or `response`, or `text`), `verdict`, `language_consistency`,
`num_tokens`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.contract.transcript import END_THINK, THINK, Template, split
from stages.curate.outcome import Curated
from stages.curate.words import Words, fold, grams, words

TEXTS = ("completion", "response", "text")


class Rows:
    """A frame's rows, with what filters read of their texts: computed once, when it is first asked for."""

    def __init__(self, frame: pl.DataFrame, cut: Words | None = None) -> None:
        self.frame = frame
        if cut is not None:
            self.words = cut

    @cached_property
    def text(self) -> pl.Series:
        """The generated text of each row, whichever column the table has it in."""
        for name in TEXTS:
            if name in self.frame.columns:
                return self.frame.get_column(name)
        raise KeyError(f"a row to filter needs {' or '.join(TEXTS)} (has: {', '.join(self.frame.columns)})")

    @cached_property
    def reasoning(self) -> pl.Series:
        """Whether rules graded the row; in a table without kinds, all rows."""
        if "kind" in self.frame.columns:
            return self.frame["kind"] == "reasoning"
        return pl.repeat(True, self.frame.height, dtype=pl.Boolean, eager=True)

    @cached_property
    def thought(self) -> pl.Series:
        """What stands behind the first `<think>`, up to `</think>`; nothing where there is none."""
        after = self.text.str.splitn(THINK, 2).struct.field("field_1").fill_null("")
        return after.str.splitn(END_THINK, 2).struct.field("field_0").fill_null("")

    @cached_property
    def words(self) -> Words:
        """The words of the generated texts."""
        return words(fold(self.text))

    def without(self, drop: NDArray[np.bool_]) -> "Rows":
        return Rows(self.frame.filter(~drop), self.words.texts(~drop) if "words" in self.__dict__ else None)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Drops rows for a reason. `drops` gives a Boolean for each row; null is an error and no pass."""

    reason: str
    drops: Callable[[Rows], pl.Series]


def keep(frame: pl.DataFrame, filters: Sequence[Filter]) -> Curated:
    """Apply filters in order. A row is dropped for the first reason that holds."""
    return sift(Rows(frame), filters)[0]


def sift(rows: Rows, filters: Sequence[Filter]) -> tuple[Curated, Rows]:
    """The same, with the rows that were kept and what is known of their texts."""
    number, left = np.arange(rows.frame.height), rows
    reasons = np.full(rows.frame.height, None, dtype=object)
    for rule in filters:
        found = rule.drops(left)
        if found.null_count():
            raise TypeError(f"{rule.reason}: a row lacks what the filter reads")
        drop = found.to_numpy().astype(np.bool_)
        if drop.any():
            reasons[number[drop]] = rule.reason
            number, left = number[~drop], left.without(drop)
    why = pl.Series("r1_drop", reasons.tolist(), dtype=pl.String)
    return Curated(kept=left.frame, rejected=rows.frame.with_columns(why).filter(why.is_not_null())), left


def incorrect() -> Filter:
    """Drop reasoning that was not verified as correct; unknown is not correct. What rules can't grade stays."""

    return Filter(reason="incorrect", drops=lambda rows: rows.reasoning & rows.frame["verdict"].ne_missing("correct"))


def truncated() -> Filter:
    """Drop responses whose thought was opened and never closed."""
    return Filter(
        reason="truncated",
        drops=lambda rows: (
            rows.text.str.contains(THINK, literal=True) & ~rows.text.str.contains(END_THINK, literal=True)
        ),
    )


def bad_format(template: Template) -> Filter:
    """Drop reasoning outside the template; a general answer may do without a thought."""

    def drops(rows: Rows) -> pl.Series:
        formed = [split(text, template).well_formed for text in rows.text.to_list()]
        return rows.reasoning & ~pl.Series(formed, dtype=pl.Boolean)

    return Filter(reason="bad_format", drops=drops)


def repetition(*, max_share: float, ngram: int = 4) -> Filter:
    """Drop responses in which more than `max_share` of the n-grams of words are repeats."""

    def drops(rows: Rows) -> pl.Series:
        shares = [grams(block, ngram).repeated_share() for block in rows.words.blocks()]
        return pl.Series(np.concatenate(shares) > max_share)

    return Filter(reason="repetition", drops=drops)


def mixed_language(*, min_consistency: float) -> Filter:
    """Drop thoughts of lower language consistency, as the row's own column has it."""
    return Filter(reason="mixed_language", drops=lambda rows: rows.frame["language_consistency"] < min_consistency)


def too_long(*, max_tokens: int) -> Filter:
    """Drop rows of more than `max_tokens` tokens."""
    return Filter(reason="too_long", drops=lambda rows: rows.frame["num_tokens"] > max_tokens)


def too_short(*, min_words: int) -> Filter:
    """Drop responses of fewer words."""
    return Filter(reason="too_short", drops=lambda rows: pl.Series(np.diff(rows.words.begin_T1) < min_words))


def code_block() -> Filter:
    """Drop thoughts with a fenced code block; one in the answer is fine."""
    return Filter(reason="code_block", drops=lambda rows: rows.thought.str.contains_any(["```", "~~~"]))


def long_paragraph(*, max_characters: int) -> Filter:
    """Drop thoughts with a paragraph (up to a blank line) of more than `max_characters`."""

    def drops(rows: Rows) -> pl.Series:
        paragraphs = rows.thought.str.replace_all("\r\n", "\n", literal=True).str.split("\n\n")
        return paragraphs.list.eval(pl.element().str.strip_chars().str.len_chars()).list.max() > max_characters

    return Filter(reason="long_paragraph", drops=drops)


def held_out_state() -> Filter:
    """Drop rows that were found to work on a held-out problem (column `held_out`)."""
    return Filter(reason="held_out_state", drops=lambda rows: rows.frame["held_out"])


def license_not_wanted(licenses: Sequence[str]) -> Filter:
    """Drop rows that came under a licence that is not among those given, or under none that is known."""
    return Filter(reason="license_not_wanted", drops=lambda rows: ~rows.frame["license"].fill_null("").is_in(licenses))
