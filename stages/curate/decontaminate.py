"""Decontamination: no training row may hold a held-out problem, not even as a state on the way to its own answer.

The paper drops any text with a 10-gram that a benchmark has too (its section on decontamination). Words
here are `curate.words.tokens`, so that spacing and typesetting don't hide a match, and a text shorter
than n is one gram as a whole, so that short problems can be flagged at all.

What is not covered: paraphrases and translations.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from stages.curate.outcome import Curated, divide
from stages.curate.words import masked, normalise, tokens

T = TypeVar("T")
MIN_TEMPLATE = 8  # tokens: below that, too many different problems share a template


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What may not appear in training: each key leads to the `r1_id` of the first held-out row that has it.

    `states` holds the held-out problems themselves, not the states of their solutions: those are
    easier problems, and the last one is a bare result, which most training rows share.
    """

    ngram: int  # 0: n-grams are not compared
    texts: dict[str, str]
    grams: dict[tuple[str, ...], str]
    states: dict[str, str]


def hold_out(frame: pl.DataFrame, *, ngram: int = 10) -> HeldOut:
    """Index held-out tasks: columns `r1_id`, `prompt`, and `states`, whose first is the problem's own."""
    texts: dict[str, str] = {}
    grams: dict[tuple[str, ...], str] = {}
    states: dict[str, str] = {}
    for row_id, prompt in frame.select("r1_id", "prompt").iter_rows():
        texts.setdefault(normalise(prompt), row_id)
        if ngram:
            for gram in _grams(tokens(prompt), ngram):
                grams.setdefault(gram, row_id)
    if "states" in frame.columns:
        for row_id, hashes in frame.select("r1_id", "states").iter_rows():
            if hashes:
                states.setdefault(hashes[0], row_id)
    return HeldOut(ngram=ngram, texts=texts, grams=grams, states=states)


def decontaminate(frame: pl.DataFrame, held_out: HeldOut, *, column: str = "prompt") -> Curated:
    """Drop rows that hold a held-out problem, in the text of `column` or among their `states`.

    Reasons, in the order they are looked for, each with the held-out row's id after a colon:
    `held_out_text`, `held_out_state`, `held_out_ngram`.
    """
    states: Iterable[list[str] | None] = (
        frame.get_column("states").to_list() if "states" in frame.columns else [None] * frame.height
    )
    return divide(
        frame,
        [
            _overlap(text, hashes or [], held_out)
            for text, hashes in zip(frame.get_column(column).to_list(), states, strict=True)
        ],
    )


def _overlap(text: str, states: list[str], held_out: HeldOut) -> str | None:
    if found := held_out.texts.get(normalise(text)):
        return f"held_out_text:{found}"
    if found := _first_hit(states, held_out.states):
        return f"held_out_state:{found}"
    if held_out.ngram and (found := _first_hit(_grams(tokens(text), held_out.ngram), held_out.grams)):
        return f"held_out_ngram:{found}"
    return None


def template_matches(frame: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    """Rows whose prompt equals a held-out prompt but for its numbers, as `r1_id`, `held_out_id`.

    A report and no filter: a word problem with other numbers may be a copy, but in a synthetic world
    all problems of a family share their template.
    """
    templates: dict[tuple[str, ...], str] = {}
    for row_id, prompt in held_out.select("r1_id", "prompt").iter_rows():
        words = masked(tokens(prompt))
        if len(words) >= MIN_TEMPLATE:
            templates.setdefault(tuple(words), row_id)
    matches = [
        (row_id, templates[key])
        for row_id, prompt in frame.select("r1_id", "prompt").iter_rows()
        if (key := tuple(masked(tokens(prompt)))) in templates
    ]
    return pl.DataFrame(matches, schema={"r1_id": pl.String, "held_out_id": pl.String}, orient="row")


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams in order; the whole text where it is shorter; nothing for a text without tokens."""
    if len(words) <= n:
        return [tuple(words)] if words else []
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def _first_hit(keys: Iterable[T], index: dict[T, str]) -> str | None:
    return next((index[key] for key in keys if key in index), None)
